// What the database promises while many write at once: real connections, one thread each.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <functional>
#include <thread>
#include <vector>

#include "engine/base/clock.hpp"
#include "persistence/pg_migrations.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

constexpr int writer_count = 20;
constexpr const char* numbered = "('00000000-0000-4000-8000-' || lpad((n)::text, 12, '0'))::uuid";

std::string id_of(int n) {
  return fmt::format("00000000-0000-4000-8000-{:012}", n);
}

class Concurrency : public ::testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    url_ = PgServer::fresh_database();
    run(
        fmt::format("INSERT INTO users (id, email, username, password_hash) SELECT {}, 'u' || n || "
                    "'@example.org', 'u' || n, '!' FROM generate_series(1, 3000) AS n",
                    numbered));
  }

  [[nodiscard]] PgQuery connect() const {
    auto query = PgQuery::connect(url_);
    EXPECT_TRUE(query.has_value()) << query.error();
    // What should never wait for ever must not make the test do so.
    EXPECT_TRUE(query->run("SET lock_timeout = '60s'").has_value());
    return std::move(*query);
  }
  void run(const std::string& sql) const {
    PgQuery query = connect();
    const auto done = query.run(sql);
    ASSERT_TRUE(done.has_value()) << done.error() << "\n" << sql;
  }
  [[nodiscard]] std::string value(const std::string& sql) const {
    PgQuery query = connect();
    const auto rows = query.rows(sql);
    EXPECT_TRUE(rows.has_value()) << rows.error() << "\n" << sql;
    return rows && !rows->empty() ? (*rows)[0][0].value_or("NULL") : "";
  }

  // Calls `write` in as many threads, each with a connection of its own, all set off together.
  void at_once(int threads, const std::function<void(int, PgQuery&)>& write) const {
    std::barrier start(threads);
    std::vector<std::jthread> all;
    for (int n = 0; n < threads; ++n)
      all.emplace_back([&, n] {
        PgQuery query = connect();
        start.arrive_and_wait();
        write(n, query);
      });
  }

  std::string url_;
};

// Told by a writer; all that is wrong is a failure of the test.
void must(PgQuery& query, const std::string& sql) {
  const auto done = query.run(sql);
  EXPECT_TRUE(done.has_value()) << done.error() << "\n" << sql;
}

TEST_F(Concurrency, TwentyWritersOfOneCounterAreCountedExactly) {
  constexpr int each = 50;
  const std::int64_t begin_ns = steady_now_ns();
  at_once(writer_count, [](int n, PgQuery& query) {
    for (int i = 0; i < each; ++i) {
      const std::string follower = id_of(100 + n * each + i);
      must(query, fmt::format("INSERT INTO user_follows VALUES ('{}', '{}')", follower, id_of(1)));
      // Some think better of it, some are cut off.
      if (i % 5 == 0)
        must(query, fmt::format("DELETE FROM user_follows WHERE follower_id = '{}'", follower));
      if (i % 7 == 0)
        must(query, fmt::format("BEGIN; INSERT INTO user_follows VALUES ('{}', '{}'); ROLLBACK",
                                id_of(2000 + n), id_of(1)));
    }
  });
  const double seconds = static_cast<double>(steady_now_ns() - begin_ns) / 1e9;
  RecordProperty("writes_per_second", fmt::format("{:.0f}", writer_count * each * 1.34 / seconds));
  EXPECT_EQ(value(fmt::format("SELECT total_followers FROM users WHERE id = '{}'", id_of(1))),
            fmt::format("{}", writer_count * each * 4 / 5));
  EXPECT_EQ(value("SELECT count(*) FROM users u WHERE total_followers <> (SELECT count(*) FROM"
                  " user_follows f WHERE f.following_id = u.id) OR total_following <> (SELECT"
                  " count(*) FROM user_follows f WHERE f.follower_id = u.id)"),
            "0");
}

// Without an order of their own, each would lock what the other wants next.
TEST_F(Concurrency, WritersOfOppositeOrderDoNotWaitForEachOther) {
  constexpr int rounds = 20;
  at_once(8, [](int n, PgQuery& query) {
    for (int round = 0; round < rounds; ++round) {
      const std::string follower = id_of(1000 + n * rounds + round);
      must(query,
           fmt::format("INSERT INTO user_follows (follower_id, following_id) SELECT '{}', {} FROM"
                       " generate_series(1, 40) AS n ORDER BY n {}",
                       follower, numbered, n % 2 == 0 ? "ASC" : "DESC"));
      must(query, fmt::format("DELETE FROM user_follows WHERE follower_id = '{}'"
                              " AND following_id > '{}'",
                              follower, id_of(20)));
    }
  });
  EXPECT_EQ(value(fmt::format("SELECT string_agg(DISTINCT total_followers::text, ',') FROM users"
                              " WHERE id <= '{}'",
                              id_of(20))),
            "160");
  EXPECT_EQ(value(fmt::format("SELECT sum(total_followers) FROM users WHERE id > '{}'", id_of(20))),
            "0");
}

