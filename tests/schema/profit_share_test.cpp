// Profit shares beside each other and by `oneclick maintain`; the sums themselves are in
// schema/tests/24_profit_share.sql.
#include <atomic>
#include "tests/schema/maintain_rig.hpp"

namespace oneclick {
namespace {

using namespace test;
using testing::HasSubstr;

// User 1 leads. Followers 2 to 41 bought one share at 100 ten days ago, which has gained 2 USD a
// day since; a tenth of it is shared, day by day.
constexpr const char* world = R"(
INSERT INTO users (id, email, username, password_hash) SELECT
  ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n || '@example.org', n, '!'
  FROM generate_series(1, 41) AS n;
CREATE FUNCTION midnight(back integer) RETURNS timestamptz LANGUAGE sql AS
  $$ SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') - back * interval '1 day') AT TIME ZONE 'UTC' $$;
INSERT INTO engine.usd_rates SELECT 'USDT', midnight(n), 1, midnight(n) FROM generate_series(0, 11) AS n;
INSERT INTO price_history (time, symbol, price)
  SELECT midnight(n), 'A/USDT', 120 - 2 * n FROM generate_series(0, 10) AS n;
INSERT INTO trades (id, user_id, asset_symbol, side, quantity, filled_quantity, status, source, copied_from_user_id,
    created_at)
  SELECT u.id, u.id, 'A/USDT', 'buy', 1, 1, 'filled', 'copy_trade', '00000000-0000-4000-8000-000000000001',
    (midnight(10) - interval '1 hour') AT TIME ZONE 'UTC'
    FROM users u WHERE u.username <> '1';
INSERT INTO trade_history (trade_id, status, quantity, price, "timestamp", exchange_response)
  SELECT id, 'fill', 1, 100, created_at, '{"fee": "0", "quote_usd": "1"}' FROM trades;
SELECT engine.begin_profit_share('00000000-0000-4000-8000-000000000001', user_id, 0.1, 'day', midnight(10))
  FROM trades;)";

constexpr const char* sums =
    "SELECT concat_ws(' ', count(*), count(DISTINCT follower_user_id), trim_scale(sum(gain_usd)),"
    " trim_scale(sum(amount_usd)), bool_and(status = 'payable'))"
    " FROM engine.profit_share_settlements";

class ProfitShare : public MaintainRig {
 protected:
  void SetUp() override {
    MaintainRig::SetUp();
    if (!IsSkipped()) sql(world);
  }
};

TEST_F(ProfitShare, RunsBesideEachOtherSettleEachPeriodOnce) {
  std::vector<std::thread> runs;
  std::atomic<int> failed = 0;
  for (int n = 0; n < 4; ++n)
    runs.emplace_back([this, n, &failed] {
      auto query = PgQuery::connect(url_);
      // Two take whatever is due, two insist on each agreement, in opposite orders.
      const std::string insist = std::string(
                                     "SELECT sum(engine.accrue_profit_share(t.id, now()))"
                                     " FROM (SELECT id FROM engine.profit_share_terms ORDER"
                                     " BY id ") +
                                 (n == 2 ? "ASC" : "DESC") + " LIMIT 1 OFFSET $1::bigint) t";
      for (int i = 0; query && i < 40; ++i) {
        const auto done = n < 2 ? query->rows("SELECT engine.accrue_profit_shares(now(), now(), 3)")
                                : query->rows(insist, {std::to_string(i)});
        if (!done) ++failed;
      }
      if (!query) ++failed;
    });
  for (std::thread& run : runs) run.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(ask(sums), "400 40 800 80 t");
  EXPECT_EQ(ask("SELECT count(*) FROM engine.profit_share_accruals"), "440");
}

TEST_F(ProfitShare, MaintenanceAccruesWhatIsDueAndSaysWhatWaits) {
  // One of them has a fill without a rate.
  sql("UPDATE trade_history SET exchange_response = '{\"fee\": \"1\", \"fee_asset\": \"BNB\","
      " \"quote_usd\": \"1\"}' WHERE trade_id = '00000000-0000-4000-8000-000000000002'");
  const Ran dry = maintain({"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.output;
  EXPECT_THAT(dry.output, HasSubstr("profit_shares: 40 would be accrued"));
  EXPECT_EQ(ask("SELECT count(*) FROM engine.profit_share_accruals"), "0");
  const Ran ran = maintain();
  EXPECT_EQ(ran.code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("profit_shares: 40 accrued"));
  EXPECT_THAT(ran.output, HasSubstr("(1 wait: engine.profit_share_terms.held_back says for what)"));
  EXPECT_EQ(ask("SELECT held_back FROM engine.profit_share_terms WHERE held_back IS NOT NULL"),
            "1 fills of A/USDT have no rate to USD");
  EXPECT_EQ(ask("SELECT count(DISTINCT follower_user_id) FROM engine.profit_share_settlements"),
            "39");
  // It becomes known, and the next run makes up for it.
  sql("INSERT INTO engine.usd_rates SELECT 'BNB', created_at AT TIME ZONE 'UTC' - interval '5 min',"
      " 3, created_at AT TIME ZONE 'UTC' - interval '5 min' FROM trades LIMIT 1");
  EXPECT_EQ(maintain().code, 0);
  EXPECT_EQ(ask("SELECT count(*) FROM engine.profit_share_terms WHERE held_back IS NOT NULL"), "0");
  const std::string all = ask(sums);
  EXPECT_EQ(ask("SELECT count(DISTINCT follower_user_id) FROM engine.profit_share_settlements"),
            "40");
  EXPECT_EQ(maintain().code, 0);
  EXPECT_EQ(ask(sums), all) << "a run with nothing to do does nothing";
}

}  // namespace
}  // namespace oneclick
