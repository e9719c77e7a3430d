#include "persistence/erasure.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "persistence/audit.hpp"
#include "persistence/audit_redaction.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

using Done = std::expected<void, std::string>;
using Count = std::expected<std::int64_t, std::string>;

std::int64_t integer_of(const std::optional<std::string>& field) {
  std::int64_t value = 0;
  if (field) std::from_chars(field->data(), field->data() + field->size(), value);
  return value;
}

// What must be ended first, since it goes on in the person's name. $1: the person.
struct Hindrance {
  const char* what;
  const char* count;
};
constexpr const char* channels_of =
    "(SELECT c.id FROM public.premium_channels c"
    " WHERE c.creator_id = $1::uuid)";
// What is too little to be sold is no open position.
constexpr const char* open_positions =
    "SELECT count(*) FROM public.portfolio_positions p WHERE p.user_id = $1::uuid"
    " AND p.quantity <> 0 AND NOT EXISTS (SELECT FROM engine.instruments i"
    " WHERE i.symbol = p.asset_symbol AND (abs(p.quantity) < greatest(i.quantity_min, i.lot_step)"
    " OR abs(p.quantity) * coalesce(p.current_price, p.average_buy_price) < i.notional_min))";
const Hindrance hindrances[] = {
    {"open positions: close them first", open_positions},
    {"orders that are not done: wait for them or cancel them",
     "SELECT count(*) FROM public.trades t WHERE t.user_id = $1::uuid"
     " AND t.status IN ('pending', 'partially_filled')"},
    {"copy links of this user that trade: stop them first",
     "SELECT count(*) FROM engine.copy_links l WHERE l.follower_user_id = $1::uuid"
     " AND l.status IN ('active', 'exits_only', 'quarantined')"},
    {"profit shares that go on or are payable: end and collect them first",
     "SELECT (SELECT count(*) FROM engine.profit_share_terms t WHERE (t.ends_at IS NULL"
     " OR t.ends_at > now()) AND $1::uuid IN (t.leader_user_id, t.follower_user_id))"
     " + (SELECT count(*) FROM engine.profit_share_settlements s WHERE s.status = 'payable'"
     " AND $1::uuid IN (s.leader_user_id, s.follower_user_id))"},
    {"active signals: close them first",
     "SELECT count(*) FROM public.trading_signals s WHERE s.creator_id = $1::uuid"
     " AND s.status = 'active'"}};

class Erasure {
 public:
  Erasure(PgQuery& query, const ErasureOptions& options) : query_(query), options_(options) {}

  std::expected<ErasureResult, std::string> run();

 private:
  Count count(const std::string& sql);
  Done look_for_hindrances();
  Done change(const ErasureTable& table);
  Done remove_mentions();
  Done redact();
  Done record();
  Done engine_rows();
  Done step(std::string table, bool is_removed, const std::string& from,
            const std::string& statement,
            const std::vector<std::optional<std::string>>& parameters);
  [[nodiscard]] bool anything() const {
    return std::ranges::any_of(result_.steps, [](const auto& s) { return s.rows != 0; });
  }

  PgQuery& query_;
  const ErasureOptions& options_;
  ErasureResult result_;
  PgRow identity_;  // e-mail address, telephone number, user name
};

Count Erasure::count(const std::string& sql) {
  const auto rows = query_.rows(sql, {options_.user_id});
  if (!rows) return std::unexpected(rows.error());
  return integer_of((*rows)[0][0]);
}

Done Erasure::look_for_hindrances() {
  const auto add = [&](const char* what, const std::string& sql) -> Done {
    const auto n = count(sql);
    if (!n) return std::unexpected(n.error());
    if (*n != 0) result_.hindered.push_back(fmt::format("{} {}", *n, what));
    return {};
  };
  for (const Hindrance& h : hindrances)
    if (Done done = add(h.what, h.count); !done) return done;
  if (Done done = add("copy links of others that follow this user: stop them first",
                      fmt::format("SELECT count(*) FROM engine.copy_links l WHERE"
                                  " l.follower_user_id <> $1::uuid AND (l.leader_user_id = $1::uuid"
                                  " OR l.channel_id IN {}) AND l.status IN"
                                  " ('active', 'exits_only', 'quarantined')",
                                  channels_of));
      !done)
    return done;
  return add("others' active subscriptions to this user's channels: end them first",
             fmt::format("SELECT count(*) FROM public.subscriptions s WHERE s.channel_id IN {}"
                         " AND s.user_id <> $1::uuid AND s.status = 'active'",
                         channels_of));
}

