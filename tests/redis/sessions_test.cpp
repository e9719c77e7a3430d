// Login sessions in Redis: as they are in PostgreSQL, also after whatever happened to either.
#include "persistence/pg_query.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/redis/redis_server.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using test::soon;

constexpr std::int64_t second_ns = 1'000'000'000;

class SessionsTest : public testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_REDIS();
    ONECLICK_NEEDS_POSTGRES();
    url_ = test::PgServer::fresh_database();
    database_.emplace(test::open_query(url_));
    test::make_users(*database_, 2);
  }
  void start() {
    metrics_ = std::make_unique<Metrics>();
    sessions_ =
        RedisSessions::start({.address = redis_.address(), .database_url = url_}, *metrics_);
  }
  void stop() { sessions_.reset(); }
  // Returns the session's id.
  std::string add(int user, const std::string& token_hash, const std::string& life = "1 hour") {
    return test::row_text(
        *database_,
        fmt::format("INSERT INTO user_sessions (user_id, token_hash, expires_at, device_info,"
                    " ip_address, location) VALUES ('{}', '{}', now() AT TIME ZONE 'UTC' +"
                    " interval '{}', '{{\"browser\":\"x\"}}', '192.0.2.7', 'Bern') RETURNING id",
                    test::user(static_cast<std::uint64_t>(user)).to_text(), token_hash, life));
  }
  void sql(const std::string& text) { test::run(*database_, text); }
  bool has(const std::string& token_hash) const {
    return redis_.integer({"EXISTS", "oneclick:session:" + token_hash}) == 1;
  }
  void put_soon(const std::string& token_hash) {
    ASSERT_TRUE(soon([&] { return has(token_hash); })) << token_hash;
  }
  // A revocation: within a second.
  void gone_soon(const std::string& token_hash) {
    ASSERT_TRUE(soon(
        [&] {
          return redis_.integer({"EXISTS", "oneclick:session:" + token_hash}) == 0;
        },
        second_ns))
        << token_hash;
  }
  std::uint64_t count(const std::string& name) { return metrics_->counter(name, "").value(); }

  std::string url_;
  std::optional<PgQuery> database_;
  test::PrivateRedis redis_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<RedisSessions> sessions_;
};

TEST_F(SessionsTest, AreThereUntilTheyExpire) {
  redis_.start();
  const std::string before = add(0, "before");
  add(0, "ended", "-1 second");
  start();
  put_soon("before");
  const std::string id = add(1, "after");
  put_soon("after");
  EXPECT_FALSE(has("ended"));
  const std::string payload = redis_.text({"GET", "oneclick:session:after"});
  for (const std::string& part :
       {"{\"id\": \"" + id + "\"", "\"user_id\": \"" + test::user(1).to_text() + "\"",
        std::string("\"location\": \"Bern\""), std::string("\"ip_address\": \"192.0.2.7\""),
        std::string("\"device_info\": {\"browser\": \"x\"}"), std::string("\"expires_at\": \"20")})
    EXPECT_NE(payload.find(part), std::string::npos) << payload;
  EXPECT_EQ(redis_.text({"GET", "oneclick:session-id:" + id}), "after");
  const std::int64_t left = redis_.integer({"PTTL", "oneclick:session:after"});
  EXPECT_GT(left, 3'590'000);
  EXPECT_LE(left, 3'600'000);

  add(0, "short", "700 milliseconds");
  EXPECT_TRUE(soon([&] { return !has("short"); }));
  EXPECT_EQ(redis_.integer({"DBSIZE"}), 5);  // two sessions, two ids, the mark
}

TEST_F(SessionsTest, ARevocationIsSeenWithinASecond) {
  redis_.start();
  const std::string deleted = add(0, "deleted"), early = add(0, "early"), moved = add(0, "moved");
  add(1, "suspended");
  start();
  for (const char* token : {"deleted", "early", "moved", "suspended"}) put_soon(token);
  sql("DELETE FROM user_sessions WHERE id = '" + deleted + "'");
  gone_soon("deleted");
  sql("UPDATE user_sessions SET expires_at = now() AT TIME ZONE 'UTC' WHERE id = '" + early + "'");
  gone_soon("early");
  sql("UPDATE user_sessions SET token_hash = 'elsewhere' WHERE id = '" + moved + "'");
  gone_soon("moved");
  put_soon("elsewhere");
  sql("UPDATE users SET account_status = 'suspended' WHERE id = '" + test::user(1).to_text() + "'");
  gone_soon("suspended");
  sql("UPDATE users SET account_status = 'active' WHERE id = '" + test::user(1).to_text() + "'");
  put_soon("suspended");
  sql("TRUNCATE user_sessions");
  gone_soon("suspended");
  gone_soon("elsewhere");
}

TEST_F(SessionsTest, WhenOneWasLastUsedIsNoNews) {
  redis_.start();
  const std::string id = add(0, "token");
  start();
  put_soon("token");
  const std::string logged =
      "SELECT count(*) FROM engine.change_log WHERE table_name LIKE 'user_s%'";
  const std::string before = test::row_text(*database_, logged);
  sql("UPDATE user_sessions SET last_active_at = now() AT TIME ZONE 'UTC' WHERE id = '" + id + "'");
  EXPECT_EQ(test::row_text(*database_, logged), before);
}

