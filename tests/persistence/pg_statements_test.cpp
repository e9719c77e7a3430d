// Cutting SQL into statements.
#include "persistence/pg_statements.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oneclick {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Statements, AreCutAtSemicolonsOnly) {
  EXPECT_THAT(sql_statements(""), IsEmpty());
  EXPECT_THAT(sql_statements(" ;; -- nothing\n /* ; */ ;"), IsEmpty());
  EXPECT_THAT(sql_statements("SELECT 1"), ElementsAre("SELECT 1"));
  EXPECT_THAT(sql_statements("-- Why;\nSELECT 1 ; /* a;b */\nSELECT\n  2;\n"),
              ElementsAre("SELECT 1", "SELECT\n  2"));
}

TEST(Statements, QuotesHideSemicolons) {
  EXPECT_THAT(sql_statements("SELECT ';', 'it''s; so', \"a;b\"\"c;\"; x"),
              ElementsAre("SELECT ';', 'it''s; so', \"a;b\"\"c;\"", "x"));
  EXPECT_THAT(sql_statements(R"(SELECT E'a\';b', e'\\'; x)"),
              ElementsAre(R"(SELECT E'a\';b', e'\\')", "x"));
  EXPECT_THAT(sql_statements(R"(SELECT E'a''\';b'; x)"), ElementsAre(R"(SELECT E'a''\';b')", "x"));
  // A backslash is a letter like others in a plain string, and after a name that ends in e.
  EXPECT_THAT(sql_statements(R"(SELECT 'a\'; x)"), ElementsAre(R"(SELECT 'a\')", "x"));
  EXPECT_THAT(sql_statements(R"(SELECT date'2020\'; x)"),
              ElementsAre(R"(SELECT date'2020\')", "x"));
  EXPECT_THAT(sql_statements("SELECT '-- no'; x"), ElementsAre("SELECT '-- no'", "x"));
}

TEST(Statements, DollarQuotesAndCommentsHideSemicolons) {
  EXPECT_THAT(sql_statements("DO $$ a; ' $x$ ; $$; x"), ElementsAre("DO $$ a; ' $x$ ; $$", "x"));
  EXPECT_THAT(sql_statements("DO $a_1$ $$;$$ $a$ ; $a_1$;x"),
              ElementsAre("DO $a_1$ $$;$$ $a$ ; $a_1$", "x"));
  EXPECT_THAT(sql_statements("SELECT $1; SELECT a$b; c$d"),
              ElementsAre("SELECT $1", "SELECT a$b", "c$d"));
  EXPECT_THAT(sql_statements("SELECT 1 /* a /* b; */ c; */ + 2; x"),
              ElementsAre("SELECT 1 /* a /* b; */ c; */ + 2", "x"));
  EXPECT_THAT(sql_statements("SELECT 1 -- a;\n + 2; x"), ElementsAre("SELECT 1 -- a;\n + 2", "x"));
}

TEST(Statements, WhatIsNotClosedReachesToTheEnd) {
  for (const char* text : {"SELECT 'a; b", "SELECT \"a; b", "DO $$ a; b", "SELECT E'a\\"})
    EXPECT_THAT(sql_statements(text), ElementsAre(text));
  EXPECT_THAT(sql_statements("SELECT 1 /* a; b"), ElementsAre("SELECT 1"));
}

}  // namespace
}  // namespace oneclick
