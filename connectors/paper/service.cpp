#include "connectors/paper/service.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/clock.hpp"

namespace oneclick::paper {

namespace {

// REST routes by the WebSocket API's names for the same operations.
std::string operation_of(const std::string& method, const std::string& path) {
  static const std::map<std::pair<std::string, std::string>, std::string> routes{
      {{"GET", "/api/v3/ping"}, "ping"},
      {{"GET", "/api/v3/time"}, "time"},
      {{"GET", "/api/v3/exchangeInfo"}, "exchangeInfo"},
      {{"GET", "/api/v3/depth"}, "depth"},
      {{"GET", "/api/v3/ticker/bookTicker"}, "ticker.book"},
      {{"GET", "/api/v3/ticker/price"}, "ticker.price"},
      {{"GET", "/api/v3/ticker/24hr"}, "ticker.24hr"},
      {{"GET", "/api/v3/avgPrice"}, "avgPrice"},
      {{"POST", "/api/v3/order"}, "order.place"},
      {{"POST", "/api/v3/order/test"}, "order.test"},
      {{"DELETE", "/api/v3/order"}, "order.cancel"},
      {{"GET", "/api/v3/order"}, "order.status"},
      {{"GET", "/api/v3/openOrders"}, "openOrders.status"},
      {{"DELETE", "/api/v3/openOrders"}, "openOrders.cancelAll"},
      {{"GET", "/api/v3/allOrders"}, "allOrders"},
      {{"PUT", "/api/v3/order/amend/keepPriority"}, "order.amend.keepPriority"},
      {{"GET", "/api/v3/order/amendments"}, "order.amendments"},
      {{"POST", "/api/v3/orderList/oco"}, "orderList.place.oco"},
      {{"DELETE", "/api/v3/orderList"}, "orderList.cancel"},
      {{"GET", "/api/v3/orderList"}, "orderList.status"},
      {{"GET", "/api/v3/openOrderList"}, "openOrderLists.status"},
      {{"GET", "/api/v3/allOrderList"}, "allOrderLists"},
      {{"GET", "/api/v3/account"}, "account.status"},
      {{"GET", "/api/v3/myTrades"}, "myTrades"},
  };
  const auto found = routes.find({method, path});
  return found == routes.end() ? std::string() : found->second;
}

// What a REST client signed: query and body as sent, without the signature itself.
std::string without_signature(const std::string& query, const std::string& body) {
  std::string out;
  for (std::string_view part : {std::string_view(query), std::string_view(body)}) {
    std::string kept;
    while (!part.empty()) {
      const std::size_t end = std::min(part.find('&'), part.size());
      if (!part.starts_with("signature="))
        kept += (kept.empty() ? "" : "&") + std::string(part.substr(0, end));
      part.remove_prefix(std::min(end + 1, part.size()));
    }
    out += kept;
  }
  return out;
}

std::string signed_text(const Params& params) {
  std::string out;
  for (const auto& [name, value] : params)
    if (name != "signature") out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string value_of(const Params& params, const std::string& name) {
  const auto found = params.find(name);
  return found == params.end() ? std::string() : found->second;
}

net::ServerResponse json_response(int status, std::string body) {
  net::ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool valid_asset(const std::string& name) {
  return !name.empty() && name.size() <= 16 && std::ranges::all_of(name, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

std::vector<SymbolRules> rules_of(const PaperConfig& config) {
  std::vector<SymbolRules> out;
  for (const PaperSymbol& s : config.symbols) {
    const auto parts = split_symbol(s.symbol).value_or(SymbolParts{s.symbol, ""});
    out.push_back({.name = std::string(parts.base) + std::string(parts.quote),
                   .base = std::string(parts.base),
                   .quote = std::string(parts.quote),
                   .tick = s.tick,
                   .price_min = s.tick,
                   .price_max = s.price_max,
                   .step = s.step,
                   .quantity_min = s.quantity_min,
                   .quantity_max = s.quantity_max,
                   .market_quantity_max = s.market_quantity_max,
                   .notional_min = s.notional_min});
  }
  return out;
}

}  // namespace

Service::Service(net::Reactor& reactor, PaperConfig config)
    : reactor_(reactor),
      config_(std::move(config)),
      exchange_(rules_of(config_), config_.taker_fee_bps, config_.maker_fee_bps, listener()),
      api_(exchange_, config_.limits),
      faults_(config_.faults, config_.fault_seed) {}

Service::~Service() = default;

std::int64_t Service::now_ms() {
  return wall_now_ns() / 1'000'000;
}

ExchangeListener Service::listener() {
  return {.on_execution =
              [this](const Order& o, std::string_view execution, const Fill* fill) {
                queue_event(*o.account, o.original_client_id,
                            execution_json(o, execution, fill, now_ms()));
              },
          .on_balances =
              [this](const Account& a, const std::vector<std::string>& assets) {
                queue_event(a, "", balances_json(a, assets, now_ms()));
              },
          .on_touch = [this](const SymbolRules& s) { send_touch(s); },
          .on_trade = [this](const Fill& f) { send_trade(f); },
          .on_list =
              [this](const OrderList& list, std::string_view status) {
                queue_event(*list.account, "", list_event_json(list, status, now_ms()));
              }};
}

std::expected<void, std::string> Service::open() {
  for (const PaperAccount& a : config_.accounts) {
    if (exchange_.account_by_id(a.id) != nullptr || exchange_.account_by_key(a.api_key) != nullptr)
      return std::unexpected("account " + a.id + ": id or api_key is there twice");
    Account& account = exchange_.add_account(a.id, a.api_key, a.api_secret, a.public_key);
    for (const auto& [asset, amount] : a.balances) exchange_.deposit(account, asset, amount);
  }
  for (std::size_t i = 0; i < config_.symbols.size(); ++i) {
    const PaperSymbol& s = config_.symbols[i];
    const std::string& name = exchange_.symbols()[i].name;
    std::vector<RecordedTouch> touches{
        {.time_ns = 0, .bid = {s.bid, s.bid_quantity}, .ask = {s.ask, s.ask_quantity}}};
    if (!s.figures_file.empty() || !s.recording_file.empty()) {
      auto read = s.figures_file.empty() ? read_recording(s.recording_file, name)
                                         : read_figures(s.figures_file);
      if (!read) return std::unexpected(read.error());
      touches = std::move(*read);
    }
    playbacks_.emplace_back(name, std::move(touches), config_.replay_speed);
    timers_.push_back(reactor_.make_timer());
  }
  auto tls = net::TlsServer::make(config_.certificate_file, config_.key_file);
  if (!tls) return std::unexpected(tls.error());
  net::ServerOptions options;
  options.address = config_.address;
  options.port = config_.port;
  options.ws_message_bytes_max = 1 << 20;
  auto server = net::Server::listen(
      reactor_, *tls, options,
      {.on_request = [this](const net::ServerRequest& q,
                            const net::Respond& r) { on_request(q, r); },
       .on_upgrade = [this](const net::ServerRequest& q) { return on_upgrade(q); }});
  if (!server) return std::unexpected(server.error());
  server_ = std::move(*server);
  for (std::size_t i = 0; i < playbacks_.size(); ++i) tick(i);
  averages_timer_ = reactor_.make_timer();
  tell_averages();
  return {};
}

// "Update Speed: 1000ms" (web-socket-streams.md, Average Price).
void Service::tell_averages() {
  for (const SymbolRules& s : exchange_.symbols()) send_average(s);
  averages_timer_->start(1'000'000'000, [this] { tell_averages(); });
}

// The present figure into the book, the next one when it is due. A constant price is told again
// every second, as a venue's stream does not fall silent.
void Service::tick(std::size_t i) {
  const RecordedTouch& touch = playbacks_[i].current();
  exchange_.set_market(playbacks_[i].symbol(), touch.bid, touch.ask, now_ms());
  send_events();
  timers_[i]->start(playbacks_[i].advance(), [this, i] { tick(i); });
}

// ---- REST ----

void Service::on_request(const net::ServerRequest& request, const net::Respond& respond) {
  if (request.path.starts_with("/admin/")) return respond(on_admin(request));
  if (request.path == "/api/v3/userDataStream")
    return respond(json_response(
        410,
        R"({"code":-1000,"msg":"This endpoint is gone: subscribe to the user data stream on the WebSocket API."})"));
  const std::string operation = operation_of(request.method, request.path);
  if (operation.empty())
    return respond(json_response(404, R"({"code":-1000,"msg":"Unknown path."})"));
  on_rest(request, operation, respond);
}

void Service::on_rest(const net::ServerRequest& request, const std::string& operation,
                      const net::Respond& respond) {
  Params params = decode_form(request.query);
  params.merge(decode_form(request.body));
  const std::int64_t now = now_ms();
  if (const auto refused = api_.charge(operation, params, now))
    return respond(rest_response(*refused, nullptr));
  Account* account = nullptr;
  if (Api::needs_signature(operation)) {
    const Signed caller = api_.check_signature(std::string(request.header("x-mbx-apikey")),
                                               without_signature(request.query, request.body),
                                               value_of(params, "signature"), params, now);
    if (caller.error)
      return respond(
          rest_response({caller.error->http_status, error_json(*caller.error)}, nullptr));
    account = caller.account;
  }
  if (const auto fault = fault_of(operation, params, account)) {
    misbehave(*fault, {.operation = operation,
                       .params = params,
                       .account = account,
                       .answer = [this, respond,
                                  account](const Answer& a) { respond(rest_response(a, account)); },
                       .cut =
                           [respond] {
                             net::ServerResponse nothing;
                             nothing.status = 0;
                             nothing.close = true;
                             respond(nothing);
                           }});
    return send_events();
  }
  respond(rest_response(api_.call(operation, params, account, now), account));
  send_events();
}

net::ServerResponse Service::rest_response(const Answer& answer, const Account* account) const {
  net::ServerResponse response = json_response(answer.status, answer.body);
  response.headers = {{"X-MBX-USED-WEIGHT-1M", std::to_string(api_.weight_used(now_ms()))}};
  response.headers.emplace_back("X-MBX-USED-WEIGHT", response.headers.front().second);
  if (account != nullptr) {
    response.headers.emplace_back("X-MBX-ORDER-COUNT-10S", std::to_string(account->window_count));
    response.headers.emplace_back("X-MBX-ORDER-COUNT-1D", std::to_string(account->day_count));
  }
  if (answer.retry_after_ms != 0)
    response.headers.emplace_back("Retry-After",
                                  std::to_string((answer.retry_after_ms - now_ms()) / 1'000 + 1));
  return response;
}

net::ServerResponse Service::on_admin(const net::ServerRequest& request) {
  if (config_.admin_token.empty() ||
      !equal_constant_time(request.header("authorization"), "Bearer " + config_.admin_token))
    return json_response(401, R"({"error":"Authorization: Bearer <admin token> is needed"})");
  const auto refused = [](const std::string& why) {
    return json_response(400, fmt::format(R"({{"error":"{}"}})", escaped(why)));
  };
  if (request.method == "GET" && request.path == "/admin/ledger")
    return json_response(200, ledger());
  if (request.method == "GET" && request.path == "/admin/faults")
    return json_response(200, fmt::format(R"({{"struck":{}}})", faults_.struck_json()));
  if (request.method == "PUT" && request.path == "/admin/faults") {
    auto faults = decode_faults(request.body);
    if (!faults) return refused(faults.error());
    faults_.replace(std::move(*faults));
    return json_response(200, "{}");
  }
  if (request.method == "POST" && request.path == "/admin/accounts") {
    const auto a = decode_account(request.body);
    if (!a) return refused(a.error());
    if (a->id.empty() || a->api_key.empty() || a->api_secret.empty() == a->public_key.empty())
      return refused("id, api_key and one of api_secret and public_key are needed");
    if (exchange_.account_by_id(a->id) != nullptr) return refused("id: there is such an account");
    if (exchange_.account_by_key(a->api_key) != nullptr) return refused("api_key: it is in use");
    for (const auto& [asset, amount] : a->balances)
      if (!valid_asset(asset) || amount.is_negative())
        return refused("balances: assets in capitals, amounts of zero or more");
    Account& account = exchange_.add_account(a->id, a->api_key, a->api_secret, a->public_key);
    for (const auto& [asset, amount] : a->balances) exchange_.deposit(account, asset, amount);
    return json_response(200, "{}");
  }
  const auto params = decode_object(request.body);
  if (!params) return refused(params.error());
  if (request.method == "POST" && request.path == "/admin/prices") {
    const auto number = [&](const char* name) {
      return Decimal::parse(value_of(*params, name)).value_or(Decimal{});
    };
    const SymbolRules* const s = exchange_.symbol(value_of(*params, "symbol"));
    if (s == nullptr || !number("bid").is_positive() || number("ask") <= number("bid"))
      return refused("symbol, bid, bid_quantity, ask, ask_quantity with bid < ask are needed");
    for (std::size_t i = 0; i < playbacks_.size(); ++i)
      if (playbacks_[i].symbol() == s->name) {
        playbacks_[i] = Playback(
            s->name,
            {{0, {number("bid"), number("bid_quantity")}, {number("ask"), number("ask_quantity")}}},
            1);
        tick(i);
      }
    return json_response(200, "{}");
  }
  Account* const account = exchange_.account_by_id(value_of(*params, "account"));
  if (account == nullptr) return refused("account: no such account");
  if (request.method == "POST" && request.path == "/admin/accounts/revoke") {
    account->revoked = true;
    return json_response(200, "{}");
  }
  if (request.method == "POST" && request.path == "/admin/deposits") {
    const auto amount = Decimal::parse(value_of(*params, "amount"));
    if (!amount || !amount->is_positive()) return refused("amount: a number above zero is needed");
    if (!valid_asset(value_of(*params, "asset"))) return refused("asset: capitals and digits");
    exchange_.deposit(*account, value_of(*params, "asset"), *amount);
    queue_event(*account, "", balances_json(*account, {value_of(*params, "asset")}, now_ms()));
    send_events();
    return json_response(200, "{}");
  }
  return json_response(404, R"({"error":"no such path"})");
}

// ---- WebSocket API ----

net::WsAccept Service::on_upgrade(const net::ServerRequest& request) {
  net::WsAccept accept;
  accept.accepted = true;
  if (request.path == "/ws-api/v3") {
    if (const auto refused = api_.charge("connect", {}, now_ms())) {
      accept.accepted = false;
      accept.refusal = rest_response(*refused, nullptr);
      return accept;
    }
    accept.on_open = [this](const Peer& peer) {
      ApiSession& session = api_sessions_[peer->id()];
      session.peer = peer;
      session.connected_ms = now_ms();
    };
    accept.on_message = [this](const Peer& peer, std::string_view message, std::int64_t) {
      on_api_message(peer, message);
    };
    accept.on_close = [this](const Peer& peer) {
      for (const auto& [subscription, account] : api_sessions_[peer->id()].subscriptions)
        subscribers_[account].erase({peer->id(), subscription});
      api_sessions_.erase(peer->id());
    };
    return accept;
  }
  std::map<std::string, std::string> streams;
  const bool combined = request.path == "/stream";
  std::string names;
  if (combined) names = value_of(decode_form(request.query), "streams");
  if (request.path.starts_with("/ws/")) names = request.path.substr(4);
  if (!combined && request.path != "/ws" && !request.path.starts_with("/ws/")) {
    accept.accepted = false;
    accept.refusal = json_response(404, "{}");
    return accept;
  }
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find('/', at), names.size());
    const std::string name = names.substr(at, end - at);
    streams[lower(name)] = name;
    at = end + 1;
  }
  accept.on_open = [this, streams, combined](const Peer& peer) {
    stream_sessions_[peer->id()] = {.peer = peer, .streams = streams, .combined = combined};
    for (const SymbolRules& s : exchange_.symbols()) {
      send_touch(s, peer->id());
      send_average(s, peer->id());
    }
  };
  accept.on_message = [this](const Peer& peer, std::string_view message, std::int64_t) {
    on_stream_message(peer, message);
  };
  accept.on_close = [this](const Peer& peer) { stream_sessions_.erase(peer->id()); };
  return accept;
}

Signed Service::authenticate(const ApiSession& session, const WsRequest& request) const {
  // A request that names a key is that key's, whoever logged on.
  if (request.params.contains("apiKey") || session.logged_on == nullptr)
    return api_.check_signature(value_of(request.params, "apiKey"), signed_text(request.params),
                                value_of(request.params, "signature"), request.params, now_ms());
  if (session.logged_on->revoked)
    return {nullptr, ApiError{401, -2015, "Invalid API-key, IP, or permissions for action."}};
  return {session.logged_on, std::nullopt};
}

void Service::answer(const Peer& peer, const std::string& id, const Answer& a,
                     const Account* account) {
  std::string extra;
  if (a.retry_after_ms != 0) {
    extra =
        a.body.substr(0, a.body.size() - 1) +
        fmt::format(R"(,"data":{{"serverTime":{},"retryAfter":{}}}}})", now_ms(), a.retry_after_ms);
  }
  peer->send(fmt::format(R"({{"id":{},"status":{},"{}":{},"rateLimits":[{}]}})", id, a.status,
                         a.status == 200 ? "result" : "error", extra.empty() ? a.body : extra,
                         api_.rate_limits_json(account, now_ms())));
}

void Service::on_api_message(const Peer& peer, std::string_view message) {
  const auto request = decode_ws_request(message);
  const auto refuse = [&](const std::string& id, const ApiError& e) {
    answer(peer, id, {e.http_status, error_json(e)}, nullptr);
  };
  if (!request) return refuse("null", {400, -1100, "Illegal characters or malformed JSON."});
  const std::string& method = request->method;
  if (const auto refused = api_.charge(method, request->params, now_ms()))
    return answer(peer, request->id, *refused, nullptr);
  ApiSession& session = api_sessions_[peer->id()];
  Account* account = nullptr;
  const bool session_method =
      method.starts_with("session.") || method.starts_with("userDataStream.");
  if (!session_method && !Api::is_known(method))
    return refuse(request->id, {400, -1000, "Unknown method."});
  if (Api::needs_signature(method)) {
    const Signed caller = authenticate(session, *request);
    if (caller.error) return refuse(request->id, *caller.error);
    account = caller.account;
  }
  if (session_method) return on_session_method(session, *request, account);
  if (const auto fault = fault_of(method, request->params, account)) {
    misbehave(*fault, {.operation = method,
                       .params = request->params,
                       .account = account,
                       .answer = [this, peer, id = request->id,
                                  account](const Answer& a) { answer(peer, id, a, account); },
                       .cut = [peer] { peer->abort(); }});
    return send_events();
  }
  answer(peer, request->id, api_.call(method, request->params, account, now_ms()), account);
  send_events();
}

// The order's own name is given when it is placed, and named when it is cancelled or asked for; a
// pair's request is about either order, or about the list.
std::optional<Fault> Service::fault_of(const std::string& operation, const Params& params,
                                       const Account* account) {
  std::vector<std::string> names{"origClientOrderId"};
  if (operation == "order.place") names = {"newClientOrderId"};
  if (operation == "orderList.cancel") names = {"listClientOrderId"};
  if (operation == "orderList.place.oco")
    names = {"aboveClientOrderId", "belowClientOrderId", "listClientOrderId"};
  for (std::string& name : names) name = value_of(params, name);
  return faults_.strike_request(operation, account == nullptr ? std::string() : account->id, names);
}

void Service::misbehave(const Fault& fault, const Struck& request) {
  const auto process = [&] {
    return api_.call(request.operation, request.params, request.account, now_ms());
  };
  const auto throttled = [&](int status) {
    request.answer({status, error_json({status, -1003, "Too much request weight used."}),
                    now_ms() + fault.delay_ms});
  };
  switch (fault.kind) {
    case FaultKind::lost_ack:
      static_cast<void>(process());
      return;
    case FaultKind::late_ack:
      return later(fault.delay_ms, [answer = request.answer, a = process()] { answer(a); });
    case FaultKind::reject:
      return request.answer({400, error_json({400, fault.code, fault.message})});
    case FaultKind::server_error:
      static_cast<void>(process());
      return request.answer(
          {500,
           error_json({500, -1000, "An unknown error occurred while processing the request."})});
    case FaultKind::throttle:
      return throttled(429);
    case FaultKind::ban:
      return throttled(418);
    case FaultKind::disconnect_before:
      return request.cut();
    case FaultKind::disconnect_after:
      static_cast<void>(process());
      return request.cut();
    case FaultKind::duplicate_report:
    case FaultKind::reorder_reports:
    case FaultKind::silent_stream:
      return;  // strike what is told of an order, not the request
  }
}

void Service::on_session_method(ApiSession& session, const WsRequest& request, Account* account) {
  const Peer& peer = session.peer;
  const auto done = [&](const std::string& body) {
    answer(peer, request.id, {200, body}, account);
  };
  const std::string& m = request.method;
  if (m == "session.logon" || m == "session.logout" || m == "session.status") {
    if (m == "session.logon" && account->public_pem.empty())
      return answer(peer, request.id,
                    {400, error_json({400, -4056, "HMAC_SHA256 API key is not supported."})},
                    nullptr);
    if (m == "session.logon") session.logged_on = account;
    if (m == "session.logout") session.logged_on = nullptr;
    if (m != "session.status") session.authorized_ms = now_ms();
    const bool on = session.logged_on != nullptr;
    return done(fmt::format(
        R"({{"apiKey":{},"authorizedSince":{},"connectedSince":{},"returnRateLimits":true,"serverTime":{}}})",
        on ? "\"" + escaped(session.logged_on->api_key) + "\"" : "null",
        on ? std::to_string(session.authorized_ms) : "null", session.connected_ms, now_ms()));
  }
  if (m == "session.subscriptions") {
    std::string list;
    for (const auto& [id, a] : session.subscriptions)
      list += fmt::format(R"({}{{"subscriptionId":{}}})", list.empty() ? "" : ",", id);
    return done("[" + list + "]");
  }
  if (m == "userDataStream.unsubscribe") {
    const std::string one = value_of(request.params, "subscriptionId");
    std::erase_if(session.subscriptions, [&](const auto& entry) {
      if (!one.empty() && one != std::to_string(entry.first)) return false;
      subscribers_[entry.second].erase({peer->id(), entry.first});
      return true;
    });
    return done("{}");
  }
  Account* const who = m == "userDataStream.subscribe" ? session.logged_on : account;
  if ((m != "userDataStream.subscribe" && m != "userDataStream.subscribe.signature") ||
      who == nullptr)
    return answer(peer, request.id,
                  {400, error_json({400, -1000, "Unknown method, or no session."})}, nullptr);
  if (std::ranges::any_of(session.subscriptions,
                          [who](const auto& entry) { return entry.second == who; }))
    return answer(peer, request.id,
                  {400, error_json({400, -2035, "User Data Stream subscription already active."})},
                  nullptr);
  const std::int64_t id = session.next_subscription++;
  session.subscriptions[id] = who;
  subscribers_[who].insert({peer->id(), id});
  done(fmt::format(R"({{"subscriptionId":{}}})", id));
}

// ---- account events ----

void Service::queue_event(const Account& account, const std::string& client_order_id,
                          std::string json) {
  events_.push_back({&account, client_order_id, std::move(json)});
}

// After the answer that caused them, as a venue mostly does; faults reorder, double and drop what
// one account is told of one happening.
void Service::send_events() {
  std::vector<AccountEvent> events;
  events.swap(events_);
  std::map<const Account*, std::size_t> first;  // accounts in the order they are concerned
  for (std::size_t i = 0; i < events.size(); ++i) first.emplace(events[i].account, i);
  std::ranges::stable_sort(events, {}, [&](const AccountEvent& e) { return first[e.account]; });
  for (auto from = events.begin(); from != events.end();) {
    const auto to = std::find_if(
        from, events.end(), [from](const AccountEvent& e) { return e.account != from->account; });
    std::optional<Fault> fault;
    for (auto e = from; e != to && !fault; ++e)
      if (!e->client_order_id.empty())
        fault = faults_.strike_events(e->account->id, e->client_order_id);
    if (fault && fault->kind == FaultKind::reorder_reports) std::reverse(from, to);
    const int times = !fault                                       ? 1
                      : fault->kind == FaultKind::silent_stream    ? 0
                      : fault->kind == FaultKind::duplicate_report ? 2
                                                                   : 1;
    for (; from != to; ++from)
      for (int n = 0; n < times; ++n) send_event(*from);
  }
}

void Service::send_event(const AccountEvent& event) {
  const auto found = subscribers_.find(event.account);
  if (found == subscribers_.end()) return;
  for (const auto& [peer_id, subscription] : found->second) {
    const auto session = api_sessions_.find(peer_id);
    if (session == api_sessions_.end()) continue;
    // One that does not read is cut, as a venue does.
    if (!session->second.peer->send(
            fmt::format(R"({{"subscriptionId":{},"event":{}}})", subscription, event.json)))
      session->second.peer->abort();
  }
}

void Service::later(std::int64_t delay_ms, std::function<void()> task) {
  const std::uint64_t id = next_delayed_++;
  auto& timer = delayed_[id] = reactor_.make_timer();
  timer->start(delay_ms * 1'000'000, [this, id, task = std::move(task)] {
    task();
    // A timer cannot go from within itself; and the exchange may be gone first.
    reactor_.post([this, id, alive = std::weak_ptr<bool>(alive_)] {
      if (alive.lock()) delayed_.erase(id);
    });
  });
}

// ---- market streams ----

void Service::on_stream_message(const Peer& peer, std::string_view message) {
  const auto request = decode_ws_request(message);
  if (!request) {
    peer->send(R"({"code":2,"msg":"Invalid request: malformed JSON"})");
    return;
  }
  StreamSession& session = stream_sessions_[peer->id()];
  for (const std::string& name : request->list) {
    if (request->method == "SUBSCRIBE") session.streams[lower(name)] = name;
    if (request->method == "UNSUBSCRIBE") session.streams.erase(lower(name));
  }
  peer->send(fmt::format(R"({{"result":null,"id":{}}})", request->id));
  if (request->method == "SUBSCRIBE")
    for (const SymbolRules& s : exchange_.symbols()) {
      send_touch(s, peer->id());
      send_average(s, peer->id());
    }
}

void Service::send_stream(const std::string& stream, const std::string& data,
                          std::optional<std::uint64_t> only) {
  for (const auto& [id, session] : stream_sessions_) {
    const auto name = session.streams.find(stream);
    if ((only && id != *only) || name == session.streams.end()) continue;
    const bool taken =
        session.peer->send(session.combined ? fmt::format(R"({{"stream":"{}","data":{}}})",
                                                          escaped(name->second), data)
                                            : data);
    if (!taken) session.peer->abort();
  }
}

void Service::send_touch(const SymbolRules& s, std::optional<std::uint64_t> only) {
  if (stream_sessions_.empty()) return;
  const auto bids = exchange_.depth(s, Side::buy, 1), asks = exchange_.depth(s, Side::sell, 1);
  if (bids.empty() || asks.empty()) return;
  send_stream(lower(s.name) + "@bookticker",
              fmt::format(R"({{"u":{},"s":"{}","b":"{}","B":"{}","a":"{}","A":"{}"}})",
                          exchange_.update_id(s), s.name, fixed(bids[0].price),
                          fixed(bids[0].quantity), fixed(asks[0].price), fixed(asks[0].quantity)),
              only);
}

void Service::send_average(const SymbolRules& s, std::optional<std::uint64_t> only) {
  if (stream_sessions_.empty()) return;
  const Exchange::Average average = exchange_.average(s, now_ms());
  if (!average.price.is_positive()) return;
  send_stream(lower(s.name) + "@avgprice",
              fmt::format(R"({{"e":"avgPrice","E":{},"s":"{}","i":"5m","w":"{}","T":{}}})",
                          now_ms(), s.name, fixed(average.price), average.last_trade_ms),
              only);
}

void Service::send_trade(const Fill& f) {
  if (stream_sessions_.empty()) return;
  const SymbolRules& s = *f.order->symbol;
  send_stream(
      lower(s.name) + "@trade",
      fmt::format(
          R"({{"e":"trade","E":{0},"s":"{1}","t":{2},"p":"{3}","q":"{4}","T":{0},"m":{5},"M":true}})",
          f.time_ms, s.name, f.trade_id, fixed(f.price), fixed(f.quantity),
          (f.order->side == Side::buy) == f.maker));
}

std::expected<std::unique_ptr<PaperExchange>, std::string> PaperExchange::start(
    net::Reactor& reactor, PaperConfig config) {
  auto service = std::make_unique<Service>(reactor, std::move(config));
  if (const auto opened = service->open(); !opened) return std::unexpected(opened.error());
  return service;
}

}  // namespace oneclick::paper
