// The world of the demo: who follows whom, with what, all derived from one number so that two runs
// are alike. Writes itself into the database and into the paper exchange's configuration.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/domain/link.hpp"

namespace oneclick::demo {

struct Trader {
  UserId user;
  AccountId account;
  PortfolioId portfolio;
  std::string name;
  std::string api_key;
  std::string secret;
  Decimal quote_balance;  // USDT on the exchange at start
};

struct Link {
  LinkId id;
  std::size_t follower;     // index of World::followers
  bool to_channel;          // else to the leader
  std::string percentage;   // empty: NULL
  std::string copy_amount;  // empty: NULL
  std::string entry_style;
  std::string min_lot_policy;
  std::string status;
};

struct World {
  Trader leader;
  UserId bot;  // creator of the channel
  ChannelId channel;
  std::vector<Trader> followers;
  std::vector<bool> subscribed;  // to the channel, by follower
  std::vector<Link> links;
};

[[nodiscard]] World make_world(std::size_t follower_count, std::uint64_t seed);

// Rows of users, portfolios, accounts with sealed credentials, channel, subscriptions, links and
// the leader's feed. Rows that are there already (the same world in a kept database) stay as they
// are.
[[nodiscard]] std::expected<void, std::string> write_world(const std::string& database_url,
                                                           const World& world,
                                                           const MasterKey& key);
// [[accounts]] tables of a paper exchange's configuration.
[[nodiscard]] std::string paper_accounts_toml(const World& world);

}  // namespace oneclick::demo
