// `oneclick links`: who copies whom, and what holds some of them back. Rows of the database, which
// a running daemon follows within a second.
#include <algorithm>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "engine/domain/link.hpp"
#include "persistence/pg_links.hpp"

namespace oneclick {

namespace {

using Action = LinksArguments::Action;

// Error: what is not an id or a status.
std::string check(const LinksArguments& a) {
  const std::pair<const char*, const std::string&> named[] = {
      {"--user", a.user}, {"--leader", a.leader}, {"--channel", a.channel}};
  for (const auto& [name, text] : named)
    if (!text.empty() && !Uuid::parse(text))
      return fmt::format("{} {}: allowed: a UUID", name, text);
  for (const std::string& id : a.ids)
    if (!Uuid::parse(id)) return fmt::format("{}: allowed: the UUID of a copy link", id);
  if (!a.status.empty() && !link_status_from_text(a.status))
    return fmt::format("--status {}: allowed: active, paused, exits_only, stopped, quarantined",
                       a.status);
  const bool narrowed =
      !a.ids.empty() || !a.user.empty() || !a.leader.empty() || !a.channel.empty();
  if (a.action != Action::list && !narrowed)
    return "links: allowed: ids of links, or one or more of --user, --leader, --channel";
  return {};
}

LinkStatus status_of(Action action) {
  switch (action) {
    case Action::pause:
      return LinkStatus::paused;
    case Action::exits_only:
      return LinkStatus::exits_only;
    case Action::stop:
      return LinkStatus::stopped;
    case Action::resume:
    case Action::list:
    case Action::release:
      break;
  }
  return LinkStatus::active;
}

std::string row_json(const LinkRow& r) {
  JsonObject out;
  const std::pair<const char*, const std::string&> members[] = {
      {"id", r.id},
      {"follower_user_id", r.follower},
      {"follower", r.follower_name},
      {"follower_exchange_id", r.account},
      {"exchange", r.exchange},
      {"leader_user_id", r.leader},
      {"channel_id", r.channel},
      {"copies", r.source_name},
      {"status", r.status},
      {"sizing_mode", r.sizing_mode},
      {"copy_percentage", r.copy_percentage},
      {"copy_amount", r.copy_amount},
      {"updated_at", r.updated_at},
      {"halt_reason", r.halt_reason},
      {"halted_at", r.halted_at}};
  for (const auto& [name, value] : members)
    value.empty() ? out.raw(name, "null") : out.text(name, value);
  return out.raw("version", r.version).str();
}

std::string row_line(const LinkRow& r) {
  std::string size = r.sizing_mode;
  if (!r.copy_percentage.empty()) size += fmt::format(" {} %", r.copy_percentage);
  if (!r.copy_amount.empty()) size += fmt::format(" amount {}", r.copy_amount);
  std::string line =
      fmt::format("{}  {:<11}  {} copies {} {}  on {}  {}", r.id, r.status, r.follower_name,
                  r.leader.empty() ? "channel" : "leader", r.source_name, r.exchange, size);
  if (!r.halt_reason.empty()) line += fmt::format("  halted: {} at {}", r.halt_reason, r.halted_at);
  return line;
}

int list(PgQuery& database, const LinksArguments& a, const LinkQuery& query) {
  const auto rows = list_links(database, query);
  if (!rows) return fail(exit_codes::failure, "links list: " + rows.error());
  JsonList out;
  for (const LinkRow& r : *rows) {
    if (a.json) {
      out.raw(row_json(r));
    } else {
      print_line(row_line(r));
    }
  }
  if (a.json) print_line(JsonObject().raw("links", out.str()).str());
  return exit_codes::fine;
}

std::string change_line(const LinkChange& c) {
  std::string line = c.before == c.after ? fmt::format("{}  {}", c.id, c.after)
                                         : fmt::format("{}  {} > {}", c.id, c.before, c.after);
  return c.halt_lifted ? line + "  halt lifted" : line;
}

int report(const LinksArguments& a, const std::vector<LinkChange>& changes) {
  JsonList out;
  bool refused = false;
  for (const LinkChange& c : changes) {
    refused |= a.action != Action::release && c.after == to_text(LinkStatus::quarantined);
    if (a.json) {
      out.raw(JsonObject()
                  .text("id", c.id)
                  .text("before", c.before)
                  .text("after", c.after)
                  .boolean("halt_lifted", c.halt_lifted)
                  .str());
    } else {
      print_line(change_line(c));
    }
  }
  if (a.json) print_line(JsonObject().raw("links", out.str()).str());
  if (changes.empty())
    return fail(exit_codes::failure, a.action == Action::release
                                         ? "links release: nothing holds such a link back"
                                         : "links: no such link");
  for (const std::string& id : a.ids) {
    const Uuid wanted = Uuid::parse(id).value();
    const auto is_wanted = [&](const LinkChange& c) { return Uuid::parse(c.id) == wanted; };
    if (std::ranges::none_of(changes, is_wanted))
      return fail(exit_codes::failure,
                  fmt::format("links: {}: {}", id,
                              a.action == Action::release ? "nothing holds it back, or no such link"
                                                          : "no such link"));
  }
  if (refused)
    return fail(exit_codes::failure,
                "links: what is quarantined stays so until `oneclick links release`");
  return exit_codes::fine;
}

}  // namespace

int command_links(const LinksArguments& arguments) {
  if (const std::string problem = check(arguments); !problem.empty())
    return fail(exit_codes::usage, problem);
  auto database = PgQuery::connect(arguments.database_url);
  if (!database) return fail(exit_codes::unavailable, "database: " + database.error());
  const LinkQuery query{.ids = arguments.ids,
                        .user = arguments.user,
                        .leader = arguments.leader,
                        .channel = arguments.channel,
                        .status = arguments.status};
  if (arguments.action == Action::list) return list(*database, arguments, query);
  const auto changes = arguments.action == Action::release
                           ? release_links(*database, query)
                           : set_link_status(*database, query, status_of(arguments.action));
  if (!changes) return fail(exit_codes::failure, "links: " + changes.error());
  return report(arguments, *changes);
}

}  // namespace oneclick
