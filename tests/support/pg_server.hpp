// A private PostgreSQL for tests, one per test program, with a fresh database per test.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"
#include "persistence/private_pg.hpp"

namespace oneclick::test {

// The program's server, started at first use and stopped with the program. Null: see problem().
class PgServer {
 public:
  static PrivatePostgres* get() { return self().server_.get(); }
  static const std::string& problem() { return self().problem_; }
  static PgServer& self() {
    static PgServer server;
    return server;
  }
  // A database nobody has used; with `migrated`, at the current schema.
  static std::string fresh_database(bool migrated = true) {
    static int count = 0;
    const auto url = get()->create_database(fmt::format("test_{}", ++count));
    EXPECT_TRUE(url.has_value()) << url.error();
    if (migrated) {
      const auto steps = migrate(*url, {});
      EXPECT_TRUE(steps.has_value()) << steps.error();
    }
    return *url;
  }
  ~PgServer() {
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

 private:
  PgServer() {
    std::string name = "/tmp/oneclick-pg-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
      problem_ = "cannot make a folder below /tmp";
      return;
    }
    dir_ = name;
    auto started = PrivatePostgres::start({.dir = dir_});
    if (!started) {
      problem_ = started.error();
      return;
    }
    server_ = std::move(*started);
    // Its transactions would come between those that tests count.
    auto admin = PgQuery::connect(server_->url());
    if (!admin || !admin->run("ALTER SYSTEM SET autovacuum = off") ||
        !admin->run("SELECT pg_reload_conf()"))
      problem_ = "cannot turn autovacuum off";
  }
  std::filesystem::path dir_;
  std::unique_ptr<PrivatePostgres> server_;
  std::string problem_;
};

}  // namespace oneclick::test

// First line of a test that needs PostgreSQL: passes it over, and says so, only where none is
// installed.
#define ONECLICK_NEEDS_POSTGRES()                                                     \
  if (const std::string gone = ::oneclick::PrivatePostgres::missing(); !gone.empty()) \
    GTEST_SKIP() << "NOT TESTED: " << gone;                                           \
  ASSERT_NE(::oneclick::test::PgServer::get(), nullptr) << ::oneclick::test::PgServer::problem()
