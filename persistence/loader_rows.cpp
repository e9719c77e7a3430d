#include "persistence/loader_rows.hpp"

#include <algorithm>
#include <ranges>

#include "persistence/loader_fields.hpp"
#include "persistence/pg.hpp"

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;

constexpr std::int64_t ns_per_us = 1'000;
constexpr std::string_view venues_allowed = "binance";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Lines of a text; none for an empty one.
std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return out;
}

// Reads all rows of a query; `decode` fills a row or refuses a field; false passes the row over.
template <typename Row, typename Decode>
ReadResult<Row> read_rows(PgConnection& connection, std::string_view table, const std::string& sql,
                          const Parameters& parameters, Decode decode) {
  const auto answer = connection.run(sql, parameters);
  if (!answer) return std::unexpected(answer.error());
  RowsRead<Row> out;
  for (int i = 0; i < answer->rows(); ++i) {
    RowFields fields(*answer, i);
    Row row{};
    const bool wanted = decode(fields, row);
    if (!fields.valid())
      out.invalid.push_back({std::string(table), std::string(fields.text(0)), fields.problem()});
    else if (wanted)
      out.rows.push_back(std::move(row));
  }
  return out;
}

// " WHERE column = ANY($1)" and its parameter, or nothing.
struct Only {
  std::string where;
  Parameters parameters;
};
Only only_ids(std::string_view column, const Ids* ids) {
  if (ids == nullptr) return {};
  return {fmt::format(" WHERE {} = ANY($1::uuid[])", column), {uuid_array(*ids)}};
}

Secret opened(RowFields& fields, int column, std::string_view name, AccountId id,
              std::span<const MasterKey> keys, bool required) {
  if (fields.is_null(column) || fields.text(column).empty()) {
    if (required) fields.refuse(name, "NULL", "text sealed by oneclick vault");
    return {};
  }
  auto secret = open_sealed(keys, credential_aad(name, id), fields.text(column));
  if (secret) return std::move(*secret);
  // What stands there may be a secret in plain text: only what is wrong with it is told.
  fields.refuse(name, fmt::format("sealed text that does not open ({})", secret.error()),
                "text sealed for this row and column under a key of the master key file");
  return {};
}

bool decode_account(RowFields& f, LoadedAccount& out, std::span<const MasterKey> keys) {
  const auto venue = venue_from_text(lower(f.text(2)));
  if (!venue) return false;
  const AccountId id{f.uuid(0)};
  out.account = {.id = id,
                 .user = UserId{f.required_uuid(1, "user_id")},
                 .venue = *venue,
                 .connected = f.text(7) == "connected",
                 .sandbox = f.boolean(6),
                 .egress = 0};
  out.credentials.api_key = opened(f, 3, "api_key", id, keys, true).view();
  out.credentials.secret = opened(f, 4, "api_secret", id, keys, true);
  out.credentials.passphrase = opened(f, 5, "passphrase", id, keys, false);
  out.credentials.key_type =
      out.credentials.secret.view().starts_with("-----BEGIN") ? KeyType::ed25519 : KeyType::hmac;
  return true;
}

