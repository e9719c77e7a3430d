#include "engine/app/demo_world.hpp"

#include <array>
#include <random>

#include <fmt/format.h>

#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::demo {

namespace {

// Percentages as followers choose them: mostly the leader's size, some far below and above. NULL is
// 100.
constexpr std::array<const char*, 10> percentages{"",   "100", "50",  "25",     "75",
                                                  "10", "150", "200", "333.33", "1"};

Uuid uuid_of(std::mt19937_64& random) {
  Uuid id{random(), random()};
  id.high = (id.high & ~0xf000ULL) | 0x4000;
  id.low = (id.low & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;
  return id;
}

std::string key_of(std::mt19937_64& random) {
  static constexpr char letters[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  std::string out(64, ' ');
  for (char& c : out) c = letters[random() % 62];
  return out;
}

Trader make_trader(std::mt19937_64& random, std::string name, Decimal quote_balance) {
  return {.user = {uuid_of(random)},
          .account = {uuid_of(random)},
          .portfolio = {uuid_of(random)},
          .name = std::move(name),
          .api_key = key_of(random),
          .secret = key_of(random),
          .quote_balance = quote_balance};
}

bool chance(std::mt19937_64& random, unsigned percent) {
  return random() % 100 < percent;
}

Decimal balance_of(std::mt19937_64& random) {
  if (chance(random, 5)) return Decimal::from_integer(25);  // runs out of money soon
  return Decimal::from_integer(static_cast<std::int64_t>(2'000 + random() % 50'000));
}

Link make_link(std::mt19937_64& random, std::size_t follower, bool to_channel) {
  Link link{.id = {uuid_of(random)},
            .follower = follower,
            .to_channel = to_channel,
            .percentage = percentages[random() % percentages.size()],
            .copy_amount = chance(random, 10) ? "60.00" : "",
            .entry_style = chance(random, 10) ? "market" : "capped",
            .min_lot_policy = "carry",
            .status = "active"};
  if (chance(random, 8)) link.min_lot_policy = "skip";
  if (chance(random, 4)) link.min_lot_policy = "round_up";
  if (chance(random, 3)) link.status = "paused";
  if (chance(random, 2)) link.status = "exits_only";
  return link;
}

std::optional<std::string> null_when_empty(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

// All rows of the world, table by table, in the order foreign keys want.
class Writer {
 public:
  Writer(PgQuery& database, const MasterKey& key) : database_(database), key_(key) {}

  std::expected<void, std::string> write(const World& world) {
    for (const auto& step :
         {&Writer::users, &Writer::portfolios, &Writer::accounts, &Writer::channel,
          &Writer::subscriptions, &Writer::feed, &Writer::links})
      if (const auto done = (this->*step)(world); !done) return done;
    return {};
  }

 private:
  using Done = std::expected<void, std::string>;

  Done insert(const std::string& table, const std::string& columns,
              const std::vector<PgRow>& rows) {
    const std::string staging = fmt::format(
        "CREATE TEMPORARY TABLE staging AS SELECT {} FROM {} WHERE false", columns, table);
    if (const auto made = database_.run(staging); !made) return made;
    if (const auto copied = database_.copy(fmt::format("staging ({})", columns), rows); !copied)
      return std::unexpected(table + ": " + copied.error());
    const auto moved = database_.run(
        fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM staging ON CONFLICT DO NOTHING; "
                    "DROP TABLE staging",
                    table, columns));
    if (!moved) return std::unexpected(table + ": " + moved.error());
    return {};
  }

  static PgRow user_row(UserId id, const std::string& name) {
    return {id.to_text(), name + "@example.org", name, "!", "active"};
  }
  Done users(const World& w) {
    std::vector<PgRow> rows{user_row(w.leader.user, w.leader.name), user_row(w.bot, "demo_bot")};
    for (const Trader& f : w.followers) rows.push_back(user_row(f.user, f.name));
    return insert("users", "id, email, username, password_hash, account_status", rows);
  }
  Done portfolios(const World& w) {
    std::vector<PgRow> rows;
    for (const Trader& f : w.followers)
      rows.push_back({f.portfolio.to_text(), f.user.to_text(), "Copies", "true"});
    return insert("portfolios", "id, user_id, name, is_default", rows);
  }
  PgRow account_row(const Trader& t) {
    return {t.account.to_text(),
            t.user.to_text(),
            "binance",
            seal(key_, credential_aad("api_key", t.account), t.api_key),
            seal(key_, credential_aad("api_secret", t.account), t.secret),
            "connected"};
  }
  Done accounts(const World& w) {
    std::vector<PgRow> rows{account_row(w.leader)};
    for (const Trader& f : w.followers) rows.push_back(account_row(f));
    return insert("user_exchanges", "id, user_id, exchange_name, api_key, api_secret, status",
                  rows);
  }
  Done channel(const World& w) {
    return insert("premium_channels", "id, creator_id, name, pricing_monthly, is_active",
                  {{w.channel.to_text(), w.bot.to_text(), "Demo signals", "9.99", "true"}});
  }
  Done subscriptions(const World& w) {
    std::vector<PgRow> rows;
    for (std::size_t i = 0; i < w.followers.size(); ++i)
      if (w.subscribed[i])
        rows.push_back({w.followers[i].user.to_text(), w.channel.to_text(), "active", "monthly",
                        "2020-01-01 00:00:00"});
    // Subscriptions have ids of their own: only where none is there yet.
    const auto there = database_.rows("SELECT 1 FROM subscriptions WHERE channel_id = $1 LIMIT 1",
                                      {w.channel.to_text()});
    if (!there) return std::unexpected(there.error());
    if (!there->empty() || rows.empty()) return {};
    return database_.copy("subscriptions (user_id, channel_id, status, billing_cycle, start_date)",
                          rows);
  }
  Done feed(const World& w) {
    return insert("engine.leader_feeds", "user_exchange_id, authoritative",
                  {{w.leader.account.to_text(), "true"}});
  }
  Done links(const World& w) {
    std::vector<PgRow> rows;
    for (const Link& l : w.links) {
      const Trader& f = w.followers[l.follower];
      rows.push_back({l.id.to_text(), f.user.to_text(), f.account.to_text(), f.portfolio.to_text(),
                      l.to_channel ? std::nullopt : std::optional(w.leader.user.to_text()),
                      l.to_channel ? std::optional(w.channel.to_text()) : std::nullopt,
                      null_when_empty(l.percentage), null_when_empty(l.copy_amount), l.entry_style,
                      l.min_lot_policy, l.status});
    }
    return insert(
        "engine.copy_links",
        "id, follower_user_id, follower_exchange_id, portfolio_id, leader_user_id, channel_id, "
        "copy_percentage, copy_amount, entry_style, min_lot_policy, status",
        rows);
  }

  PgQuery& database_;
  const MasterKey& key_;
};

std::string account_toml(const Trader& t) {
  return fmt::format(
      "[[accounts]]\nid = \"{}\"\napi_key = \"{}\"\napi_secret = \"{}\"\nbalances = {{ USDT = "
      "\"{}\" }}\n\n",
      t.account.to_text(), t.api_key, t.secret, t.quote_balance.to_text());
}

}  // namespace

World make_world(std::size_t follower_count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  World world;
  world.leader = make_trader(random, "demo_leader", Decimal::from_integer(1'000'000));
  world.bot = {uuid_of(random)};
  world.channel = {uuid_of(random)};
  for (std::size_t i = 0; i < follower_count; ++i) {
    world.followers.push_back(
        make_trader(random, fmt::format("demo_follower_{}", i + 1), balance_of(random)));
    world.links.push_back(make_link(random, i, false));
    // A third listens to the bot's channel too; most of them pay for it.
    const bool listens = chance(random, 33);
    if (listens) world.links.push_back(make_link(random, i, true));
    world.subscribed.push_back(listens && chance(random, 85));
  }
  return world;
}

std::expected<void, std::string> write_world(const std::string& database_url, const World& world,
                                             const MasterKey& key) {
  auto database = PgQuery::connect(database_url);
  if (!database) return std::unexpected(database.error());
  return Writer(*database, key).write(world);
}

std::string paper_accounts_toml(const World& world) {
  std::string out = account_toml(world.leader);
  for (const Trader& f : world.followers) out += account_toml(f);
  return out;
}

}  // namespace oneclick::demo
