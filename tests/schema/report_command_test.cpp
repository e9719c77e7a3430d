// `oneclick report copy` as people and programs run it: a table, JSON, a page; and what is refused.
#include "tests/schema/maintain_rig.hpp"

namespace oneclick {
namespace {

using namespace test;
using testing::HasSubstr;
using testing::Not;

constexpr const char* follower = "00000000-0000-4000-8000-000000000002";

// User 1 leads, 2 copies: a buy of 2 at 101 where the leader had 100 (fees 0.9), the same a day
// later at the leader's own price, and one that was skipped; the leader sold at 110.
constexpr const char* copies = R"(
INSERT INTO users (id, email, username, password_hash) SELECT
  ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n || '@example.org', n, '!'
  FROM generate_series(1, 3) AS n;
INSERT INTO user_exchanges (id, user_id, exchange_name) VALUES
  ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000002', 'binance');
INSERT INTO engine.copy_links (id, follower_user_id, follower_exchange_id, leader_user_id) VALUES
  ('00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000002',
   '00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000001');
INSERT INTO engine.leader_events (id, source, leader_user_id, symbol, kind, side, quantity, price,
    event_time, accepted_at, links_matched)
  SELECT ('00000000-0000-4000-8000-' || lpad((1000 + n)::text, 12, '0'))::uuid, 'stream',
    '00000000-0000-4000-8000-000000000001', 'BTC/USDT', 'fill', CASE n WHEN 4 THEN 'sell' ELSE 'buy' END, 2,
    CASE n WHEN 4 THEN 110 ELSE 100 END, t.at, t.at, 1
    FROM generate_series(1, 4) AS n,
    LATERAL (SELECT '2026-03-01 12:00+00'::timestamptz + n * interval '1 day' AS at) t;
INSERT INTO engine.event_touches SELECT id, accepted_at + interval '20 ms', 100, 100, accepted_at, 0
  FROM engine.leader_events;
INSERT INTO trades (id, user_id, asset_symbol, side, quantity, status, source, created_at)
  SELECT ('00000000-0000-4000-8000-' || lpad((2000 + n)::text, 12, '0'))::uuid,
    '00000000-0000-4000-8000-000000000002', 'BTC/USDT', 'buy', 2, 'filled', 'copy_trade',
    '2026-03-01 12:00'::timestamp + n * interval '1 day' FROM generate_series(1, 2) AS n;
INSERT INTO trade_history (trade_id, status, "timestamp", exchange_response) SELECT id, 'pending', created_at,
  jsonb_build_object('event_id', replace(id::text, '00200', '00100'), 'link_id',
    '00000000-0000-4000-8000-000000000102') FROM trades;
INSERT INTO trade_history (trade_id, status, quantity, price, "timestamp", exchange_response) SELECT id, 'fill', 2,
  CASE id WHEN '00000000-0000-4000-8000-000000002001' THEN 101 ELSE 100 END, created_at,
  CASE id WHEN '00000000-0000-4000-8000-000000002001' THEN '{"fee": "0.9", "fee_asset": "USDT"}'::jsonb ELSE '{}' END
  FROM trades;
INSERT INTO engine.copy_outcomes (event_id, link_id, outcome, reason, rank, wanted_qty, sent_qty, trade_id,
    ingest_to_wire_ns, created_at)
  SELECT e.id, '00000000-0000-4000-8000-000000000102', CASE WHEN t.id IS NULL THEN 'skipped' ELSE 'copied' END,
    CASE WHEN t.id IS NULL THEN 'kill_switch' END, 0, 2, CASE WHEN t.id IS NULL THEN 0 ELSE 2 END, t.id, 35000,
    e.accepted_at
    FROM engine.leader_events e LEFT JOIN trades t ON replace(t.id::text, '00200', '00100') = e.id::text
   WHERE e.side = 'buy')";

class ReportCommand : public MaintainRig {
 protected:
  void SetUp() override {
    MaintainRig::SetUp();
    if (!IsSkipped()) sql(copies);
  }
  Ran report(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"report", "copy"});
    ChildProcess child = start_command(std::move(arguments), "output");
    const int code = child.wait(minute_ns).value_or(-1);
    return {.code = code, .output = output_of("output")};
  }
};

TEST_F(ReportCommand, PeopleGetATable) {
  const Ran ran = report({"--user", follower});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("all copies"));
  // 2 of slippage, 0.9 of fees, 20 missed, of 600 wanted.
  EXPECT_THAT(ran.output,
              testing::ContainsRegex("all USDT +3 +600.00 +0.00 +0.00 +0.00 +33.33 +15.00"
                                     " +0.00 +333.33 +381.66 +22.90\n"));
  EXPECT_THAT(ran.output, testing::ContainsRegex("BTC/USDT leader 00000000 +3 "));
  EXPECT_THAT(ran.output, testing::ContainsRegex("kill_switch \\(USDT\\) +1 +20.00"));
  EXPECT_THAT(ran.output, testing::ContainsRegex("all USDT +20.000 +0.035 +- +-\n"));
}

