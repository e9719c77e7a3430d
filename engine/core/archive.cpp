#include "engine/core/archive.hpp"

#include <bit>
#include <cstring>

#include "engine/base/limits.hpp"
#include "engine/core/reconcile.hpp"
#include "engine/core/registry.hpp"

namespace oneclick::core {

namespace {

constexpr std::uint64_t magic = 0x31'65'72'6f'63'2d'63'6fULL;  // "oc-core1"

class Writer {
 public:
  template <typename T>
  void value(const T& x) {
    static_assert(is_dense<T>);
    const auto* const p = reinterpret_cast<const std::byte*>(&x);
    out_.insert(out_.end(), p, p + sizeof x);
  }
  template <typename T>
  void dense(const std::vector<T>& v) {
    static_assert(is_dense<T>);
    value(static_cast<std::uint64_t>(v.size()));
    const auto* const p = reinterpret_cast<const std::byte*>(v.data());
    out_.insert(out_.end(), p, p + v.size() * sizeof(T));
  }
  template <typename T>
  void dense(const Slab<T>& v) {
    value(static_cast<std::uint64_t>(v.size()));
    for (std::size_t i = 0; i < v.size(); ++i) value(v[i]);
  }
  // Entries with padding, or with lists inside, go field by field.
  template <typename T>
  void each(const std::vector<T>& v) {
    value(static_cast<std::uint64_t>(v.size()));
    for (const T& x : v) fields(*this, const_cast<T&>(x));
  }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> in) : in_(in) {}
  template <typename T>
  void value(T& x) {
    static_assert(is_dense<T>);
    if (in_.size() < sizeof x) return fail();
    std::memcpy(static_cast<void*>(&x), in_.data(), sizeof x);
    in_ = in_.subspan(sizeof x);
  }
  template <typename T>
  void dense(std::vector<T>& v) {
    const std::size_t n = count(sizeof(T));
    v.resize(n);
    if (n == 0) return;
    std::memcpy(static_cast<void*>(v.data()), in_.data(), n * sizeof(T));
    in_ = in_.subspan(n * sizeof(T));
  }
  template <typename T>
  void dense(Slab<T>& v) {
    const std::size_t n = count(sizeof(T));
    for (std::size_t i = 0; i < n; ++i) value(v.emplace_back());
  }
  template <typename T>
  void each(std::vector<T>& v) {
    const std::size_t n = count(1);
    for (std::size_t i = 0; i < n && ok_; ++i) {
      if constexpr (std::is_trivially_copyable_v<T>) {
        std::memset(static_cast<void*>(&v.emplace_back()), 0, sizeof(T));
      } else {
        v.emplace_back();
      }
      fields(*this, v.back());
    }
  }
  [[nodiscard]] bool complete() const { return ok_ && in_.empty(); }

 private:
  std::size_t count(std::size_t entry_bytes) {
    std::uint64_t n = 0;
    value(n);
    if (n <= in_.size() / entry_bytes) return static_cast<std::size_t>(n);
    fail();
    return 0;
  }
  void fail() {
    ok_ = false;
    in_ = {};
  }

