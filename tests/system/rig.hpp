// A stage for tests: in a temporary folder that is removed when the test passed.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "engine/app/demo_actors.hpp"
#include "engine/app/stage.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

constexpr std::int64_t second_ns = 1'000'000'000;

inline std::unique_ptr<Stage> make_stage(StageOptions options) {
  char folder[] = "/tmp/oneclick-system-XXXXXX";
  options.dir = mkdtemp(folder);
  options.program = ONECLICK_BINARY;
  options.market_dir = std::string(SOURCE_DIR) + "/configs/market";
  auto stage = Stage::make(std::move(options));
  EXPECT_TRUE(stage.has_value()) << stage.error();
  return stage ? std::move(*stage) : nullptr;
}

// Removes the folder unless something failed: then it is what one wants to look at.
inline void finish_stage(std::unique_ptr<Stage> stage) {
  const std::filesystem::path dir = stage->dir();
  stage.reset();
  if (testing::Test::HasFailure()) {
    std::fprintf(stderr, "kept for looking at: %s\n", dir.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
}

#define ASSERT_DONE(expression)                      \
  do {                                               \
    const auto done_ = (expression);                 \
    ASSERT_TRUE(done_.has_value()) << done_.error(); \
  } while (false)

// One number out of the database.
inline std::int64_t number(const std::string& database_url, const std::string& sql) {
  auto database = PgQuery::connect(database_url);
  if (!database) return -1;
  const auto rows = database->rows(sql);
  if (!rows || rows->empty()) return -1;
  return std::strtoll(rows->front().front().value_or("-1").c_str(), nullptr, 10);
}

}  // namespace oneclick
