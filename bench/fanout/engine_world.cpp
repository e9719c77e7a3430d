#include "bench/fanout/engine_world.hpp"

#include <fmt/format.h>

#include "bench/fanout/parties.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick::bench {

namespace {

Uuid random_id() {
  std::array<std::uint8_t, 16> bytes;
  random_bytes(bytes);
  Uuid id = Uuid::from_bytes(bytes.data());
  id.high = (id.high & ~0xf000ULL) | 0x4000;
  id.low = (id.low & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;
  return id;
}

struct Rows {
  std::vector<PgRow> users, portfolios, accounts, links;

  UserId add_user(const std::string& name) {
    const UserId id{random_id()};
    users.push_back({id.to_text(), name + "@example.org", name, "!", "active"});
    return id;
  }

  void add_follower(UserId leader, std::size_t party_index, const MasterKey& key) {
    const Party party = make_party(party_index);
    const UserId user = add_user(fmt::format("fanout_follower_{}", party_index));
    const AccountId account{random_id()};
    const std::string portfolio = random_id().to_text();
    portfolios.push_back({portfolio, user.to_text(), "Copies", "true"});
    accounts.push_back({account.to_text(), user.to_text(), "binance",
                        seal(key, credential_aad("api_key", account), party.api_key),
                        seal(key, credential_aad("api_secret", account), party.secret),
                        "connected"});
    links.push_back({random_id().to_text(), user.to_text(), account.to_text(), portfolio,
                     leader.to_text(), std::to_string(50 + party_index % 100), "capped", "active"});
  }
};

}  // namespace

std::expected<EngineWorld, std::string> write_engine_world(const std::string& database_url,
                                                           const std::vector<std::size_t>& sizes,
                                                           const MasterKey& key) {
  EngineWorld world;
  Rows rows;
  world.platform = rows.add_user("fanout_platform");
  std::size_t party = 0;
  for (const std::size_t size : sizes) {
    const UserId leader = rows.add_user(fmt::format("fanout_leader_{}", world.leaders.size()));
    world.leaders.push_back(leader);
    for (std::size_t i = 0; i < size; ++i) rows.add_follower(leader, party++, key);
  }
  auto database = PgQuery::connect(database_url);
  if (!database) return std::unexpected(database.error());
  const std::pair<const char*, const std::vector<PgRow>*> tables[] = {
      {"users (id, email, username, password_hash, account_status)", &rows.users},
      {"portfolios (id, user_id, name, is_default)", &rows.portfolios},
      {"user_exchanges (id, user_id, exchange_name, api_key, api_secret, status)", &rows.accounts},
      {"engine.copy_links (id, follower_user_id, follower_exchange_id, portfolio_id, "
       "leader_user_id, "
       "copy_percentage, entry_style, status)",
       &rows.links}};
  for (const auto& [target, values] : tables)
    if (const auto done = database->copy(target, *values); !done)
      return std::unexpected(std::string(target) + ": " + done.error());
  if (const auto done = database->run("ANALYZE"); !done) return std::unexpected(done.error());
  return world;
}

}  // namespace oneclick::bench
