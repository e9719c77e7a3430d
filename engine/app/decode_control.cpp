#include <fmt/format.h>
#include <simdjson.h>

#include "engine/app/control.hpp"

namespace oneclick {

namespace {

using Object = simdjson::dom::object;

std::string refused(const std::string& why) {
  std::string escaped;
  for (const char c : why) {
    if (c == '"' || c == '\\') escaped += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) escaped += c;
  }
  return fmt::format(R"({{"ok":false,"error":"{}"}})", escaped);
}

struct Refusal {
  std::string why;
};

std::string member(const Object& o, const char* name) {
  std::string_view value;
  const auto found = o[name];
  if (found.error() == simdjson::NO_SUCH_FIELD) return {};
  if (found.get(value) != simdjson::SUCCESS) throw Refusal{fmt::format("{}: not a text", name)};
  return std::string(value);
}

UserId user(const Object& o, const char* name) {
  const std::string text = member(o, name);
  if (text.empty()) return {};
  const auto id = Uuid::parse(text);
  if (!id) throw Refusal{fmt::format("{}: \"{}\" is not a UUID", name, text)};
  return {*id};
}

KillSwitch switch_from(const Object& o) {
  KillSwitch out{};
  bool on = false;
  if (o["on"].get(on) != simdjson::SUCCESS) throw Refusal{"on: true or false is needed"};
  out.on = on;
  if (const std::string venue = member(o, "venue"); !venue.empty()) {
    const auto known = venue_from_text(venue);
    if (!known) throw Refusal{fmt::format("venue: \"{}\" is not known; allowed: binance", venue)};
    out.venue = *known;
  }
  out.leader = user(o, "leader");
  out.follower = user(o, "follower");
  if (const std::string symbol = member(o, "symbol"); !symbol.empty()) {
    if (!split_symbol(symbol) || !Symbol::fits(symbol))
      throw Refusal{fmt::format("symbol: \"{}\" is not BASE/QUOTE", symbol)};
    out.symbol = Symbol::cut(symbol);
  }
  return out;
}

std::string text_of(const KillSwitch& k) {
  std::string out;
  const auto add = [&out](const char* name, const std::string& value) {
    out += fmt::format("{}\"{}\":\"{}\"", out.empty() ? "" : ",", name, value);
  };
  if (k.venue != Venue::none) add("venue", std::string(to_text(k.venue)));
  if (!k.leader.is_nil()) add("leader", k.leader.to_text());
  if (!k.follower.is_nil()) add("follower", k.follower.to_text());
  if (!k.symbol.empty()) add("symbol", k.symbol.str());
  return "{" + out + "}";
}

std::string status(const ControlHandlers& handlers) {
  std::string list;
  for (const KillSwitch& k : handlers.kill_switches())
    list += (list.empty() ? "" : ",") + text_of(k);
  return fmt::format(R"({{"ok":true,"kill_switches":[{}]}})", list);
}

std::string answer(const Object& o, const ControlHandlers& handlers) {
  const std::string op = member(o, "op");
  if (op == "kill_switch_status") return status(handlers);
  if (op != "kill_switch")
    throw Refusal{
        fmt::format("op: \"{}\" is not known; allowed: kill_switch, kill_switch_status", op)};
  handlers.set_kill_switch(switch_from(o));
  return status(handlers);
}

}  // namespace

std::string answer_control(const std::string& line, const ControlHandlers& handlers) {
  simdjson::dom::parser parser;
  Object object;
  if (parser.parse(line).get(object) != simdjson::SUCCESS) return refused("not a JSON object");
  try {
    return answer(object, handlers);
  } catch (const Refusal& r) {
    return refused(r.why);
  }
}

}  // namespace oneclick
