#include "persistence/pg_market.hpp"

#include <string>
#include <vector>

namespace oneclick {

namespace {

// Times as microseconds since 1970. Symbols and venues are names without quotes or commas.
constexpr const char* insert_sql = R"(
WITH seen AS MATERIALIZED (
  SELECT 'epoch'::timestamptz + begins * interval '1 microsecond' AS begins,
         'epoch'::timestamptz + at * interval '1 microsecond' AS at, symbol, source, open, high, low,
         close
    FROM unnest($1::bigint[], $2::bigint[], $3::varchar[], $4::varchar[], $5::numeric[],
           $6::numeric[], $7::numeric[], $8::numeric[])
         AS s (begins, at, symbol, source, open, high, low, close)),
prices AS (
  INSERT INTO public.price_history (time, symbol, price, source)
  SELECT s.at, s.symbol, s.close, s.source FROM seen s
  ON CONFLICT (time, symbol) DO NOTHING)
INSERT INTO public.market_data AS m (time, symbol, open_price, high_price, low_price, close_price)
SELECT s.begins, s.symbol, (array_agg(s.open ORDER BY s.at))[1], max(s.high), min(s.low),
       (array_agg(s.close ORDER BY s.at DESC))[1]
  FROM seen s GROUP BY s.begins, s.symbol ORDER BY s.begins, s.symbol
ON CONFLICT (time, symbol) DO UPDATE SET
  open_price = coalesce(m.open_price, EXCLUDED.open_price),
  high_price = greatest(m.high_price, EXCLUDED.high_price, m.open_price),
  low_price = least(m.low_price, EXCLUDED.low_price, m.open_price),
  close_price = EXCLUDED.close_price)";

constexpr const char* rates_sql = R"(
INSERT INTO engine.usd_rates (asset, bucket, usd, at)
SELECT DISTINCT ON (s.asset, b.bucket) s.asset, b.bucket, s.usd, b.at
  FROM unnest($1::text[], $2::numeric[], $3::bigint[]) AS s (asset, usd, at),
       LATERAL (SELECT 'epoch'::timestamptz + s.at * interval '1 microsecond' AS at) t,
       LATERAL (SELECT t.at, date_bin('10 minutes', t.at, 'epoch') AS bucket) b
 WHERE NOT EXISTS (SELECT FROM engine.usd_rates r WHERE r.asset = s.asset AND r.bucket = b.bucket)
 ORDER BY s.asset, b.bucket, b.at
ON CONFLICT (asset, bucket) DO NOTHING)";

struct Array {
  std::string text = "{";
  void add(std::string_view value) {
    if (text.size() > 1) text += ',';
    text += '"';
    text += value;
    text += '"';
  }
  std::string close() { return std::move(text) + "}"; }
};

}  // namespace

std::expected<void, PgError> write_market(PgConnection& connection,
                                          std::span<const MarketSample> samples) {
  if (samples.empty()) return {};
  Array begins, at, symbols, sources, open, high, low, close;
  for (const MarketSample& s : samples) {
    begins.add(std::to_string(s.begins_ns / 1'000));
    at.add(std::to_string(s.seen_ns / 1'000));
    symbols.add(s.symbol.view());
    sources.add(to_text(s.venue));
    open.add(s.open.to_text());
    high.add(s.high.to_text());
    low.add(s.low.to_text());
    close.add(s.close.to_text());
  }
  const std::vector<std::optional<std::string>> values = {
      begins.close(), at.close(),   symbols.close(), sources.close(),
      open.close(),   high.close(), low.close(),     close.close()};
  const auto put = connection.run(insert_sql, values);
  if (!put) return std::unexpected(put.error());
  return {};
}

std::expected<void, PgError> write_usd_rates(PgConnection& connection,
                                             std::span<const UsdRate> rates) {
  if (rates.empty()) return {};
  Array assets, usd, at;
  for (const UsdRate& rate : rates) {
    assets.add(rate.asset.view());
    usd.add(rate.usd.to_text());
    at.add(std::to_string(rate.at_ns / 1'000));
  }
  const std::vector<std::optional<std::string>> values = {assets.close(), usd.close(), at.close()};
  const auto put = connection.run(rates_sql, values);
  if (!put) return std::unexpected(put.error());
  return {};
}

std::expected<void, PgError> mark_portfolios(PgConnection& connection) {
  for (std::optional<std::string> after;;) {
    const auto done = connection.run("SELECT engine.mark_portfolios($1::uuid)", std::vector{after});
    if (!done) return std::unexpected(done.error());
    if (done->is_null(0, 0)) return {};
    after = std::string(done->text(0, 0));
  }
}

}  // namespace oneclick
