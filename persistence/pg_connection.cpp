#include "persistence/pg_connection.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t connect_ns_max = 10'000'000'000;
constexpr std::int64_t connect_each_ns_max = 5'000'000'000;  // of several hosts
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::size_t copy_chunk_bytes = 256 * 1024;

int timeout_ms(std::int64_t until_ns) {
  const std::int64_t left = until_ns - steady_now_ns();
  return left <= 0 ? 0 : static_cast<int>(left / ns_per_ms) + 1;
}

// libpq's own time limit is for blocking connects only: left to itself it would wait for the first
// of several hosts for ever. Each is asked for on its own. One empty pair: as the text says.
struct HostAndPort {
  std::string host;
  std::string port;
};
std::vector<std::string> list_of(const char* text) {
  std::vector<std::string> out;
  std::stringstream in(text == nullptr ? "" : text);
  for (std::string item; std::getline(in, item, ',');) out.push_back(item);
  return out;
}
std::vector<HostAndPort> hosts_of(const std::string& database_url) {
  PQconninfoOption* const options = PQconninfoParse(database_url.c_str(), nullptr);
  std::vector<std::string> hosts, ports;
  bool by_address = false;
  for (const PQconninfoOption* o = options; o != nullptr && o->keyword != nullptr; ++o) {
    const std::string_view name = o->keyword;
    if (name == "host") hosts = list_of(o->val);
    if (name == "port") ports = list_of(o->val);
    if (name == "hostaddr") by_address = o->val != nullptr;
  }
  PQconninfoFree(options);
  if (hosts.size() < 2 || by_address || (ports.size() > 1 && ports.size() != hosts.size()))
    return {{}};
  std::vector<HostAndPort> out;
  for (std::size_t i = 0; i < hosts.size(); ++i)
    out.push_back({hosts[i], ports.empty() ? "5432" : (ports.size() == 1 ? ports[0] : ports[i])});
  return out;
}

}  // namespace

StopSignal::StopSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(fd_ >= 0);
}
StopSignal::~StopSignal() {
  ::close(fd_);
}

void StopSignal::give() {
  given_.store(true, std::memory_order_release);
  nudge();
}

void StopSignal::nudge() {
  const std::uint64_t one = 1;
  (void)!::write(fd_, &one, sizeof one);
}

bool StopSignal::wait(std::int64_t timeout_ns) {
  if (given()) return true;
  pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
  if (::poll(&p, 1, timeout_ms(steady_now_ns() + timeout_ns)) > 0) {
    std::uint64_t count;
    (void)!::read(fd_, &count, sizeof count);
  }
  return given();
}

bool PgError::is_data() const {
  const std::string_view group = std::string_view(sqlstate).substr(0, 2);
  return group == "22" || group == "23" || group == "44" || sqlstate == "P0001";
}

