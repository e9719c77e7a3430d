#include "connectors/ingress/ingress.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "connectors/ingress/decode_kill_switch.hpp"
#include "connectors/ingress/stream.hpp"
#include "connectors/net/server.hpp"
#include "engine/base/limits.hpp"

namespace oneclick::ingress {
namespace {

constexpr std::int64_t key_check_interval_ns = 250'000'000;  // expiry, within the promised second
constexpr std::size_t json_padding = 64;

enum class RouteId : std::uint8_t {
  signals,
  signal_updates,
  leader_trades,
  stream,
  events,
  webhooks,
  kill_switch,
  kill_switches
};
constexpr std::array<Route, 8> route_list = {{
    {"POST", "/v1/signals"},
    {"POST", "/v1/signals/{id}/updates"},
    {"POST", "/v1/leader-trades"},
    {"GET", "/v1/stream"},
    {"GET", "/v1/events/{event_id}"},
    {"POST", "/v1/webhooks/{kind}/{token}"},
    {"POST", "/v1/kill-switch"},
    {"GET", "/v1/kill-switch"},
}};

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash);
  }
  return segments;
}

struct Match {
  std::optional<RouteId> route;
  std::array<std::string_view, 2> parameters;
};

bool matches(std::string_view pattern, const std::vector<std::string_view>& segments,
             Match& match) {
  const auto wanted = split_path(pattern);
  if (wanted.size() != segments.size()) return false;
  std::size_t parameter = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) {
      if (segments[i].empty()) return false;
      match.parameters[parameter++] = segments[i];
    } else if (wanted[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

// The route of this path and method; else another of this path.
Match find_route(std::string_view path, std::string_view method) {
  Match match{};
  if (!path.starts_with('/')) return match;
  const auto segments = split_path(path);
  for (std::size_t i = 0; i < route_list.size(); ++i) {
    if (!matches(route_list[i].path, segments, match)) continue;
    match.route = static_cast<RouteId>(i);
    if (route_list[i].method == method) break;
  }
  return match;
}

std::string methods_of(std::string_view path) {
  std::string methods;
  for (const Route& route : route_list)
    if (route.path == path) methods += (methods.empty() ? "" : ", ") + std::string(route.method);
  return methods;
}

net::ServerResponse response_of(const Answer& answer) {
  net::ServerResponse response;
  response.status = answer.status;
  response.body = answer.body;
  if (answer.status >= 400) response.content_type = "application/problem+json";
  if (answer.retry_after_s != 0) {
    response.headers.emplace_back("Retry-After", std::to_string(answer.retry_after_s));
  }
  return response;
}

net::ServerResponse response_of(const Problem& problem) {
  return response_of(answer_of(problem));
}

// The same for whatever is wrong with the credentials.
net::ServerResponse unauthorized() {
  net::ServerResponse response =
      response_of(Problem{.status = 401, .detail = "a valid API key is needed"});
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

// "" when there is not exactly one Authorization header with a bearer token.
std::string_view bearer_token(const net::ServerRequest& request) {
  constexpr std::string_view scheme = "Bearer ";
  if (request.header_count("authorization") != 1) return {};
  const std::string_view value = request.header("authorization");
  return value.starts_with(scheme) ? value.substr(scheme.size()) : std::string_view{};
}

class Service final : public Ingress {
 public:
  Service(net::Reactor& reactor, IngressOptions options, IngressDependencies dependencies)
      : reactor_(reactor),
        options_(std::move(options)),
        dependencies_(std::move(dependencies)),
        keys_(options_, dependencies_.on_refused),
        intake_(reactor, options_, dependencies_.sink, dependencies_.clock),
        streams_(parts_),
        key_timer_(reactor.make_timer()),
        alive_(std::make_shared<bool>(true)) {}

  ~Service() override { *alive_ = false; }

  // Error text, empty when fine.
  std::string open() {
    net::ServerOptions server;
    server.address = options_.address;
    server.port = options_.port;
    server.header_bytes_max = limits::request_header_bytes_max;
    server.body_bytes_max = limits::request_body_bytes_max;
    server.ws_message_bytes_max = limits::request_body_bytes_max;
    server.read_timeout_ns = options_.request_time_ns_max;
    server.idle_timeout_ns = options_.idle_timeout_ns;
    server.connections_max = options_.connections_max;
    server.ws_queue_bytes_max = options_.stream_queue_bytes_max;
    auto opened = net::Server::listen(
        reactor_, options_.tls, std::move(server),
        {.on_request =
             [this](net::ServerRequest request, net::Respond respond) {
               on_request(std::move(request), std::move(respond));
             },
         .on_upgrade = [this](const net::ServerRequest& request) { return on_upgrade(request); }});
    if (!opened) return opened.error();
    server_ = std::move(*opened);
    check_keys_again();
    return {};
  }

  [[nodiscard]] std::uint16_t port() const override { return server_->port(); }

  void update(const ApiKey& key) override {
    post([this, key] {
      keys_.update(key);
      streams_.check_keys();
    });
  }
  void remove(ApiKeyId id) override {
    post([this, id] {
      keys_.remove(id);
      streams_.check_keys();
    });
  }
  void update_channel(ChannelId id, UserId creator, bool active) override {
    post([this, id, creator, active] { keys_.update_channel(id, creator, active); });
  }
  void on_event_journaled(EventId id, std::uint64_t seq) override {
    intake_.on_event_journaled(id, seq);
  }
  void on_event_journaled(const LeaderEvent& event, std::uint64_t seq) override {
    intake_.learn_signal(event);
    intake_.on_event_journaled(event.id, seq);
  }
  void restore(EventId id, EventId alias, const std::uint64_t (&body_hash)[2], std::uint64_t seq,
               std::int64_t time_ns) override {
    intake_.restore(id, alias, body_hash, seq, time_ns);
  }
  void on_record(const Record& record) override {
    if (record.kind == RecordKind::leader_event) intake_.learn_signal(record.leader_event.event);
    streams_.on_record(record);
  }
  void stop_intake() override {
    intake_.stop();
    server_->stop_accepting();
  }

 private:
  [[nodiscard]] Parts parts() {
    return {.options = options_,
            .dependencies = dependencies_,
            .keys = keys_,
            .intake = intake_,
            .decoder = decoder_,
            .clock_offset_ns = dependencies_.clock.now_ns() - monotonic_now_ns()};
  }

  void post(std::function<void()> task) {
    reactor_.post([alive = alive_, task = std::move(task)] {
      if (*alive) task();
    });
  }

  void check_keys_again() {
    key_timer_->start(key_check_interval_ns, [this] {
      streams_.check_keys();
      check_keys_again();
    });
  }

  // Credentials come first: who has none learns nothing, not even which paths exist.
  [[nodiscard]] const ApiKey* authenticate(const net::ServerRequest& request, const Match& match) {
    const std::string_view token =
        match.route == RouteId::webhooks ? match.parameters[1] : bearer_token(request);
    return keys_.authenticate(token, request.remote_address, dependencies_.clock.now_ns());
  }

  // Why the request goes no further; nullopt when it may.
  [[nodiscard]] std::optional<net::ServerResponse> refuse_route(const net::ServerRequest& request,
                                                                const Match& match,
                                                                const ApiKey& key) {
    if (!match.route) return response_of(Problem{.status = 404, .detail = "nothing here"});
    const Route& route = route_list[static_cast<std::size_t>(*match.route)];
    if (request.method != route.method) {
      const std::string allowed = methods_of(route.path);
      net::ServerResponse response =
          response_of(Problem{.status = 405, .detail = "method not allowed", .allowed = allowed});
      response.headers.emplace_back("Allow", allowed);
      return response;
    }
    if (const auto budget = keys_.take_budget(key.id, dependencies_.clock.now_ns()); !budget) {
      return response_of(Problem{
          .status = 429, .detail = "the key's budget is spent", .retry_after_s = budget.error()});
    }
    return std::nullopt;
  }

  net::WsAccept on_upgrade(const net::ServerRequest& request) {
    net::WsAccept refused;
    const Match match = find_route(request.path, request.method);
    const ApiKey* key = authenticate(request, match);
    if (key == nullptr) {
      refused.refusal = unauthorized();
      return refused;
    }
    if (auto refusal = refuse_route(request, match, *key)) {
      refused.refusal = std::move(*refusal);
    } else if (match.route != RouteId::stream) {
      refused.refusal = response_of(Problem{.status = 400, .detail = "not a WebSocket"});
    } else {
      return streams_.accept(*key);
    }
    return refused;
  }

  void on_request(net::ServerRequest request, net::Respond respond) {
    const Match match = find_route(request.path, request.method);
    const ApiKey* key = authenticate(request, match);
    if (key == nullptr) {
      respond(unauthorized());
      return;
    }
    if (auto refusal = refuse_route(request, match, *key)) {
      respond(std::move(*refusal));
      return;
    }
    switch (*match.route) {
      case RouteId::stream:
        respond(upgrade_required());
        return;
      case RouteId::events:
        answer_event(*key, match.parameters[0], std::move(respond));
        return;
      case RouteId::signals:
      case RouteId::signal_updates:
      case RouteId::leader_trades:
      case RouteId::webhooks:
        take_body(std::move(request), match, *key, std::move(respond));
        return;
      case RouteId::kill_switch:
      case RouteId::kill_switches:
        respond(answer_kill_switch(std::move(request), match, *key));
        return;
    }
  }

  [[nodiscard]] net::ServerResponse answer_kill_switch(net::ServerRequest request,
                                                       const Match& match, const ApiKey& key) {
    if (!is_admin(key))
      return response_of(Problem{.status = 403, .detail = "the key lacks the scope admin"});
    if (match.route == RouteId::kill_switch) {
      request.body.reserve(request.body.size() + json_padding);
      const auto wanted = decode_kill_switch(request.body);
      if (!wanted) return response_of(wanted.error());
      if (!dependencies_.set_kill_switch(*wanted, key.id))
        return response_of(Problem{.status = 503,
                                   .detail = "the queues are full; no order passes a switch that"
                                             " is on, but send it again",
                                   .retry_after_s = 1});
    }
    net::ServerResponse response;
    response.body = kill_switches_json(dependencies_.kill_switches());
    return response;
  }

  static net::ServerResponse upgrade_required() {
    net::ServerResponse response =
        response_of(Problem{.status = 426, .detail = "open a WebSocket here"});
    response.headers.emplace_back("Upgrade", "websocket");
    return response;
  }

  void take_body(net::ServerRequest request, const Match& match, const ApiKey& key,
                 net::Respond respond) {
    if (request.header_count("idempotency-key") > 1) {
      respond(
          response_of(Problem{.status = 400, .detail = "given twice", .field = "Idempotency-Key"}));
      return;
    }
    request.body.reserve(request.body.size() + json_padding);
    auto message = decoder_.decode(request.body);
    if (!message) {
      respond(response_of(message.error()));
      return;
    }
    const auto taken = kind_of(match, *message);
    if (!taken) {
      respond(response_of(taken.error()));
      return;
    }
    if (const auto fine = check(*message, taken->kind); !fine) {
      respond(response_of(fine.error()));
      return;
    }
    const bool is_webhook = match.route == RouteId::webhooks;
    take_message(
        parts_, *message, taken->kind,
        {.key = key,
         .source = is_webhook ? EventSource::webhook : EventSource::rest,
         .idempotency_key = request.header("idempotency-key"),
         .path_signal = taken->signal,
         .received_ns = request.received_ns + clock_offset_ns_},
        [respond = std::move(respond)](const Answer& answer) { respond(response_of(answer)); });
  }

  struct Taken {
    MessageKind kind;
    std::optional<SignalId> signal;
  };
  // What the route, or for webhooks the body's type, says this is.
  [[nodiscard]] static std::expected<Taken, Problem> kind_of(const Match& match, Message& message) {
    if (message.has(Field::op)) {
      return std::unexpected(
          field_problem(Field::op, message[Field::op].text, "this field does not belong here", ""));
    }
    if (match.route == RouteId::webhooks) return webhook_kind(match.parameters[0], message);
    if (message.has(Field::type)) {
      return std::unexpected(field_problem(Field::type, message[Field::type].text,
                                           "this field does not belong here", ""));
    }
    if (match.route == RouteId::signals) return Taken{MessageKind::signal, std::nullopt};
    if (match.route == RouteId::leader_trades)
      return Taken{MessageKind::leader_trade, std::nullopt};
    return update_kind(match.parameters[0], message);
  }

  [[nodiscard]] static std::expected<Taken, Problem> webhook_kind(std::string_view kind,
                                                                  const Message& message) {
    if (kind != "native") {
      return std::unexpected(
          Problem{.status = 404, .detail = "no such kind of webhook", .allowed = "native"});
    }
    const std::string_view type = message[Field::type].text;
    if (type == "signal") return Taken{MessageKind::signal, std::nullopt};
    if (type == "signal_update") return Taken{MessageKind::signal_update, std::nullopt};
    if (type == "leader_trade") return Taken{MessageKind::leader_trade, std::nullopt};
    return std::unexpected(field_problem(Field::type, type,
                                         message.has(Field::type) ? "not known" : "missing",
                                         "signal, signal_update, leader_trade"));
  }

  // The path names the signal; a body that names it too must agree.
  [[nodiscard]] static std::expected<Taken, Problem> update_kind(std::string_view text,
                                                                 Message& message) {
    const auto id = Uuid::parse(text);
    if (!id || id->is_nil()) {
      return std::unexpected(
          field_problem(Field::signal_id, text, "not a UUID", "a UUID in the path"));
    }
    Value& named = message.values[static_cast<std::size_t>(Field::signal_id)];
    if (named.present && named.uuid != *id) {
      return std::unexpected(
          field_problem(Field::signal_id, named.text, "not the path's signal", text));
    }
    named.present = true;
    named.uuid = *id;
    return Taken{MessageKind::signal_update, SignalId{*id}};
  }

  void answer_event(const ApiKey& key, std::string_view text, net::Respond respond) {
    const auto id = Uuid::parse(text);
    if (!id) {
      respond(response_of(Problem{.status = 400,
                                  .detail = "not a UUID",
                                  .field = "event_id",
                                  .value = std::string(text),
                                  .allowed = "a UUID"}));
      return;
    }
    const EventId event{*id};
    const Accepted* sent = intake_.find(event);
    const bool foreign = sent != nullptr && !sent->user.is_nil() && sent->user != key.user;
    if (!is_admin(key) && foreign) {
      respond(not_found());
      return;
    }
    // Whose it was is not known any more: then reading takes its own scope.
    if ((sent == nullptr || sent->user.is_nil()) && !has_scope(key, scope_stream_read)) {
      respond(response_of(Problem{.status = 403, .detail = "the key lacks the scope stream:read"}));
      return;
    }
    if (!dependencies_.find_event) {
      respond(response_of(
          Problem{.status = 503, .detail = "reports are not available", .retry_after_s = 5}));
      return;
    }
    const std::string pending = sent != nullptr ? remembered_json(event, *sent) : std::string();
    // Known to be the caller's own, or whoever asks may see everything: nothing is left to check.
    const bool own = sent != nullptr && sent->user == key.user;
    const UserId viewer = is_admin(key) || own ? UserId{} : key.user;
    dependencies_.find_event(
        event, viewer,
        [&reactor = reactor_, respond, pending](std::optional<std::string> json, bool available) {
          reactor.post([respond, pending, json = std::move(json), available] {
            respond(report_response(json, available, pending));
          });
        });
  }

  static net::ServerResponse not_found() {
    return response_of(Problem{.status = 404, .detail = "no such event"});
  }

  // The database may be behind: what ingress itself remembers is told meanwhile.
  static net::ServerResponse report_response(const std::optional<std::string>& json, bool available,
                                             const std::string& pending) {
    net::ServerResponse response;
    if (json) {
      response.body = *json;
    } else if (!pending.empty()) {
      response.body = pending;
    } else if (!available) {
      return response_of(
          Problem{.status = 503, .detail = "the database cannot be asked now", .retry_after_s = 5});
    } else {
      return not_found();
    }
    return response;
  }

  static std::string remembered_json(EventId id, const Accepted& sent) {
    return "{\"event_id\":\"" + id.to_text() +
           "\",\"seq\":" + (sent.seq == 0 ? std::string("null") : std::to_string(sent.seq)) +
           ",\"state\":\"" + (sent.pending ? "pending" : "accepted") + "\"}";
  }

  net::Reactor& reactor_;
  const IngressOptions options_;
  const IngressDependencies dependencies_;
  KeyStore keys_;
  Intake intake_;
  Decoder decoder_;
  const Parts parts_ = parts();
  const std::int64_t clock_offset_ns_ = parts_.clock_offset_ns;
  Streams streams_;
  std::unique_ptr<net::Reactor::Timer> key_timer_;
  const std::shared_ptr<bool> alive_;
  std::unique_ptr<net::Server> server_;  // last: its handlers use all of the above
};

}  // namespace

std::span<const Route> Ingress::routes() {
  return route_list;
}

std::expected<std::unique_ptr<Ingress>, std::string> Ingress::listen(
    net::Reactor& reactor, IngressOptions options, IngressDependencies dependencies) {
  auto service = std::make_unique<Service>(reactor, std::move(options), std::move(dependencies));
  if (std::string error = service->open(); !error.empty()) return std::unexpected(error);
  return service;
}

}  // namespace oneclick::ingress
