#include "engine/app/paper_config.hpp"

#include <limits>

#include <fmt/format.h>

#include "connectors/net/tls.hpp"
#include "engine/app/config_reader.hpp"
#include "engine/domain/venue.hpp"

namespace oneclick {

namespace {

constexpr const char* quantity_max = "999999999999";
constexpr const char* smallest = "0.00000001";

// Certificates of one's own for whoever has none: the daemon is pointed to ca.pem.
void use_folder(ConfigReader& reader, const std::string& folder, paper::PaperConfig& config) {
  const std::filesystem::path dir = folder;
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  const bool there =
      std::filesystem::exists(dir / "cert.pem") && std::filesystem::exists(dir / "key.pem");
  const std::string problem =
      there ? "" : net::write_test_certificates(folder, "localhost,127.0.0.1");
  if (!problem.empty())
    return reader.refuse("exchange.certificate_folder",
                         fmt::format("a folder that can be written to ({})", problem));
  config.certificate_file = (dir / "cert.pem").string();
  config.key_file = (dir / "key.pem").string();
}

void read_certificates(ConfigReader& reader, paper::PaperConfig& config) {
  std::string folder;
  reader.text("exchange.certificate_file", config.certificate_file);
  reader.text("exchange.key_file", config.key_file);
  reader.text("exchange.certificate_folder", folder);
  if (config.certificate_file.empty() != config.key_file.empty())
    return reader.refuse(
        config.key_file.empty() ? "exchange.key_file" : "exchange.certificate_file",
        "both files, or none");
  if (!config.certificate_file.empty()) return;
  if (folder.empty())
    return reader.refuse("exchange.certificate_folder",
                         "certificate_file and key_file, or a folder where they are made");
  use_folder(reader, folder, config);
}

void read_exchange(ConfigReader& reader, paper::PaperConfig& config) {
  reader.section("exchange");
  ListenAddress listen{config.address, config.port};
  reader.listen("exchange.listen", listen);
  config.address = listen.address;
  config.port = listen.port;
  read_certificates(reader, config);
  reader.integer("exchange.taker_fee_bps", 0, 1'000, config.taker_fee_bps);
  reader.integer("exchange.maker_fee_bps", 0, 1'000, config.maker_fee_bps);
  reader.ratio("exchange.replay_speed", 0, 10'000, config.replay_speed);
  reader.secret("exchange.admin_token", config.admin_token);
  reader.integer("exchange.fault_seed", 0, std::numeric_limits<std::int64_t>::max(),
                 config.fault_seed);
  reader.allow_section("limits");
  constexpr std::int64_t most = 4'000'000'000;
  reader.integer("limits.weight_per_minute", 1, most, config.limits.weight_per_minute);
  reader.integer("limits.raw_per_five_minutes", 1, most, config.limits.raw_per_five_minutes);
  reader.integer("limits.orders_per_ten_seconds", 1, most, config.limits.orders_per_ten_seconds);
  reader.integer("limits.orders_per_day", 1, most, config.limits.orders_per_day);
}

void read_symbol(ConfigReader& reader, paper::PaperConfig& config) {
  paper::PaperSymbol s{};
  reader.required("symbol", s.symbol);
  if (!s.symbol.empty() && (!split_symbol(s.symbol) || !Symbol::fits(s.symbol)))
    reader.refuse("symbol", "BASE/QUOTE, as in \"BTC/USDT\"");
  for (const char* const needed : {"tick", "step", "notional_min"})
    if (!reader.has(needed)) reader.refuse(needed, "a decimal number in quotes");
  reader.decimal("tick", smallest, quantity_max, s.tick);
  reader.decimal("step", smallest, quantity_max, s.step);
  reader.decimal("notional_min", "0", quantity_max, s.notional_min);
  s.quantity_min = s.step;
  s.quantity_max = Decimal::of("1000000");
  s.price_max = Decimal::of("10000000");
  reader.decimal("quantity_min", smallest, quantity_max, s.quantity_min);
  reader.decimal("quantity_max", smallest, quantity_max, s.quantity_max);
  s.market_quantity_max = s.quantity_max;
  reader.decimal("market_quantity_max", smallest, quantity_max, s.market_quantity_max);
  reader.decimal("price_max", smallest, quantity_max, s.price_max);
  reader.text("figures_file", s.figures_file);
  reader.text("recording_file", s.recording_file);
  reader.decimal("bid", "0", quantity_max, s.bid);
  reader.decimal("bid_quantity", "0", quantity_max, s.bid_quantity);
  reader.decimal("ask", "0", quantity_max, s.ask);
  reader.decimal("ask_quantity", "0", quantity_max, s.ask_quantity);
  const bool constants = s.bid.is_positive() && s.ask > s.bid;
  const int sources = (s.figures_file.empty() ? 0 : 1) + (s.recording_file.empty() ? 0 : 1);
  if (sources > 1 || (sources == 0 && !constants))
    reader.refuse("figures_file",
                  "prices from one of: figures_file, recording_file, or bid below ask");
  config.symbols.push_back(std::move(s));
}

void read_account(ConfigReader& reader, paper::PaperConfig& config) {
  paper::PaperAccount a;
  reader.required("id", a.id);
  reader.required("api_key", a.api_key);
  reader.secret("api_secret", a.api_secret);
  reader.secret("public_key", a.public_key);
  if (a.api_secret.empty() == a.public_key.empty())
    reader.refuse_unseen("api_secret", "either api_secret or public_key");
  reader.allow_section("balances");
  for (const std::string& asset : reader.keys_below("balances")) {
    Decimal amount{};
    reader.decimal("balances." + asset, "0", quantity_max, amount);
    if (!Asset::fits(asset)) reader.refuse("balances." + asset, "the name of an asset");
    a.balances.emplace_back(asset, amount);
  }
  config.accounts.push_back(std::move(a));
}

void read_fault(ConfigReader& reader, paper::PaperConfig& config) {
  paper::Fault fault{};
  std::string kind;
  reader.required("kind", kind);
  const auto known = paper::fault_kind_from_text(kind);
  if (!kind.empty() && !known)
    reader.refuse("kind",
                  "lost_ack, late_ack, reject, server_error, throttle, ban, disconnect_before, "
                  "disconnect_after, duplicate_report, reorder_reports, silent_stream");
  if (known) fault.kind = *known;
  reader.text("account", fault.account);
  reader.text("operation", fault.operation);
  if (!paper::is_fault_operation(fault.operation))
    reader.refuse("operation",
                  "the WebSocket API's name of an operation (order.place, order.cancel, "
                  "order.status, ...), queries or any");
  reader.text("client_order_id", fault.client_order_id);
  reader.integer("count", -1, 1'000'000'000, fault.count);
  reader.ratio("probability", 0, 1, fault.probability);
  reader.integer("code", -100'000, 100'000, fault.code);
  reader.text("message", fault.message);
  reader.integer("delay_ms", 0, 3'600'000, fault.delay_ms);
  config.faults.push_back(std::move(fault));
}

using ReadOne = void (*)(ConfigReader&, paper::PaperConfig&);

void read_list(ConfigReader& reader, const std::string& name, ReadOne read,
               paper::PaperConfig& config) {
  for (ConfigReader& one : reader.tables(name)) {
    read(one, config);
    one.refuse_unknown();
    reader.adopt(one);
  }
}

}  // namespace

std::expected<paper::PaperConfig, std::vector<std::string>> load_paper_config(
    const std::filesystem::path& file) {
  ConfigTable table = read_toml(file);
  if (!table.errors.empty()) return std::unexpected(std::move(table.errors));
  ConfigReader reader(std::move(table));
  paper::PaperConfig config;
  read_exchange(reader, config);
  read_list(reader, "symbols", read_symbol, config);
  read_list(reader, "accounts", read_account, config);
  read_list(reader, "faults", read_fault, config);
  if (config.symbols.empty()) reader.error("[[symbols]]: at least one is needed");
  reader.refuse_unknown();
  if (!reader.errors().empty()) return std::unexpected(reader.errors());
  return config;
}

}  // namespace oneclick
