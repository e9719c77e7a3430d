// What the engine does with PostgreSQL. Each class below runs its own thread and reconnects by
// itself; none of them is ever waited for by the order path.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/base/metrics.hpp"
#include "engine/domain/market_sample.hpp"
#include "engine/domain/port.hpp"
#include "persistence/journal.hpp"

namespace oneclick {

// --- schema ---
struct Migration {
  int number;
  std::string name;
  std::string sql;
  std::string checksum;  // hex SHA-256
};
// Compiled into the binary from schema/migrations.
[[nodiscard]] std::span<const Migration> migrations();
struct MigrationStatus {
  int number;
  std::string name;
  bool applied;
  std::string applied_at;
};
[[nodiscard]] std::expected<std::vector<MigrationStatus>, std::string> migration_status(
    const std::string& database_url);
// How the time series are stored, as their migration decided; nothing before it ran.
struct TimeSeriesStorage {
  std::string storage;               // partitions | hypertables | compressed_hypertables
  std::string timescaledb, license;  // empty without the extension
  std::string reason;
};
[[nodiscard]] std::expected<std::optional<TimeSeriesStorage>, std::string> time_series_storage(
    const std::string& database_url);
// Brings the database to the current schema, under an advisory lock, one transaction each.
// Restartable. Error names the migration and what PostgreSQL said. `on_step` is told each migration
// applied.
[[nodiscard]] std::expected<int, std::string> migrate(
    const std::string& database_url, const std::function<void(const Migration&)>& on_step);

// --- sink: journal -> rows ---
struct PgSinkOptions {
  std::string database_url;
  std::filesystem::path journal_dir;
  std::uint16_t shard = 0;
  std::size_t batch_records_max = 10'000;
  std::int64_t batch_wait_ns = 5'000'000;
  // The journal's last position (any thread), for the lag while the sink is not at its end. Unset:
  // the lag never shows more than a batch.
  std::function<JournalPosition()> journal_end = {};
};
class PgSink {
 public:
  [[nodiscard]] static std::unique_ptr<PgSink> start(
      PgSinkOptions options, Metrics& metrics, std::function<void(JournalPosition)> on_committed);
  virtual ~PgSink() = default;  // stops at once; what is not committed is read again next time
  // Waits until everything up to `position` is committed, at most timeout_ns.
  [[nodiscard]] virtual bool drain(JournalPosition position, std::int64_t timeout_ns) = 0;
  [[nodiscard]] virtual JournalPosition committed() const = 0;
};

// --- loader: rows -> changes ---
struct PgLoaderOptions {
  std::string database_url;
  std::vector<MasterKey> master_keys;
};
class PgLoader {
 public:
  [[nodiscard]] static std::unique_ptr<PgLoader> start(PgLoaderOptions options, ChangeSink& changes,
                                                       Metrics& metrics);
  virtual ~PgLoader() = default;
  [[nodiscard]] virtual bool loaded() const = 0;  // the first whole snapshot has been told
  [[nodiscard]] virtual bool connected() const = 0;
  // Other master keys from now on, for rotation while running: accounts that did not open are read
  // again. Any thread.
  virtual void set_master_keys(std::vector<MasterKey> keys) = 0;
};

// --- rows that are not derived from the journal: security_events, audit_logs,
// api_keys.last_used_at ---
struct SecurityEvent {
  std::optional<UserId> user;
  std::string event_type;
  std::string severity;  // low | medium | high | critical
  std::string description;
  std::string ip_address;  // empty when unknown
};
struct UsdRate {
  Asset asset;
  Decimal usd;  // per unit
  std::int64_t at_ns;
};
class PgSideWriter {
 public:
  [[nodiscard]] static std::unique_ptr<PgSideWriter> start(std::string database_url,
                                                           Metrics& metrics);
  virtual ~PgSideWriter() = default;
  // Any thread; bounded: beyond 10,000 waiting rows they are dropped and counted.
  virtual void security_event(SecurityEvent event) = 0;
  // For price_history and market_data. Any thread; bounded: while the database is away the newest
  // 50,000 are kept.
  virtual void market(std::vector<MarketSample> samples) = 0;
  // What assets are worth by the rule for trades: for engine.usd_rates. Any thread; bounded in the
  // same way. Once prices and rates are written, portfolios are told what they are worth, at most
  // once a minute.
  virtual void usd_rates(std::vector<UsdRate> rates) = 0;
};

// --- tools behind the command line ---
struct NewApiKey {
  ApiKeyId id;
  std::string token;  // "oc_<key id>_<secret>", shown once
};
[[nodiscard]] std::expected<NewApiKey, std::string> add_api_key(
    const std::string& database_url, UserId user, std::string_view name,
    const std::vector<std::string>& scopes, std::optional<std::int64_t> expires_unix_s);
struct ApiKeyRow {
  std::string id, user_id, name, permissions, created_at, expires_at, last_used_at;
};
[[nodiscard]] std::expected<std::vector<ApiKeyRow>, std::string> list_api_keys(
    const std::string& database_url);
[[nodiscard]] std::expected<bool, std::string> revoke_api_key(const std::string& database_url,
                                                              ApiKeyId id);

// Seals the plain credentials of one user_exchanges row in place (each column bound to its row), or
// rewraps rows sealed under an older key with the first of `keys`. Returns how many rows changed.
[[nodiscard]] std::expected<int, std::string> seal_credentials(const std::string& database_url,
                                                               const MasterKey& key,
                                                               AccountId account,
                                                               const Credentials& plain);
[[nodiscard]] std::expected<int, std::string> rewrap_credentials(const std::string& database_url,
                                                                 std::span<const MasterKey> keys);
// Additional data of a sealed column: "user_exchanges|api_key|<row id>".
[[nodiscard]] std::string credential_aad(std::string_view column, AccountId account);
// A file of secrets, at most 64 KiB, that group and others must not be able to read.
[[nodiscard]] std::expected<std::string, std::string> read_private_file(
    const std::filesystem::path& path);
// Master key file: lines "<id> <base64 of 32 bytes>", the first one seals. Must not be readable by
// group or others. Errors name the file and line, never the content.
[[nodiscard]] std::expected<std::vector<MasterKey>, std::string> read_master_keys(
    const std::filesystem::path&);

// --- what became of an event, for GET /v1/events/{id} ---
// A viewer sees events of its own and of its channels; nil sees all. What it may not see is not
// there.
struct EventReport {
  std::string json;  // the whole answer's body
};
[[nodiscard]] std::expected<std::optional<std::string>, std::string> event_report_json(
    const std::string& database_url, EventId id, UserId viewer);

}  // namespace oneclick
