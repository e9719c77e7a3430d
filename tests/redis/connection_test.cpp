// The client: addresses, logins, and what an operator is told when something is wrong.
#include "tests/redis/redis_server.hpp"

namespace oneclick {
namespace {

TEST(RedisUrl, SaysWhereAndWho) {
  const auto full = parse_redis_url("redis://web:se:cret@cache.internal:6380/3");
  ASSERT_TRUE(full.has_value()) << full.error();
  EXPECT_EQ(full->host, "cache.internal");
  EXPECT_EQ(full->port, 6380);
  EXPECT_EQ(full->database, 3);
  EXPECT_EQ(full->user, "web");
  EXPECT_EQ(full->password, "se:cret");
  const auto least = parse_redis_url("redis://[::1]");
  ASSERT_TRUE(least.has_value()) << least.error();
  EXPECT_EQ(least->host, "::1");
  EXPECT_EQ(least->port, 6379);
  EXPECT_EQ(least->user + least->password, "");
}

TEST(RedisUrl, RefusesWhatIsNoAddressWithoutShowingIt) {
  for (const char* const url :
       {"", "http://:hidden@host", "redis://", "redis://:hidden@", "redis://:hidden@host:0",
        "redis://:hidden@host:65536", "redis://:hidden@host:x", "redis://:hidden@host/-1",
        "redis://:hidden@host/one", "redis://:hidden@ho st", "redis://:hidden@[::1"}) {
    const auto address = parse_redis_url(url);
    ASSERT_FALSE(address.has_value()) << url;
    EXPECT_EQ(address.error().find("hidden"), std::string::npos) << address.error();
  }
}

TEST(RedisLogin, AWrongPasswordIsSaidClearly) {
  ONECLICK_NEEDS_REDIS();
  test::PrivateRedis redis({"--requirepass", "right-one"});
  redis.start();
  const auto none = check_redis(redis.address());
  ASSERT_FALSE(none.has_value());
  EXPECT_NE(none.error().find("wants a password"), std::string::npos) << none.error();
  redis.password = "wrong-one";
  const auto wrong = check_redis(redis.address());
  ASSERT_FALSE(wrong.has_value());
  EXPECT_NE(wrong.error().find("refuses the user or the password"), std::string::npos)
      << wrong.error();
  EXPECT_EQ(wrong.error().find("wrong-one"), std::string::npos) << wrong.error();
  redis.password = "right-one";
  const auto right = check_redis(redis.address());
  EXPECT_TRUE(right.has_value()) << right.error();
}

TEST(RedisLogin, NobodyThereIsSaidWithTheAddress) {
  const auto nobody = check_redis(
      {.host = "127.0.0.1", .port = free_port(), .database = 0, .user = {}, .password = "hidden"});
  ASSERT_FALSE(nobody.has_value());
  EXPECT_TRUE(nobody.error().starts_with("127.0.0.1:")) << nobody.error();
  EXPECT_NE(nobody.error().find("refused"), std::string::npos) << nobody.error();
}

TEST(RedisConnectionTest, ManyLargeCommandsAtOnceDoNotBlockEachOther) {
  ONECLICK_NEEDS_REDIS();
  test::PrivateRedis redis;
  redis.start();
  StopSignal stop;
  auto connection = RedisConnection::open(redis.address(), "test", stop);
  ASSERT_TRUE(connection.has_value()) << connection.error();
  // More each way than the sockets hold.
  const std::string large(64 * 1024, 'x');
  const std::vector<RedisCommand> commands(1'000, RedisCommand{"ECHO", large});
  const auto replies = (*connection)->run(commands);
  ASSERT_TRUE(replies.has_value()) << replies.error();
  ASSERT_EQ(replies->size(), commands.size());
  for (const RedisReply& reply : *replies) ASSERT_EQ(reply.text, large);
}

TEST(RedisConnectionTest, ACommitIsWholeAndOnlyOverWhatWasExpected) {
  ONECLICK_NEEDS_REDIS();
  test::PrivateRedis redis;
  redis.start();
  StopSignal stop;
  auto connection = RedisConnection::open(redis.address(), "test", stop);
  ASSERT_TRUE(connection.has_value()) << connection.error();
  const auto commit = [&](std::optional<std::string> expected, RedisCommand command,
                          const std::string& next) {
    return redis_commit(**connection, "guard", expected, {std::move(command)}, next);
  };
  EXPECT_TRUE(commit(std::nullopt, {"SET", "a", "1"}, "one")->done);
  EXPECT_FALSE(commit(std::nullopt, {"SET", "a", "2"}, "two")->done);
  EXPECT_FALSE(commit("other", {"SET", "a", "2"}, "two")->done);
  EXPECT_EQ(redis.text({"GET", "a"}), "1");
  EXPECT_TRUE(commit("one", {"SET", "a", "2"}, "two")->done);
  EXPECT_EQ(redis.text({"GET", "a"}) + redis.text({"GET", "guard"}), "2two");
  // A command that is no command: nothing is done.
  EXPECT_FALSE(commit("two", {"NONSENSE", "a"}, "three").has_value());
  EXPECT_EQ(redis.text({"GET", "guard"}), "two");
  // A key of another type: the rest is done, and it is said.
  const auto some = commit("two", {"XADD", "a", "*", "b", "c"}, "three");
  ASSERT_TRUE(some.has_value()) << some.error();
  EXPECT_TRUE(some->done);
  EXPECT_EQ(some->errors, 1u);
  EXPECT_NE(some->first_error.find("WRONGTYPE"), std::string::npos);
  EXPECT_EQ(redis.text({"GET", "guard"}), "three");
}

}  // namespace
}  // namespace oneclick
