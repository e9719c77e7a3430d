#include "connectors/ingress/decode_kill_switch.hpp"

#include <array>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#include <simdjson.h>
#pragma GCC diagnostic pop

#include "connectors/ingress/fields.hpp"

namespace oneclick::ingress {
namespace {

namespace ondemand = simdjson::ondemand;
using Checked = std::expected<void, Problem>;

enum Member : std::uint8_t { active, venue, leader, follower, symbol };
constexpr std::array<std::string_view, 5> names = {"active", "venue", "leader_user_id",
                                                   "follower_user_id", "symbol"};

std::unexpected<Problem> malformed(std::string_view detail) {
  return std::unexpected(Problem{.status = 400,
                                 .detail = "the body is not valid JSON: " + std::string(detail),
                                 .allowed = "one flat JSON object"});
}
std::unexpected<Problem> refused(Member member, std::string_view value, std::string_view detail,
                                 std::string_view allowed) {
  return std::unexpected(Problem{.status = 400,
                                 .detail = std::string(detail),
                                 .field = std::string(names[member]),
                                 .value = std::string(value),
                                 .allowed = std::string(allowed)});
}

std::expected<Member, Problem> member_of(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Member>(i);
  return std::unexpected(
      Problem{.status = 400,
              .detail = "unknown field",
              .field = std::string(name.substr(0, 200)),
              .allowed = "active, venue, leader_user_id, follower_user_id, symbol"});
}

Checked take_user(Member member, std::string_view text, UserId& out) {
  const auto id = Uuid::parse(text);
  if (!id || id->is_nil()) return refused(member, text, "not a UUID", "a UUID");
  out.value = *id;
  return {};
}

Checked take_text(Member member, std::string_view text, KillSwitch& out) {
  switch (member) {
    case active:
      break;
    case venue: {
      const auto known = venue_from_text(text);
      if (!known) return refused(member, text, "not known", "binance");
      out.venue = *known;
      return {};
    }
    case leader:
      return take_user(member, text, out.leader);
    case follower:
      return take_user(member, text, out.follower);
    case symbol:
      if (!is_symbol(text))
        return refused(member, text, "not a symbol", "BASE/QUOTE[:SETTLE], at most 23 characters");
      out.symbol = Symbol::cut(text);
      return {};
  }
  return refused(member, text, "must be a boolean", "true, false");
}

Checked take_value(Member member, ondemand::value value, KillSwitch& out) {
  ondemand::json_type type;
  if (value.type().get(type) != simdjson::SUCCESS) return malformed("unreadable value");
  if (member == active) {
    if (value.get_bool().get(out.on) == simdjson::SUCCESS) return {};
    return refused(member, "", "must be a boolean", "true, false");
  }
  std::string_view text;
  if (type != ondemand::json_type::string)
    return refused(member, "", "must be a string", "a string; leave it out to mean all");
  if (value.get_string().get(text) != simdjson::SUCCESS) return malformed("unreadable string");
  return take_text(member, text, out);
}

}  // namespace

std::expected<KillSwitch, Problem> decode_kill_switch(std::string_view json) {
  ondemand::parser parser;
  const simdjson::padded_string_view padded(json.data(), json.size(),
                                            json.size() + simdjson::SIMDJSON_PADDING);
  ondemand::document document;
  if (const auto error = parser.iterate(padded).get(document); error != simdjson::SUCCESS)
    return malformed(simdjson::error_message(error));
  ondemand::object object;
  if (document.get_object().get(object) != simdjson::SUCCESS) return malformed("not an object");
  KillSwitch out{};
  std::array<bool, names.size()> given{};
  for (auto pair : object) {
    ondemand::field field;
    std::string_view name;
    if (std::move(pair).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(name) != simdjson::SUCCESS)
      return malformed("unreadable member");
    const auto member = member_of(name);
    if (!member) return std::unexpected(member.error());
    if (given[*member]) return refused(*member, "", "given twice", "one value");
    given[*member] = true;
    if (auto taken = take_value(*member, field.value(), out); !taken)
      return std::unexpected(taken.error());
  }
  const char* rest = nullptr;
  if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS)
    return malformed("something follows the object");
  if (!given[active]) return refused(active, "", "missing", "true, false");
  return out;
}

std::string kill_switches_json(const std::vector<KillSwitch>& active_ones) {
  std::string list;
  for (const KillSwitch& k : active_ones) {
    std::string one;
    const auto add = [&one](Member member, std::string_view value) {
      if (!one.empty()) one += ',';
      append_field(one, names[member], value);
    };
    if (k.venue != Venue::none) add(venue, to_text(k.venue));
    if (!k.leader.is_nil()) add(leader, k.leader.to_text());
    if (!k.follower.is_nil()) add(follower, k.follower.to_text());
    if (!k.symbol.empty()) add(symbol, k.symbol.view());
    list += (list.empty() ? "{" : ",{") + one + "}";
  }
  return R"({"kill_switches":[)" + list + "]}";
}

}  // namespace oneclick::ingress