// `from`: "public.x r WHERE ...".
Done Erasure::step(std::string table, bool is_removed, const std::string& from,
                   const std::string& statement,
                   const std::vector<std::optional<std::string>>& parameters) {
  // One form for both: what a dry run counts is what a run changes.
  const auto rows = query_.rows(
      options_.dry_run
          ? "SELECT count(*) FROM " + from
          : fmt::format("WITH done AS ({} RETURNING 1) SELECT count(*) FROM done", statement),
      parameters);
  if (!rows) return std::unexpected(table + ": " + rows.error());
  result_.steps.push_back(
      {.table = std::move(table), .is_removed = is_removed, .rows = integer_of((*rows)[0][0])});
  return {};
}

Done Erasure::change(const ErasureTable& table) {
  std::string from = fmt::format("public.{} r WHERE ({})", table.name, table.whose);
  if (table.is_removed)
    return step(table.name, true, from, "DELETE FROM " + from, {options_.user_id});
  std::string sets, differ;
  for (const ErasureColumn& c : erasure_columns()) {
    if (std::string_view(c.table) != table.name || c.becomes == nullptr) continue;
    sets += fmt::format("{}{} = {}", sets.empty() ? "" : ", ", c.name, c.becomes);
    differ += fmt::format("{}r.{} IS DISTINCT FROM ({})", differ.empty() ? "" : " OR ", c.name,
                          c.becomes);
  }
  from += fmt::format(" AND ({})", differ);
  // A signal's updates are no news to a running daemon, since what it trades by does not change;
  // and what is taken out of a signal must not be told again in its updates.
  const std::string_view name = table.name;
  const std::string setting = name == "signal_updates"    ? "oneclick.writer = 'engine'"
                              : name == "trading_signals" ? "oneclick.counting = 'on'"
                                                          : "";
  const bool quiet = !setting.empty() && !options_.dry_run;
  if (quiet)
    if (Done set = query_.run("SET LOCAL " + setting); !set) return set;
  Done done = step(table.name, false, from,
                   fmt::format("UPDATE public.{} r SET {} {}", table.name, sets,
                               from.substr(from.find("WHERE"))),
                   {options_.user_id});
  if (quiet && done)
    return query_.run("SET LOCAL oneclick.writer = ''; SET LOCAL oneclick.counting = ''");
  return done;
}

// What others were told about the person, and what programs logged.
Done Erasure::remove_mentions() {
  const std::string named =
      "strpos(lower({0}), lower($1)) > 0 OR strpos(lower({0}), lower($2)) > 0"
      " OR ($3::text <> '' AND strpos({0}, $3) > 0)"
      " OR strpos({0}, to_json($4::text)::text) > 0";
  const std::vector<std::optional<std::string>> parameters{
      options_.user_id, identity_[0].value_or(""), identity_[1].value_or(""),
      identity_[2].value_or("")};
  // A user name in a sentence is looked for as a word.
  const std::string words =
      " OR strpos(translate(' ' || lower(r.title || ' ' || r.message) || ' ', '.,;:!?@()\"''',"
      " '           '), ' ' || lower($4) || ' ') > 0";
  const std::string told = fmt::format(
      "public.notifications r WHERE r.user_id::text IS DISTINCT FROM $1 AND ({}{})",
      fmt::format(fmt::runtime(named), "concat_ws(' ', r.title, r.message, r.data::text)"), words);
  if (Done done = step("notifications of others", true, told, "DELETE FROM " + told, parameters);
      !done)
    return done;
  const std::string logged =
      fmt::format("public.system_logs r WHERE {}",
                  fmt::format(fmt::runtime(named),
                              "concat_ws(' ', r.message, r.context::text, r.stack_trace)"));
  return step("system_logs", true, logged, "DELETE FROM " + logged, parameters);
}

