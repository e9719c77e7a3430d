// `oneclick keys`: who may feed events in.
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "engine/base/clock.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && value >= 0;
  return whole ? std::optional(value) : std::nullopt;
}

// YYYY-MM-DD (its end is not meant: it expires as that day begins, UTC) or YYYY-MM-DDTHH:MM:SSZ.
std::optional<std::int64_t> unix_seconds(const std::string& text) {
  const bool with_time = text.size() == 20;
  if ((!with_time && text.size() != 10) || text[4] != '-' || text[7] != '-') return std::nullopt;
  if (with_time && (text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != 'Z'))
    return std::nullopt;
  const std::string_view t = text;
  const auto year = digits(t.substr(0, 4)), month = digits(t.substr(5, 2)),
             day = digits(t.substr(8, 2));
  const auto hour = with_time ? digits(t.substr(11, 2)) : 0,
             minute = with_time ? digits(t.substr(14, 2)) : 0,
             second = with_time ? digits(t.substr(17, 2)) : 0;
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86'400LL + *hour * 3'600 + *minute * 60 + *second;
}

int add(const KeysArguments& arguments) {
  const auto user = Uuid::parse(arguments.user);
  if (!user)
    return fail(exit_codes::usage, fmt::format("--user {}: allowed: a UUID", arguments.user));
  std::optional<std::int64_t> expires;
  if (!arguments.expires.empty()) {
    expires = unix_seconds(arguments.expires);
    if (!expires || *expires <= wall_now_ns() / 1'000'000'000)
      return fail(
          exit_codes::usage,
          fmt::format("--expires {}: allowed: a time to come, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ",
                      arguments.expires));
  }
  const auto key =
      add_api_key(arguments.database_url, {*user}, arguments.name, arguments.scopes, expires);
  if (!key) return fail(exit_codes::failure, "keys add: " + key.error());
  if (arguments.json) {
    print_line(JsonObject().text("id", key->id.to_text()).text("token", key->token).str());
  } else {
    print_line(key->token);
    fail(exit_codes::fine,
         "this is shown once; it goes into the header: Authorization: Bearer <it>");
  }
  return exit_codes::fine;
}

int list(const KeysArguments& arguments) {
  const auto keys = list_api_keys(arguments.database_url);
  if (!keys) return fail(exit_codes::failure, "keys list: " + keys.error());
  JsonList out;
  for (const ApiKeyRow& k : *keys) {
    if (arguments.json) {
      out.raw(JsonObject()
                  .text("id", k.id)
                  .text("user_id", k.user_id)
                  .text("name", k.name)
                  .raw("permissions", k.permissions.empty() ? "null" : k.permissions)
                  .text("created_at", k.created_at)
                  .text("expires_at", k.expires_at)
                  .text("last_used_at", k.last_used_at)
                  .str());
    } else {
      print_line(fmt::format("{}  user {}  {}  {}  created {}  expires {}  used {}", k.id,
                             k.user_id, k.name, k.permissions, k.created_at,
                             k.expires_at.empty() ? "never" : k.expires_at,
                             k.last_used_at.empty() ? "never" : k.last_used_at));
    }
  }
  if (arguments.json) print_line(JsonObject().raw("keys", out.str()).str());
  return exit_codes::fine;
}

int revoke(const KeysArguments& arguments) {
  const auto id = Uuid::parse(arguments.id);
  if (!id)
    return fail(exit_codes::usage, fmt::format("{}: allowed: the UUID of a key", arguments.id));
  const auto revoked = revoke_api_key(arguments.database_url, {*id});
  if (!revoked) return fail(exit_codes::failure, "keys revoke: " + revoked.error());
  if (!*revoked)
    return fail(exit_codes::failure, fmt::format("keys revoke: no key {}", arguments.id));
  print_line(arguments.json ? JsonObject().text("revoked", arguments.id).str()
                            : "revoked " + arguments.id);
  return exit_codes::fine;
}

}  // namespace

int command_keys(const KeysArguments& arguments) {
  if (const auto connection = PgQuery::connect(arguments.database_url); !connection)
    return fail(exit_codes::unavailable, "database: " + connection.error());
  switch (arguments.action) {
    case KeysArguments::Action::add:
      return add(arguments);
    case KeysArguments::Action::list:
      return list(arguments);
    case KeysArguments::Action::revoke:
      return revoke(arguments);
  }
  return exit_codes::usage;
}

}  // namespace oneclick
