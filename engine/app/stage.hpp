// A whole OneClick on one machine: private PostgreSQL, paper exchange, daemon, each a process of
// its own, with a world of followers. The demo, the system tests and the benchmark stand on it.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/net/http_client.hpp"
#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"
#include "engine/app/demo_world.hpp"
#include "engine/app/process.hpp"
#include "persistence/private_pg.hpp"

namespace oneclick {

struct StageOptions {
  std::filesystem::path dir = {};  // made; everything of this stage is below it
  std::string program = {};        // path of the oneclick binary
  std::size_t followers = 1'000;
  std::uint64_t seed = 1;
  std::string database_url = {};       // empty: a private PostgreSQL in dir
  std::string engine_mode = "block";   // spin | block
  std::string durability = "process";  // process | power
  std::uint32_t shards = 1;
  double replay_speed = 1;                // of the recorded prices
  std::filesystem::path market_dir = {};  // where btcusdt_1s.csv and ethusdt_1s.csv are
  std::map<std::string, std::string> engine_overrides = {};  // "section.key" -> TOML value
  std::string extra_paper_toml = {};  // appended to the paper exchange's configuration
};

class Stage {
 public:
  using Done = std::expected<void, std::string>;
  [[nodiscard]] static std::expected<std::unique_ptr<Stage>, std::string> make(
      StageOptions options);
  ~Stage();

  // The whole start: database, schema, world, exchange, daemon, until every account is reconciled.
  [[nodiscard]] Done start_exchange();
  [[nodiscard]] Done start_daemon();
  [[nodiscard]] Done wait_ready(std::int64_t timeout_ns);  // /readyz and all accounts reconciled
  // Until every event has its outcomes, no order is pending but `resting` that stay at the
  // exchange, and the sink has caught up.
  [[nodiscard]] Done wait_quiet(std::int64_t timeout_ns, int resting = 0);
  void kill_daemon();                                                     // SIGKILL, waited for
  [[nodiscard]] std::optional<int> stop_daemon(std::int64_t timeout_ns);  // SIGTERM; its exit code

  // Value of a metric's only (or first matching) series; nullopt when it is not there.
  [[nodiscard]] std::optional<double> metric(const std::string& name_and_labels);
  [[nodiscard]] Done dump_ledger(const std::string& path);
  // Runs `oneclick books` as a process of its own. Its output (JSON) and exit code.
  struct BooksResult {
    int exit_code;
    std::string json;
  };
  [[nodiscard]] std::expected<BooksResult, std::string> compare_books();
  // PUT/POST/... to the exchange's admin interface.
  [[nodiscard]] std::expected<net::HttpResponse, std::string> exchange_admin(
      const std::string& method, const std::string& target, const std::string& body);

  [[nodiscard]] const demo::World& world() const { return world_; }
  [[nodiscard]] const std::string& database_url() const { return database_url_; }
  [[nodiscard]] PrivatePostgres* database() { return database_.get(); }
  [[nodiscard]] ChildProcess& daemon() { return *daemon_; }
  [[nodiscard]] net::Reactor& reactor() { return reactor_; }
  [[nodiscard]] const std::shared_ptr<net::TlsClient>& tls() const { return tls_; }
  [[nodiscard]] net::Url exchange_url() const;
  [[nodiscard]] net::Url ingress_url(const std::string& scheme, const std::string& target) const;
  [[nodiscard]] net::Url operations_url() const;
  [[nodiscard]] const std::string& bot_token() const { return bot_token_; }
  [[nodiscard]] std::filesystem::path dir() const { return options_.dir; }
  [[nodiscard]] std::filesystem::path daemon_log() const { return options_.dir / "daemon.log"; }

 private:
  explicit Stage(StageOptions options);
  [[nodiscard]] Done prepare();
  [[nodiscard]] Done prepare_database();
  [[nodiscard]] Done write_files();
  [[nodiscard]] std::string exchange_toml() const;
  [[nodiscard]] std::string daemon_toml() const;
  [[nodiscard]] std::expected<std::string, std::string> fetch_text(net::HttpClient& client,
                                                                   const std::string& target);

  StageOptions options_;
  demo::World world_;
  MasterKey master_key_{};
  std::string database_url_;
  std::string bot_token_;
  std::string admin_token_;
  std::uint16_t exchange_port_ = 0, ingress_port_ = 0, operations_port_ = 0;
  net::Reactor reactor_;
  std::shared_ptr<net::TlsClient> tls_;
  std::unique_ptr<net::HttpClient> exchange_client_, operations_client_;
  std::unique_ptr<PrivatePostgres> database_;
  std::optional<ChildProcess> exchange_;
  std::optional<ChildProcess> daemon_;
};

// A TCP port nobody listens on at this moment.
[[nodiscard]] std::uint16_t free_port();

}  // namespace oneclick