TEST_F(SessionsTest, OfTwoWithOneTokenTheOtherStays) {
  redis_.start();
  start();
  const std::string first = add(0, "same");
  put_soon("same");
  const std::string second = add(0, "same");
  ASSERT_TRUE(soon([&] {
    return redis_.text({"GET", "oneclick:session:same"}).find(second) != std::string::npos;
  }));
  sql("DELETE FROM user_sessions WHERE id = '" + first + "'");
  ASSERT_TRUE(soon([&] {
    return redis_.integer({"EXISTS", "oneclick:session-id:" + first}) == 0;
  }));
  EXPECT_TRUE(has("same"));
  sql("DELETE FROM user_sessions WHERE id = '" + second + "'");
  gone_soon("same");
}

TEST_F(SessionsTest, ARedisThatIsEmptiedIsCompleteAgain) {
  redis_.start();
  for (int n = 0; n < 2'500; ++n) add(n % 2, fmt::format("t{}", n));
  const auto sessions = [&] { return redis_.integer({"DBSIZE"}); };
  start();
  ASSERT_TRUE(soon([&] { return sessions() == 5'001; })) << sessions();
  // Under an open connection.
  ASSERT_EQ(redis_.text({"FLUSHALL"}), "OK");
  ASSERT_TRUE(soon([&] { return sessions() == 5'001; })) << sessions();
  // Killed while it is being told, and another in its place.
  sql("UPDATE user_sessions SET location = 'Basel'");
  redis_.kill();
  sql("DELETE FROM user_sessions WHERE token_hash = 't7'");
  redis_.start();
  ASSERT_TRUE(soon([&] { return sessions() == 4'999; })) << sessions();
  EXPECT_FALSE(has("t7"));
  EXPECT_NE(redis_.text({"GET", "oneclick:session:t2499"}).find("Basel"), std::string::npos);
}

TEST_F(SessionsTest, RedisMayBeAwayFromTheStart) {
  start();
  add(0, "token");
  ASSERT_TRUE(soon([&] {
    return metrics_->counter("redis_errors_total", "", {{"part", "sessions"}}).value() > 1;
  }));
  redis_.start();
  put_soon("token");
  EXPECT_TRUE(soon([&] {
    return metrics_->gauge("redis_up", "", {{"part", "sessions"}}).value() == 1;
  }));
}

TEST_F(SessionsTest, ARestartGoesOnWhereItWas) {
  redis_.start();
  const std::string id = add(0, "revoked-meanwhile");
  add(0, "stays");
  start();
  put_soon("stays");
  ASSERT_TRUE(soon([&] {
    return redis_.text({"GET", "oneclick:sessions:state"}).starts_with("complete");
  }));
  stop();
  sql("DELETE FROM user_sessions WHERE id = '" + id + "'");
  add(0, "new");
  start();
  gone_soon("revoked-meanwhile");
  put_soon("new");
  EXPECT_TRUE(has("stays"));
  EXPECT_EQ(count("redis_sessions_whole_total"), 0u);
}

TEST_F(SessionsTest, AChangeLogThatWasCleanedMeansAllAnew) {
  redis_.start();
  const std::string id = add(0, "revoked-meanwhile");
  add(0, "stays");
  start();
  ASSERT_TRUE(soon([&] {
    return redis_.text({"GET", "oneclick:sessions:state"}).starts_with("complete");
  }));
  stop();
  sql("DELETE FROM user_sessions WHERE id = '" + id + "'");
  sql("INSERT INTO engine.change_cursors (reader, xid) VALUES ('another', pg_current_xact_id());"
      "DELETE FROM engine.change_log");
  start();
  gone_soon("revoked-meanwhile");
  EXPECT_TRUE(has("stays"));
  EXPECT_EQ(count("redis_sessions_whole_total"), 1u);
}

TEST_F(SessionsTest, AFrozenRedisDoesNotHoldUpTheEnd) {
  redis_.start();
  start();
  add(0, "token");
  put_soon("token");
  redis_.freeze();
  sql("DELETE FROM user_sessions");
  const std::int64_t begun = monotonic_now_ns();
  stop();
  EXPECT_LT(monotonic_now_ns() - begun, second_ns);
  redis_.thaw();
  start();
  gone_soon("token");
}

TEST_F(SessionsTest, TheEnginesRoleMayReadWhatItNeeds) {
  redis_.start();
  sql("CREATE ROLE redis_test_daemon LOGIN IN ROLE oneclick_engine");
  const std::size_t at = url_.find("oneclick@");
  ASSERT_NE(at, std::string::npos);
  url_.replace(at, 8, "redis_test_daemon");
  start();
  add(0, "token");
  put_soon("token");
  stop();
  sql("DROP ROLE redis_test_daemon");
}

}  // namespace
}  // namespace oneclick
