// The thread that tells Redis what passes in the journals, and the prices. How far a journal was
// told stands in Redis, put there together with what was told (see redis_commit): so nothing is
// told twice after a restart of either side, and a Redis that was emptied or went back to an older
// copy says itself from where it needs more. Nothing waits for this thread, the journal's cleaning
// least of all.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/redis_link.hpp"
#include "persistence/redis_updates.hpp"

namespace oneclick {

namespace {

using Done = std::expected<void, std::string>;

constexpr int nice_level = 10;
constexpr std::int64_t idle_ns = 5'000'000;
// Entries without an update are worth a mark only now and then; it also shows that Redis is there.
constexpr std::int64_t mark_interval_ns = 1'000'000'000;
constexpr int entries_a_turn = 20'000;
constexpr std::size_t updates_a_commit = 500;
// A price that nobody renews is gone soon, so that an old one is not taken for the latest.
constexpr std::int64_t price_life_ms = 60'000;
constexpr std::int64_t price_repeat_ns = 20'000'000'000;
constexpr const char* skipped_key = "oneclick:skipped";
constexpr const char* skipped_entries_max = "1000";

std::string mark_key(std::uint16_t shard) {
  return fmt::format("oneclick:journal:{}", shard);
}

struct Follower {
  RedisFeedShard source;
  Gauge* lag;
  std::string journal;  // whose positions these are
  std::unique_ptr<JournalReader> reader;
  JournalPosition told = 0;          // as Redis has it
  JournalPosition read = 0;          // of the last entry taken from the reader
  JournalPosition published_from{};  // what is before goes into streams alone
  std::optional<std::string> mark;
  std::int64_t marked_ns = 0;
};

class Feed final : public RedisFeed {
 public:
  Feed(RedisFeedOptions options, Metrics& metrics);
  ~Feed() override {
    stop_.give();
    thread_.join();
  }

 private:
  void run();
  // Until something breaks or we stop.
  [[nodiscard]] Done work();
  // Where Redis says that it is, or how much of the journal an empty one is told.
  [[nodiscard]] Done resume(Follower& f);
  // One batch; true: there was one.
  [[nodiscard]] std::expected<bool, std::string> step(Follower& f);
  [[nodiscard]] Done skip(Follower& f, JournalPosition to, std::string_view why);
  [[nodiscard]] Done open_reader(Follower& f);
  [[nodiscard]] Done commit(Follower& f, std::vector<RedisCommand> commands);
  void add_update(std::vector<RedisCommand>& commands, const RedisUpdate& update, bool publish);
  [[nodiscard]] Done tell_prices();
  void show_lag();
  [[nodiscard]] JournalPosition first_kept(const Follower& f) const;

