// Copy links as an operator sees and changes them: rows of engine.copy_links, and what holds some
// of them back. A running daemon follows the rows. For tools; nothing here is on the order path.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "engine/domain/link.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

// Which links; what is empty matches all.
struct LinkQuery {
  std::vector<std::string> ids;  // UUIDs, as all ids here
  std::string user;              // the follower
  std::string leader;
  std::string channel;
  std::string status;
};

struct LinkRow {
  std::string id, follower, follower_name, account, exchange;
  std::string leader, channel, source_name;  // one of leader and channel is empty
  std::string status, sizing_mode, copy_percentage, copy_amount;
  std::string version, updated_at;
  std::string halt_reason, halted_at;  // by a limit; empty: not
};
[[nodiscard]] std::expected<std::vector<LinkRow>, std::string> list_links(PgQuery& database,
                                                                          const LinkQuery& query);

struct LinkChange {
  std::string id, before, after;  // status
  bool halt_lifted;               // a limit's: profits count anew
};
// Gives every matching link this status, in one transaction; those that have it already are told
// with it before and after. A quarantined link is left as it is: it is released.
[[nodiscard]] std::expected<std::vector<LinkChange>, std::string> set_link_status(
    PgQuery& database, const LinkQuery& query, LinkStatus status);
// Lifts what holds matching links back: a halt by a limit (a new risk_epoch, from which profits are
// counted) and a quarantine (the link is active again). Others are passed over.
[[nodiscard]] std::expected<std::vector<LinkChange>, std::string> release_links(
    PgQuery& database, const LinkQuery& query);

}  // namespace oneclick