TEST_F(ReportCommand, ProgramsGetJsonWhosePartsAddUp) {
  const Ran ran = report({"--user", follower, "--json"});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output,
              HasSubstr(R"("cost":{"lead_to_ingest":"0","ingest_to_wire":"0","wire_to_ack":"0",)"
                        R"("ack_to_fill":"2","fees":"0.9","rounding":"0","missed":"20",)"
                        R"("total":"22.9"})"));
  EXPECT_THAT(ran.output, HasSubstr(R"("not_copied":[{"quote":"USDT","reason":"kill_switch",)"
                                    R"("copies":1,"missed":"20"}])"));
  // PostgreSQL reads it too, and adds.
  auto query = PgQuery::connect(url_);
  ASSERT_TRUE(query.has_value());
  const auto sums = query->rows(
      "SELECT count(*), bool_and((SELECT sum(c.value::numeric) FROM jsonb_each_text(l -> k) c"
      " WHERE c.key <> 'total') = (l -> k ->> 'total')::numeric)"
      " FROM jsonb_array_elements($1::jsonb -> 'lines') l, unnest(ARRAY['cost', 'bps']) k",
      {ran.output});
  ASSERT_TRUE(sums.has_value()) << sums.error();
  EXPECT_EQ((*sums)[0], (PgRow{"4", "t"}));
}

TEST_F(ReportCommand, AStretchOfTimeAndALeaderAreHeldTo) {
  const Ran day = report(
      {"--user", follower, "--from", "2026-03-03", "--to", "2026-03-04T00:00:00Z", "--json"});
  EXPECT_EQ(day.code, 0) << day.output;
  EXPECT_THAT(day.output, HasSubstr(R"("copies":1,"copied":1,)"));
  EXPECT_THAT(day.output, HasSubstr(R"("total":"0"})"));
  const Ran other =
      report({"--user", follower, "--leader", "00000000-0000-4000-8000-000000000003"});
  EXPECT_EQ(other.code, 0);
  EXPECT_THAT(other.output, HasSubstr("nothing was copied"));
}

TEST_F(ReportCommand, ThePageNeedsNothingElse) {
  const std::string file = (dir_ / "report.html").string();
  const Ran ran = report({"--user", follower, "--html", file});
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_EQ(ran.output, "");
  const std::string page = output_of("report.html");
  EXPECT_THAT(page, testing::StartsWith("<!doctype html>"));
  EXPECT_THAT(page, testing::EndsWith("</html>\n"));
  for (const char* const elsewhere : {"<script", "http:", "https:", "src=", "url(", "@import"})
    EXPECT_THAT(page, Not(HasSubstr(elsewhere)));
  for (const char* const there :
       {"381.66 bps", "22.90 USDT", "Cost by part", "Time by stage", "Cost per day",
        "Slippage of copies", "prefers-color-scheme:dark", "kill_switch"})
    EXPECT_THAT(page, HasSubstr(there));
  const Ran nowhere = report({"--user", follower, "--html", "/nowhere/report.html"});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_THAT(nowhere.output, HasSubstr("--html /nowhere/report.html: cannot be written"));
}

TEST_F(ReportCommand, WhatIsWrongIsNamed) {
  const std::pair<std::vector<std::string>, std::string> wrong[] = {
      {{"--user", "me"}, "--user me: allowed: a UUID"},
      {{"--user", follower, "--leader", "you"}, "--leader you: allowed: a UUID"},
      {{"--user", follower, "--from", "today"}, "--from today: allowed: a time in UTC, YYYY-MM-DD"},
      {{"--user", follower, "--to", "2026-02-31"}, "2026-02-31"},
      {{"--user", follower, "--from", "2026-03-02", "--to", "2026-03-01"},
       "--from 2026-03-02: allowed: before --to, 2026-03-01"},
      {{}, "--user is required"}};
  for (const auto& [arguments, message] : wrong) {
    const Ran ran = report(arguments);
    EXPECT_EQ(ran.code, 64) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(message));
  }
  const Ran nobody = report({"--user", "00000000-0000-4000-8000-000000000099"});
  EXPECT_EQ(nobody.code, 1);
  EXPECT_THAT(nobody.output, HasSubstr("there is no such user"));
  url_ = "postgresql://nobody@127.0.0.1:1/none";
  EXPECT_EQ(report({"--user", follower}).code, 69);
}

}  // namespace
}  // namespace oneclick
