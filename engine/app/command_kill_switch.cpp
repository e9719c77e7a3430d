// `oneclick kill-switch`: stops entries of a running daemon, all or some, by its local socket.
// Needs neither PostgreSQL nor the network.
#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/config.hpp"
#include "engine/app/control_reply.hpp"
#include "engine/app/control_socket.hpp"
#include "engine/app/json_text.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t answer_timeout_ns = 5'000'000'000;
using Action = KillSwitchArguments::Action;
using Switch = ControlReply::Switch;

JsonObject with_filters(JsonObject object, const Switch& s) {
  const std::pair<const char*, const std::string*> filters[] = {
      {"venue", &s.venue}, {"leader", &s.leader}, {"follower", &s.follower}, {"symbol", &s.symbol}};
  for (const auto& [name, value] : filters)
    if (!value->empty()) object.text(name, *value);
  return object;
}

std::string as_text(const Switch& s) {
  std::string out;
  const std::pair<const char*, const std::string*> filters[] = {
      {"venue", &s.venue}, {"leader", &s.leader}, {"follower", &s.follower}, {"symbol", &s.symbol}};
  for (const auto& [name, value] : filters)
    if (!value->empty()) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, *value);
  return out.empty() ? "everything" : out;
}

std::expected<ControlReply, std::string> ask(const std::string& socket, const std::string& line) {
  const auto answer = ask_control(socket, line, answer_timeout_ns);
  if (!answer) return std::unexpected(answer.error());
  return parse_control_reply(*answer);
}

std::string set_line(bool on, const Switch& s) {
  return with_filters(JsonObject().text("op", "kill_switch").boolean("on", on), s).str();
}

std::expected<ControlReply, std::string> carry_out(const KillSwitchArguments& a,
                                                   const std::string& socket) {
  const std::string status_line = JsonObject().text("op", "kill_switch_status").str();
  const Switch filters{
      .venue = a.venue, .leader = a.leader, .follower = a.follower, .symbol = a.symbol};
  if (a.action == Action::status) return ask(socket, status_line);
  if (a.action == Action::on || !a.all)
    return ask(socket, set_line(a.action == Action::on, filters));
  // Off for all: every switch that is in force, whatever it was for.
  auto reply = ask(socket, status_line);
  if (!reply) return reply;
  for (const Switch& s : std::vector<Switch>(reply->kill_switches)) {
    reply = ask(socket, set_line(false, s));
    if (!reply) return reply;
  }
  return reply;
}

void print(const ControlReply& reply, bool json) {
  JsonList list;
  for (const Switch& s : reply.kill_switches) {
    if (json) {
      list.raw(with_filters({}, s).str());
    } else {
      print_line("on: " + as_text(s));
    }
  }
  if (json) return print_line(JsonObject().raw("kill_switches", list.str()).str());
  if (reply.kill_switches.empty()) print_line("off");
}

}  // namespace

int command_kill_switch(const KillSwitchArguments& arguments) {
  const bool filtered = !arguments.venue.empty() || !arguments.leader.empty() ||
                        !arguments.follower.empty() || !arguments.symbol.empty();
  if (arguments.action != Action::status && filtered == arguments.all)
    return fail(exit_codes::usage,
                "kill-switch: allowed: either --all, or one or more of --venue, --leader, "
                "--follower, --symbol");
  std::string socket = arguments.socket;
  if (socket.empty()) {
    if (arguments.config_file.empty())
      return fail(exit_codes::usage,
                  "kill-switch: --config or --socket is needed to find the daemon");
    const auto path = control_socket_path(arguments.config_file);
    if (!path) {
      for (const std::string& e : path.error()) fail(exit_codes::config, e);
      return exit_codes::config;
    }
    socket = *path;
  }
  const auto reply = carry_out(arguments, socket);
  if (!reply) return fail(exit_codes::unavailable, reply.error());
  print(*reply, arguments.json);
  return exit_codes::fine;
}

}  // namespace oneclick
