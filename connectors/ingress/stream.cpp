#include "connectors/ingress/stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/ingress/record_json.hpp"

namespace oneclick::ingress {
namespace {

constexpr std::uint16_t close_policy = 1008;
constexpr std::uint16_t close_try_later = 1013;

// {"op":"ack"|"error","id":...,<the answer's fields>}
std::string wrap(const Answer& answer, std::string_view id) {
  std::string out = answer.status < 400 ? R"({"op":"ack",)" : R"({"op":"error",)";
  if (!id.empty()) {
    append_field(out, "id", id);
    out += ',';
  }
  if (answer.retry_after_s != 0)
    fmt::format_to(std::back_inserter(out), R"("retry_after":{},)", answer.retry_after_s);
  return out + answer.body.substr(1);
}

std::optional<MessageKind> kind_of(std::string_view op) {
  if (op == "signal") return MessageKind::signal;
  if (op == "signal_update") return MessageKind::signal_update;
  if (op == "leader_trade") return MessageKind::leader_trade;
  if (op == "subscribe") return MessageKind::subscribe;
  if (op == "ping") return MessageKind::ping;
  return std::nullopt;
}

Problem op_problem(const Message& message) {
  return field_problem(Field::op, message[Field::op].text,
                       message.has(Field::op) ? "not known" : "missing",
                       "signal, signal_update, leader_trade, subscribe, ping");
}

}  // namespace

void take_message(const Parts& parts, const Message& message, MessageKind kind,
                  const Caller& caller, Reply reply) {
  std::expected<LeaderEvent, Problem> event =
      std::unexpected(Problem{.status = 400, .detail = "no event"});
  if (kind == MessageKind::signal) event = signal_of(message, caller, parts.keys);
  if (kind == MessageKind::leader_trade) event = leader_trade_of(message, caller);
  if (kind == MessageKind::signal_update) {
    event = signal_update_of(message, caller, parts.keys,
                             [&](SignalId id) { return parts.intake.find_signal(id); });
  }
  if (!event) {
    reply(answer_of(event.error()));
    return;
  }
  parts.intake.submit(*event, caller.key, std::move(reply));
}

net::WsAccept Streams::accept(const ApiKey& key) {
  auto peer = std::make_shared<Peer>(Peer{.socket = nullptr,
                                          .key = key.id,
                                          .user = key.user,
                                          .scopes = key.scopes,
                                          .admin = is_admin(key),
                                          .subscribed = false,
                                          .slots = {}});
  net::WsAccept accept;
  accept.accepted = true;
  accept.on_open = [this, peer](std::shared_ptr<net::WsPeer> socket) {
    peers_.emplace(socket->id(), peer);
    peer->socket = std::move(socket);
  };
  accept.on_message = [this, peer](const std::shared_ptr<net::WsPeer>&, std::string_view text,
                                   std::int64_t received_ns) {
    on_message(peer, text, received_ns);
  };
  accept.on_close = [this, peer](const std::shared_ptr<net::WsPeer>& socket) {
    if (peer->subscribed) count_subscribers(-1);
    peer->slots.clear();
    peer->socket = nullptr;
    peers_.erase(socket->id());
  };
  return accept;
}

void Streams::on_message(const PeerPtr& peer, std::string_view text, std::int64_t received_ns) {
  const std::int64_t now_ns = received_ns + parts_.clock_offset_ns;
  const ApiKey* key = parts_.keys.find(peer->key, now_ns);
  if (key == nullptr) {
    revoke(peer);
    return;
  }
  if (peer->slots.size() > 2 * parts_.options.stream_unanswered_max) {
    peer->socket->close(close_try_later, "too many messages await their answer");
    return;
  }
  auto slot = std::make_shared<Slot>();
  peer->slots.push_back(slot);
  if (peer->slots.size() > parts_.options.stream_unanswered_max) {
    reply_to(peer, slot, {})(answer_of(
        {.status = 503, .detail = "too many messages await their answer", .retry_after_s = 1}));
    return;
  }
  const auto message = parts_.decoder.decode(text);
  const std::string id =
      message && message->has(Field::id) ? std::string((*message)[Field::id].text) : "";
  if (const auto budget = parts_.keys.take_budget(peer->key, now_ns); !budget) {
    reply_to(peer, slot, id)(answer_of(
        {.status = 429, .detail = "the key's budget is spent", .retry_after_s = budget.error()}));
  } else if (!message) {
    reply_to(peer, slot, id)(answer_of(message.error()));
  } else {
    dispatch(peer, *key, *message, now_ns, slot);
  }
}

void Streams::dispatch(const PeerPtr& peer, const ApiKey& key, const Message& message,
                       std::int64_t received_ns, const std::shared_ptr<Slot>& slot) {
  const std::string id = message.has(Field::id) ? std::string(message[Field::id].text) : "";
  const auto kind = kind_of(message[Field::op].text);
  Reply reply = reply_to(peer, slot, id);
  if (!kind) {
    reply(answer_of(op_problem(message)));
  } else if (const auto fine = check(message, *kind); !fine) {
    reply(answer_of(fine.error()));
  } else if (*kind == MessageKind::ping) {
    std::string text = R"({"op":"pong",)";
    append_field(text, "id", id);
    answer(peer, slot, text + "}");
  } else if (*kind == MessageKind::subscribe) {
    if (!has_scope(key, scope_stream_read)) {
      reply(answer_of({.status = 403, .detail = "the key lacks the scope stream:read"}));
      return;
    }
    if (!std::exchange(peer->subscribed, true)) count_subscribers(1);
    reply({.status = 200, .body = R"({"state":"subscribed"})"});
  } else {
    take_message(parts_, message, *kind,
                 {.key = key,
                  .source = EventSource::websocket,
                  .idempotency_key = {},
                  .path_signal = std::nullopt,
                  .received_ns = received_ns},
                 std::move(reply));
  }
}

void Streams::count_subscribers(int change) {
  subscriber_count_ += change;
  std::atomic<bool>* wanted = parts_.dependencies.records_wanted;
  if (wanted != nullptr) wanted->store(subscriber_count_ > 0, std::memory_order_relaxed);
}

Reply Streams::reply_to(const PeerPtr& peer, const std::shared_ptr<Slot>& slot, std::string id) {
  return [weak = std::weak_ptr(peer), slot, id = std::move(id)](const Answer& given) {
    if (const auto alive = weak.lock()) answer(alive, slot, wrap(given, id));
  };
}

void Streams::answer(const PeerPtr& peer, const std::shared_ptr<Slot>& slot, std::string text) {
  slot->text = std::move(text);
  send_answers(peer);
}

void Streams::send_answers(const PeerPtr& peer) {
  while (peer->socket && !peer->slots.empty() && !peer->slots.front()->text.empty()) {
    const std::string text = std::move(peer->slots.front()->text);
    peer->slots.pop_front();
    if (!peer->socket->send(text)) peer->socket->abort();  // reads too slowly, or is closing anyway
  }
}

void Streams::revoke(const PeerPtr& peer) {
  if (!peer->socket) return;
  parts_.keys.report({.key = peer->key,
                      .user = peer->user,
                      .address = peer->socket->remote_address(),
                      .what = "revoked_key"},
                     parts_.dependencies.clock.now_ns());
  peer->socket->close(close_policy, "key revoked");
}

void Streams::check_keys() {
  const std::int64_t now_ns = parts_.dependencies.clock.now_ns();
  for (const auto& [id, peer] : peers_) {
    const ApiKey* key = parts_.keys.find(peer->key, now_ns);
    if (key == nullptr || (peer->scopes & ~key->scopes) != 0) revoke(peer);
  }
}

bool Streams::concerns(const Peer& peer, const Record& record) {
  if (!peer.subscribed) return false;
  if (peer.admin) return true;
  const auto owner = record_users(record);
  if (std::find(owner.begin(), owner.end(), peer.user) != owner.end()) return true;
  const EventId event = record_event(record);
  if (event.is_nil()) return false;
  const Accepted* sent = parts_.intake.find(event);
  return sent != nullptr && sent->user == peer.user;
}

void Streams::on_record(const Record& record) {
  if (subscriber_count_ == 0) return;
  std::string text;
  for (const auto& [id, peer] : peers_) {
    if (!concerns(*peer, record)) continue;
    if (text.empty()) text = record_json(record);
    if (text.empty()) return;
    if (!peer->socket->send(text)) peer->socket->abort();
  }
}

}  // namespace oneclick::ingress
