// schema/tables.svg is what the catalogue of the newest schema looks like.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "tests/schema/picture.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

const std::string picture_path = std::string(SOURCE_DIR) + "/schema/tables.svg";

TEST(Picture, OfTheTablesIsCurrent) {
  ONECLICK_NEEDS_POSTGRES();
  auto query = PgQuery::connect(PgServer::fresh_database());
  ASSERT_TRUE(query.has_value()) << query.error();
  const Picture picture = draw_tables(*query);
  EXPECT_THAT(picture.without_area, testing::IsEmpty())
      << "say in tests/schema/picture.cpp to which area they belong";
  if (std::getenv("ONECLICK_DRAW") != nullptr)
    std::ofstream(picture_path, std::ios::binary) << picture.svg;
  std::ifstream in(picture_path, std::ios::binary);
  const std::string drawn((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  EXPECT_TRUE(drawn == picture.svg)
      << "the tables have changed: draw them anew with\n"
         "  ONECLICK_DRAW=1 test_schema --gtest_filter=Picture.*\nand look at schema/tables.svg";
}

TEST(Picture, ShowsAChange) {
  ONECLICK_NEEDS_POSTGRES();
  auto query = PgQuery::connect(PgServer::fresh_database());
  ASSERT_TRUE(query.has_value()) << query.error();
  const std::string before = draw_tables(*query).svg;
  EXPECT_EQ(draw_tables(*query).svg, before);
  for (const char* change :
       {"ALTER TABLE users ADD COLUMN shoe_size integer", "ALTER TABLE users DROP COLUMN shoe_size",
        "ALTER TABLE notifications DROP CONSTRAINT notifications_user_id_fkey",
        "CREATE TABLE engine.more (x int)"}) {
    const std::string last = draw_tables(*query).svg;
    ASSERT_TRUE(query->run(change).has_value());
    EXPECT_NE(draw_tables(*query).svg, last) << change;
  }
  ASSERT_TRUE(query->run("CREATE TABLE somewhere (x int)").has_value());
  EXPECT_THAT(draw_tables(*query).without_area, testing::ElementsAre("somewhere"));
}

}  // namespace
}  // namespace oneclick
