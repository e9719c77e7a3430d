// PostgreSQL servers with the settings of configs/backup, in a folder of their own, and commands
// run as the user who owns them.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::test {

namespace fs = std::filesystem;

inline constexpr std::int64_t wait_ns_max = 60'000'000'000;

struct Finished {
  int status;
  std::string output;
};

inline Finished run_command(const std::string& command) {
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {.status = -1, .output = "cannot start a shell"};
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), size);
  return {.status = ::pclose(pipe), .output = std::move(output)};
}

inline bool has_program(const std::string& name) {
  return run_command("command -v " + name).status == 0;
}

inline std::string read_file(const fs::path& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// A folder that the servers' user may use; removed at the end.
class ServerFolder {
 public:
  ServerFolder() {
    std::string name = "/tmp/oneclick-backup-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
    EXPECT_EQ(run_command(::geteuid() == 0 ? "chown postgres:postgres " + name : "true").status, 0);
  }
  ~ServerFolder() {
    if (::testing::Test::HasFailure()) {
      std::fprintf(stderr, "kept for looking at: %s\n", path_.c_str());
      return;
    }
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ServerFolder(const ServerFolder&) = delete;
  ServerFolder& operator=(const ServerFolder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

  // Runs a shell command as that user, PostgreSQL's programs in its path.
  [[nodiscard]] Finished run(const std::string& command) const {
    const fs::path script = path_ / "command.sh";
    {
      std::ofstream out(script);
      out << "cd " << path_.string() << "\nexport PATH=/usr/lib/postgresql/15/bin:$PATH\n";
      for (const auto& [name, value] : environment)
        out << "export " << name << "='" << value << "'\n";
      out << command << "\n";
    }
    const std::string as_owner =
        ::geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
    return run_command(as_owner + "sh -e " + script.string());
  }
  std::map<std::string, std::string> environment;

 private:
  fs::path path_;
};

#define ASSERT_RUNS(folder, command)                                         \
  do {                                                                       \
    const auto finished_ = (folder).run(command);                            \
    ASSERT_EQ(finished_.status, 0) << (command) << "\n" << finished_.output; \
  } while (false)

// A server in folder/name; ended with it.
class Cluster {
 public:
  Cluster(const ServerFolder& folder, std::string name)
      : folder_(folder), name_(std::move(name)), port_(free_port()) {}
  ~Cluster() { stop("immediate"); }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  [[nodiscard]] std::string data() const { return (folder_.path() / name_ / "data").string(); }
  [[nodiscard]] std::string socket_dir() const { return (folder_.path() / name_).string(); }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& database = "postgres") const {
    return fmt::format("postgresql://oneclick@127.0.0.1:{}/{}", port_, database);
  }
  [[nodiscard]] Finished init(const std::string& settings) const {
    Finished made = folder_.run(
        fmt::format("mkdir -p {0} && initdb -D {1} -U oneclick -A trust -E UTF8 --locale=C.UTF-8"
                    " --no-sync --no-instructions >/dev/null",
                    socket_dir(), data()));
    if (made.status != 0) return made;
    return folder_.run(
        fmt::format("cat >> {}/postgresql.conf <<'TEXT'\n{}\nTEXT", data(), settings));
  }
  [[nodiscard]] Finished start() const {
    return folder_.run(
        fmt::format("pg_ctl -D {0} -l {1}/log -w -t 60 -o '-p {2} -c listen_addresses=127.0.0.1"
                    " -c unix_socket_directories={1} -c shared_buffers=64MB -c fsync=off"
                    " -c logging_collector=off' start",
                    data(), socket_dir(), port_));
  }
  void stop(const std::string& mode) const {
    static_cast<void>(folder_.run(fmt::format("pg_ctl -D {} -m {} -w stop || true", data(), mode)));
  }
  [[nodiscard]] std::string value(const std::string& sql) const {
    auto query = PgQuery::connect(url());
    if (!query) return query.error();
    const auto rows = query->rows(sql);
    if (!rows) return rows.error();
    return rows->empty() ? "" : rows->front().front().value_or("");
  }
  [[nodiscard]] bool wait_value(const std::string& sql, const std::string& wanted) const {
    const std::int64_t until = monotonic_now_ns() + wait_ns_max;
    while (value(sql) != wanted) {
      if (monotonic_now_ns() > until) return false;
      ::usleep(20'000);
    }
    return true;
  }

 private:
  const ServerFolder& folder_;
  std::string name_;
  int port_;
};

// A settings file of configs/backup, as it is shipped.
inline std::string shipped(const std::string& name) {
  return read_file(fs::path(SOURCE_DIR) / "configs" / "backup" / name);
}

}  // namespace oneclick::test
