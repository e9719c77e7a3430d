#include "connectors/ingress/event_of.hpp"

#include <algorithm>

#include "engine/domain/identity.hpp"

namespace oneclick::ingress {
namespace {

constexpr std::int64_t future_ns_max = 60'000'000'000;  // clocks of callers may be ahead by this
constexpr std::size_t idempotency_key_bytes_max = 128;

Problem forbidden(std::string_view detail) {
  return {.status = 403, .detail = std::string(detail)};
}

std::optional<Problem> check_scope(const Caller& caller, std::uint32_t scope,
                                   std::string_view name) {
  if (has_scope(caller.key, scope)) return std::nullopt;
  return forbidden("the key lacks the scope " + std::string(name));
}

std::optional<Problem> check_idempotency_key(std::string_view key) {
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c < 0x7f; });
  if (key.size() <= idempotency_key_bytes_max && printable) return std::nullopt;
  return Problem{.status = 400,
                 .detail = "not usable",
                 .field = "Idempotency-Key",
                 .value = std::string(key),
                 .allowed = "at most 128 printable ASCII characters"};
}

// The field's time, or when the request came. Nothing happens in the future.
std::expected<std::int64_t, Problem> time_of(const Message& message, Field field,
                                             const Caller& caller) {
  if (!message.has(field)) return caller.received_ns;
  const Value& value = message[field];
  if (value.integer > caller.received_ns + future_ns_max) {
    return std::unexpected(
        field_problem(field, value.text, "lies in the future", "a time until now"));
  }
  return value.integer;
}

// A header beside an identity of the body's own: remembered as another name of the event.
EventId alias_of(const Caller& caller) {
  if (caller.idempotency_key.empty()) return {};
  return request_event_id(caller.key.user, caller.idempotency_key);
}

LeaderEvent blank(const Message& message, const Caller& caller) {
  LeaderEvent event{};
  event.source = caller.source;
  event.side = Side::buy;
  event.received_ns = caller.received_ns;
  event.body_hash[0] = message.body_hash[0];
  event.body_hash[1] = message.body_hash[1];
  event.api_key = caller.key.id;
  event.alias = alias_of(caller);
  return event;
}

Decimal decimal_or_zero(const Message& message, Field field) {
  return message.has(field) ? message[field].decimal : Decimal{};
}

Venue venue_of(const Message& message) {
  if (!message.has(Field::exchange_name)) return Venue::none;
  return venue_from_text(message[Field::exchange_name].text).value_or(Venue::none);
}

// The identity a caller gave: the body's id, else the header. Empty when there is neither.
std::string given_key(const Message& message, const Caller& caller) {
  return message.has(Field::id) ? message[Field::id].uuid.to_text()
                                : std::string(caller.idempotency_key);
}

Problem no_identity() {
  return {.status = 400,
          .detail = "an identity is needed, so that a repetition is known as one",
          .field = "id",
          .allowed = "the body's id (a UUID) or an Idempotency-Key header"};
}

std::optional<Problem> check_id(const Message& message) {
  if (!message.has(Field::id) || !message[Field::id].uuid.is_nil()) return std::nullopt;
  return field_problem(Field::id, message[Field::id].text, "not a UUID", "a UUID");
}

// May the caller speak for this channel? Fills in whose it is.
std::expected<UserId, Problem> creator_of(ChannelId id, const Message& message,
                                          const Caller& caller, const KeyStore& keys) {
  const KeyStore::Channel* channel = keys.channel(id);
  const bool admin = is_admin(caller.key);
  // Who may not see a channel learns nothing about it.
  if (!admin && (channel == nullptr || channel->creator != caller.key.user)) {
    return std::unexpected(forbidden("the channel is not the key's own"));
  }
  if (channel == nullptr) {
    Problem problem =
        field_problem(Field::channel_id, id.to_text(), "no such channel", "a channel's id");
    problem.status = 404;
    return std::unexpected(problem);
  }
  if (message.has(Field::creator_id) &&
      UserId{message[Field::creator_id].uuid} != channel->creator) {
    Problem problem = field_problem(Field::creator_id, message[Field::creator_id].text,
                                    "not the channel's creator", "");
    problem.status = admin ? 400 : 403;
    return std::unexpected(problem);
  }
  return channel->creator;
}

// Versions of updates come from their ids: the same update is the same event on every way in.
std::int64_t version_of(Uuid id) {
  return static_cast<std::int64_t>(hash_of(id) >> 1);
}

bool ends_signal(std::string_view status) {
  return status == "closed" || status == "cancelled" || status == "expired";
}