  std::span<const std::byte> in_;
  bool ok_ = true;
};

template <typename Archive>
void fields(Archive& a, Source& s) {
  a.value(s.id);
  a.value(s.is_channel);
  a.value(s.scope);
  a.value(s.first_published);
  a.value(s.chain_links);
  a.dense(s.links);
}
template <typename Archive>
void fields(Archive& a, AccountEntry& e) {
  a.value(e.account.id);
  a.value(e.account.user);
  a.value(e.account.venue);
  a.value(e.account.connected);
  a.value(e.account.sandbox);
  a.value(e.account.egress);
  a.value(e.known);
  a.value(e.reconciled);
  a.value(e.credentials_refused);
  a.value(e.first_balance);
  a.value(e.first_order);
  a.value(e.first_link);
  a.value(e.scope);
  a.value(e.balances_ns);
}
template <typename Archive>
void fields(Archive& a, InstrumentEntry& e) {
  Instrument& i = e.instrument;
  a.value(e.symbol);
  a.value(i.venue);
  a.value(i.status);
  a.value(i.symbol);
  a.value(i.venue_symbol);
  a.value(i.base);
  a.value(i.quote);
  a.value(i.price_tick);
  a.value(i.price_min);
  a.value(i.price_max);
  a.value(i.lot_step);
  a.value(i.quantity_min);
  a.value(i.quantity_max);
  a.value(i.market_lot_step);
  a.value(i.market_quantity_min);
  a.value(i.market_quantity_max);
  a.value(i.notional_min);
  a.value(i.notional_max);
  a.value(i.notional_min_at_market);
  a.value(i.kind);
  a.value(i.leverage_max_e2);
  a.value(i.contract_size);
  a.value(e.price.bid);
  a.value(e.price.ask);
  a.value(e.price.time_ns);
  a.value(e.quote_usd);
  a.value(e.reference.price);
  a.value(e.reference.time_ns);
}
template <typename Archive>
void fields(Archive& a, Ghost& g) {
  a.value(g.key);
  a.value(g.symbol);
  a.value(g.slot);
  a.value(g.sweep);
}
template <typename Archive>
void fields(Archive& a, LeaderFeed& f) {
  a.value(f.account);
  a.value(f.leader);
  a.value(f.venue);
  a.value(f.authoritative);
  a.value(f.baseline_ns);
}
template <typename Archive>
void fields(Archive& a, KillSwitch& k) {
  a.value(k.on);
  a.value(k.venue);
  a.value(k.leader);
  a.value(k.follower);
  a.value(k.symbol);
}
template <typename Archive>
void fields(Archive& a, CoreSettings& s) {
  a.value(s.shard);
  a.value(s.shard_count);
  a.value(s.taker_fee_bps);
  a.value(s.ack_timeout_ns);
  a.value(s.query_interval_ns);
  a.value(s.absence_proof_ns);
  a.value(s.absence_answers_min);
  a.value(s.exit_attempts_per_minute);
  a.value(s.exit_alarm_attempts);
  a.value(s.touch_age_ns_max);
  a.value(s.equity_age_ns_max);
  a.value(s.leader_event_age_ns_max);
  a.value(s.divergence_age_ns_max);
  a.value(s.event_notional_max);
  a.value(s.quote_equal);
}

template <typename Archive, typename T>
void tables_fields(Archive& a, T& t) {
  fields(a, const_cast<CoreSettings&>(t.settings));
  a.value(t.arrivals);
  a.value(t.ignored_events);
  a.value(t.exit_alarms);
  a.dense(t.symbols);
  a.dense(t.assets);
  a.each(t.instruments);
  a.each(t.sources);
  a.dense(t.leader_positions);
  a.dense(t.links);
  a.dense(t.free_links);
  a.dense(t.filters);
  a.value(t.free_filter);
  a.dense(t.terms);
  a.value(t.free_terms);
  a.dense(t.scopes);
  a.dense(t.published);
  a.value(t.free_published);
  a.dense(t.syncs);
  a.value(t.free_sync);
  a.value(t.syncs_open);
  a.each(t.accounts);
  a.dense(t.balances);
  a.dense(t.holdings);
  a.dense(t.free_holdings);
  a.dense(t.signals);
  a.value(t.free_signal);
  a.dense(t.flips);
  a.value(t.free_flip);
  a.dense(t.symbol_map);
  a.dense(t.protections);
  a.value(t.free_protection);
  a.dense(t.leader_resting);
  a.value(t.free_leader_resting);
  a.dense(t.mirrors);
  a.value(t.free_mirror);
  a.dense(t.orders);
  a.value(t.free_order);
  a.value(t.first_ended);
  a.value(t.last_ended);
  a.dense(t.trades);
  a.value(t.free_trade);
  a.dense(t.quarantines);
  a.value(t.free_quarantine);
  a.dense(t.short_balances);
  a.each(t.ghosts);
  a.each(t.feeds);
  a.each(t.kill_switches);
}

// Oldest first, wherever the ring begins.
std::vector<SeenEvent> seen_in_order(const Tables& t) {
  std::vector<SeenEvent> all;
  all.reserve(t.seen_count);
  for (std::size_t i = 0; i < t.seen_count; ++i)
    all.push_back(t.seen[(t.seen_first + i) % t.seen.size()]);
  return all;
}

}  // namespace

std::vector<std::byte> write_tables(const Tables& t) {
  Writer w;
  w.value(magic);
  w.value(limits::journal_format);
  tables_fields(w, t);
  w.dense(seen_in_order(t));
  return w.take();
}

std::string read_tables(std::span<const std::byte> bytes, Tables& t) {
  Reader r(bytes);
  std::uint64_t mark = 0;
  std::uint32_t format = 0;
  r.value(mark);
  r.value(format);
  if (mark != magic) return "not a state of the core";
  if (format != limits::journal_format) return "a state of another journal format";
  tables_fields(r, t);
  std::vector<SeenEvent> seen;
  r.dense(seen);
  if (!r.complete()) return "truncated or overlong state";
  t.seen_first = 0;
  t.seen_count = seen.size();
  seen.resize(std::bit_ceil(std::max<std::size_t>(seen.size(), t.seen.size())));
  t.seen.swap(seen);
  for (InstrumentEntry& i : t.instruments) derive(t, i);
  derive_shortfalls_due(t);
  t.rebuild_indices();
  return {};
}

}  // namespace oneclick::core
