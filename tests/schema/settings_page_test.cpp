// configs/SETTINGS.md says of each setting of a copy link what the database does with it.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "tests/schema/migrate_world.hpp"
#include "tests/support/pg_server.hpp"
#include "tests/support/settings_page.hpp"

namespace oneclick {
namespace {

using namespace test;

// Who copies whom, and what the database counts by itself.
const std::set<std::string> not_settings = {
    "id",         "follower_user_id", "follower_exchange_id", "portfolio_id", "leader_user_id",
    "channel_id", "version",          "created_at",           "updated_at"};

class LinkSettingsPage : public testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    auto query = PgQuery::connect(PgServer::fresh_database());
    ASSERT_TRUE(query.has_value()) << query.error();
    query_ = std::make_unique<PgQuery>(std::move(*query));
    fill_world(*query_, 6);
    // Amounts that some sizing modes must have.
    ASSERT_TRUE(query_->run("UPDATE engine.copy_links SET copy_amount = 1, copy_quantity = 1"));
    for (Setting& s : read_settings(std::string(SOURCE_DIR) + "/configs/SETTINGS.md"))
      if (s.name.find('.') == std::string::npos) settings_.push_back(std::move(s));
  }
  // Tried and taken back.
  bool takes(const Setting& s, const std::string& value) {
    EXPECT_TRUE(query_->run("BEGIN"));
    const auto done =
        query_->run(fmt::format("UPDATE engine.copy_links SET {} = '{}'", s.name, value));
    EXPECT_TRUE(query_->run("ROLLBACK"));
    return done.has_value();
  }
  std::vector<std::string> column(const std::string& sql) {
    const auto rows = query_->rows(sql);
    EXPECT_TRUE(rows.has_value()) << rows.error();
    std::vector<std::string> out;
    for (const auto& row : *rows) out.push_back(row[0].value_or("NULL"));
    return out;
  }
  std::unique_ptr<PgQuery> query_;
  std::vector<Setting> settings_;
};

TEST_F(LinkSettingsPage, HasEveryColumnAndNoOther) {
  std::set<std::string> columns, described;
  for (const std::string& name : column(
           "SELECT column_name FROM information_schema.columns WHERE table_schema = 'engine' AND "
           "table_name = 'copy_links'"))
    if (!not_settings.contains(name)) columns.insert(name);
  for (const Setting& s : settings_)
    EXPECT_TRUE(described.insert(s.name).second) << s.name << " twice";
  EXPECT_EQ(columns, described);
}

TEST_F(LinkSettingsPage, SaysWhatIsSoWhenNothingIsSaid) {
  for (const Setting& s : settings_) {
    const auto held = column(fmt::format(
        "WITH made AS (INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id, "
        "leader_user_id) SELECT follower_user_id, follower_exchange_id, "
        "(SELECT id FROM users u WHERE u.id <> l.follower_user_id LIMIT 1) "
        "FROM engine.copy_links l LIMIT 1 RETURNING *) SELECT {}::text FROM made",
        s.name));
    ASSERT_EQ(held.size(), 1u);
    EXPECT_EQ(held[0].starts_with("1.") ? "1" : held[0], s.default_value) << s.name;
  }
}

TEST_F(LinkSettingsPage, SaysWhatIsAllowed) {
  for (const Setting& s : settings_) {
    SCOPED_TRACE(s.name);
    EXPECT_TRUE(takes(s, s.example)) << s.example;
    EXPECT_FALSE(takes(s, "nonsense"));
    if (const auto b = s.bounds()) {
      EXPECT_TRUE(takes(s, b->min)) << b->min;
      EXPECT_FALSE(takes(s, moved(b->min, -1))) << "below " << b->min;
      if (!b->max.empty()) {
        EXPECT_TRUE(takes(s, b->max)) << b->max;
        EXPECT_FALSE(takes(s, moved(b->max, 1))) << "above " << b->max;
      }
    }
    for (const std::string& word : s.words()) EXPECT_TRUE(takes(s, word)) << word;
  }
}

}  // namespace
}  // namespace oneclick