// What the update sets, into the event. The status has been dealt with.
std::optional<Problem> take_update(const Message& message, LeaderEvent& event) {
  if (!message.has(Field::update_type)) {
    return field_problem(Field::update_type, "", "missing",
                         "update_type, or a status that ends the signal");
  }
  const std::string_view type = message[Field::update_type].text;
  if (type == "reasoning") return std::nullopt;
  if (!message.has(Field::new_value))
    return field_problem(Field::new_value, "", "missing", "the new value");
  const std::string_view text = message[Field::new_value].text;
  if (type == "status") {
    if (text == "active") return std::nullopt;
    return field_problem(Field::new_value, text, "not known", "active, closed, cancelled, expired");
  }
  const auto value = Decimal::parse(text);
  if (!value || value->is_negative()) {
    return field_problem(Field::new_value, text, "not a price", "a decimal, not negative");
  }
  if (type == "stop_loss") event.stop_loss = *value;
  if (type == "take_profit" || type == "price_target") event.take_profit = *value;
  return std::nullopt;
}

// True when the message says that the signal is over.
bool closes(const Message& message) {
  if (message.has(Field::status) && ends_signal(message[Field::status].text)) return true;
  return message.has(Field::update_type) && message[Field::update_type].text == "status" &&
         message.has(Field::new_value) && ends_signal(message[Field::new_value].text);
}

// The fee lowers the position only where it was paid in the base asset.
Decimal base_fee_of(const Message& message) {
  if (!message.has(Field::fee) || !message.has(Field::fee_asset)) return Decimal{};
  const auto parts = split_symbol(message[Field::asset_symbol].text);
  return parts && parts->base == message[Field::fee_asset].text ? message[Field::fee].decimal
                                                                : Decimal{};
}

}  // namespace

std::expected<LeaderEvent, Problem> signal_of(const Message& message, const Caller& caller,
                                              const KeyStore& keys) {
  if (auto p = check_scope(caller, scope_signals_write, "signals:write"))
    return std::unexpected(*p);
  if (auto p = check_idempotency_key(caller.idempotency_key)) return std::unexpected(*p);
  if (auto p = check_id(message)) return std::unexpected(*p);
  if (given_key(message, caller).empty()) return std::unexpected(no_identity());
  if (message.has(Field::status) && message[Field::status].text != "active") {
    return std::unexpected(field_problem(Field::status, message[Field::status].text,
                                         "a signal is published as active", "active"));
  }
  const ChannelId channel{message[Field::channel_id].uuid};
  const auto creator = creator_of(channel, message, caller, keys);
  if (!creator) return std::unexpected(creator.error());
  if (!keys.channel(channel)->active) {
    return std::unexpected(forbidden("the channel is not active"));
  }
  const auto time = time_of(message, Field::created_at, caller);
  if (!time) return std::unexpected(time.error());
  if (message.has(Field::expires_at) && message[Field::expires_at].integer <= caller.received_ns) {
    return std::unexpected(field_problem(Field::expires_at, message[Field::expires_at].text,
                                         "the signal has expired", "a time to come"));
  }
  LeaderEvent event = blank(message, caller);
  const std::string_view type = message[Field::signal_type].text;
  event.kind = LeaderEventKind::signal_published;
  event.signal_type = type == "buy"    ? SignalType::buy
                      : type == "sell" ? SignalType::sell
                                       : SignalType::hold;
  event.side = type == "sell" ? Side::sell : Side::buy;
  event.venue = venue_of(message);
  event.leader = *creator;
  event.channel = channel;
  event.signal = message.has(Field::id)
                     ? SignalId{message[Field::id].uuid}
                     : SignalId{request_event_id(caller.key.user, caller.idempotency_key).value};
  event.symbol = Symbol::cut(message[Field::asset_symbol].text);
  event.quantity = decimal_or_zero(message, Field::quantity_suggestion);
  event.price = decimal_or_zero(message, Field::entry_price);
  event.stop_loss = decimal_or_zero(message, Field::stop_loss);
  event.take_profit = decimal_or_zero(message, Field::take_profit);
  event.event_time_ns = *time;
  event.id = signal_event_id(event.signal, event.kind, 0);
  return event;
}