constexpr const char* links_sql =
    "SELECT l.id, l.follower_user_id, l.follower_exchange_id, coalesce(l.portfolio_id,"
    " (SELECT p.id FROM public.portfolios p WHERE p.user_id = l.follower_user_id AND p.is_default"
    "  ORDER BY p.created_at, p.id LIMIT 1)),"
    " l.leader_user_id, l.channel_id, l.sizing_mode, l.copy_percentage, l.copy_amount,"  // 4..8
    " l.entry_style, l.slippage_bps_max, l.entry_ttl_ms, l.min_lot_policy,"              // 9..12
    " l.order_notional_max, l.position_notional_max, l.symbol_filter,"                   // 13..15
    " array_to_string(l.symbols, E'\\n', ''), l.sync_on_subscribe, l.reverse, l.chain,"  // 16..19
    " l.status, l.version, u.account_status = 'active', x.user_id, x.exchange_name,"     // 20..24
    " l.channel_id IS NULL OR (coalesce(c.pricing_monthly, 0) = 0"
    "   AND coalesce(c.pricing_yearly, 0) = 0),"  // 25
    " s.until IS NOT NULL, CASE WHEN s.until < 'infinity'"
    "   THEN (extract(epoch FROM s.until) * 1000000)::bigint END,"             // 26..27
    " q.user_id, l.copy_quantity, l.positions_max, l.entries_per_minute_max,"  // 28..31
    " l.exposure_usd_max, l.daily_loss_usd_max, l.drawdown_usd_max,"           // 32..34
    " l.drawdown_from, l.drawdown_action, l.risk_epoch,"                       // 35..37
    " l.only_if_better, l.protect, l.close_on_stop, l.price_collar_bps_max,"   // 38..41
    " l.leverage"                                                              // 42
    " FROM engine.copy_links l"
    " LEFT JOIN public.users u ON u.id = l.follower_user_id"
    " LEFT JOIN public.user_exchanges x ON x.id = l.follower_exchange_id"
    " LEFT JOIN public.premium_channels c ON c.id = l.channel_id"
    " LEFT JOIN public.portfolios q ON q.id = l.portfolio_id"
    " LEFT JOIN LATERAL (SELECT max(coalesce(s.end_date, 'infinity'::timestamp)) AS until"
    "   FROM public.subscriptions s WHERE s.user_id = l.follower_user_id"
    "   AND s.channel_id = l.channel_id AND s.status = 'active') s ON true";

void decode_link_owner(RowFields& f, CopyLink& l) {
  l.id = LinkId{f.uuid(0)};
  l.follower = UserId{f.required_uuid(1, "follower_user_id")};
  l.account = AccountId{f.required_uuid(2, "follower_exchange_id")};
  l.portfolio = PortfolioId{f.required_uuid(3, "portfolio_id")};
  l.leader = UserId{f.uuid(4)};
  l.channel = ChannelId{f.uuid(5)};
  if (l.leader.is_nil() == l.channel.is_nil())
    f.refuse("leader_user_id, channel_id", l.leader.is_nil() ? "both NULL" : "both set",
             "exactly one of them");
  if (f.uuid(23) != l.follower.value)
    f.refuse("follower_exchange_id", f.text(2), "an account of the follower");
  else if (!venue_from_text(lower(f.text(24))))
    f.refuse("follower_exchange_id", f.text(24),
             fmt::format("an account at one of: {}", venues_allowed));
  if (!f.is_null(28) && f.uuid(28) != l.follower.value)
    f.refuse("portfolio_id", f.text(3), "a portfolio of the follower");
  if (l.leader == l.follower && !l.leader.is_nil())
    f.refuse("leader_user_id", f.text(4), "somebody other than the follower");
}

