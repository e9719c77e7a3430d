// The sink's temporary tables and how their rows become the real ones. Rows are written in key
// order where two shards may write the same ones: otherwise their transactions could wait for each
// other.
#include <array>

#include "persistence/sink_rows.hpp"

namespace oneclick {

namespace {

constexpr std::array<SinkTable, SinkTable::count> tables = {{
    {.name = "sink_leader_events",
     .create = "(LIKE engine.leader_events)",
     .upsert =
         "INSERT INTO engine.leader_events AS e SELECT * FROM sink_leader_events ORDER BY id"
         " ON CONFLICT (id) DO UPDATE SET links_matched = e.links_matched + excluded.links_matched,"
         " seq = coalesce(excluded.seq, e.seq), accepted_at = least(e.accepted_at,"
         " excluded.accepted_at)"},
    // Of several shards' the first that comes.
    {.name = "sink_event_touches",
     .create = "(LIKE engine.event_touches)",
     .upsert = "INSERT INTO engine.event_touches SELECT * FROM sink_event_touches ORDER BY event_id"
               " ON CONFLICT (event_id) DO NOTHING"},
    // Signals that came through ingress have no row of the platform's yet; orders refer to it. One
    // that the platform wrote stays as it is.
    {.name = "sink_signals",
     .create = "(id uuid, channel_id uuid, creator_id uuid, signal_type text, asset_symbol text,"
               " entry_price numeric, stop_loss numeric, take_profit numeric,"
               " quantity_suggestion numeric, at timestamp, closes boolean)",
     .upsert =
         "INSERT INTO public.trading_signals (id, channel_id, creator_id, signal_type, "
         "asset_symbol,"
         " entry_price, stop_loss, take_profit, quantity_suggestion, status, created_at, "
         "updated_at)"
         " SELECT s.id, s.channel_id, s.creator_id, nullif(s.signal_type, '')::public.signal_type,"
         " s.asset_symbol, s.entry_price, s.stop_loss, s.take_profit, s.quantity_suggestion,"
         " 'active', s.at, s.at FROM sink_signals s"
         " JOIN public.premium_channels c ON c.id = s.channel_id"
         " JOIN public.users u ON u.id = s.creator_id WHERE NOT s.closes ORDER BY s.id"
         " ON CONFLICT (id) DO NOTHING;"
         "UPDATE public.trading_signals t SET status = 'closed', closed_at = s.at, updated_at = "
         "s.at"
         " FROM sink_signals s WHERE s.closes AND t.id = s.id AND t.status = 'active'"},
    {.name = "sink_trades",
     .create = "(LIKE public.trades)",
     .upsert =
         "INSERT INTO public.trades SELECT * FROM sink_trades ON CONFLICT (id) DO UPDATE SET"
         " order_id = coalesce(excluded.order_id, trades.order_id), quantity = excluded.quantity,"
         " price = excluded.price, filled_quantity = excluded.filled_quantity,"
         " filled_price = excluded.filled_price, total_value_usd = excluded.total_value_usd,"
         " fees_usd = excluded.fees_usd, status = excluded.status,"
         " executed_at = excluded.executed_at, updated_at = excluded.updated_at"},
    {.name = "sink_trade_history",
     .create = "(LIKE public.trade_history)",
     .upsert = "INSERT INTO public.trade_history SELECT * FROM sink_trade_history"
               " ON CONFLICT (id) DO NOTHING",
     .direct = "public.trade_history"},
    {.name = "sink_copy_outcomes",
     .create = "(LIKE engine.copy_outcomes)",
     .upsert = "INSERT INTO engine.copy_outcomes SELECT * FROM sink_copy_outcomes"
               " ON CONFLICT (event_id, link_id) DO NOTHING",
     .direct = "engine.copy_outcomes"},
    {.name = "sink_external_fills",
     .create = "(user_exchange_id uuid, symbol text, trade_id text, order_id text, side text,"
               " quantity numeric, price numeric, executed_at timestamptz)",
     .upsert =
         "INSERT INTO engine.external_fills (venue, user_exchange_id, symbol, trade_id, order_id,"
         " side, quantity, price, executed_at) SELECT coalesce((SELECT lower(x.exchange_name) FROM"
         " public.user_exchanges x WHERE x.id = f.user_exchange_id), ''), f.* FROM"
         " sink_external_fills f ON CONFLICT (venue, user_exchange_id, symbol, trade_id) DO "
         "NOTHING"},
    {.name = "sink_instruments",
     .create = "(LIKE engine.instruments)",
     .upsert =
         "INSERT INTO engine.instruments SELECT * FROM sink_instruments ORDER BY venue, symbol"
         " ON CONFLICT (venue, symbol) DO UPDATE SET venue_symbol = excluded.venue_symbol,"
         " status = excluded.status, base_asset = excluded.base_asset,"
         " quote_asset = excluded.quote_asset, price_tick = excluded.price_tick,"
         " price_min = excluded.price_min, price_max = excluded.price_max,"
         " lot_step = excluded.lot_step, quantity_min = excluded.quantity_min,"
         " quantity_max = excluded.quantity_max, market_lot_step = excluded.market_lot_step,"
         " market_quantity_min = excluded.market_quantity_min,"
         " market_quantity_max = excluded.market_quantity_max,"
         " notional_min = excluded.notional_min, notional_max = excluded.notional_max,"
         " notional_min_at_market = excluded.notional_min_at_market,"
         " updated_at = excluded.updated_at, kind = excluded.kind,"
         " leverage_max = excluded.leverage_max, contract_size = excluded.contract_size;"
         "INSERT INTO engine.symbol_map SELECT venue, venue_symbol, symbol FROM sink_instruments"
         " ORDER BY venue, venue_symbol"
         " ON CONFLICT (venue, venue_symbol) DO NOTHING"},
    {.name = "sink_kill_switches",
     .create = "(active boolean, venue text, leader_user_id uuid, follower_user_id uuid,"
               " symbol text, updated_at timestamptz)",
     .upsert =
         "INSERT INTO engine.kill_switches AS k (active, venue, leader_user_id, follower_user_id,"
         " symbol, updated_at) SELECT * FROM sink_kill_switches ORDER BY 2, 3, 4, 5"
         " ON CONFLICT (coalesce(venue, ''),"
         " coalesce(leader_user_id, '00000000-0000-0000-0000-000000000000'),"
         " coalesce(follower_user_id, '00000000-0000-0000-0000-000000000000'),"
         " coalesce(symbol, '')) DO UPDATE SET active = excluded.active,"
         " updated_at = excluded.updated_at WHERE k.active <> excluded.active"},
    {.name = "sink_link_halts",
     .create = "(link_id uuid, follower_user_id uuid, halted boolean, reason text, action text,"
               " limit_usd numeric, from_usd numeric, profit_usd numeric, at timestamptz)",
     .upsert =
         "DELETE FROM engine.link_halts h USING sink_link_halts s"
         " WHERE h.link_id = s.link_id AND NOT s.halted AND h.halted_at <= s.at;"
         "INSERT INTO engine.link_halts AS h (link_id, follower_user_id, reason, action, limit_usd,"
         " from_usd, profit_usd, halted_at) SELECT link_id, follower_user_id, reason, action,"
         " limit_usd, from_usd, profit_usd, at FROM sink_link_halts s WHERE halted AND EXISTS"
         " (SELECT FROM engine.copy_links l WHERE l.id = s.link_id) ORDER BY link_id"
         " ON CONFLICT (link_id) DO NOTHING"},
    {.name = "sink_quarantines",
     .create = "(link_id uuid, symbol text, quarantined_at timestamptz, follower_user_id uuid,"
               " user_exchange_id uuid, asset text, reason text, expected numeric, found numeric,"
               " account_expected numeric, account_found numeric, active boolean, at timestamptz)",
     .upsert =
         "INSERT INTO engine.quarantines AS q (link_id, symbol, quarantined_at, follower_user_id,"
         " user_exchange_id, asset, reason, expected, found, account_expected, account_found,"
         " released_at, updated_at) SELECT link_id, symbol, quarantined_at, follower_user_id,"
         " user_exchange_id, asset, reason, expected, found, account_expected, account_found,"
         " CASE WHEN NOT active THEN at END, at FROM sink_quarantines s WHERE EXISTS"
         " (SELECT FROM engine.copy_links l WHERE l.id = s.link_id)"
         " ORDER BY link_id, symbol, quarantined_at"
         " ON CONFLICT (link_id, symbol, quarantined_at) DO UPDATE SET expected = "
         "excluded.expected,"
         " found = excluded.found, account_expected = excluded.account_expected,"
         " account_found = excluded.account_found, released_at = excluded.released_at,"
         " updated_at = excluded.updated_at"
         " WHERE q.released_at IS NULL AND q.updated_at <= excluded.updated_at"},
    // Looked up first, so that shards do not wait for each other at a row that is there already.
    {.name = "sink_usd_rates",
     .create = "(LIKE engine.usd_rates)",
     .upsert =
         "INSERT INTO engine.usd_rates SELECT * FROM sink_usd_rates s WHERE NOT EXISTS (SELECT FROM"
         " engine.usd_rates r WHERE r.asset = s.asset AND r.bucket = s.bucket)"
         " ORDER BY asset, bucket ON CONFLICT (asset, bucket) DO NOTHING"},
    {.name = "sink_limit_halts",
     .create = "(scope text, scope_id uuid, shard integer, user_id uuid, halted boolean,"
               " reason text, action text, limit_usd numeric, from_usd numeric,"
               " profit_usd numeric, at timestamptz)",
     .upsert =
         "DELETE FROM engine.limit_halts h USING sink_limit_halts s WHERE h.scope = s.scope"
         " AND h.scope_id = s.scope_id AND h.shard = s.shard AND NOT s.halted"
         " AND h.halted_at <= s.at;"
         "INSERT INTO engine.limit_halts AS h (scope, scope_id, shard, user_id, reason, action,"
         " limit_usd, from_usd, profit_usd, halted_at) SELECT scope, scope_id, shard, user_id,"
         " reason, action, limit_usd, from_usd, profit_usd, at FROM sink_limit_halts s"
         " WHERE halted AND EXISTS (SELECT FROM engine.risk_limits l WHERE l.scope = s.scope"
         " AND l.scope_id = s.scope_id) ORDER BY scope, scope_id, shard"
         " ON CONFLICT (scope, scope_id, shard) DO NOTHING"},
    {.name = "sink_positions",
     .create = "(portfolio_id uuid, asset_symbol text, quantity numeric, average_buy_price numeric,"
               " last_updated_at timestamp)",
     .upsert = "UPDATE public.portfolio_positions p SET quantity = s.quantity,"
               " average_buy_price = s.average_buy_price, last_updated_at = s.last_updated_at"
               " FROM sink_positions s WHERE p.portfolio_id = s.portfolio_id"
               " AND p.asset_symbol = s.asset_symbol"},
    {.name = "sink_position_books",
     .create = "(LIKE engine.position_books)",
     .upsert =
         "INSERT INTO engine.position_books SELECT * FROM sink_position_books"
         " ORDER BY portfolio_id, asset_symbol ON CONFLICT (portfolio_id, asset_symbol) DO UPDATE"
         " SET cost_usd = excluded.cost_usd, cost_known = excluded.cost_known,"
         " spent_usd = excluded.spent_usd, realised_usd = excluded.realised_usd,"
         " fees_usd = excluded.fees_usd, unvalued_fills = excluded.unvalued_fills"},
}};

}  // namespace

const SinkTable& sink_table(SinkTable::Id id) {
  return tables[id];
}

}  // namespace oneclick