std::expected<LeaderEvent, Problem> signal_update_of(const Message& message, const Caller& caller,
                                                     const KeyStore& keys,
                                                     const FindSignal& find_signal) {
  if (auto p = check_scope(caller, scope_signals_write, "signals:write"))
    return std::unexpected(*p);
  if (auto p = check_idempotency_key(caller.idempotency_key)) return std::unexpected(*p);
  if (auto p = check_id(message)) return std::unexpected(*p);
  const SignalId signal = caller.path_signal.value_or(SignalId{message[Field::signal_id].uuid});
  const KnownSignal* known = find_signal(signal);
  if (known == nullptr) {
    for (const Field needed : {Field::channel_id, Field::asset_symbol}) {
      if (message.has(needed)) continue;
      Problem problem = field_problem(needed, "", "the signal was not published here lately",
                                      "its channel_id and asset_symbol beside the update");
      problem.status = 404;
      return std::unexpected(problem);
    }
  }
  const ChannelId channel =
      known != nullptr ? known->channel : ChannelId{message[Field::channel_id].uuid};
  if (message.has(Field::channel_id) && ChannelId{message[Field::channel_id].uuid} != channel) {
    return std::unexpected(field_problem(Field::channel_id, message[Field::channel_id].text,
                                         "not the signal's channel", channel.to_text()));
  }
  if (known != nullptr && message.has(Field::asset_symbol) &&
      message[Field::asset_symbol].text != known->symbol.view()) {
    return std::unexpected(field_problem(Field::asset_symbol, message[Field::asset_symbol].text,
                                         "not the signal's symbol", known->symbol.view()));
  }
  const auto creator = creator_of(channel, message, caller, keys);
  if (!creator) return std::unexpected(creator.error());
  const auto time = time_of(message, Field::created_at, caller);
  if (!time) return std::unexpected(time.error());
  LeaderEvent event = blank(message, caller);
  event.leader = *creator;
  event.channel = channel;
  event.signal = signal;
  event.event_time_ns = *time;
  event.symbol = known != nullptr ? known->symbol : Symbol::cut(message[Field::asset_symbol].text);
  if (closes(message)) {
    event.kind = LeaderEventKind::signal_closed;
    event.id = signal_event_id(signal, event.kind, 0);  // a signal ends once
    return event;
  }
  event.kind = LeaderEventKind::signal_updated;
  if (auto p = take_update(message, event)) return std::unexpected(*p);
  if (given_key(message, caller).empty()) return std::unexpected(no_identity());
  const Uuid update = message.has(Field::id)
                          ? message[Field::id].uuid
                          : request_event_id(caller.key.user, caller.idempotency_key).value;
  event.id = signal_event_id(signal, event.kind, version_of(update));
  return event;
}

std::expected<LeaderEvent, Problem> leader_trade_of(const Message& message, const Caller& caller) {
  if (auto p = check_scope(caller, scope_trades_write, "trades:write")) return std::unexpected(*p);
  if (auto p = check_idempotency_key(caller.idempotency_key)) return std::unexpected(*p);
  if (auto p = check_id(message)) return std::unexpected(*p);
  const UserId leader =
      message.has(Field::user_id) ? UserId{message[Field::user_id].uuid} : caller.key.user;
  if (leader != caller.key.user && !is_admin(caller.key)) {
    return std::unexpected(forbidden("a key acts only for its own user"));
  }
  const auto time = time_of(message, Field::executed_at, caller);
  if (!time) return std::unexpected(time.error());
  LeaderEvent event = blank(message, caller);
  event.kind = LeaderEventKind::fill;
  event.venue = venue_of(message);
  event.side = message[Field::side].text == "sell" ? Side::sell : Side::buy;
  event.leader = leader;
  event.symbol = Symbol::cut(message[Field::asset_symbol].text);
  event.quantity = message[Field::quantity].decimal;
  event.price = message[Field::price].decimal;
  event.base_fee = base_fee_of(message);
  event.event_time_ns = *time;
  if (message.has(Field::fee) && event.base_fee >= event.quantity) {
    return std::unexpected(field_problem(Field::fee, message[Field::fee].text,
                                         "not below the quantity", "a fee below the quantity"));
  }
  const AccountId account{message.has(Field::exchange_id) ? message[Field::exchange_id].uuid
                                                          : Uuid{}};
  if (message.has(Field::order_id))
    event.leader_order = leader_order_of(event.venue, account, message[Field::order_id].text);
  if (message.has(Field::order_id) && message.has(Field::trade_id)) {
    event.id = fill_event_id(event.venue, account, message[Field::order_id].text,
                             message[Field::trade_id].text);
    return event;
  }
  const std::string key = given_key(message, caller);
  if (key.empty()) return std::unexpected(no_identity());
  event.id = request_event_id(caller.key.user, key);
  return event;
}

}  // namespace oneclick::ingress