void decode_link_sizing(RowFields& f, CopyLink& l) {
  l.sizing_mode = f.word(6, "sizing_mode", sizing_mode_from_text, SizingMode::leader_quantity,
                         "leader_quantity, equity_proportional, follower_equity, fixed_notional, "
                         "fixed_quantity, fixed_risk");
  l.percentage_e2 = 10'000;
  if (!f.is_null(7)) {
    const auto percentage = Decimal::parse(f.text(7));
    const i128 e2 = percentage ? percentage->e8() / 1'000'000 : 0;
    if (e2 < 1 || e2 > 99'999) f.refuse("copy_percentage", f.text(7), "0.01 to 999.99, or NULL");
    l.percentage_e2 = static_cast<std::int32_t>(e2);
  }
  l.copy_amount = f.amount(8, "copy_amount");
  l.copy_quantity = f.amount(29, "copy_quantity");
  const bool by_amount =
      l.sizing_mode == SizingMode::fixed_notional || l.sizing_mode == SizingMode::fixed_risk;
  if (by_amount && !l.copy_amount.is_positive())
    f.refuse("copy_amount", "NULL", fmt::format("an amount, for {}", to_text(l.sizing_mode)));
  if (l.sizing_mode == SizingMode::fixed_quantity && !l.copy_quantity.is_positive())
    f.refuse("copy_quantity", "NULL", "a quantity, for fixed_quantity");
  if (l.sizing_mode != SizingMode::fixed_quantity) l.copy_quantity = {};
  l.order_notional_max = f.amount(13, "order_notional_max");
  l.position_notional_max = f.amount(14, "position_notional_max");
}

// Zero for NULL.
std::int32_t decode_count(RowFields& f, int column, std::string_view name) {
  if (f.is_null(column)) return 0;
  const std::int64_t count = f.integer(column);
  if (count < 1 || count > 2'147'483'647)
    f.refuse(name, f.text(column), "1 to 2147483647, or NULL");
  return static_cast<std::int32_t>(count);
}

void decode_link_limits(RowFields& f, CopyLink& l) {
  l.positions_max = decode_count(f, 30, "positions_max");
  l.entries_per_minute_max = decode_count(f, 31, "entries_per_minute_max");
  l.exposure_usd_max = f.amount(32, "exposure_usd_max");
  l.daily_loss_usd_max = f.amount(33, "daily_loss_usd_max");
  l.drawdown_usd_max = f.amount(34, "drawdown_usd_max");
  l.drawdown_from =
      f.word(35, "drawdown_from", drawdown_from_from_text, DrawdownFrom::start, "start, peak");
  l.drawdown_action =
      f.word(36, "drawdown_action", drawdown_action_from_text, DrawdownAction::halt, "halt, close");
  l.risk_epoch = f.integer(37);
}

void decode_link_entry(RowFields& f, CopyLink& l) {
  l.entry_style =
      f.word(9, "entry_style", entry_style_from_text, EntryStyle::capped, "capped, market, mirror");
  const std::int64_t slippage = f.integer(10);
  if (slippage < 0 || slippage > 10'000) f.refuse("slippage_bps_max", f.text(10), "0 to 10000");
  l.slippage_bps_max = static_cast<std::int32_t>(slippage);
  l.entry_ttl_ms = f.integer(11);
  if (l.entry_ttl_ms < 1 || l.entry_ttl_ms > 86'400'000)
    f.refuse("entry_ttl_ms", f.text(11), "1 to 86400000");
  l.min_lot_policy = f.word(12, "min_lot_policy", min_lot_policy_from_text, MinLotPolicy::carry,
                            "carry, skip, round_up");
  l.sync_on_subscribe = f.word(17, "sync_on_subscribe", sync_on_subscribe_from_text,
                               SyncOnSubscribe::none, "none, all, if_better");
  l.reverse = f.boolean(18);
  l.chain = f.boolean(19);
  l.only_if_better = f.boolean(38);
  l.protect = f.boolean(39);
  l.close_on_stop = f.boolean(40);
  if (!f.is_null(41)) {
    const std::int64_t collar = f.integer(41);
    if (collar < 1 || collar > 10'000)
      f.refuse("price_collar_bps_max", f.text(41), "1 to 10000, or NULL");
    l.price_collar_bps_max = static_cast<std::int32_t>(collar);
  }
  const auto leverage = Decimal::parse(f.text(42));
  const i128 leverage_e2 = leverage ? leverage->e8() / 1'000'000 : 0;
  if (leverage_e2 < 100 || leverage_e2 > 12'500) f.refuse("leverage", f.text(42), "1 to 125");
  l.leverage_e2 = static_cast<std::int32_t>(leverage_e2);
}

void decode_link_symbols(RowFields& f, CopyLink& l) {
  const std::string_view filter = f.text(15);
  if (filter == "none")
    l.symbol_filter = SymbolFilter::none;
  else if (filter == "allow")
    l.symbol_filter = SymbolFilter::allow;
  else if (filter == "deny")
    l.symbol_filter = SymbolFilter::deny;
  else
    f.refuse("symbol_filter", filter, "none, allow, deny");
  for (const std::string_view symbol : lines(f.text(16))) {
    if (l.symbol_count == link_symbols_max)
      return f.refuse("symbols", "more than 16", "at most 16 symbols");
    l.symbols[l.symbol_count++] = f.symbol(symbol, "symbols");
  }
}

}  // namespace

bool decode_link(RowFields& f, LoadedLink& out, std::int64_t now_us) {
  CopyLink& l = out.link;
  decode_link_owner(f, l);
  decode_link_sizing(f, l);
  decode_link_limits(f, l);
  decode_link_entry(f, l);
  decode_link_symbols(f, l);
  l.status = f.word(20, "status", link_status_from_text, LinkStatus::stopped,
                    "active, paused, exits_only, stopped, quarantined");
  l.version = f.integer(21);
  l.user_active = f.boolean(22);
  const bool free_of_charge = f.boolean(25);
  const bool ends = !f.is_null(27);
  const bool subscribed = f.boolean(26) && (!ends || f.integer(27) > now_us);
  l.subscription_active = free_of_charge || subscribed;
  if (!free_of_charge && subscribed && ends) out.changes_at_us = f.integer(27);
  return true;
}

namespace {

bool decode_feed(RowFields& f, LeaderFeed& out) {
  const auto venue = venue_from_text(lower(f.text(2)));
  if (!venue)
    f.refuse("user_exchange_id", f.text(2),
             fmt::format("an account at one of: {}", venues_allowed));
  out = {.account = AccountId{f.uuid(0)},
         .leader = UserId{f.required_uuid(1, "user_exchange_id (user)")},
         .venue = venue.value_or(Venue::none),
         .authoritative = f.boolean(3),
         .baseline_ns = f.integer(4) * ns_per_us};
  return true;
}

bool decode_switch(RowFields& f, LoadedSwitch& out) {
  out.id = f.uuid(0);
  out.kill_switch = {.on = f.boolean(1),
                     .venue = Venue::none,
                     .leader = UserId{f.uuid(3)},
                     .follower = UserId{f.uuid(4)},
                     .symbol = {}};
  if (!f.is_null(2))
    out.kill_switch.venue = f.word(2, "venue", venue_from_text, Venue::none, venues_allowed);
  if (!f.is_null(5)) out.kill_switch.symbol = f.symbol(5, "symbol");
  out.set_by_engine = f.text(6) == "engine";
  return true;
}

bool decode_limits(RowFields& f, RiskLimits& out) {
  out = {.scope = f.word(1, "scope", limit_scope_from_text, LimitScope::account,
                         "account, leader, channel"),
         .drawdown_from = f.word(10, "drawdown_from", drawdown_from_from_text, DrawdownFrom::start,
                                 "start, peak"),
         .drawdown_action = f.word(11, "drawdown_action", drawdown_action_from_text,
                                   DrawdownAction::halt, "halt, close"),
         .removed = false,
         .positions_max = decode_count(f, 5, "positions_max"),
         .entries_per_minute_max = decode_count(f, 6, "entries_per_minute_max"),
         .id = f.required_uuid(2, "scope_id"),
         .order_notional_max = f.amount(3, "order_notional_max"),
         .position_notional_max = f.amount(4, "position_notional_max"),
         .exposure_usd_max = f.amount(7, "exposure_usd_max"),
         .daily_loss_usd_max = f.amount(8, "daily_loss_usd_max"),
         .drawdown_usd_max = f.amount(9, "drawdown_usd_max"),
         .risk_epoch = f.integer(12)};
  return true;
}

bool decode_api_key(RowFields& f, ApiKey& out) {
  const std::string_view kind = f.text(4);
  if (!kind.empty() && kind != "array" && kind != "null") {
    f.refuse("permissions", kind, "a JSON array of scopes");
    return false;
  }
  for (const std::string_view scope : lines(f.text(3)))
    if (const auto bit = api_scope_from_text(scope)) out.scopes |= *bit;
  if (out.scopes == 0) return false;
  out.id = ApiKeyId{f.uuid(0)};
  out.user = UserId{f.required_uuid(1, "user_id")};
  const std::string_view hash = f.text(2);
  const auto digit = [&](std::size_t i) {
    const char c = hash[i];
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  bool whole = hash.size() == 2 * out.key_hash.size();
  for (std::size_t i = 0; whole && i < hash.size(); ++i) whole = digit(i) >= 0;
  if (!whole) {
    f.refuse("key_hash", fmt::format("{} characters", hash.size()),
             "64 lower-case hexadecimal digits (SHA-256 of the secret)");
    return false;
  }
  for (std::size_t i = 0; i < out.key_hash.size(); ++i)
    out.key_hash[i] = static_cast<std::uint8_t>(digit(2 * i) << 4 | digit(2 * i + 1));
  out.expires_ns = f.integer(5) * ns_per_us;
  out.user_active = f.boolean(6);
  return true;
}

}  // namespace

Uuid uuid_of(std::string_view text) {
  return Uuid::parse(text).value_or(Uuid{});
}

std::string uuid_array(const Ids& ids) {
  std::string out = "{";
  for (const std::string& id : ids) {
    if (!Uuid::parse(id)) continue;
    if (out.size() > 1) out += ',';
    out += id;
  }
  return out + "}";
}

std::optional<std::uint32_t> api_scope_from_text(std::string_view text) {
  if (text == "signals:write") return scope_signals_write;
  if (text == "trades:write") return scope_trades_write;
  if (text == "stream:read") return scope_stream_read;
  if (text == "admin") return scope_admin;
  return std::nullopt;
}

ReadResult<LoadedAccount> read_accounts(PgConnection& connection, std::span<const MasterKey> keys,
                                        const Ids* only) {
  const Only filter = only_ids("e.id", only);
  return read_rows<LoadedAccount>(
      connection, "user_exchanges",
      "SELECT e.id, e.user_id, e.exchange_name, e.api_key, e.api_secret, e.passphrase,"
      " e.sandbox_mode, e.status FROM public.user_exchanges e" +
          filter.where + " ORDER BY e.id",
      filter.parameters,
      [&](RowFields& f, LoadedAccount& out) { return decode_account(f, out, keys); });
}

ReadResult<LoadedLink> read_links(PgConnection& connection, std::int64_t now_us,
                                  const LinkFilter* only) {
  std::string sql = links_sql;
  Parameters parameters;
  if (only != nullptr) {
    sql +=
        " WHERE l.id = ANY($1::uuid[]) OR l.follower_user_id = ANY($2::uuid[])"
        " OR l.follower_exchange_id = ANY($3::uuid[]) OR l.channel_id = ANY($4::uuid[])";
    for (const Ids* ids : {&only->ids, &only->users, &only->accounts, &only->channels})
      parameters.push_back(uuid_array(*ids));
  }
  return read_rows<LoadedLink>(
      connection, "engine.copy_links", sql + " ORDER BY l.created_at, l.id", parameters,
      [&](RowFields& f, LoadedLink& out) { return decode_link(f, out, now_us); });
}

ReadResult<LeaderFeed> read_feeds(PgConnection& connection, const Ids* only) {
  const Only filter = only_ids("f.user_exchange_id", only);
  return read_rows<LeaderFeed>(
      connection, "engine.leader_feeds",
      "SELECT f.user_exchange_id, e.user_id, e.exchange_name, f.authoritative,"
      " (extract(epoch FROM f.baseline_at) * 1000000)::bigint FROM engine.leader_feeds f"
      " LEFT JOIN public.user_exchanges e ON e.id = f.user_exchange_id" +
          filter.where + " ORDER BY 1",
      filter.parameters, decode_feed);
}

ReadResult<LoadedChannel> read_channels(PgConnection& connection, const Ids* only) {
  const Only filter = only_ids("c.id", only);
  return read_rows<LoadedChannel>(
      connection, "premium_channels",
      "SELECT c.id, c.creator_id, c.is_active FROM public.premium_channels c" + filter.where +
          " ORDER BY 1",
      filter.parameters, [](RowFields& f, LoadedChannel& out) {
        out = {.id = ChannelId{f.uuid(0)},
               .creator = UserId{f.required_uuid(1, "creator_id")},
               .active = f.boolean(2)};
        return true;
      });
}

ReadResult<LoadedSwitch> read_switches(PgConnection& connection, const Ids* only) {
  const Only filter = only_ids("k.id", only);
  return read_rows<LoadedSwitch>(
      connection, "engine.kill_switches",
      "SELECT k.id, k.active, k.venue, k.leader_user_id, k.follower_user_id, k.symbol, k.set_by"
      " FROM engine.kill_switches k" +
          filter.where + " ORDER BY 1",
      filter.parameters, decode_switch);
}

ReadResult<QuarantineRelease> read_releases(PgConnection& connection, const Ids* links) {
  std::string where = " WHERE q.release_asked_at IS NOT NULL AND q.released_at IS NULL";
  Parameters parameters;
  if (links != nullptr) {
    where += " AND q.link_id = ANY($1::uuid[])";
    parameters = {uuid_array(*links)};
  }
  return read_rows<QuarantineRelease>(
      connection, "engine.quarantines",
      "SELECT q.link_id, q.user_exchange_id, q.symbol,"
      " (extract(epoch FROM q.quarantined_at) * 1000000)::bigint FROM engine.quarantines q" +
          where + " ORDER BY q.quarantined_at, q.link_id, q.symbol",
      parameters, [](RowFields& f, QuarantineRelease& out) {
        out = {.link = LinkId{f.uuid(0)},
               .account = AccountId{f.uuid(1)},
               .symbol = f.symbol(2, "symbol"),
               .quarantined_ns = f.integer(3) * ns_per_us};
        return true;
      });
}

ReadResult<RiskLimits> read_limits(PgConnection& connection, const Ids* only) {
  std::string where;
  Parameters parameters;
  if (only != nullptr) {
    std::string keys = "{";
    for (const std::string& key : *only)
      if (removed_limits(key)) keys += (keys.size() > 1 ? "," : "") + key;
    where = " WHERE concat(l.scope, '|', l.scope_id) = ANY($1::text[])";
    parameters = {keys + "}"};
  }
  return read_rows<RiskLimits>(
      connection, "engine.risk_limits",
      "SELECT concat(l.scope, '|', l.scope_id), l.scope, l.scope_id, l.order_notional_max,"
      " l.position_notional_max, l.positions_max, l.entries_per_minute_max, l.exposure_usd_max,"
      " l.daily_loss_usd_max, l.drawdown_usd_max, l.drawdown_from, l.drawdown_action, l.risk_epoch"
      " FROM engine.risk_limits l" +
          where + " ORDER BY l.scope, l.scope_id",
      parameters, decode_limits);
}

std::optional<RiskLimits> removed_limits(std::string_view key) {
  const auto bar = key.find('|');
  if (bar == std::string_view::npos) return std::nullopt;
  const auto scope = limit_scope_from_text(key.substr(0, bar));
  const auto id = Uuid::parse(key.substr(bar + 1));
  if (!scope || !id) return std::nullopt;
  RiskLimits limits{};
  limits.scope = *scope;
  limits.id = *id;
  limits.removed = true;
  return limits;
}

ReadResult<SymbolMapping> read_symbol_map(PgConnection& connection) {
  return read_rows<SymbolMapping>(
      connection, "engine.symbol_map",
      "SELECT concat(m.venue, '|', m.venue_symbol), m.venue, m.venue_symbol, m.symbol"
      " FROM engine.symbol_map m WHERE NOT EXISTS (SELECT FROM engine.instruments i"
      " WHERE i.venue = m.venue AND i.symbol = m.symbol AND i.venue_symbol = m.venue_symbol)"
      " ORDER BY 2, 3",
      {}, [](RowFields& f, SymbolMapping& out) {
        out = {.venue = f.word(1, "venue", venue_from_text, Venue::none, venues_allowed),
               .present = true,
               .venue_symbol = Symbol::cut(f.text(2)),
               .symbol = f.symbol(3, "symbol")};
        if (f.text(2).empty() || !Symbol::fits(f.text(2)))
          f.refuse("venue_symbol", f.text(2), "1 to 23 characters");
        return true;
      });
}

ReadResult<ApiKey> read_api_keys(PgConnection& connection, const Ids* ids, const Ids* users) {
  std::string where;
  Parameters parameters;
  if (ids != nullptr) {
    where = " WHERE k.id = ANY($1::uuid[]) OR k.user_id = ANY($2::uuid[])";
    parameters = {uuid_array(*ids), uuid_array(*users)};
  }
  return read_rows<ApiKey>(
      connection, "api_keys",
      "SELECT k.id, k.user_id, k.key_hash, CASE WHEN jsonb_typeof(k.permissions) = 'array' THEN"
      " (SELECT string_agg(v, E'\\n') FROM jsonb_array_elements_text(k.permissions) AS v) END,"
      " jsonb_typeof(k.permissions), (extract(epoch FROM k.expires_at) * 1000000)::bigint,"
      " u.account_status = 'active' FROM public.api_keys k"
      " LEFT JOIN public.users u ON u.id = k.user_id" +
          where + " ORDER BY 1",
      parameters, decode_api_key);
}

}  // namespace oneclick
