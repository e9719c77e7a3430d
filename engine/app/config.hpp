// What the daemon is told: read once from a TOML file, the environment and the command line (the
// later one named wins from right to left: command line over environment over file), checked
// completely, printed, then constant. A file that is wrong in any place gives all its errors and no
// configuration.
//   environment: ONECLICK__SECTION__KEY (ONECLICK__VENUES__BINANCE__REST_URL), lists separated by
//   commas command line: --set section.key=value
// Secrets come from ONECLICK_DATABASE_URL and from files only; no error, log line or print shows
// one. Every section below must be in the file, so that a half-written one is not taken for a short
// one.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "connectors/binance/binance.hpp"
#include "engine/base/decimal.hpp"
#include "engine/base/log.hpp"
#include "engine/domain/event.hpp"
#include "engine/runtime/gate.hpp"
#include "persistence/redis.hpp"
#include "persistence/retention.hpp"

namespace oneclick {

enum class EngineMode : std::uint8_t { spin, block };

struct ListenAddress {
  std::string address;  // an IP address
  std::uint16_t port;   // 0: any free one
};
[[nodiscard]] bool is_ip_address(const std::string& text);
[[nodiscard]] bool is_loopback(const std::string& host);  // "localhost", 127.x.x.x, ::1

struct Config {
  struct Engine {
    std::string data_dir;
    std::int32_t shards = 1;
    EngineMode mode = EngineMode::block;
    Durability durability = Durability::process;
    std::vector<int> pin_cores;  // by shard; empty: not pinned
    std::int64_t leader_event_age_max_ms = 5'000;
    std::int64_t touch_age_max_ms = 2'000;
    std::int64_t equity_age_max_ms = 120'000;
    std::int64_t divergence_age_max_ms = 30'000;
    std::int64_t ack_timeout_ms = 3'000;
    std::int64_t query_interval_ms = 500;
    std::int32_t taker_fee_bps = 10;
    Decimal event_notional_max{};  // zero: none
    std::array<QuoteGroup, limits::quote_groups_max> quote_equal{};
    std::int32_t exit_attempts_per_minute = 6;
    std::int32_t exit_alarm_attempts = 5;
    std::int64_t snapshot_every_records = 1'000'000;
    std::int64_t drain_timeout_ms = 10'000;
    std::int64_t usd_peg_age_max_days = 90;
    std::string control_socket;  // default: control.sock in data_dir
  } engine;

  struct Journal {
    std::int64_t ring_mib = 64;  // a power of two
    std::int64_t segment_mib = 64;
    std::int64_t retention_hours = 24;
  } journal;

  struct Database {
    std::string url_file;
    std::int64_t sink_batch_records = 10'000;
    std::int64_t sink_batch_wait_ms = 5;
  } database;
  struct Market {
    std::int64_t store_interval_ms = 60'000;  // 0: off
  } market;
  std::string database_url;  // secret: from ONECLICK_DATABASE_URL or database.url_file

  // Off without a url. The section may be left out.
  struct Redis {
    std::string url;
    std::string password_file;
    std::int64_t lag_entries_max = 1'000'000;
    std::int64_t stream_entries_max = 1'000;
    std::int64_t stream_keep_hours = 168;
    std::int64_t price_interval_ms = 250;
    RedisAddress address;  // from url and password_file; holds the secret
    [[nodiscard]] bool is_on() const { return !url.empty(); }
  } redis;

  struct Vault {
    std::string master_key_file;
  } vault;

  struct Ingress {
    ListenAddress listen{"127.0.0.1", 8443};
    std::string tls_certificate_file;  // both or none
    std::string tls_key_file;
    std::uint32_t requests_per_second_per_key = 1'000;
  } ingress;

  struct Operations {
    ListenAddress listen{"127.0.0.1", 9464};
  } operations;

  struct BinanceVenue {
    binance::Config connector;
    std::int64_t absence_proof_ms = 60'000;
    std::int32_t absence_answers_min = 3;
  } binance;

  struct UsdPeg {
    std::string asset;
    Decimal rate;
    std::string as_of;  // YYYY-MM-DD
  };
  std::vector<UsdPeg> usd_pegs;  // only those young enough

  // Of `oneclick notify`; the daemon sends nothing. Off without a url. The section may be left out.
  struct Notify {
    std::string url;
    std::string secret_file;
    std::string ca_file;
    ListenAddress listen{"127.0.0.1", 9465};
    std::int32_t concurrency = 8;
    std::int64_t timeout_ms = 10'000;
    std::int32_t attempts_max = 36;
    std::int64_t pause_first_ms = 1'000;
    std::int64_t pause_last_ms = 3'600'000;
  } notify;

  RetentionPeriods retention;  // of `oneclick maintain`; the daemon removes nothing

  struct Log {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::logfmt;
  } log;

  // What is allowed but worth saying, and every key as it now holds, with where it came from.
  std::vector<std::string> warnings;
  struct Line {
    std::string key;     // "engine.shards"
    std::string value;   // as TOML writes it; never a secret
    std::string json;    // as JSON writes it
    std::string source;  // "FILE:LINE:COLUMN", "environment", "command line" or "default"
  };
  std::vector<Line> effective;
};

using Environment = std::map<std::string, std::string>;
[[nodiscard]] Environment process_environment();

// `overrides`: "section.key=value". Error: every problem, each naming place, key, value and what is
// allowed.
[[nodiscard]] std::expected<Config, std::vector<std::string>> load_config(
    const std::filesystem::path& file, const std::vector<std::string>& overrides,
    const Environment& environment = process_environment());

// Only where a daemon with this configuration listens for its operator: no secret is needed to ask.
[[nodiscard]] std::expected<std::string, std::vector<std::string>> control_socket_path(
    const std::filesystem::path& file, const std::vector<std::string>& overrides = {},
    const Environment& environment = process_environment());

// Where its journal is, and where it listens for those who watch it.
[[nodiscard]] std::expected<std::string, std::vector<std::string>> journal_dir(
    const std::filesystem::path& file, const Environment& environment = process_environment());
[[nodiscard]] std::expected<ListenAddress, std::vector<std::string>> operations_address(
    const std::filesystem::path& file, const Environment& environment = process_environment());

// Settings of the core with some of them changed: "engine.key=value", checked as in a file.
[[nodiscard]] std::expected<CoreSettings, std::vector<std::string>> with_overrides(
    const CoreSettings& settings, const std::vector<std::string>& overrides);
[[nodiscard]] std::vector<std::string> core_setting_names();  // without "engine."

// Section [retention] alone, as `oneclick maintain` needs it: it runs as another role, without the
// daemon's secrets. No file: environment and overrides over the defaults.
[[nodiscard]] std::expected<RetentionPeriods, std::vector<std::string>> load_retention(
    const std::filesystem::path& file, const std::vector<std::string>& overrides = {},
    const Environment& environment = process_environment());

// Section [notify] alone, in the same way.
[[nodiscard]] std::expected<Config::Notify, std::vector<std::string>> load_notify(
    const std::filesystem::path& file, const std::vector<std::string>& overrides = {},
    const Environment& environment = process_environment());

// The effective configuration as a complete file, or as one JSON object.
[[nodiscard]] std::string config_toml(const Config& config);
[[nodiscard]] std::string config_json(const Config& config);

}  // namespace oneclick