TEST_F(Concurrency, TwoWhoFollowEachOtherDoNotWaitForEachOther) {
  at_once(2, [](int n, PgQuery& query) {
    for (int i = 0; i < 200; ++i) {
      must(query,
           fmt::format("INSERT INTO user_follows VALUES ('{}', '{}')", id_of(1 + n), id_of(2 - n)));
      must(query, fmt::format("DELETE FROM user_follows WHERE follower_id = '{}'", id_of(1 + n)));
    }
  });
  EXPECT_EQ(value("SELECT sum(total_followers + total_following) FROM users"), "0");
}

// A count that is made anew beside writers, in batches, as after migrating.
TEST_F(Concurrency, CountingAnewIsRightWhileOthersWrite) {
  run(fmt::format("INSERT INTO user_follows SELECT {}, '{}' FROM generate_series(100, 1000) AS n",
                  numbered, id_of(1)));
  run("SET session_replication_role = replica; UPDATE users SET total_followers = 7");
  at_once(6, [](int n, PgQuery& query) {
    if (n == 0)
      for (int i = 0; i < 3; ++i) must(query, "CALL engine.recount(10)");
    for (int i = 0; n > 0 && i < 100; ++i)
      must(query, fmt::format("INSERT INTO user_follows VALUES ('{}', '{}')",
                              id_of(2000 + n * 100 + i), id_of(1)));
  });
  EXPECT_EQ(value(fmt::format("SELECT total_followers FROM users WHERE id = '{}'", id_of(1))),
            "1401");
  EXPECT_EQ(value(fmt::format("SELECT sum(total_followers) FROM users WHERE id <> '{}'", id_of(1))),
            "0");
}

// Rows that were there before anything was counted.
TEST(Counters, AreRightAfterMigratingADatabaseWithRows) {
  ONECLICK_NEEDS_POSTGRES();
  const std::string url = PgServer::fresh_database(false);
  ASSERT_TRUE(migrate_to(url, migrations().first(6), {}).has_value());
  auto query = PgQuery::connect(url);
  ASSERT_TRUE(query.has_value()) << query.error();
  must(*query,
       fmt::format("INSERT INTO users (id, email, username, password_hash, total_followers) SELECT"
                   " {0}, 'u' || n || '@example.org', 'u' || n, '!', nullif(n % 3, 0) FROM"
                   " generate_series(1, 2500) AS n; INSERT INTO user_follows SELECT {0}, '{1}' FROM"
                   " generate_series(2, 2500) AS n; INSERT INTO community_posts (id, user_id,"
                   " content) VALUES ('{1}', '{1}', 'x'); INSERT INTO post_likes SELECT '{1}', {0}"
                   " FROM generate_series(1, 30) AS n",
                   numbered, id_of(1)));
  const auto steps = migrate(url, {});
  ASSERT_TRUE(steps.has_value()) << steps.error();
  const auto rows = query->rows(
      "SELECT sum(total_followers), sum(total_following), count(total_followers),"
      " (SELECT likes_count FROM community_posts) FROM users");
  ASSERT_TRUE(rows.has_value()) << rows.error();
  EXPECT_EQ((*rows)[0], (PgRow{"2499", "2499", "2500", "30"}));
}

TEST_F(Concurrency, TwentySessionsNumberInvoicesWithoutAGap) {
  constexpr int each = 20;
  std::atomic<int> kept{0};
  at_once(writer_count, [&](int n, PgQuery& query) {
    for (int i = 0; i < each; ++i) {
      const bool rolls_back = (n + i) % 3 == 0;
      if (!rolls_back) kept.fetch_add(1);
      must(query, fmt::format("BEGIN; INSERT INTO invoices (user_id, created_at) VALUES ('{}',"
                              " '2026-05-01'); {}",
                              id_of(1 + n), rolls_back ? "ROLLBACK" : "COMMIT"));
      // The same id from several sessions: one comes to be, the others take no number.
      must(query, fmt::format("INSERT INTO invoices (id, created_at) VALUES ('{}', '2026-05-01')"
                              " ON CONFLICT DO NOTHING",
                              id_of(5000 + i)));
    }
  });
  const int expected = kept + each;
  EXPECT_EQ(value("SELECT count(*) FROM invoices"), fmt::format("{}", expected));
  EXPECT_EQ(value("SELECT string_agg(invoice_number, ',' ORDER BY invoice_number) ="
                  " string_agg('INV-2026-' || lpad(n::text, 6, '0'), ',' ORDER BY n) FROM (SELECT"
                  " invoice_number, row_number() OVER (ORDER BY invoice_number) AS n FROM invoices)"
                  " i"),
            "t");
  EXPECT_EQ(value("SELECT last FROM engine.invoice_numbers"), fmt::format("{}", expected));
}

