// The exchange behind its protocols: connections, sessions, subscriptions.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connectors/net/server.hpp"
#include "connectors/paper/market.hpp"
#include "connectors/paper/paper.hpp"

namespace oneclick::paper {

class Service final : public PaperExchange {
 public:
  Service(net::Reactor& reactor, PaperConfig config);
  ~Service() override;
  [[nodiscard]] std::expected<void, std::string> open();
  [[nodiscard]] std::uint16_t port() const override { return server_->port(); }
  [[nodiscard]] std::string ledger() const override { return ledger_json(exchange_); }

 private:
  using Peer = std::shared_ptr<net::WsPeer>;
  struct ApiSession {
    Peer peer;
    Account* logged_on = nullptr;
    std::map<std::int64_t, Account*> subscriptions;
    std::int64_t next_subscription = 0;
    std::int64_t connected_ms = 0, authorized_ms = 0;
  };
  struct StreamSession {
    Peer peer;
    std::map<std::string, std::string> streams;  // in lower case -> as the client named it
    bool combined = false;
  };
  struct AccountEvent {
    const Account* account;
    std::string client_order_id;
    std::string json;
  };

  // REST
  void on_request(const net::ServerRequest& request, const net::Respond& respond);
  void on_rest(const net::ServerRequest& request, const std::string& operation,
               const net::Respond& respond);
  [[nodiscard]] net::ServerResponse on_admin(const net::ServerRequest& request);
  [[nodiscard]] net::ServerResponse rest_response(const Answer& answer,
                                                  const Account* account) const;
  // WebSocket API
  [[nodiscard]] net::WsAccept on_upgrade(const net::ServerRequest& request);
  void on_api_message(const Peer& peer, std::string_view message);
  void on_session_method(ApiSession& session, const WsRequest& request, Account* account);
  void answer(const Peer& peer, const std::string& id, const Answer& answer,
              const Account* account);
  [[nodiscard]] Signed authenticate(const ApiSession& session, const WsRequest& request) const;
  // market streams
  void on_stream_message(const Peer& peer, std::string_view message);
  // `only`: to this peer, not to all.
  void send_stream(const std::string& stream, const std::string& data,
                   std::optional<std::uint64_t> only = std::nullopt);
  void send_touch(const SymbolRules& symbol, std::optional<std::uint64_t> only = std::nullopt);
  void send_average(const SymbolRules& symbol, std::optional<std::uint64_t> only = std::nullopt);
  void tell_averages();
  void send_trade(const Fill& fill);

  // A request and its ways out.
  struct Struck {
    std::string operation;
    Params params;
    Account* account;
    std::function<void(const Answer&)> answer;
    std::function<void()> cut;
  };
  [[nodiscard]] std::optional<Fault> fault_of(const std::string& operation, const Params& params,
                                              const Account* account);
  // What a fault makes of a request, instead of its answer.
  void misbehave(const Fault& fault, const Struck& request);
  void queue_event(const Account& account, const std::string& client_order_id, std::string json);
  void send_events();
  void send_event(const AccountEvent& event);
  void tick(std::size_t playback);
  void later(std::int64_t delay_ms, std::function<void()> task);
  [[nodiscard]] static std::int64_t now_ms();
  [[nodiscard]] ExchangeListener listener();

  net::Reactor& reactor_;
  PaperConfig config_;
  Exchange exchange_;
  Api api_;
  Faults faults_;
  std::unique_ptr<net::Server> server_;
  std::map<std::uint64_t, ApiSession> api_sessions_;
  std::map<std::uint64_t, StreamSession> stream_sessions_;
  std::map<const Account*, std::set<std::pair<std::uint64_t, std::int64_t>>>
      subscribers_;  // (peer, subscription)
  std::vector<AccountEvent> events_;
  std::vector<Playback> playbacks_;
  std::vector<std::unique_ptr<net::Reactor::Timer>> timers_;
  std::unique_ptr<net::Reactor::Timer> averages_timer_;
  std::map<std::uint64_t, std::unique_ptr<net::Reactor::Timer>> delayed_;
  std::uint64_t next_delayed_ = 0;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace oneclick::paper