void PgAnswer::Clear::operator()(pg_result* result) const {
  PQclear(result);
}
PgAnswer::PgAnswer(pg_result* result) : result_(result) {}
int PgAnswer::rows() const {
  return PQntuples(result_.get());
}
bool PgAnswer::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}
std::string_view PgAnswer::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::int64_t PgAnswer::integer(int row, int column) const {
  const std::string_view digits = text(row, column);
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
bool PgAnswer::boolean(int row, int column) const {
  return text(row, column) == "t";
}
std::int64_t PgAnswer::affected() const {
  return std::atoll(PQcmdTuples(result_.get()));
}

PgConnection::PgConnection(pg_conn* connection, std::string url, StopSignal& stop)
    : connection_(connection), url_(std::move(url)), stop_(stop) {}
PgConnection::~PgConnection() {
  PQfinish(connection_);
}

std::expected<std::unique_ptr<PgConnection>, PgError> PgConnection::open(
    const std::string& database_url, const PgSession& session, StopSignal& stop) {
  std::expected<std::unique_ptr<PgConnection>, PgError> opened = std::unexpected(PgError{});
  for (const HostAndPort& at : hosts_of(database_url)) {
    opened = open_at(database_url, at.host, at.port, session, stop);
    if (opened) break;
  }
  return opened;
}

std::expected<std::unique_ptr<PgConnection>, PgError> PgConnection::open_at(
    const std::string& database_url, const std::string& host, const std::string& port,
    const PgSession& session, StopSignal& stop) {
  const char* const words[] = {"dbname",
                               "application_name",
                               "client_encoding",
                               "keepalives_idle",
                               "keepalives_interval",
                               "keepalives_count",
                               "tcp_user_timeout",
                               host.empty() ? nullptr : "host",
                               "port",
                               nullptr};
  const char* const values[] = {database_url.c_str(),
                                session.application_name.c_str(),
                                "UTF8",
                                "10",
                                "5",
                                "3",
                                "30000",
                                host.c_str(),
                                port.c_str(),
                                nullptr};
  std::unique_ptr<PgConnection> opened(
      new PgConnection(PQconnectStartParams(words, values, 1), database_url, stop));
  if (auto done = opened->finish_connect(host.empty() ? connect_ns_max : connect_each_ns_max);
      !done)
    return std::unexpected(done.error());
  PQsetNoticeProcessor(
      opened->connection_, [](void*, const char*) {}, nullptr);
  PQsetnonblocking(opened->connection_, 1);
  const auto set = opened->run(fmt::format(
      "SET timezone = 'UTC'; SET statement_timeout = {}; SET lock_timeout = {};"
      " SET idle_in_transaction_session_timeout = 60000; SET client_min_messages = warning",
      session.statement_timeout_ms, session.lock_timeout_ms));
  if (!set) return std::unexpected(set.error());
  return opened;
}

std::expected<void, PgError> PgConnection::finish_connect(std::int64_t limit_ns) {
  const std::int64_t until = steady_now_ns() + limit_ns;
  if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD)
    return std::unexpected(lost("connecting"));
  short events = POLLOUT;
  for (;;) {
    if (!wait_socket(events, until)) return std::unexpected(lost("connecting took too long"));
    switch (PQconnectPoll(connection_)) {
      case PGRES_POLLING_OK:
        return {};
      case PGRES_POLLING_READING:
        events = POLLIN;
        break;
      case PGRES_POLLING_WRITING:
        events = POLLOUT;
        break;
      default:
        return std::unexpected(lost("connecting"));
    }
  }
}

bool PgConnection::wait_socket(short events, std::int64_t until_ns) {
  if (stop_.given()) return false;
  while (true) {
    pollfd p[2] = {{.fd = PQsocket(connection_), .events = events, .revents = 0},
                   {.fd = stop_.fd(), .events = POLLIN, .revents = 0}};
    const int n = ::poll(p, stop_.given() ? 1 : 2, timeout_ms(until_ns));
    if (p[0].revents != 0) return true;
    if (stop_.given()) return false;
    if (p[1].revents != 0) {  // a nudge: not meant for this wait, but it must not spin
      std::uint64_t count;
      (void)!::read(stop_.fd(), &count, sizeof count);
      continue;
    }
    if (n == 0 && steady_now_ns() >= until_ns) return false;
  }
}

std::expected<void, PgError> PgConnection::flush(std::int64_t until_ns) {
  for (;;) {
    const int left = PQflush(connection_);
    if (left == 0) return {};
    if (left < 0) return std::unexpected(lost("sending"));
    // The server may want its answer read before it takes more.
    if (!wait_socket(POLLIN | POLLOUT, until_ns))
      return std::unexpected(lost("sending: no answer"));
    if (PQconsumeInput(connection_) == 0) return std::unexpected(lost("sending"));
  }
}

std::expected<pg_result*, PgError> PgConnection::next_result(std::int64_t until_ns) {
  while (PQisBusy(connection_) != 0) {
    if (!wait_socket(POLLIN, until_ns)) return std::unexpected(lost("no answer in time"));
    if (PQconsumeInput(connection_) == 0) return std::unexpected(lost("receiving"));
  }
  return PQgetResult(connection_);
}

