// A freshly migrated database against the platform's structure, table by table and column by
// column.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/schema/facts.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

const std::string folder = std::string(SOURCE_DIR) + "/tests/schema/";
const std::string document = std::string(SOURCE_DIR) + "/../shared/seed/database-structure.txt";

PgQuery fresh() {
  auto query = PgQuery::connect(PgServer::fresh_database());
  EXPECT_TRUE(query.has_value()) << query.error();
  return std::move(*query);
}

// All rows of one column, joined by newlines: "" where nothing is wrong.
std::string told(PgQuery& query, const std::string& sql) {
  const auto rows = query.rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  std::string out;
  if (rows)
    for (const PgRow& row : *rows) out += row[0].value_or("NULL") + "\n";
  return out;
}

void expect_same_tables(const Facts& actual, const Facts& expected) {
  for (const auto& [table, lines] : expected.tables) {
    SCOPED_TRACE(table);
    const auto found = actual.tables.find(table);
    if (found == actual.tables.end()) {
      ADD_FAILURE() << "missing";
      continue;
    }
    EXPECT_EQ(found->second, lines);
  }
  for (const auto& [table, lines] : actual.tables)
    EXPECT_TRUE(expected.tables.contains(table)) << table << " is not in the structure";
}

TEST(Catalogue, EveryTableIsTheStructuresColumnByColumn) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = fresh();
  const Facts structure = read_facts(folder + "platform_tables.txt");
  EXPECT_EQ(structure.tables.size(), 41u);
  expect_same_tables(facts_of_database(query),
                     with_additions(structure, folder + "platform_additions.txt"));
}

TEST(Catalogue, EveryRecommendedIndexIsThere) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = fresh();
  const Facts structure = read_facts(folder + "platform_tables.txt");
  EXPECT_EQ(structure.indexes.size(), 13u);
  const Facts actual = facts_of_database(query);
  for (const std::string& index : structure.indexes)
    EXPECT_TRUE(actual.indexes.contains(index)) << index;
}

TEST(Catalogue, TheFactsAreTheDocuments) {
  if (!std::filesystem::exists(document))
    GTEST_SKIP() << "NOT TESTED: the structure's document is not beside this repository";
  const Facts facts = read_facts(folder + "platform_tables.txt");
  const Facts told_there = facts_of_document(document);
  expect_same_tables(facts, told_there);
  EXPECT_EQ(facts.indexes, told_there.indexes);
}

// The comparison itself: each kind of difference is seen.
TEST(Catalogue, EveryKindOfDifferenceIsSeen) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = fresh();
  const Facts before = facts_of_database(query);
  for (const char* change :
       {"ALTER TABLE users DROP COLUMN bio",
        "ALTER TABLE users ADD COLUMN shoe_size integer",
        "ALTER TABLE users ALTER COLUMN bio TYPE varchar",
        "ALTER TABLE users ALTER COLUMN bio SET NOT NULL",
        "ALTER TABLE users ALTER COLUMN username DROP NOT NULL",
        "ALTER TABLE users ALTER COLUMN bio SET DEFAULT 'x'",
        "ALTER TABLE users ALTER COLUMN total_followers DROP DEFAULT",
        "ALTER TABLE users ALTER COLUMN id SET DEFAULT NULL, ALTER COLUMN id SET DEFAULT "
        "'00000000-0000-0000-0000-000000000000'",
        "ALTER TABLE users ALTER COLUMN created_at SET DEFAULT now()",
        "ALTER TABLE users DROP CONSTRAINT users_email_key",
        "ALTER TABLE users RENAME COLUMN bio TO biography",
        "ALTER TABLE market_data ALTER COLUMN market_cap TYPE numeric(20,8)",
        "ALTER TYPE user_account_status RENAME VALUE 'pending' TO 'waiting'",
        "ALTER TYPE user_account_status ADD VALUE 'deleted' BEFORE 'banned'",
        "ALTER TABLE post_likes DROP CONSTRAINT post_likes_pkey",
        "ALTER TABLE notifications DROP CONSTRAINT notifications_user_id_fkey",
        "ALTER TABLE notifications DROP CONSTRAINT notifications_data_check",
        "ALTER TABLE user_settings DROP CONSTRAINT user_settings_pkey",
        "CREATE TABLE more (id uuid)",
        "DROP TABLE comment_likes"}) {
    SCOPED_TRACE(change);
    ASSERT_TRUE(query.run("BEGIN").has_value());
    const auto done = query.run(change);
    ASSERT_TRUE(done.has_value()) << done.error();
    EXPECT_NE(facts_of_database(query).tables, before.tables);
    ASSERT_TRUE(query.run("ROLLBACK").has_value());
  }
  EXPECT_EQ(facts_of_database(query).tables, before.tables);
}

TEST(Catalogue, EveryConstraintAndIndexIsInForce) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = fresh();
  EXPECT_EQ(told(query,
                 "SELECT conrelid::regclass || ' ' || conname FROM pg_constraint"
                 " WHERE NOT convalidated"),
            "");
  EXPECT_EQ(told(query, "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"), "");
  // Those that tell a search server wait until there is one.
  EXPECT_EQ(told(query,
                 "SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger"
                 " WHERE tgenabled <> CASE WHEN tgname LIKE 'search\\_%' THEN 'D' ELSE 'O' END"),
            "");
}

// What points somewhere is found from there without reading a whole table; those left out would
// cost each row the engine writes.
TEST(Catalogue, EveryForeignKeyHasAnIndexBehindIt) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = fresh();
  EXPECT_EQ(told(query, R"(
SELECT f.conrelid::regclass || '.' || a.attname FROM pg_constraint f
JOIN pg_class c ON c.oid = f.conrelid AND NOT c.relispartition
JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace AND NOT EXISTS (
  SELECT FROM pg_index i WHERE i.indrelid = f.conrelid AND i.indkey[0] = f.conkey[1]
  AND i.indpred IS NULL) ORDER BY 1)"),
            "trades.copied_from_user_id\ntrades.exchange_id\ntrades.portfolio_id\n"
            "trades.signal_id\n");
}

TEST(Catalogue, EveryTableAndColumnSaysWhatItIs) {
  ONECLICK_NEEDS_POSTGRES();
  PgQuery query = fresh();
  EXPECT_EQ(told(query, R"(
SELECT c.relname || coalesce('.' || a.attname, '') FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND (coalesce(col_description(c.oid, a.attnum), '') = '' OR
       coalesce(obj_description(c.oid, 'pg_class'), '') = ''))"),
            "");
}

}  // namespace
}  // namespace oneclick
