// The program as a process of its own: arguments in, exit code and what it says out.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/app/process.hpp"
#include "tests/app/temporary_folder.hpp"

namespace oneclick::test {

inline constexpr std::int64_t minute_ns = 60'000'000'000;

struct Ran {
  int code;
  std::string output;  // stdout and stderr
};

class CommandLine : public testing::Test {
 protected:
  Ran run(std::vector<std::string> arguments, std::map<std::string, std::string> environment = {}) {
    // What the one who runs the tests has set is not meant for them.
    environment.emplace("ONECLICK_DATABASE_URL", "");
    environment.emplace("ONECLICK_MASTER_KEY_FILE", "");
    arguments.insert(arguments.begin(), ONECLICK_BINARY);
    return run_program(std::move(arguments), std::move(environment));
  }
  Ran run_program(std::vector<std::string> arguments,
                  std::map<std::string, std::string> environment) {
    const std::string output = folder_.path(fmt::format("output-{}", ++runs_));
    auto child = ChildProcess::start({.arguments = std::move(arguments),
                                      .environment = std::move(environment),
                                      .output_file = output});
    if (!child) return {-1, child.error()};
    const auto code = child->wait(minute_ns);
    std::ifstream in(output);
    return {code.value_or(-1), std::string(std::istreambuf_iterator<char>(in), {})};
  }
  TemporaryFolder folder_;
  int runs_ = 0;
};

}  // namespace oneclick::test
