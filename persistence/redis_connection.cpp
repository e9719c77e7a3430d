#include "persistence/redis_connection.hpp"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "engine/base/clock.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t connect_ns_max = 5'000'000'000;
constexpr std::int64_t call_ns_max = 5'000'000'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr int version_min = 6;

RedisReply reply_of(const redisReply& from) {
  RedisReply out;
  switch (from.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      out.kind = RedisReply::Kind::text;
      out.text.assign(from.str, static_cast<std::size_t>(from.len));
      break;
    case REDIS_REPLY_ERROR:
      out.kind = RedisReply::Kind::error;
      out.text.assign(from.str, static_cast<std::size_t>(from.len));
      break;
    case REDIS_REPLY_INTEGER:
      out.kind = RedisReply::Kind::integer;
      out.integer = from.integer;
      break;
    case REDIS_REPLY_ARRAY:
      out.kind = RedisReply::Kind::list;
      for (std::size_t i = 0; i < from.elements; ++i)
        out.items.push_back(reply_of(*from.element[i]));
      break;
    default:
      break;
  }
  return out;
}

template <typename Number>
bool read_number(std::string_view text, Number min, Number max, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= min && out <= max;
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  return host.find_first_of(" \t/?#@\"'\\<>[]") == std::string_view::npos;
}

// What a refusal to log in means for who configured it.
std::string login_problem(const std::string& refusal) {
  if (refusal.starts_with("WRONGPASS") || refusal.starts_with("ERR invalid password") ||
      refusal.starts_with("ERR AUTH") || refusal.starts_with("ERR Client sent AUTH"))
    return "Redis refuses the user or the password (" + refusal + ")";
  if (refusal.starts_with("NOAUTH")) return "Redis wants a password (" + refusal + ")";
  if (refusal.starts_with("NOPERM")) return "the user of Redis may not do this (" + refusal + ")";
  return "Redis refuses: " + refusal;
}

// A server that does not know AUTH repeats what it was sent.
std::string without(std::string text, const std::string& secret) {
  for (std::size_t at = secret.empty() ? std::string::npos : text.find(secret);
       at != std::string::npos; at = text.find(secret, at + 3))
    text.replace(at, secret.size(), "***");
  return text;
}

}  // namespace

