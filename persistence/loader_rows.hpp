// Rows of the platform's tables as the engine's values, each checked: a row that does not hold is
// described and left out. Reads only; knows nothing of threads.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/domain/port.hpp"
#include "persistence/pg_connection.hpp"

namespace oneclick {

struct InvalidRow {
  std::string table;
  std::string row;      // its key
  std::string problem;  // column, value, what is allowed; never a secret
};

template <typename Row>
struct RowsRead {
  std::vector<Row> rows;
  std::vector<InvalidRow> invalid;
};
template <typename Row>
using ReadResult = std::expected<RowsRead<Row>, PgError>;

struct LoadedAccount {
  Account account;
  Credentials credentials;
};
struct LoadedLink {
  CopyLink link;
  std::int64_t changes_at_us;  // when the subscription it rests on ends, Unix time; 0: never
};
struct LoadedChannel {
  ChannelId id;
  UserId creator;
  bool active;
};
struct LoadedSwitch {
  Uuid id;
  KillSwitch kill_switch;
  bool set_by_engine;
};

// Which rows: their ids as PostgreSQL arrays of text. Unset: all.
struct LinkFilter {
  std::vector<std::string> ids, users, accounts, channels;
};
using Ids = std::vector<std::string>;

// Accounts at venues the engine does not know are left out without a word: they are not for it.
[[nodiscard]] ReadResult<LoadedAccount> read_accounts(PgConnection& connection,
                                                      std::span<const MasterKey> keys,
                                                      const Ids* only);
[[nodiscard]] ReadResult<LoadedLink> read_links(PgConnection& connection, std::int64_t now_us,
                                                const LinkFilter* only);
[[nodiscard]] ReadResult<LeaderFeed> read_feeds(PgConnection& connection, const Ids* only);
[[nodiscard]] ReadResult<LoadedChannel> read_channels(PgConnection& connection, const Ids* only);
[[nodiscard]] ReadResult<LoadedSwitch> read_switches(PgConnection& connection, const Ids* only);
// Releases that were asked for and not carried out yet; filtered by link.
[[nodiscard]] ReadResult<QuarantineRelease> read_releases(PgConnection& connection,
                                                          const Ids* links);
// Their keys are "scope|id".
[[nodiscard]] ReadResult<RiskLimits> read_limits(PgConnection& connection, const Ids* only);
// The scope and id of such a key, as the limits of a row that is gone.
[[nodiscard]] std::optional<RiskLimits> removed_limits(std::string_view key);
// Names that venues have for symbols of others; what an instrument is called itself is left out.
[[nodiscard]] ReadResult<SymbolMapping> read_symbol_map(PgConnection& connection);
// Keys without any of the engine's scopes are the platform's own and left out without a word.
[[nodiscard]] ReadResult<ApiKey> read_api_keys(PgConnection& connection, const Ids* ids,
                                               const Ids* users);

// "{a,b}"; the values are ids (hex and dashes), checked here.
[[nodiscard]] std::string uuid_array(const Ids& ids);
[[nodiscard]] std::optional<std::uint32_t> api_scope_from_text(std::string_view text);
[[nodiscard]] Uuid uuid_of(std::string_view text);  // nil for anything that is not one

}  // namespace oneclick
