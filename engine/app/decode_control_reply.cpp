#include <simdjson.h>

#include "engine/app/control_reply.hpp"

namespace oneclick {

namespace {

std::string member(const simdjson::dom::object& from, const char* name) {
  std::string_view value;
  return from[name].get(value) == simdjson::SUCCESS ? std::string(value) : std::string();
}

}  // namespace

std::expected<ControlReply, std::string> parse_control_reply(const std::string& line) {
  simdjson::dom::parser parser;
  simdjson::dom::object reply;
  bool ok = false;
  if (parser.parse(line).get(reply) != simdjson::SUCCESS ||
      reply["ok"].get(ok) != simdjson::SUCCESS)
    return std::unexpected("the answer cannot be read");
  if (!ok) return std::unexpected(member(reply, "error"));
  ControlReply out;
  simdjson::dom::array switches;
  if (reply["kill_switches"].get(switches) != simdjson::SUCCESS) return out;
  for (const auto& item : switches) {
    simdjson::dom::object one;
    if (item.get(one) != simdjson::SUCCESS) return std::unexpected("the answer cannot be read");
    out.kill_switches.push_back({.venue = member(one, "venue"),
                                 .leader = member(one, "leader"),
                                 .follower = member(one, "follower"),
                                 .symbol = member(one, "symbol")});
  }
  return out;
}

}  // namespace oneclick
