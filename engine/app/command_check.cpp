// `oneclick check`: everything that can be known about a configuration before it is used. Connects
// to nothing unless asked to.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "connectors/net/http_client.hpp"
#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/json_text.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t connect_timeout_ns = 10'000'000'000;

struct Finding {
  std::string name;
  bool fine;
  std::string detail;
  int exit_code;  // when not fine
};

Finding fine(std::string name, std::string detail) {
  return {.name = std::move(name), .fine = true, .detail = std::move(detail), .exit_code = 0};
}
Finding broken(std::string name, std::string detail, int exit_code) {
  return {
      .name = std::move(name), .fine = false, .detail = std::move(detail), .exit_code = exit_code};
}

Finding check_master_keys(const Config& config) {
  const auto keys = read_master_keys(config.vault.master_key_file);
  if (!keys) return broken("vault.master_key_file", keys.error(), exit_codes::config);
  return fine("vault.master_key_file",
              fmt::format("{} keys, '{}' seals", keys->size(), keys->front().id));
}

Finding check_ingress_tls(const Config& config) {
  const auto& in = config.ingress;
  if (in.tls_certificate_file.empty()) return fine("ingress", "plain, on this machine only");
  const auto tls = net::TlsServer::make(in.tls_certificate_file, in.tls_key_file);
  if (!tls) return broken("ingress.tls_certificate_file", tls.error(), exit_codes::config);
  return fine("ingress", "TLS certificate and key belong together");
}

Finding check_trust(const Config& config, std::shared_ptr<net::TlsClient>& tls) {
  auto made = net::TlsClient::make(config.binance.connector.ca_file);
  if (!made) return broken("venues.binance.ca_file", made.error(), exit_codes::config);
  tls = *made;
  return fine("venues.binance", "certificates can be verified");
}

Finding check_database(const Config& config) {
  if (const auto connection = PgQuery::connect(config.database_url); !connection)
    return broken("database", connection.error(), exit_codes::unavailable);
  const auto status = migration_status(config.database_url);
  if (!status) return broken("database", status.error(), exit_codes::unavailable);
  const auto missing =
      std::ranges::count_if(*status, [](const MigrationStatus& m) { return !m.applied; });
  if (missing != 0)
    return broken("database",
                  fmt::format("{} migrations are missing; run: oneclick migrate", missing),
                  exit_codes::failure);
  return fine("database", fmt::format("schema is current ({} migrations)", status->size()));
}

Finding check_redis_server(const Config& config) {
  const auto version = check_redis(config.redis.address);
  if (!version) return broken("redis.url", version.error(), exit_codes::unavailable);
  return fine("redis.url", fmt::format("Redis {} answers", *version));
}

// Any answer will do: name, route, TLS and the other side's program are there.
Finding check_reachable(const std::string& name, const std::string& url_text,
                        const std::string& target, const std::shared_ptr<net::TlsClient>& tls) {
  auto url = net::parse_url(url_text);
  if (!url) return broken(name, url.error(), exit_codes::config);
  url->scheme = url->scheme == "wss" ? "https" : url->scheme == "ws" ? "http" : url->scheme;
  net::Reactor reactor;
  const auto client = net::HttpClient::make(reactor, tls, *url, {});
  std::optional<net::HttpResponse> response;
  net::HttpRequest request;
  request.target = target.empty() ? url->target : target;
  request.timeout_ns = connect_timeout_ns;
  client->send(std::move(request), [&response](net::HttpResponse r) { response = std::move(r); });
  const std::int64_t until = monotonic_now_ns() + 2 * connect_timeout_ns;
  while (!response && monotonic_now_ns() < until) reactor.wait(connect_timeout_ns);
  if (!response) return broken(name, url_text + ": no answer in time", exit_codes::unavailable);
  if (!response->error.empty())
    return broken(name, fmt::format("{}: {}", url_text, response->error), exit_codes::unavailable);
  return fine(name, fmt::format("{} answers ({})", url_text, response->status));
}

std::vector<Finding> check_all(const Config& config, bool connect) {
  std::vector<Finding> out;
  std::shared_ptr<net::TlsClient> tls;
  out.push_back(fine("configuration", fmt::format("{} keys", config.effective.size())));
  out.push_back(check_master_keys(config));
  out.push_back(check_ingress_tls(config));
  out.push_back(check_trust(config, tls));
  if (!connect) return out;
  const auto& venue = config.binance.connector;
  out.push_back(check_database(config));
  if (config.redis.is_on()) out.push_back(check_redis_server(config));
  if (!tls) return out;
  out.push_back(check_reachable("venues.binance.rest_url", venue.rest_url, "/api/v3/time", tls));
  out.push_back(check_reachable("venues.binance.ws_api_url", venue.ws_api_url, "", tls));
  out.push_back(check_reachable("venues.binance.stream_url", venue.stream_url, "", tls));
  return out;
}

// Configuration weighs more than a service that is not there just now.
int exit_code_of(const std::vector<Finding>& findings) {
  int code = exit_codes::fine;
  for (const Finding& f : findings)
    if (!f.fine) code = std::max(code, f.exit_code);
  return code;
}

void print_text(const Config& config, const std::vector<Finding>& findings) {
  for (const std::string& warning : config.warnings) print_line("warning  " + warning);
  for (const Finding& f : findings)
    print_line(fmt::format("{}  {}: {}", f.fine ? "ok     " : "FAILED ", f.name, f.detail));
}

void print_json(const Config* config, const std::vector<std::string>& errors,
                const std::vector<Finding>& findings, bool ok) {
  JsonList error_list, warning_list, finding_list;
  for (const std::string& e : errors) error_list.text(e);
  for (const Finding& f : findings)
    finding_list.raw(
        JsonObject().text("name", f.name).boolean("ok", f.fine).text("detail", f.detail).str());
  if (config != nullptr)
    for (const std::string& w : config->warnings) warning_list.text(w);
  print_line(JsonObject()
                 .boolean("ok", ok)
                 .raw("errors", error_list.str())
                 .raw("warnings", warning_list.str())
                 .raw("checks", finding_list.str())
                 .raw("configuration", config == nullptr ? "null" : config_json(*config))
                 .str());
}

}  // namespace

int command_check(const CheckArguments& arguments) {
  const auto config = load_config(arguments.config_file, arguments.overrides);
  if (!config) {
    if (arguments.json) print_json(nullptr, config.error(), {}, false);
    for (const std::string& e : config.error()) fail(exit_codes::config, e);
    return exit_codes::config;
  }
  const std::vector<Finding> findings = check_all(*config, arguments.connect);
  const int code = exit_code_of(findings);
  if (arguments.json) {
    print_json(&*config, {}, findings, code == exit_codes::fine);
  } else {
    if (arguments.print) print_line(config_toml(*config));
    print_text(*config, findings);
  }
  return code;
}

}  // namespace oneclick
