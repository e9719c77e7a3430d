// Kill switches over REST: who may, what is said, what is refused.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/ingress/ingress_fixture.hpp"

namespace oneclick::ingress {
namespace {

class KillSwitchTest : public IngressTest {
 protected:
  net::HttpResponse ask(ApiKeyId key, const std::string& method = "GET") {
    return call(method, "/v1/kill-switch", "", {{"Authorization", "Bearer " + token(key)}});
  }
};

TEST_F(KillSwitchTest, IsSetAndTold) {
  const auto none = ask(admin_key);
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.body, R"({"kill_switches":[]})");
  const auto all = post("/v1/kill-switch", R"({"active":true})", admin_key);
  EXPECT_EQ(all.status, 200) << all.body;
  EXPECT_EQ(all.body, R"({"kill_switches":[{}]})") << "nothing named: everything";
  ASSERT_EQ(switches.size(), 1u);
  EXPECT_TRUE(switches[0].on);
  EXPECT_EQ(switches[0].venue, Venue::none);
  EXPECT_TRUE(switches[0].leader.is_nil() && switches[0].follower.is_nil());
  EXPECT_TRUE(switches[0].symbol.empty());
  const std::string scope = R"("venue":"binance","leader_user_id":")" + leader.to_text() +
                            R"(","follower_user_id":")" + other.to_text() +
                            R"(","symbol":"BTC/USDT")";
  const auto one = post("/v1/kill-switch", R"({"active":false,)" + scope + "}", admin_key);
  EXPECT_EQ(one.status, 200) << one.body;
  ASSERT_EQ(switches.size(), 2u);
  EXPECT_FALSE(switches[1].on);
  EXPECT_EQ(switches[1].venue, Venue::binance);
  EXPECT_EQ(switches[1].leader, leader);
  EXPECT_EQ(switches[1].follower, other);
  EXPECT_EQ(switches[1].symbol.view(), "BTC/USDT");
  EXPECT_EQ(ask(admin_key).body, R"({"kill_switches":[{},{)" + scope + "}]}");
  EXPECT_TRUE(sink.events.empty());
}

TEST_F(KillSwitchTest, IsForTheAdministratorAlone) {
  for (const ApiKeyId key : {leader_key, other_key, reader_key}) {
    EXPECT_EQ(ask(key).status, 403);
    EXPECT_EQ(post("/v1/kill-switch", R"({"active":true})", key).status, 403);
  }
  EXPECT_TRUE(switches.empty());
  const auto wrong = ask(admin_key, "DELETE");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "POST, GET");
}

TEST_F(KillSwitchTest, WhatCannotBeIsRefusedByName) {
  struct Row {
    const char* body;
    const char* field;  // "" when the body as a whole is meant
    const char* part;   // of the answer
  };
  const std::vector<Row> rows = {
      {"", "", "not valid JSON"},
      {"[]", "", "not an object"},
      {"true", "", "not an object"},
      {R"({"active":true} x)", "", "not valid JSON"},
      {R"({"active":true}{"active":false})", "", "not valid JSON"},
      {R"({"active":true,)", "", "not valid JSON"},
      {"{}", "active", R"("allowed":"true, false")"},
      {R"({"active":"true"})", "active", "must be a boolean"},
      {R"({"active":1})", "active", "must be a boolean"},
      {R"({"active":null})", "active", "must be a boolean"},
      {R"({"active":true,"active":false})", "active", "given twice"},
      {R"({"active":true,"everything":true})", "everything", "unknown field"},
      {R"({"active":true,"venue":"nowhere"})", "venue", R"("allowed":"binance")"},
      {R"({"active":true,"venue":null})", "venue", "must be a string"},
      {R"({"active":true,"leader_user_id":"x"})", "leader_user_id", "not a UUID"},
      {R"({"active":true,"leader_user_id":"00000000-0000-0000-0000-000000000000"})",
       "leader_user_id", "not a UUID"},
      {R"({"active":true,"follower_user_id":7})", "follower_user_id", "must be a string"},
      {R"({"active":true,"symbol":"BTCUSDT"})", "symbol", "BASE/QUOTE"},
      {R"({"active":true,"symbol":"btc/usdt"})", "symbol", "BASE/QUOTE"},
      {R"({"active":true,"symbol":""})", "symbol", "BASE/QUOTE"},
  };
  for (const Row& row : rows) {
    const auto response = post("/v1/kill-switch", row.body, admin_key);
    EXPECT_EQ(response.status, 400) << row.body;
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    EXPECT_NE(response.body.find(row.part), std::string::npos) << row.body << response.body;
    if (*row.field != '\0') {
      EXPECT_NE(response.body.find("\"field\":\"" + std::string(row.field) + "\""),
                std::string::npos)
          << row.body << response.body;
    }
  }
  EXPECT_TRUE(switches.empty());
}

TEST_F(KillSwitchTest, AFullQueueIsSaid) {
  sink.full = true;
  const auto response = post("/v1/kill-switch", R"({"active":true})", admin_key);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.header("retry-after"), "1");
}

}  // namespace
}  // namespace oneclick::ingress