std::expected<RedisAddress, std::string> parse_redis_url(std::string_view url) {
  constexpr std::string_view scheme = "redis://";
  if (!url.starts_with(scheme)) return std::unexpected("it does not begin with redis://");
  url.remove_prefix(scheme.size());
  RedisAddress out;
  if (const auto at = url.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = url.substr(0, at);
    const auto colon = login.find(':');
    out.user = login.substr(0, colon);
    if (colon != std::string_view::npos) out.password = login.substr(colon + 1);
    url.remove_prefix(at + 1);
  }
  if (const auto slash = url.find('/'); slash != std::string_view::npos) {
    const std::string_view number = url.substr(slash + 1);
    if (!number.empty() && !read_number(number, 0, 1'023, out.database))
      return std::unexpected("after the slash stands the number of a database, 0 to 1023");
    url = url.substr(0, slash);
  }
  std::string_view port;
  if (url.starts_with('[')) {
    const auto end = url.find(']');
    if (end == std::string_view::npos) return std::unexpected("the host lacks its closing ]");
    out.host = url.substr(1, end - 1);
    port = url.substr(end + 1);
  } else {
    const auto colon = url.find(':');
    out.host = url.substr(0, colon);
    if (colon != std::string_view::npos) port = url.substr(colon);
  }
  if (!is_host(out.host)) return std::unexpected("it names no host");
  if (!port.empty() && (port[0] != ':' || !read_number(port.substr(1), std::uint16_t{1},
                                                       std::uint16_t{65'535}, out.port)))
    return std::unexpected("after the host stands :port, 1 to 65535");
  return out;
}

std::expected<std::string, std::string> check_redis(const RedisAddress& address) {
  StopSignal stop;
  auto connection = RedisConnection::open(address, "oneclick-check", stop);
  if (!connection) return std::unexpected(connection.error());
  const auto info = (*connection)->run(RedisCommand{"INFO", "server"});
  if (!info) return std::unexpected(login_problem(info.error()));
  constexpr std::string_view word = "redis_version:";
  const auto at = info->text.find(word);
  if (at == std::string::npos) return std::unexpected("it does not say its version");
  const auto begin = at + word.size();
  const std::string version = info->text.substr(begin, info->text.find('\r', begin) - begin);
  if (std::atoi(version.c_str()) < version_min)
    return std::unexpected(
        fmt::format("it is version {}; allowed: {} or newer", version, version_min));
  return version;
}

RedisConnection::RedisConnection(redisContext* context, StopSignal& stop)
    : context_(context), stop_(stop) {}
RedisConnection::~RedisConnection() {
  redisFree(context_);
}

std::expected<std::unique_ptr<RedisConnection>, std::string> RedisConnection::open(
    const RedisAddress& address, const std::string& name, StopSignal& stop) {
  redisContext* const context = redisConnectNonBlock(address.host.c_str(), address.port);
  if (context == nullptr) return std::unexpected("no memory for a connection to Redis");
  std::unique_ptr<RedisConnection> made(new RedisConnection(context, stop));
  if (auto done = made->finish_connect(address, name); !done)
    return std::unexpected(fmt::format("{}:{}: {}", address.host, address.port, done.error()));
  return made;
}

std::expected<void, std::string> RedisConnection::finish_connect(const RedisAddress& address,
                                                                 const std::string& name) {
  if (context_->err != 0) return std::unexpected(broken());
  if (auto ready = wait_socket(POLLOUT, steady_now_ns() + connect_ns_max); !ready)
    return std::unexpected(ready.error());
  int problem = 0;
  socklen_t size = sizeof problem;
  if (::getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 && problem != 0)
    return std::unexpected(std::string(std::strerror(problem)));
  static_cast<void>(redisEnableKeepAlive(context_));
  std::vector<RedisCommand> greeting;
  if (!address.password.empty()) {
    if (address.user.empty())
      greeting.push_back({"AUTH", address.password});
    else
      greeting.push_back({"AUTH", address.user, address.password});
  }
  greeting.push_back({"CLIENT", "SETNAME", name});
  greeting.push_back({"SELECT", std::to_string(address.database)});
  const auto replies = run(greeting);
  if (!replies) return std::unexpected(replies.error());
  for (const RedisReply& reply : *replies)
    if (reply.is_error())
      return std::unexpected(login_problem(without(reply.text, address.password)));
  return {};
}

std::string RedisConnection::broken() const {
  return context_->errstr[0] != '\0' ? context_->errstr : "the connection broke";
}

std::expected<short, std::string> RedisConnection::wait_socket(short events,
                                                               std::int64_t until_ns) {
  for (;;) {
    if (stop_.given()) return std::unexpected("stopped");
    const std::int64_t left = until_ns - steady_now_ns();
    if (left <= 0) return std::unexpected("no answer in time");
    pollfd sockets[2] = {{.fd = context_->fd, .events = events, .revents = 0},
                         {.fd = stop_.fd(), .events = POLLIN, .revents = 0}};
    if (::poll(sockets, 2, static_cast<int>(left / ns_per_ms) + 1) > 0 && sockets[0].revents != 0)
      return sockets[0].revents;
  }
}

std::expected<void, std::string> RedisConnection::take_replies(std::size_t wanted,
                                                               std::vector<RedisReply>& out) {
  while (out.size() < wanted) {
    void* raw = nullptr;
    if (redisGetReplyFromReader(context_, &raw) != REDIS_OK) return std::unexpected(broken());
    if (raw == nullptr) return {};
    out.push_back(reply_of(*static_cast<const redisReply*>(raw)));
    freeReplyObject(raw);
  }
  return {};
}

std::expected<std::vector<RedisReply>, std::string> RedisConnection::run(
    const std::vector<RedisCommand>& commands) {
  for (const RedisCommand& command : commands) {
    std::vector<const char*> words;
    std::vector<std::size_t> sizes;
    for (const std::string& word : command) {
      words.push_back(word.data());
      sizes.push_back(word.size());
    }
    if (redisAppendCommandArgv(context_, static_cast<int>(words.size()), words.data(),
                               sizes.data()) != REDIS_OK)
      return std::unexpected(broken());
  }
  // Reading and writing together: a server whose answers nobody takes stops taking commands.
  std::vector<RedisReply> replies;
  const std::int64_t until = steady_now_ns() + call_ns_max;
  bool is_written = commands.empty();
  while (!is_written || replies.size() < commands.size()) {
    const auto came =
        wait_socket(static_cast<short>(is_written ? POLLIN : POLLIN | POLLOUT), until);
    if (!came) return std::unexpected(came.error());
    int done = is_written ? 1 : 0;
    if (!is_written && (*came & POLLOUT) != 0 && redisBufferWrite(context_, &done) != REDIS_OK)
      return std::unexpected(broken());
    is_written = done != 0;
    if ((*came & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    if (redisBufferRead(context_) != REDIS_OK) return std::unexpected(broken());
    if (auto taken = take_replies(commands.size(), replies); !taken)
      return std::unexpected(taken.error());
  }
  return replies;
}

std::expected<RedisReply, std::string> RedisConnection::run(const RedisCommand& command) {
  auto replies = run(std::vector<RedisCommand>{command});
  if (!replies) return std::unexpected(replies.error());
  if (replies->front().is_error()) return std::unexpected(replies->front().text);
  return std::move(replies->front());
}

std::expected<RedisCommit, std::string> redis_commit(RedisConnection& connection,
                                                     const std::string& guard,
                                                     const std::optional<std::string>& expected,
                                                     std::vector<RedisCommand> commands,
                                                     const std::string& next) {
  const auto seen = connection.run(std::vector<RedisCommand>{{"WATCH", guard}, {"GET", guard}});
  if (!seen) return std::unexpected(seen.error());
  for (const RedisReply& reply : *seen)
    if (reply.is_error()) return std::unexpected(reply.text);
  const RedisReply& now = (*seen)[1];
  if (now.is_nil() ? expected.has_value() : !expected || now.text != *expected) {
    if (auto let_go = connection.run(RedisCommand{"UNWATCH"}); !let_go)
      return std::unexpected(let_go.error());
    return RedisCommit{.done = false, .errors = 0, .first_error = {}};
  }
  commands.insert(commands.begin(), RedisCommand{"MULTI"});
  commands.push_back({"SET", guard, next});
  commands.push_back({"EXEC"});
  const auto replies = connection.run(commands);
  if (!replies) return std::unexpected(replies.error());
  const RedisReply& last = replies->back();
  if (last.is_error()) {
    // Why it was refused stands at the command that was not queued.
    for (const RedisReply& reply : *replies)
      if (reply.is_error()) return std::unexpected(reply.text);
  }
  RedisCommit commit{.done = last.kind == RedisReply::Kind::list, .errors = 0, .first_error = {}};
  for (const RedisReply& item : last.items) {
    if (!item.is_error()) continue;
    if (commit.errors++ == 0) commit.first_error = item.text;
  }
  return commit;
}

}  // namespace oneclick
