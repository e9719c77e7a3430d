#include "persistence/private_pg.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include "engine/base/clock.hpp"

namespace oneclick {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t start_ns_max = 60'000'000'000;
constexpr std::int64_t stop_ns_max = 20'000'000'000;
constexpr const char* server_user = "postgres";

// Newest version first.
std::vector<fs::path> program_folders() {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored))
    if (fs::exists(version.path() / "bin" / "initdb", ignored))
      found.push_back(version.path() / "bin");
  std::ranges::sort(found, [](const fs::path& a, const fs::path& b) {
    return std::atoi(a.parent_path().filename().c_str()) >
           std::atoi(b.parent_path().filename().c_str());
  });
  return found;
}

int free_port() {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int port = 0;
  if (::bind(s, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      ::getsockname(s, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    port = ntohs(address.sin_port);
  ::close(s);
  return port;
}

// In the child, between fork and exec: only async-signal-safe calls.
struct ChildSetup {
  uid_t uid;
  gid_t gid;
  bool drop;
  int output;
  int parent;
};

[[noreturn]] void run_child(const ChildSetup& setup, char* const* arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (setup.drop &&
      (::setgroups(0, nullptr) != 0 || ::setgid(setup.gid) != 0 || ::setuid(setup.uid) != 0))
    ::_exit(126);
  // Changing the user clears the death signal.
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
  if (::getppid() != setup.parent) ::_exit(125);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(setup.output, 1);
  ::dup2(setup.output, 2);
  ::setsid();
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

std::expected<pid_t, std::string> spawn(const std::vector<std::string>& words,
                                        const fs::path& output) {
  ChildSetup setup{
      .uid = 0, .gid = 0, .drop = ::geteuid() == 0, .output = -1, .parent = ::getpid()};
  if (setup.drop) {
    const passwd* user = ::getpwnam(server_user);
    if (user == nullptr)
      return std::unexpected(fmt::format("no user {}: install package postgresql", server_user));
    setup.uid = user->pw_uid;
    setup.gid = user->pw_gid;
  }
  setup.output = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (setup.output < 0) return std::unexpected(fmt::format("cannot write {}", output.string()));
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(setup, arguments.data());
  ::close(setup.output);
  if (pid < 0) return std::unexpected("cannot start another process");
  return pid;
}

std::string tail_of(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  std::string all = text.str();
  return all.size() > 800 ? all.substr(all.size() - 800) : all;
}

void nap(std::int64_t ns) {
  const timespec t{.tv_sec = 0, .tv_nsec = ns};
  ::nanosleep(&t, nullptr);
}

// The exit status, or nothing when the process did not end in time.
std::optional<int> wait_end(pid_t pid, std::int64_t timeout_ns) {
  const std::int64_t until = steady_now_ns() + timeout_ns;
  for (;;) {
    int status = 0;
    const pid_t done = ::waitpid(pid, &status, WNOHANG);
    if (done == pid) return status;
    if (done < 0) return -1;
    if (steady_now_ns() > until) return std::nullopt;
    nap(2'000'000);
  }
}

std::expected<void, std::string> init_data(const fs::path& bin, const fs::path& dir) {
  const fs::path output = dir / "initdb.log";
  const auto pid =
      spawn({(bin / "initdb").string(), "-D", (dir / "data").string(), "-U", "oneclick", "-A",
             "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"},
            output);
  if (!pid) return std::unexpected(pid.error());
  const auto status = wait_end(*pid, start_ns_max);
  if (!status) {
    ::kill(*pid, SIGKILL);
    (void)wait_end(*pid, stop_ns_max);
  }
  if (status != 0) return std::unexpected("initdb failed: " + tail_of(output));
  return {};
}

}  // namespace

std::string PrivatePostgres::missing() {
  if (program_folders().empty())
    return "no PostgreSQL server in /usr/lib/postgresql/*/bin: install package postgresql";
  if (::geteuid() == 0 && ::getpwnam(server_user) == nullptr)
    return "no user postgres to run the server as: install package postgresql";
  return {};
}

std::expected<std::unique_ptr<PrivatePostgres>, std::string> PrivatePostgres::start(
    const PrivatePostgresOptions& options) {
  if (std::string problem = missing(); !problem.empty()) return std::unexpected(std::move(problem));
  std::unique_ptr<PrivatePostgres> server(new PrivatePostgres());
  server->dir_ = fs::absolute(options.dir);
  server->bin_ = program_folders().front();
  server->durable_ = options.durable;
  server->settings_ = options.settings;
  std::error_code error;
  fs::create_directories(server->dir_, error);
  if (error)
    return std::unexpected(
        fmt::format("cannot make {}: {}", server->dir_.string(), error.message()));
  if (const passwd* user = ::getpwnam(server_user); ::geteuid() == 0 && user != nullptr)
    if (::chown(server->dir_.c_str(), user->pw_uid, user->pw_gid) != 0)
      return std::unexpected(fmt::format("cannot give {} to postgres", server->dir_.string()));
  if (!fs::exists(server->dir_ / "data" / "PG_VERSION"))
    if (auto made = init_data(server->bin_, server->dir_); !made)
      return std::unexpected(made.error());
  // Between choosing a free port and the server's bind another program may take it: try again.
  std::expected<void, std::string> launched;
  for (int attempt = 0; attempt < 5; ++attempt) {
    server->port_ = free_port();
    server->url_ = fmt::format("postgresql://oneclick@127.0.0.1:{}/postgres", server->port_);
    launched = server->launch();
    if (launched) return server;
  }
  return std::unexpected(launched.error());
}

PrivatePostgres::~PrivatePostgres() {
  end(SIGQUIT);
}

std::expected<void, std::string> PrivatePostgres::launch() {
  std::vector<std::string> words = {
      (bin_ / "postgres").string(), "-D", (dir_ / "data").string(),     "-p",
      std::to_string(port_),        "-c", "listen_addresses=127.0.0.1", "-c",
      "unix_socket_directories=",   "-c", "max_connections=100",        "-c",
      "shared_buffers=64MB",        "-c", "max_wal_size=2GB",           "-c",
      "logging_collector=off"};
  if (!durable_)
    for (const char* word : {"-c", "fsync=off", "-c", "full_page_writes=off"})
      words.push_back(word);
  for (const std::string& setting : settings_) {
    words.push_back("-c");
    words.push_back(setting);
  }
  const auto pid = spawn(words, dir_ / "server.log");
  if (!pid) return std::unexpected(pid.error());
  pid_ = *pid;
  if (auto ready = wait_ready(); !ready) {
    end(SIGQUIT);
    return std::unexpected(ready.error() + ": " + tail_of(dir_ / "server.log"));
  }
  return {};
}

std::expected<void, std::string> PrivatePostgres::wait_ready() const {
  const std::int64_t until = steady_now_ns() + start_ns_max;
  while (steady_now_ns() < until) {
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) return std::unexpected("PostgreSQL ended at start");
    PGconn* const connection = PQconnectdb((url_ + "?connect_timeout=2").c_str());
    const bool ready = PQstatus(connection) == CONNECTION_OK;
    PQfinish(connection);
    if (ready) return {};
    nap(20'000'000);
  }
  return std::unexpected("PostgreSQL did not become ready");
}

void PrivatePostgres::end(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  if (!wait_end(pid_, stop_ns_max)) {
    ::kill(pid_, SIGKILL);
    (void)wait_end(pid_, stop_ns_max);
  }
  pid_ = -1;
}

void PrivatePostgres::stop() {
  end(SIGINT);
}
void PrivatePostgres::kill() {
  end(SIGQUIT);
}

std::expected<void, std::string> PrivatePostgres::restart() {
  end(SIGINT);
  return launch();
}

std::expected<std::string, std::string> PrivatePostgres::create_database(const std::string& name) {
  PGconn* const connection = PQconnectdb(url_.c_str());
  PGresult* const result = PQexec(connection, fmt::format("CREATE DATABASE \"{}\"", name).c_str());
  std::string error;
  if (PQresultStatus(result) != PGRES_COMMAND_OK) error = PQerrorMessage(connection);
  PQclear(result);
  PQfinish(connection);
  if (!error.empty()) return std::unexpected(error);
  return fmt::format("postgresql://oneclick@127.0.0.1:{}/{}", port_, name);
}

}  // namespace oneclick
