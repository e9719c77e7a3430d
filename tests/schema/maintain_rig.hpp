// `oneclick maintain` as people and timers run it, on a database of its own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "engine/app/process.hpp"
#include "engine/base/crypto.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick::test {

struct Ran {
  int code;
  std::string output;  // stdout and stderr
};

class MaintainRig : public ::testing::Test {
 protected:
  static constexpr std::int64_t minute_ns = 60'000'000'000;

  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    std::string name = "/tmp/oneclick-maintain-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
    std::array<std::uint8_t, 32> key{};
    key.fill(3);
    std::ofstream(dir_ / "keys") << "k1 " << to_base64(key) << "\n";
    ASSERT_EQ(::chmod((dir_ / "keys").c_str(), 0600), 0);
    url_ = PgServer::fresh_database();
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  void sql(const std::string& text) {
    auto query = PgQuery::connect(url_);
    ASSERT_TRUE(query.has_value()) << query.error();
    const auto done = query->run(text);
    ASSERT_TRUE(done.has_value()) << done.error() << "\n" << text;
  }
  std::string ask(const std::string& text) {
    auto query = PgQuery::connect(url_);
    EXPECT_TRUE(query.has_value()) << query.error();
    const auto rows = query->rows(text);
    EXPECT_TRUE(rows.has_value()) << rows.error() << "\n" << text;
    return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : std::string();
  }
  ChildProcess start(std::vector<std::string> arguments, const std::string& output = "output") {
    arguments.insert(arguments.begin(), "maintain");
    return start_command(std::move(arguments), output);
  }
  ChildProcess start_command(std::vector<std::string> arguments, const std::string& output) {
    arguments.insert(arguments.begin(), ONECLICK_BINARY);
    std::filesystem::remove(dir_ / output);
    auto child = ChildProcess::start(
        {.arguments = arguments,
         .environment = {{"ONECLICK_DATABASE_URL", url_},
                         {"ONECLICK_MASTER_KEY_FILE", (dir_ / "keys").string()}},
         .output_file = (dir_ / output).string()});
    EXPECT_TRUE(child.has_value()) << child.error();
    return std::move(*child);
  }
  Ran maintain(const std::vector<std::string>& arguments = {}) {
    ChildProcess child = start(arguments);
    const int code = child.wait(minute_ns).value_or(-1);
    return {.code = code, .output = output_of("output")};
  }
  std::string output_of(const std::string& file) {
    std::ifstream in(dir_ / file);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  // Until the condition holds, half a minute at most.
  static bool comes_true(const std::function<bool()>& condition) {
    for (int i = 0; i < 3'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  std::filesystem::path dir_;
  std::string url_;
};

}  // namespace oneclick::test