Done Erasure::engine_rows() {
  const std::string feeds =
      "engine.leader_feeds r WHERE r.user_exchange_id IN (SELECT x.id FROM public.user_exchanges x"
      " WHERE x.user_id = $1::uuid)";
  if (Done done =
          step("engine.leader_feeds", true, feeds, "DELETE FROM " + feeds, {options_.user_id});
      !done)
    return done;
  // What a search server said of a document may quote it.
  const std::string refused =
      "engine.search_rejects r WHERE r.row_id = $1::uuid OR r.row_id IN"
      " (SELECT p.id FROM public.community_posts p WHERE p.user_id = $1::uuid UNION ALL"
      " SELECT c.id FROM public.premium_channels c WHERE c.creator_id = $1::uuid UNION ALL"
      " SELECT s.id FROM public.trading_signals s WHERE s.creator_id = $1::uuid)";
  if (Done done = step("engine.search_rejects", true, refused, "DELETE FROM " + refused,
                       {options_.user_id});
      !done)
    return done;
  const std::string links = "WHERE r.follower_user_id = $1::uuid AND r.status <> 'stopped'";
  return step("engine.copy_links", false, "engine.copy_links r " + links,
              "UPDATE engine.copy_links r SET status = 'stopped' " + links, {options_.user_id});
}

Done Erasure::redact() {
  auto redacted = redact_audit(
      query_, {.user_id = options_.user_id, .keys = options_.keys, .dry_run = options_.dry_run});
  if (!redacted) return std::unexpected(redacted.error());
  for (auto& [table, rows] : *redacted)
    result_.steps.push_back({.table = table, .is_removed = false, .rows = rows});
  return {};
}

// That it was done, without whose it was but for the id that stays everywhere.
Done Erasure::record() {
  std::string counts;
  for (const ErasureStep& s : result_.steps)
    if (s.rows != 0)
      counts += fmt::format("{}\"{}\": {}", counts.empty() ? "" : ", ", s.table, s.rows);
  const auto put = query_.rows(
      "INSERT INTO public.audit_logs (user_id, action, resource_type, resource_id, new_values)"
      " VALUES ($1::uuid, 'user.erased', 'users', $1::uuid::text, $2::jsonb)",
      {options_.user_id, "{" + counts + "}"});
  if (!put) return std::unexpected(put.error());
  return {};
}

std::expected<ErasureResult, std::string> Erasure::run() {
  // The lock keeps new rows that refer to the person waiting until this is done.
  const auto who = query_.rows(
      fmt::format("SELECT email, phone_number, username FROM public.users WHERE id = $1::uuid {}",
                  options_.dry_run ? "" : "FOR UPDATE"),
      {options_.user_id});
  if (!who) return std::unexpected(who.error());
  if (who->empty()) return result_;
  result_.is_known = true;
  identity_ = (*who)[0];
  if (Done done = look_for_hindrances(); !done) return std::unexpected(done.error());
  if (!result_.hindered.empty()) return result_;
  // Before the row of `users`: it says whom to look for. Sealed rows first, so that what is
  // recorded below is not among them.
  if (Done done = redact(); !done) return std::unexpected(done.error());
  if (Done done = engine_rows(); !done) return std::unexpected(done.error());
  for (const ErasureTable& table : erasure_tables())
    if (Done done = change(table); !done) return std::unexpected(done.error());
  if (Done done = remove_mentions(); !done) return std::unexpected(done.error());
  if (!options_.dry_run && anything())
    if (Done done = record(); !done) return std::unexpected(done.error());
  return result_;
}

}  // namespace

std::expected<ErasureResult, std::string> erase_user(const std::string& database_url,
                                                     const ErasureOptions& options) {
  // Only sealed rows can be redacted, so that the chain says what was there.
  if (!options.dry_run)
    if (const auto sealed = seal_audit(database_url); !sealed)
      return std::unexpected(sealed.error());
  auto query = PgQuery::connect(database_url);
  if (!query) return std::unexpected(query.error());
  if (const auto begun = query->run(std::string("SET TimeZone = 'UTC'; SET lock_timeout = '10s';"
                                                " SET application_name = 'oneclick erase'; ") +
                                    (options.dry_run ? "BEGIN TRANSACTION READ ONLY" : "BEGIN"));
      !begun)
    return std::unexpected(begun.error());
  auto result = Erasure(*query, options).run();
  if (!result || !result->is_known || !result->hindered.empty()) return result;
  if (const auto done = query->run("COMMIT"); !done) return std::unexpected(done.error());
  return result;
}

}  // namespace oneclick