std::expected<PgAnswer, PgError> PgConnection::collect(std::int64_t until_ns) {
  std::optional<PgAnswer> answer;
  std::optional<PgError> error;
  for (;;) {
    const auto next = next_result(until_ns);
    if (!next) return std::unexpected(next.error());
    if (*next == nullptr) break;
    const ExecStatusType status = PQresultStatus(*next);
    PgAnswer one(*next);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_IN)
      answer.emplace(std::move(one));
    else if (!error)
      error = refused(*next);
    if (status == PGRES_COPY_IN) break;
  }
  if (error) return std::unexpected(std::move(*error));
  if (!answer) return std::unexpected(lost("no answer"));
  return std::move(*answer);
}

std::expected<PgAnswer, PgError> PgConnection::run(const std::string& sql) {
  const std::int64_t until = steady_now_ns() + call_ns_max_;
  if (PQsendQuery(connection_, sql.c_str()) == 0) return std::unexpected(lost("sending"));
  if (auto sent = flush(until); !sent) return std::unexpected(sent.error());
  return collect(until);
}

std::expected<PgAnswer, PgError> PgConnection::run(const std::string& sql,
                                                   PgParameters parameters) {
  const std::int64_t until = steady_now_ns() + call_ns_max_;
  std::vector<const char*> values;
  for (const auto& p : parameters) values.push_back(p ? p->c_str() : nullptr);
  if (PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                        values.data(), nullptr, nullptr, 0) == 0)
    return std::unexpected(lost("sending"));
  if (auto sent = flush(until); !sent) return std::unexpected(sent.error());
  return collect(until);
}

std::expected<void, PgError> PgConnection::copy_in(const std::string& sql, std::string_view data) {
  const std::int64_t until = steady_now_ns() + call_ns_max_;
  if (const auto begun = run(sql); !begun) return std::unexpected(begun.error());
  while (!data.empty()) {
    const std::string_view chunk = data.substr(0, copy_chunk_bytes);
    const int put = PQputCopyData(connection_, chunk.data(), static_cast<int>(chunk.size()));
    if (put < 0) return std::unexpected(lost("copying"));
    if (put > 0) data.remove_prefix(chunk.size());
    if (auto sent = flush(until); !sent) return std::unexpected(sent.error());
  }
  while (true) {
    const int put = PQputCopyEnd(connection_, nullptr);
    if (put < 0) return std::unexpected(lost("copying"));
    if (auto sent = flush(until); !sent) return std::unexpected(sent.error());
    if (put > 0) break;
  }
  const auto done = collect(until);
  if (!done) return std::unexpected(done.error());
  return {};
}

std::expected<bool, PgError> PgConnection::wait_notified(std::int64_t timeout_ns) {
  const std::int64_t until = steady_now_ns() + timeout_ns;
  bool came = false;
  do {
    if (timeout_ns > 0 && !wait_socket(POLLIN, until)) return false;
    if (PQconsumeInput(connection_) == 0) return std::unexpected(lost("listening"));
    while (PGnotify* const n = PQnotifies(connection_)) {
      PQfreemem(n);
      came = true;
    }
  } while (!came && timeout_ns > 0);
  return came;
}

PgError PgConnection::lost(std::string_view what) {
  const char* const said = connection_ == nullptr ? "out of memory" : PQerrorMessage(connection_);
  return {.message = without_password(fmt::format("{}: {}", what, said), url_),
          .sqlstate = "",
          .lost = true};
}

PgError PgConnection::refused(pg_result* result) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* const detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  std::string message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) == nullptr
                            ? PQresultErrorMessage(result)
                            : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  if (detail != nullptr) message += fmt::format(" ({})", detail);
  const std::string_view group = state == nullptr ? "" : std::string_view(state).substr(0, 2);
  return {.message = without_password(message, url_),
          .sqlstate = state == nullptr ? "" : state,
          .lost = PQstatus(connection_) != CONNECTION_OK || state == nullptr || group == "57" ||
                  group == "08"};
}

}  // namespace oneclick