TEST_F(Concurrency, OfTwoWhoSetAPrimaryMethodOneWins) {
  run(
      fmt::format("INSERT INTO payment_methods (id, user_id) SELECT {}, '{}' FROM"
                  " generate_series(1, 20) AS n",
                  numbered, id_of(1)));
  for (int round = 0; round < 10; ++round) {
    at_once(writer_count, [](int n, PgQuery& query) {
      must(query, fmt::format("UPDATE payment_methods SET is_primary = true WHERE id = '{}'",
                              id_of(1 + n)));
    });
    EXPECT_EQ(value("SELECT count(*) FROM payment_methods WHERE is_primary"), "1");
  }
  at_once(writer_count, [](int, PgQuery& query) {
    must(query, fmt::format("INSERT INTO portfolios (user_id, name, is_default) VALUES ('{}', 'p',"
                            " true)",
                            id_of(1)));
  });
  EXPECT_EQ(value("SELECT count(*) FROM portfolios WHERE is_default"), "1");
  EXPECT_EQ(value("SELECT count(*) FROM portfolios"), "20");
}

TEST_F(Concurrency, AnAlertGoesOffOnceWhenPricesComeAtTheSameTime) {
  run(
      fmt::format("INSERT INTO price_alerts (user_id, asset_symbol, condition_type, target_price)"
                  " SELECT {}, 'BTC/USDT', 'above', 100 FROM generate_series(1, 100) AS n",
                  numbered));
  at_once(writer_count, [](int n, PgQuery& query) {
    must(query, fmt::format("INSERT INTO price_history (time, symbol, price) VALUES (now() + {} *"
                            " interval '1 s', 'BTC/USDT', 101)",
                            n));
  });
  EXPECT_EQ(value("SELECT count(*) FROM price_alerts WHERE is_active"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM notifications"), "100");
  EXPECT_EQ(value("SELECT count(DISTINCT user_id) FROM notifications"), "100");
}

TEST_F(Concurrency, SubscriptionsEndOnceWhenSeveralJobsRun) {
  run(fmt::format("INSERT INTO premium_channels (id, creator_id, name) VALUES ('{}', '{}', 'c')",
                  id_of(1), id_of(1)));
  run(
      fmt::format("INSERT INTO subscriptions (user_id, channel_id, status, start_date, end_date)"
                  " SELECT {}, '{}', 'active', '2026-01-01', '2026-02-01' FROM"
                  " generate_series(1, 500) AS n",
                  numbered, id_of(1)));
  at_once(4, [](int, PgQuery& query) {
    for (;;) {
      const auto rows = query.rows("SELECT engine.expire_subscriptions('2026-03-01', 20)");
      ASSERT_TRUE(rows.has_value()) << rows.error();
      if ((*rows)[0][0] == "0") break;
    }
  });
  EXPECT_EQ(value("SELECT count(*) FROM subscriptions WHERE status <> 'expired'"), "0");
  EXPECT_EQ(value("SELECT subscriber_count FROM premium_channels"), "0");
  EXPECT_EQ(value("SELECT count(*) FROM notifications"), "500");
}

TEST_F(Concurrency, APaymentIsTurnedIntoTimeOnce) {
  run(
      fmt::format("INSERT INTO premium_channels (id, creator_id, name) VALUES ('{0}', '{0}', 'c');"
                  "INSERT INTO subscriptions (id, user_id, channel_id, status, billing_cycle,"
                  " start_date, end_date) VALUES ('{0}', '{0}', '{0}', 'active', 'monthly',"
                  " '2026-01-01', '2026-02-01'); INSERT INTO payments (id, user_id,"
                  " subscription_id, amount, status) VALUES ('{0}', '{0}', '{0}', 1, 'completed')",
                  id_of(1)));
  at_once(writer_count, [](int, PgQuery& query) {
    must(query, fmt::format("SELECT engine.renew_subscription('{0}', '{0}')", id_of(1)));
  });
  EXPECT_EQ(value("SELECT end_date::date FROM subscriptions"), "2026-03-01");
  EXPECT_EQ(value("SELECT count(*) FROM subscription_history WHERE action = 'renewed'"), "1");
}

TEST_F(Concurrency, ManualTradesOfOnePositionAddUp) {
  run(fmt::format("INSERT INTO portfolios (user_id, name, is_default) VALUES ('{}', 'p', true)",
                  id_of(1)));
  at_once(writer_count, [](int n, PgQuery& query) {
    for (int i = 0; i < 10; ++i)
      must(query, fmt::format("SELECT engine.book_manual_trade('{}', 'BTC/USDT', '{}', {}, 100)",
                              id_of(1), n % 4 == 3 ? "sell" : "buy", n + 1));
  });
  // Buys of 1..20 less every fourth, ten times each.
  EXPECT_EQ(value("SELECT trim_scale(quantity) FROM portfolio_positions"), "900");
  EXPECT_EQ(value("SELECT count(*) FROM trades"), "200");
  EXPECT_EQ(value("SELECT count(*) FROM trade_history"), "400");
}

}  // namespace
}  // namespace oneclick
