#include "engine/app/config.hpp"

#include <arpa/inet.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "connectors/net/tls.hpp"
#include "engine/app/config_reader.hpp"
#include "engine/app/json_text.hpp"
#include "engine/app/secret_file.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/limits.hpp"
#include "engine/domain/venue.hpp"

extern char** environ;

namespace oneclick {

namespace {

constexpr std::size_t socket_path_max = 107;  // sockaddr_un's 108 with its final zero
constexpr std::int64_t hour_ms = 3'600'000;
// The live exchange may show an order seconds after it said "unknown": proof of absence is not
// hasty.
constexpr std::int64_t absence_proof_live_ms_min = 10'000;

void need_readable(ConfigReader& reader, const std::string& key, const std::string& path) {
  if (!path.empty() && access(path.c_str(), R_OK) != 0)
    reader.refuse(key, fmt::format("a file that can be read ({})", std::strerror(errno)));
}

// "USDT USDC": each line a group.
void read_quote_equal(ConfigReader& reader, Config::Engine& e) {
  std::vector<std::string> lines;
  reader.texts("engine.quote_equal", lines);
  const std::string allowed = fmt::format(
      "a list of at most {} texts, each of 2 to {} assets that count as equal, none twice, as in "
      "[\"USDT USDC\"]",
      limits::quote_groups_max, limits::quote_group_assets_max);
  if (lines.size() > limits::quote_groups_max) return reader.refuse("engine.quote_equal", allowed);
  std::set<std::string> seen;
  for (std::size_t group = 0; group < lines.size(); ++group) {
    std::istringstream words(lines[group]);
    std::size_t count = 0;
    for (std::string asset; words >> asset; ++count) {
      if (count == limits::quote_group_assets_max || !Asset::fits(asset) ||
          asset.find('/') != std::string::npos || !seen.insert(asset).second)
        return reader.refuse("engine.quote_equal", allowed);
      e.quote_equal[group][count] = Asset::cut(asset);
    }
    if (count < 2) return reader.refuse("engine.quote_equal", allowed);
  }
}

// What of the section the core itself goes by; see CoreSettings.
void read_core(ConfigReader& reader, Config::Engine& e) {
  reader.integer("engine.leader_event_age_max_ms", 1, hour_ms, e.leader_event_age_max_ms);
  reader.integer("engine.touch_age_max_ms", 1, hour_ms, e.touch_age_max_ms);
  reader.integer("engine.equity_age_max_ms", 1'000, hour_ms, e.equity_age_max_ms);
  reader.integer("engine.divergence_age_max_ms", 1'000, hour_ms, e.divergence_age_max_ms);
  reader.integer("engine.ack_timeout_ms", 100, 60'000, e.ack_timeout_ms);
  reader.integer("engine.query_interval_ms", 50, 60'000, e.query_interval_ms);
  reader.integer("engine.taker_fee_bps", 0, 1'000, e.taker_fee_bps);
  reader.decimal("engine.event_notional_max", "0", "999999999999", e.event_notional_max);
  read_quote_equal(reader, e);
  reader.integer("engine.exit_attempts_per_minute", 1, 600, e.exit_attempts_per_minute);
  reader.integer("engine.exit_alarm_attempts", 1, 200, e.exit_alarm_attempts);
}

void read_engine(ConfigReader& reader, Config::Engine& e) {
  reader.section("engine");
  reader.required("engine.data_dir", e.data_dir);
  reader.integer("engine.shards", 1, limits::shards_max, e.shards);
  reader.choice<EngineMode>("engine.mode",
                            {{"spin", EngineMode::spin}, {"block", EngineMode::block}}, e.mode);
  reader.choice<Durability>("engine.durability",
                            {{"process", Durability::process}, {"power", Durability::power}},
                            e.durability);
  reader.integers("engine.pin_cores", 0, 1'023, e.pin_cores);
  // What follows from a wrong number is not said too.
  if (!reader.was_refused("engine.shards") && !e.pin_cores.empty() &&
      e.pin_cores.size() != static_cast<std::size_t>(e.shards))
    reader.refuse("engine.pin_cores",
                  fmt::format("none, or one core for each of the {} shards", e.shards));
  read_core(reader, e);
  reader.integer("engine.snapshot_every_records", 1'000, 1'000'000'000, e.snapshot_every_records);
  reader.integer("engine.drain_timeout_ms", 0, 600'000, e.drain_timeout_ms);
  reader.integer("engine.usd_peg_age_max_days", 1, 3'650, e.usd_peg_age_max_days);
  e.control_socket = e.data_dir + "/control.sock";
  reader.text("engine.control_socket", e.control_socket);
  if (e.control_socket.empty()) e.control_socket = e.data_dir + "/control.sock";
  if (e.control_socket.size() > socket_path_max)
    reader.refuse("engine.control_socket",
                  fmt::format("a path of at most {} bytes", socket_path_max));
}

void read_journal(ConfigReader& reader, Config::Journal& j) {
  reader.section("journal");
  reader.integer("journal.ring_mib", 1, 4'096, j.ring_mib);
  if (!std::has_single_bit(static_cast<std::uint64_t>(j.ring_mib)))
    reader.refuse("journal.ring_mib", "a power of two from 1 to 4096");
  reader.integer("journal.segment_mib", 1, 4'096, j.segment_mib);
  reader.integer("journal.retention_hours", 1, 8'760, j.retention_hours);
}

bool looks_like_database(const std::string& url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://") ||
         url.find('=') != std::string::npos;
}

void read_database(ConfigReader& reader, const Environment& environment, Config& config) {
  constexpr const char* allowed =
      "postgresql://... in the environment variable ONECLICK_DATABASE_URL or in the file that "
      "database.url_file names, which others must not be able to read";
  reader.section("database");
  reader.text("database.url_file", config.database.url_file);
  reader.integer("database.sink_batch_records", 1, 100'000, config.database.sink_batch_records);
  reader.integer("database.sink_batch_wait_ms", 0, 1'000, config.database.sink_batch_wait_ms);
  if (reader.has("database.url"))
    reader.error(fmt::format("{}: database.url: a secret does not belong here; allowed: {}",
                             reader.where("database.url"), allowed));
  const auto variable = environment.find("ONECLICK_DATABASE_URL");
  if (variable != environment.end() && !variable->second.empty()) {
    config.database_url = variable->second;
    if (!looks_like_database(config.database_url))
      reader.error(fmt::format(
          "environment ONECLICK_DATABASE_URL: not the address of a database; allowed: {}",
          allowed));
    return;
  }
  if (config.database.url_file.empty()) return reader.refuse("database.url_file", allowed);
  const auto line = read_secret_line(config.database.url_file);
  if (!line)
    return reader.refuse("database.url_file", fmt::format("{} ({})", allowed, line.error()));
  config.database_url = *line;
  if (!looks_like_database(*line)) reader.refuse("database.url_file", allowed);
}

// Samples are taken from looks that are a second apart.
void read_market(ConfigReader& reader, Config::Market& market) {
  reader.allow_section("market");
  reader.integer("market.store_interval_ms", 0, 24 * hour_ms, market.store_interval_ms);
  if (market.store_interval_ms > 0 && market.store_interval_ms < 1'000)
    reader.refuse("market.store_interval_ms", "0 (off) or from 1000 to 86400000");
}

void read_redis(ConfigReader& reader, Config::Redis& redis) {
  reader.allow_section("redis");
  reader.text("redis.password_file", redis.password_file);
  reader.integer("redis.lag_entries_max", 1'000, 1'000'000'000, redis.lag_entries_max);
  reader.integer("redis.stream_entries_max", 1, 1'000'000, redis.stream_entries_max);
  reader.integer("redis.stream_keep_hours", 1, 8'760, redis.stream_keep_hours);
  reader.integer("redis.price_interval_ms", 10, 60'000, redis.price_interval_ms);
  // Not shown before it is known to hold no password.
  std::string url;
  reader.secret("redis.url", url);
  const auto address = parse_redis_url(url);
  const bool has_secret = address ? !address->password.empty() : url.find('@') != std::string::npos;
  if (has_secret)
    return reader.refuse_unseen("redis.url",
                                "no password here, but in a file that redis.password_file names");
  reader.text("redis.url", redis.url);
  if (!redis.is_on()) return;
  if (!address)
    return reader.refuse("redis.url", fmt::format("redis://[user@]host[:port][/database], or \"\" "
                                                  "for none ({})",
                                                  address.error()));
  redis.address = *address;
  if (redis.password_file.empty()) {
    if (!address->user.empty())
      reader.refuse("redis.password_file", "the file with the password of the user in redis.url");
    return;
  }
  const auto line = read_secret_line(redis.password_file);
  if (!line)
    return reader.refuse("redis.password_file",
                         fmt::format("a file whose first line is the password and which others "
                                     "cannot read ({})",
                                     line.error()));
  redis.address.password = *line;
}

void read_vault(ConfigReader& reader, const Environment& environment, Config::Vault& vault) {
  reader.section("vault");
  reader.text("vault.master_key_file", vault.master_key_file);
  const auto variable = environment.find("ONECLICK_MASTER_KEY_FILE");
  if (variable != environment.end() && !variable->second.empty())
    vault.master_key_file = variable->second;
  if (vault.master_key_file.empty())
    reader.refuse(
        "vault.master_key_file",
        "the path of a key file, here or in the environment variable ONECLICK_MASTER_KEY_FILE");
}

void read_listeners(ConfigReader& reader, Config& config) {
  auto& in = config.ingress;
  reader.section("ingress");
  reader.listen("ingress.listen", in.listen);
  reader.text("ingress.tls_certificate_file", in.tls_certificate_file);
  reader.text("ingress.tls_key_file", in.tls_key_file);
  need_readable(reader, "ingress.tls_certificate_file", in.tls_certificate_file);
  need_readable(reader, "ingress.tls_key_file", in.tls_key_file);
  if (in.tls_certificate_file.empty() != in.tls_key_file.empty())
    reader.refuse(in.tls_key_file.empty() ? "ingress.tls_key_file" : "ingress.tls_certificate_file",
                  "both files of TLS, or none");
  if (in.tls_certificate_file.empty() && !is_loopback(in.listen.address))
    reader.refuse("ingress.listen", "without TLS a loopback address only, as in 127.0.0.1:8443");
  reader.integer("ingress.requests_per_second_per_key", 1, 1'000'000,
                 in.requests_per_second_per_key);
  reader.section("operations");
  reader.listen("operations.listen", config.operations.listen);
  if (!is_loopback(config.operations.listen.address))
    config.warnings.push_back(
        "operations.listen: not a loopback address: whoever reaches it sees the metrics");
}

enum class HostKind : std::uint8_t { live, test, own, loopback };

HostKind kind_of_host(const std::string& host) {
  if (is_loopback(host)) return HostKind::loopback;
  if (host.find("testnet") != std::string::npos || host.find("demo-") != std::string::npos)
    return HostKind::test;
  if (host.ends_with(".binance.com") || host.ends_with(".binance.us") ||
      host.ends_with(".binance.vision"))
    return HostKind::live;
  return HostKind::own;
}

HostKind read_url(ConfigReader& reader, const std::string& key, const std::string& secure,
                  std::string& out) {
  reader.text(key, out);
  const auto url = net::parse_url(out);
  const std::string plain = secure.substr(0, secure.size() - 1);
  const std::string allowed =
      fmt::format("a URL of {}://, or of {}:// where the host is this machine", secure, plain);
  if (!url) {
    reader.refuse(
        key, fmt::format("{} ({})", allowed,
                         out.find('@') == std::string::npos ? url.error() : "no user or password"));
    return HostKind::own;
  }
  if (url->scheme != secure && !(url->scheme == plain && is_loopback(url->host)))
    reader.refuse(key, allowed);
  return kind_of_host(url->host);
}

void read_symbols(ConfigReader& reader, std::vector<std::string>& symbols) {
  reader.texts("venues.binance.symbols", symbols);
  for (const std::string& symbol : symbols)
    if (!split_symbol(symbol) || !Symbol::fits(symbol))
      return reader.refuse("venues.binance.symbols",
                           "a list of BASE/QUOTE texts, as in [\"BTC/USDT\"]");
}

void read_egress(ConfigReader& reader, std::vector<std::string>& addresses) {
  constexpr const char* key = "venues.binance.egress";
  reader.texts(key, addresses);
  auto sorted = addresses;
  std::ranges::sort(sorted);
  const bool fine =
      std::ranges::all_of(addresses,
                          [](const std::string& a) { return a.empty() || is_ip_address(a); }) &&
      std::ranges::adjacent_find(sorted) == sorted.end() && addresses.size() <= 256;
  if (!fine) reader.refuse(key, "a list of different local IP addresses; \"\" stands for any");
}

// Orders must not go to one exchange and prices come from another.
void check_one_network(ConfigReader& reader, const HostKind (&kinds)[3]) {
  for (const char* const key : {"rest_url", "ws_api_url", "stream_url"})
    if (reader.was_refused(std::string("venues.binance.") + key)) return;
  if (kinds[0] == kinds[1] && kinds[1] == kinds[2]) return;
  reader.error(
      "venues.binance: rest_url, ws_api_url and stream_url must all be the live exchange's, or all "
      "its "
      "test network's, or all of this machine: one mixed set trades on one and prices by another");
}

void read_binance(ConfigReader& reader, Config::BinanceVenue& venue) {
  auto& c = venue.connector;
  const std::string at = "venues.binance.";
  reader.section("venues.binance");
  const HostKind kinds[] = {read_url(reader, at + "rest_url", "https", c.rest_url),
                            read_url(reader, at + "ws_api_url", "wss", c.ws_api_url),
                            read_url(reader, at + "stream_url", "wss", c.stream_url)};
  check_one_network(reader, kinds);
  reader.text(at + "ca_file", c.ca_file);
  need_readable(reader, at + "ca_file", c.ca_file);
  read_symbols(reader, c.symbols);
  read_egress(reader, c.egress_addresses);
  reader.integer(at + "recv_window_ms", 100, 60'000, c.recv_window_ms);
  reader.ratio(at + "exit_reserve_ratio", 0, 0.9, c.exit_reserve_ratio);
  std::int64_t sweep_interval_ms = c.sweep_interval_ns / 1'000'000;
  reader.integer(at + "sweep_interval_ms", 100, 24 * hour_ms, sweep_interval_ms);
  c.sweep_interval_ns = sweep_interval_ms * 1'000'000;
  reader.ratio(at + "sweep_budget_ratio", 0.01, 0.9, c.sweep_budget_ratio);
  const bool live = kinds[1] == HostKind::live;
  reader.integer(at + "absence_proof_ms", live ? absence_proof_live_ms_min : 100, hour_ms,
                 venue.absence_proof_ms);
  reader.integer(at + "absence_answers_min", 1, 100, venue.absence_answers_min);
}

std::optional<std::chrono::sys_days> date_of(const std::string& text) {
  int part[3] = {};
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  constexpr std::size_t begin[] = {0, 5, 8}, size[] = {4, 2, 2};
  for (int i = 0; i < 3; ++i) {
    const char* const first = text.data() + begin[i];
    const auto [end, error] = std::from_chars(first, first + size[i], part[i]);
    if (error != std::errc() || end != first + size[i]) return std::nullopt;
  }
  const std::chrono::year_month_day day{std::chrono::year(part[0]),
                                        std::chrono::month(static_cast<unsigned>(part[1])),
                                        std::chrono::day(static_cast<unsigned>(part[2]))};
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days(day);
}

void read_peg(ConfigReader& reader, const std::string& asset, Config& config) {
  const std::string at = "usd_pegs." + asset;
  Config::UsdPeg peg{.asset = asset, .rate = {}, .as_of = {}};
  const std::size_t before = reader.errors().size();
  if (!Asset::fits(asset)) reader.error(fmt::format("[{}]: allowed: the name of an asset", at));
  reader.decimal(at + ".rate", "0.00000001", "1000000", peg.rate);
  if (peg.rate.is_zero()) reader.refuse(at + ".rate", "a decimal number in quotes above 0");
  reader.required(at + ".as_of", peg.as_of);
  const auto day = date_of(peg.as_of);
  const auto today = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(wall_now_ns())));
  if (!day || *day > today)
    reader.refuse(at + ".as_of", "a day that has come, as in \"2026-01-31\"");
  if (reader.errors().size() != before) return;
  const auto age = (today - *day).count();
  if (age <= config.engine.usd_peg_age_max_days) return config.usd_pegs.push_back(peg);
  config.warnings.push_back(fmt::format(
      "{}.as_of = {}: {} days old, older than engine.usd_peg_age_max_days = {}: not used", at,
      peg.as_of, age, config.engine.usd_peg_age_max_days));
}

void read_retention(ConfigReader& reader, RetentionPeriods& r) {
  reader.allow_section("retention");
  reader.integer("retention.market_data_years", 1, 100, r.market_data_years);
  reader.integer("retention.user_sessions_days", 1, 3'650, r.user_sessions_days);
  reader.integer("retention.audit_logs_years", audit_logs_years_min, 100, r.audit_logs_years);
  reader.integer("retention.system_logs_days", 1, 3'650, r.system_logs_days);
  reader.integer("retention.notifications_days", 1, 3'650, r.notifications_days);
  reader.integer("retention.batch_rows", 1, 100'000, r.batch_rows);
  for (const std::string& key : reader.keys_below("retention"))
    if (key.starts_with("trade"))
      reader.refuse("retention." + key, "no such key: trades and their history are kept for ever");
}

void read_notify(ConfigReader& reader, Config::Notify& n) {
  reader.allow_section("notify");
  reader.text("notify.url", n.url);
  reader.text("notify.secret_file", n.secret_file);
  reader.text("notify.ca_file", n.ca_file);
  reader.listen("notify.listen", n.listen);
  reader.integer("notify.concurrency", 1, 256, n.concurrency);
  reader.integer("notify.timeout_ms", 100, 300'000, n.timeout_ms);
  reader.integer("notify.attempts_max", 1, 1'000, n.attempts_max);
  reader.integer("notify.pause_first_ms", 10, hour_ms, n.pause_first_ms);
  reader.integer("notify.pause_last_ms", 10, 24 * hour_ms, n.pause_last_ms);
  if (n.pause_last_ms < n.pause_first_ms)
    reader.refuse("notify.pause_last_ms", "not less than notify.pause_first_ms");
  if (n.url.empty()) return;
  // What people are told goes over no network unsealed.
  const auto url = net::parse_url(n.url);
  if (!url || (url->scheme != "https" && (url->scheme != "http" || !is_loopback(url->host))))
    reader.refuse("notify.url", "https://host[:port][/path], http:// on this machine, or \"\"");
}

void read_log(ConfigReader& reader, Config::Log& log) {
  reader.section("log");
  reader.choice<LogLevel>("log.level",
                          {{"debug", LogLevel::debug},
                           {"info", LogLevel::info},
                           {"warning", LogLevel::warning},
                           {"error", LogLevel::error}},
                          log.level);
  reader.choice<LogFormat>("log.format", {{"logfmt", LogFormat::logfmt}, {"json", LogFormat::json}},
                           log.format);
}

}  // namespace

bool is_ip_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

bool is_loopback(const std::string& host) {
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  return host == "localhost" || host == "::1";
}

Environment process_environment() {
  Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) out[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return out;
}

std::expected<Config, std::vector<std::string>> load_config(
    const std::filesystem::path& file, const std::vector<std::string>& overrides,
    const Environment& environment) {
  ConfigTable table = read_toml(file);
  if (!table.errors.empty()) return std::unexpected(std::move(table.errors));
  add_environment(table, environment);
  add_overrides(table, overrides);
  std::vector<std::string> errors = table.errors;

  ConfigReader reader(std::move(table));
  Config config;
  read_engine(reader, config.engine);
  read_journal(reader, config.journal);
  read_database(reader, environment, config);
  read_market(reader, config.market);
  read_redis(reader, config.redis);
  read_vault(reader, environment, config.vault);
  read_listeners(reader, config);
  read_binance(reader, config.binance);
  reader.allow_section("usd_pegs");
  for (const std::string& asset : reader.names_below("usd_pegs")) read_peg(reader, asset, config);
  read_retention(reader, config.retention);
  read_notify(reader, config.notify);
  read_log(reader, config.log);
  reader.refuse_unknown();

  errors.insert(errors.end(), reader.errors().begin(), reader.errors().end());
  if (!errors.empty()) return std::unexpected(std::move(errors));
  config.effective = reader.take_effective();
  return config;
}

std::string config_toml(const Config& config) {
  std::string out, section;
  for (const Config::Line& line : config.effective) {
    const std::size_t dot = line.key.rfind('.');
    if (line.key.substr(0, dot) != section) {
      section = line.key.substr(0, dot);
      out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", section);
    }
    out += fmt::format("{} = {}  # {}\n", line.key.substr(dot + 1), line.value, line.source);
  }
  return out;
}

std::string config_json(const Config& config) {
  JsonObject out;
  for (const Config::Line& line : config.effective)
    out.raw(line.key, JsonObject().raw("value", line.json).text("source", line.source).str());
  return out.str();
}

std::expected<std::string, std::vector<std::string>> control_socket_path(
    const std::filesystem::path& file, const std::vector<std::string>& overrides,
    const Environment& environment) {
  ConfigTable table = read_toml(file);
  if (!table.errors.empty()) return std::unexpected(std::move(table.errors));
  add_environment(table, environment);
  add_overrides(table, overrides);
  ConfigReader reader(std::move(table));
  Config::Engine engine;
  read_engine(reader, engine);
  if (!reader.errors().empty()) return std::unexpected(reader.errors());
  return engine.control_socket;
}

namespace {

// A reader of one section, without a word about the others.
std::expected<ConfigReader, std::vector<std::string>> section_reader(
    const std::string& section, const std::filesystem::path& file,
    const std::vector<std::string>& overrides, const Environment& environment) {
  ConfigTable table = file.empty() ? ConfigTable{} : read_toml(file);
  add_environment(table, environment);
  add_overrides(table, overrides);
  if (!table.errors.empty()) return std::unexpected(std::move(table.errors));
  const auto of_others = [&section](const auto& entry) {
    return entry.first != section && !entry.first.starts_with(section + ".");
  };
  std::erase_if(table.values, of_others);
  std::erase_if(table.sections, of_others);
  std::erase_if(table.lists, of_others);
  return ConfigReader(std::move(table));
}

}  // namespace

std::expected<std::string, std::vector<std::string>> journal_dir(const std::filesystem::path& file,
                                                                 const Environment& environment) {
  auto reader = section_reader("engine", file, {}, environment);
  if (!reader) return std::unexpected(reader.error());
  Config::Engine engine;
  read_engine(*reader, engine);
  if (!reader->errors().empty()) return std::unexpected(reader->errors());
  return engine.data_dir;
}

std::expected<ListenAddress, std::vector<std::string>> operations_address(
    const std::filesystem::path& file, const Environment& environment) {
  auto reader = section_reader("operations", file, {}, environment);
  if (!reader) return std::unexpected(reader.error());
  ListenAddress listen = Config::Operations{}.listen;
  reader->section("operations");
  reader->listen("operations.listen", listen);
  if (!reader->errors().empty()) return std::unexpected(reader->errors());
  return listen;
}

std::expected<CoreSettings, std::vector<std::string>> with_overrides(
    const CoreSettings& settings, const std::vector<std::string>& overrides) {
  constexpr std::int64_t ms_ns = 1'000'000;
  auto reader = section_reader("engine", {}, overrides, {});
  if (!reader) return std::unexpected(reader.error());
  Config::Engine e;
  e.leader_event_age_max_ms = settings.leader_event_age_ns_max / ms_ns;
  e.touch_age_max_ms = settings.touch_age_ns_max / ms_ns;
  e.equity_age_max_ms = settings.equity_age_ns_max / ms_ns;
  e.ack_timeout_ms = settings.ack_timeout_ns / ms_ns;
  e.query_interval_ms = settings.query_interval_ns / ms_ns;
  e.taker_fee_bps = settings.taker_fee_bps;
  e.event_notional_max = settings.event_notional_max;
  e.exit_attempts_per_minute = settings.exit_attempts_per_minute;
  e.exit_alarm_attempts = settings.exit_alarm_attempts;
  e.divergence_age_max_ms = settings.divergence_age_ns_max / ms_ns;
  read_core(*reader, e);
  reader->refuse_unknown();
  if (!reader->errors().empty()) return std::unexpected(reader->errors());
  CoreSettings out = settings;
  out.leader_event_age_ns_max = e.leader_event_age_max_ms * ms_ns;
  out.touch_age_ns_max = e.touch_age_max_ms * ms_ns;
  out.equity_age_ns_max = e.equity_age_max_ms * ms_ns;
  out.ack_timeout_ns = e.ack_timeout_ms * ms_ns;
  out.query_interval_ns = e.query_interval_ms * ms_ns;
  out.taker_fee_bps = e.taker_fee_bps;
  out.event_notional_max = e.event_notional_max;
  out.exit_attempts_per_minute = e.exit_attempts_per_minute;
  out.exit_alarm_attempts = e.exit_alarm_attempts;
  out.divergence_age_ns_max = e.divergence_age_max_ms * ms_ns;
  return out;
}

std::vector<std::string> core_setting_names() {
  ConfigReader reader{ConfigTable{}};
  Config::Engine engine;
  read_core(reader, engine);
  std::vector<std::string> names;
  for (const Config::Line& line : reader.take_effective())
    names.push_back(line.key.substr(std::string_view("engine.").size()));
  return names;
}

std::expected<RetentionPeriods, std::vector<std::string>> load_retention(
    const std::filesystem::path& file, const std::vector<std::string>& overrides,
    const Environment& environment) {
  auto reader = section_reader("retention", file, overrides, environment);
  if (!reader) return std::unexpected(reader.error());
  RetentionPeriods periods;
  read_retention(*reader, periods);
  reader->refuse_unknown();
  if (!reader->errors().empty()) return std::unexpected(reader->errors());
  return periods;
}

std::expected<Config::Notify, std::vector<std::string>> load_notify(
    const std::filesystem::path& file, const std::vector<std::string>& overrides,
    const Environment& environment) {
  auto reader = section_reader("notify", file, overrides, environment);
  if (!reader) return std::unexpected(reader.error());
  Config::Notify notify;
  read_notify(*reader, notify);
  reader->refuse_unknown();
  if (!reader->errors().empty()) return std::unexpected(reader->errors());
  return notify;
}

}  // namespace oneclick
