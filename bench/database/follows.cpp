#include "bench/database/follows.hpp"

#include <atomic>
#include <barrier>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::bench {

namespace {

constexpr int writer_count = 20;
constexpr std::uint64_t followed = 0;

PgQuery connect(const std::string& url) {
  auto query = PgQuery::connect(url);
  if (!query) throw std::runtime_error("follows: " + query.error());
  return std::move(*query);
}

std::uint64_t value(PgQuery& query, const std::string& sql) {
  const auto rows = query.rows(sql, {World::user(followed).to_text()});
  if (!rows) throw std::runtime_error("follows: " + rows.error());
  return std::stoull((*rows)[0][0].value_or("0"));
}

struct Writing {
  std::atomic<std::uint64_t> next{1};  // follower; 0 is whom they follow
  std::atomic<std::uint64_t> done{0};
  std::atomic<bool> failed{false};
  std::uint64_t users;
  double seconds;
  std::int64_t begun_ns = 0, until_ns = 0;
  std::uint64_t done_before = 0;

  void begin() noexcept {
    done_before = done;
    begun_ns = monotonic_now_ns();
    until_ns = begun_ns + static_cast<std::int64_t>(seconds * 1e9);
  }
  struct Begin {
    Writing* writing;
    void operator()() const noexcept { writing->begin(); }
  };
  std::barrier<Begin> ready{writer_count, Begin{this}};
};

// A transaction each, as the platform writes them.
bool follow(PgQuery& query, Writing& writing) {
  const std::uint64_t follower = writing.next++;
  if (follower >= writing.users) return false;
  const auto done =
      query.rows("INSERT INTO user_follows (follower_id, following_id) VALUES ($1, $2)",
                 {World::user(follower).to_text(), World::user(followed).to_text()});
  if (!done) throw std::runtime_error("follows: " + done.error());
  ++writing.done;
  return true;
}

// The first one plans the statement and its triggers; the clock starts when everybody has.
void write(PgQuery& query, Writing& writing) {
  static_cast<void>(follow(query, writing));
  writing.ready.arrive_and_wait();
  while (monotonic_now_ns() < writing.until_ns && !writing.failed)
    if (!follow(query, writing)) return;
}

}  // namespace

FollowResult follow_one(const std::string& database_url, const World& world, double seconds) {
  PgQuery query = connect(database_url);
  if (!query.run("DELETE FROM user_follows")) throw std::runtime_error("follows: not removed");
  Writing writing{.users = world.sizes().users, .seconds = seconds};
  std::vector<std::thread> threads;
  for (int i = 0; i < writer_count; ++i)
    threads.emplace_back([&] {
      try {
        PgQuery own = connect(database_url);
        write(own, writing);
      } catch (const std::exception&) {
        writing.failed = true;
        writing.ready.arrive_and_drop();
      }
    });
  for (std::thread& thread : threads) thread.join();
  const double took = static_cast<double>(monotonic_now_ns() - writing.begun_ns) * 1e-9;
  if (writing.failed) throw std::runtime_error("follows: a writer was refused");
  const std::uint64_t counted = value(query, "SELECT total_followers FROM users WHERE id = $1");
  const std::uint64_t rows =
      value(query, "SELECT count(*) FROM user_follows WHERE following_id = $1");
  if (counted != writing.done || rows != writing.done)
    throw std::runtime_error(fmt::format("follows: {} written, {} counted, {} rows",
                                         writing.done.load(), counted, rows));
  return {.writers = writer_count,
          .follows = writing.done,
          .per_second = static_cast<double>(writing.done - writing.done_before) / took};
}

}  // namespace oneclick::bench