  const RedisFeedOptions options_;
  const std::string stream_max_, stream_keep_s_;
  StopSignal stop_;
  RedisLink redis_;
  Counter& updates_total_;
  Counter& skipped_total_;
  Counter& prices_total_;
  std::vector<Follower> followers_;
  struct ToldPrice {
    std::int64_t of_ns;
    std::int64_t told_ns;
  };
  std::map<std::string, ToldPrice> prices_;
  std::int64_t prices_told_ns_ = 0;
  std::thread thread_;
};

Feed::Feed(RedisFeedOptions options, Metrics& metrics)
    : options_(std::move(options)),
      stream_max_(std::to_string(options_.stream_entries_max)),
      stream_keep_s_(
          std::to_string(std::max<std::int64_t>(1, options_.stream_keep_ns / 1'000'000'000))),
      redis_(options_.address, "feed", metrics, stop_),
      updates_total_(metrics.counter("redis_updates_total",
                                     "Updates of orders and positions written to Redis.")),
      skipped_total_(
          metrics.counter("redis_skipped_entries_total",
                          "Journal entries passed over because Redis was too far behind.")),
      prices_total_(metrics.counter("redis_prices_total", "Prices written to Redis.")) {
  for (const RedisFeedShard& shard : options_.shards) {
    Follower f{};
    f.source = shard;
    f.lag = &metrics.gauge("redis_lag_entries", "Journal entries that Redis was not yet told.",
                           {{"shard", std::to_string(shard.shard)}});
    followers_.push_back(std::move(f));
  }
  thread_ = std::thread([this] { run(); });
}

void Feed::run() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), nice_level);
  while (!stop_.given()) {
    show_lag();
    if (!redis_.open()) continue;
    if (const auto worked = work(); !worked) redis_.give_up(worked.error());
  }
}

Done Feed::work() {
  prices_.clear();  // Redis may be another
  prices_told_ns_ = 0;
  for (Follower& f : followers_)
    if (auto done = resume(f); !done) return done;
  while (!stop_.given()) {
    bool is_idle = true;
    for (Follower& f : followers_) {
      const auto moved = step(f);
      if (!moved) return std::unexpected(moved.error());
      is_idle = is_idle && !*moved;
    }
    if (auto done = tell_prices(); !done) return done;
    redis_.worked();
    show_lag();
    if (is_idle) stop_.wait(idle_ns);
  }
  return {};
}

void Feed::show_lag() {
  for (Follower& f : followers_) {
    const JournalPosition end = f.source.end();
    f.lag->set(static_cast<double>(end - std::min(end, f.told)));
  }
}

JournalPosition Feed::first_kept(const Follower& f) const {
  const auto segments = journal::list_segments(
      journal::shard_dir(options_.journal_dir, f.source.shard), f.source.shard);
  return segments && !segments->empty() ? segments->front().header.first : 1;
}

Done Feed::resume(Follower& f) {
  f.reader.reset();
  const auto segments = journal::list_segments(
      journal::shard_dir(options_.journal_dir, f.source.shard), f.source.shard);
  if (!segments || segments->empty())
    return std::unexpected(segments ? "there is no journal yet" : segments.error().message);
  f.journal = segments->front().header.journal.to_text();
  const auto reply = redis_.run(RedisCommand{"GET", mark_key(f.source.shard)});
  if (!reply) return std::unexpected(reply.error());
  f.mark.reset();
  if (!reply->is_nil()) f.mark = reply->text;
  const JournalPosition end = f.source.end();
  const std::string ours = f.journal + " ";
  if (f.mark && f.mark->starts_with(ours)) {
    f.told = 0;
    std::from_chars(f.mark->data() + ours.size(), f.mark->data() + f.mark->size(), f.told);
    f.published_from = 0;
    // A journal that lost its end with the power goes on with other entries under these numbers.
    f.told = std::min(f.told, end);
  } else {
    // Streams are filled again as far as they reach; nobody hears old news as new.
    const JournalPosition back = std::min<JournalPosition>(end, options_.lag_entries_max);
    f.told = std::max(end - back, segments->front().header.first - 1);
    f.published_from = end;
    log_info("Redis is told a journal from the start of what it keeps",
             {{"shard", f.source.shard}, {"entries", end - f.told}});
  }
  f.read = f.told;
  f.marked_ns = 0;
  return open_reader(f);
}

Done Feed::open_reader(Follower& f) {
  auto reader = JournalReader::open(options_.journal_dir, f.source.shard, f.read + 1);
  if (reader) {
    f.reader = std::move(*reader);
    return {};
  }
  const JournalPosition first = first_kept(f);
  if (first <= f.read + 1) return std::unexpected(reader.error().message);
  return skip(f, first - 1, "the journal no longer keeps them");
}

// Whoever shows a user's orders reads them anew from the database when this is told.
Done Feed::skip(Follower& f, JournalPosition to, std::string_view why) {
  const JournalPosition from = f.told + 1;
  const std::string json = fmt::format(R"({{"shard":{},"first":{},"last":{},"reason":"{}"}})",
                                       f.source.shard, from, to, why);
  f.reader.reset();
  f.read = to;
  if (auto done =
          commit(f, {{"XADD", skipped_key, "MAXLEN", "~", skipped_entries_max, "*", "data", json},
                     {"PUBLISH", skipped_key, json}});
      !done)
    return done;
  skipped_total_.add(to - from + 1);
  log_warning("Redis was too far behind: entries of the journal were passed over",
              {{"shard", f.source.shard}, {"first", from}, {"last", to}, {"reason", why}});
  return open_reader(f);
}

std::expected<bool, std::string> Feed::step(Follower& f) {
  const JournalPosition end = f.source.end();
  if (end > f.told + options_.lag_entries_max) {
    // Half of it, so that it is not at the limit again at once.
    const JournalPosition to = end - options_.lag_entries_max / 2;
    if (auto done = skip(f, to, "further behind than redis.lag_entries_max"); !done)
      return std::unexpected(done.error());
    return true;
  }
  std::vector<RedisCommand> commands;
  std::size_t updates = 0;
  bool has_moved = false;
  for (int n = 0; n < entries_a_turn && updates < updates_a_commit && f.read < end; ++n) {
    const auto entry = f.reader->next();
    if (!entry) {
      // Removed under our hands, or damaged. What was read and not told is read again.
      f.read = f.told;
      if (first_kept(f) <= f.told + 1) return std::unexpected(entry.error().message);
      if (auto done = open_reader(f); !done) return std::unexpected(done.error());
      return true;
    }
    if (!*entry) break;
    has_moved = true;
    f.read = (*entry)->position;
    if ((*entry)->record == nullptr) continue;
    const auto update = redis_update(*(*entry)->record, f.read);
    if (!update) continue;
    add_update(commands, *update, f.read > f.published_from);
    ++updates;
  }
  const bool is_due = steady_now_ns() - f.marked_ns >= mark_interval_ns;
  if (commands.empty() && !is_due) return has_moved;
  if (auto done = commit(f, std::move(commands)); !done) return std::unexpected(done.error());
  updates_total_.add(updates);
  return has_moved;
}

void Feed::add_update(std::vector<RedisCommand>& commands, const RedisUpdate& update,
                      bool publish) {
  commands.push_back(
      {"XADD", update.key, "MAXLEN", "~", stream_max_, "*", "id", update.id, "data", update.json});
  commands.push_back({"EXPIRE", update.key, stream_keep_s_});
  if (publish) commands.push_back({"PUBLISH", update.key, update.json});
}

Done Feed::commit(Follower& f, std::vector<RedisCommand> commands) {
  const std::string next = fmt::format("{} {}", f.journal, f.read);
  const auto done = redis_.commit(mark_key(f.source.shard), f.mark, std::move(commands), next);
  if (!done) return std::unexpected(done.error());
  if (!*done) return std::unexpected("the mark of the journal is gone or was changed by another");
  f.mark = next;
  f.told = f.read;
  f.marked_ns = steady_now_ns();
  return {};
}

Done Feed::tell_prices() {
  const std::int64_t now = steady_now_ns();
  if (!options_.each_price || now - prices_told_ns_ < options_.price_interval_ns) return {};
  prices_told_ns_ = now;
  std::vector<RedisCommand> commands;
  std::size_t prices = 0;
  options_.each_price([&](Venue venue, const Symbol& symbol, const Touch& touch) {
    if (touch.time_ns == 0) return;
    const std::string key = price_key(venue, symbol);
    ToldPrice& told = prices_[key];
    const bool is_new = told.of_ns != touch.time_ns;
    if (!is_new && now - told.told_ns < price_repeat_ns) return;
    told = {.of_ns = touch.time_ns, .told_ns = now};
    const std::string json = price_json(touch);
    commands.push_back({"SET", key, json, "PX", std::to_string(price_life_ms)});
    if (is_new) commands.push_back({"PUBLISH", key, json});
    ++prices;
  });
  if (commands.empty()) return {};
  const auto replies = redis_.run(commands);
  if (!replies) return std::unexpected(replies.error());
  for (const RedisReply& reply : *replies)
    if (reply.is_error()) return std::unexpected(reply.text);
  prices_total_.add(prices);
  return {};
}

}  // namespace

std::unique_ptr<RedisFeed> RedisFeed::start(RedisFeedOptions options, Metrics& metrics) {
  return std::make_unique<Feed>(std::move(options), metrics);
}

}  // namespace oneclick
