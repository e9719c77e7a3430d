#include "engine/core/fanout.hpp"

#include <algorithm>
#include <numeric>

#include "engine/core/holdings.hpp"
#include "engine/core/mirror.hpp"
#include "engine/core/order.hpp"
#include "engine/core/protect.hpp"
#include "engine/core/serve.hpp"
#include "engine/core/subscribing.hpp"

namespace oneclick::core {

namespace {

// A feed that nobody configured has no baseline: what it brings might be from before.
bool feed_counts(const Tables& t, const LeaderEvent& e) {
  if (e.feed_account.is_nil()) return true;
  const Index feed = t.find_feed(e.feed_account);
  return feed != none && t.feeds[feed].authoritative &&
         e.event_time_ns >= t.feeds[feed].baseline_ns;
}

bool is_own_event(LeaderEventKind kind) {
  return kind == LeaderEventKind::risk_close || kind == LeaderEventKind::sync ||
         kind == LeaderEventKind::stop_close;
}

// Serves followers in an order drawn from the event's id: blocks of neighbours in a random order,
// and the neighbours of a block among themselves. No one is always last, and what lies together in
// memory is visited together: with every follower drawn for itself a large fan-out waits for memory
// at each.
class FairOrder {
 public:
  // How many followers before it is served what is fetched: its link, then what the link points to,
  // then what that points to.
  static constexpr std::size_t ahead = 8, far = 5, near = 2;
  static constexpr std::size_t block_size = 64;

  FairOrder(Step& s, const std::vector<Index>& links, const EventId& event)
      : t_(s.t), out_(s.out), links_(links), seed_(hash_of(event)) {
    Tables& t = s.t;
    t.scratch.resize(links.size());
    t.block_scratch.resize((links.size() + block_size - 1) / block_size);
    std::iota(t.block_scratch.begin(), t.block_scratch.end(), Index{0});
  }
  [[nodiscard]] Index at(std::size_t rank, Index symbol) {
    draw_until(std::min(rank + ahead, t_.scratch.size()));
    if (rank + far < drawn_) {
      const Index link = t_.scratch[rank + far];
      const AccountSlot slot = t_.links[link].slot;
      prefetch_lines(&t_.accounts[slot], sizeof(AccountEntry));
      t_.holding_index.prefetch(pair_key(link, symbol));
      out_.on_follower_ahead(slot, true);
    }
    if (rank + near < drawn_) {
      const Index link = t_.scratch[rank + near];
      if (const Index holding = t_.holding_index.guess(pair_key(link, symbol)); holding != none)
        prefetch_lines(&t_.holdings[holding], sizeof(Holding));
      const AccountSlot slot = t_.links[link].slot;
      if (const Index balance = t_.accounts[slot].first_balance; balance != none)
        __builtin_prefetch(&t_.balances[balance]);
      out_.on_follower_ahead(slot, false);
    }
    return t_.scratch[rank];
  }

 private:
  // A number below n, from the seed.
  [[nodiscard]] std::size_t draw(std::size_t n) {
    seed_ += 0x9e3779b97f4a7c15ULL;
    return static_cast<std::size_t>((static_cast<u128>(mix(seed_)) * n) >> 64);
  }
  void next_block() {
    std::swap(t_.block_scratch[block_],
              t_.block_scratch[block_ + draw(t_.block_scratch.size() - block_)]);
    const std::size_t first = std::size_t{t_.block_scratch[block_++]} * block_size;
    const std::size_t count = std::min(block_size, links_.size() - first);
    std::copy_n(links_.begin() + static_cast<std::ptrdiff_t>(first), count,
                t_.scratch.begin() + static_cast<std::ptrdiff_t>(drawn_));
    block_end_ = drawn_ + count;
  }
  void draw_until(std::size_t end) {
    for (; drawn_ < end; ++drawn_) {
      if (drawn_ == block_end_) next_block();
      std::swap(t_.scratch[drawn_], t_.scratch[drawn_ + draw(block_end_ - drawn_)]);
      const auto* const link = reinterpret_cast<const char*>(&t_.links[t_.scratch[drawn_]]);
      __builtin_prefetch(link);
      __builtin_prefetch(link + 64);
      __builtin_prefetch(link + 128);
    }
  }

  Tables& t_;
  Output& out_;
  const std::vector<Index>& links_;
  std::uint64_t seed_;
  std::size_t block_ = 0;      // blocks drawn
  std::size_t block_end_ = 0;  // end of the present block in the scratch
  std::size_t drawn_ = 0;      // followers drawn
};

void serve_all(Step& s, Request& request, const std::vector<Index>& links) {
  emit_leader_event(s, request.event, static_cast<std::uint32_t>(links.size()));
  FairOrder order(s, links, request.event.id);
  for (std::size_t rank = 0; rank < links.size(); ++rank)
    serve(s, request, order.at(rank, request.symbol), static_cast<std::uint32_t>(rank));
}

// As above, links with `chain` by a request of their own.
void serve_both(Step& s, Request& own, Request& chained, const std::vector<Index>& links) {
  emit_leader_event(s, own.event, static_cast<std::uint32_t>(links.size()));
  FairOrder order(s, links, own.event.id);
  for (std::size_t rank = 0; rank < links.size(); ++rank) {
    const Index link = order.at(rank, own.symbol);
    Request& request = s.t.links[link].chain ? chained : own;
    serve(s, request, link, static_cast<std::uint32_t>(rank));
    own.event_notional = chained.event_notional = request.event_notional;
    own.leader_sums = chained.leader_sums = request.leader_sums;
  }
}

const std::vector<Index>& links_of(const Tables& t, Index source) {
  static const std::vector<Index> nobody;
  return source == none ? nobody : t.sources[source].links;
}

// The order's earlier fill; null, and remembered, when this is its first.
const LeaderOrder* seen_order(LeaderPosition& position, const LeaderEvent& e) {
  if (e.leader_order == 0) return nullptr;
  for (const LeaderOrder& known : position.orders)
    if (known.order == e.leader_order) return &known;
  position.orders[position.orders_seen++ % position.orders.size()] = {
      .first_fill = e.id, .order = e.leader_order, .time_ns = e.event_time_ns};
  return nullptr;
}

bool can_be_short(const Tables& t, const LeaderEvent& e, Index symbol) {
  const Index at = t.find_instrument(e.venue, symbol);
  return at != none && can_be_short(t.instruments[at].instrument);
}

// What a fill asks for: what goes toward zero closes the fraction of the tracked position that it
// closed, what goes away from it opens. A position from before the baseline is not tracked, so
// selling it asks for nothing.
void ask_by_fill(Request& request, Decimal before, Decimal after, bool bought) {
  request.is_short = !bought;
  const bool closes = bought ? before.is_negative() : before.is_positive();
  if (!closes) {
    request.ask = after == before ? Ask::nothing : Ask::enter;
    request.refusal = Reason::no_position;
    return;
  }
  const bool through = before.is_positive() ? after.is_negative() : after.is_positive();
  if (through) {
    request.ask = Ask::flip;
    request.quantity = abs(after);
    return;
  }
  request.ask = after.is_zero() ? Ask::sell_all : Ask::sell_fraction;
  request.kept = abs(after);
  request.kept_of = abs(before);
}

struct Moved {
  Decimal before;
  Decimal after;
};
Moved move_position(Decimal& quantity, Decimal& cost, const LeaderEvent& e, bool can_short) {
  const Decimal before = quantity;
  const Decimal change = e.side == Side::buy ? e.quantity - e.base_fee : -(e.quantity + e.base_fee);
  const Decimal after = can_short ? before + change : max(Decimal{}, before + change);
  quantity = after;
  if (!after.is_positive()) {
    cost = Decimal{};
  } else if (after < before) {
    cost = mul_div(cost, after, before, Round::down);
  } else {
    if (before.is_negative()) cost = Decimal{};
    cost += mul(before.is_negative() ? after : e.quantity, e.price, Round::nearest);
  }
  return {before, after};
}

void ask_by_fill(Request& request, const Moved& moved, bool bought) {
  ask_by_fill(request, moved.before, moved.after, bought);
}
bool opens(const Request& request) {
  return request.ask == Ask::enter || request.ask == Ask::flip;
}

void serve_fill(Step& s, Request& request, Request& chained, Index source) {
  Tables& t = s.t;
  if (t.sources[source].chain_links == 0 && !request.event.chained)
    return serve_all(s, request, links_of(t, source));
  if (!request.event.chained) return serve_both(s, request, chained, links_of(t, source));
  t.matched.clear();
  for (const Index link : links_of(t, source))
    if (t.links[link].chain) t.matched.push_back(link);
  serve_all(s, chained, t.matched);
}

// What the engine made for the leader counts for links with `chain` alone; they see one position of
// both, the others the leader's own.
void on_fill(Step& s, const LeaderEvent& e) {
  Tables& t = s.t;
  const Index source = t.source_of(e.leader.value, false);
  const Index symbol = t.symbol_of(e.symbol);
  const Index place = t.leader_position_of(source, symbol);
  LeaderPosition& p = t.leader_positions[place];
  const bool bought = e.side == Side::buy;
  const bool can_short = can_be_short(t, e, symbol);
  const Moved all = move_position(p.chained_quantity, p.chained_cost, e, can_short);
  const Moved own =
      e.chained ? Moved{p.quantity, p.quantity} : move_position(p.quantity, p.cost, e, can_short);
  shrink_syncs(t, source, symbol, true, all.after, all.before);
  if (!e.chained) shrink_syncs(t, source, symbol, false, own.after, own.before);
  Request request = make_request(s, e, symbol);
  ask_by_fill(request, own, bought);
  Request chained = make_request(s, e, symbol);
  ask_by_fill(chained, all, bought);
  if (opens(request) || opens(chained)) request.order_seen = chained.order_seen = seen_order(p, e);
  request.order_done = chained.order_done = bought && note_leader_order_fill(t, e);
  serve_fill(s, request, chained, source);
  if (request.order_done) forget_leader_order(t, e.leader_order);
}

void ask_by_signal(Request& request) {
  const LeaderEvent& e = request.event;
  switch (e.signal_type) {
    case SignalType::buy:
    case SignalType::sell:
      request.ask = Ask::by_signal;
      request.is_short = e.signal_type == SignalType::sell;
      return;
    // The ladder names what comes before it.
    case SignalType::hold:
      request.ask = Ask::enter;
      return;
    case SignalType::none:
      request.ask = Ask::nothing;
      request.refusal = Reason::hold;
      return;
  }
}

void on_signal_published(Step& s, const LeaderEvent& e) {
  const Index source = e.channel.is_nil() ? none : s.t.find_source(e.channel.value, true);
  Request request = make_request(s, e, s.t.find_symbol(e.symbol));
  ask_by_signal(request);
  remember_signal(s.t, e);
  serve_all(s, request, links_of(s.t, source));
}

void on_signal_updated(Step& s, const LeaderEvent& e) {
  emit_leader_event(s, e, 0);
  const Index source = e.channel.is_nil() ? none : s.t.find_source(e.channel.value, true);
  for (const Index link : links_of(s.t, source)) amend_protection(s, link, e);
}

void on_signal_closed(Step& s, const LeaderEvent& e) {
  forget_signal(s.t, e);
  const Index source = e.channel.is_nil() ? none : s.t.find_source(e.channel.value, true);
  Request request = make_request(s, e, s.t.find_symbol(e.symbol));
  request.ask = Ask::close_signal;
  serve_all(s, request, links_of(s.t, source));
}

// Asked for by one user: the only links that match are that user's to the signal's channel.
void on_one_click_copy(Step& s, const LeaderEvent& e) {
  const Index source = e.channel.is_nil() ? none : s.t.find_source(e.channel.value, true);
  std::vector<Index>& matched = s.t.matched;
  matched.clear();
  for (const Index link : links_of(s.t, source))
    if (s.t.links[link].follower == e.target) matched.push_back(link);
  Request request = make_request(s, e, s.t.find_symbol(e.symbol));
  ask_by_signal(request);
  request.percentage_e2 = e.percentage_e2;
  request.copy_amount = e.copy_amount;
  if (matched.size() > 1) {
    request.ask = Ask::nothing;
    request.refusal = Reason::account_ambiguous;
  }
  serve_all(s, request, matched);
}

void on_order_told(Step& s, const LeaderEvent& e) {
  Tables& t = s.t;
  const Index source = t.source_of(e.leader.value, false);
  const Index symbol = t.symbol_of(e.symbol);
  note_leader_order(t, e, source, symbol);
  Request request = make_request(s, e, symbol);
  request.ask = Ask::rest;
  serve_all(s, request, links_of(t, source));
  if (e.kind == LeaderEventKind::order_cancelled) forget_leader_order(t, e.leader_order);
}

}  // namespace

bool leader_event_matters(const Tables& t, const LeaderEvent& event) {
  // The engine makes its own events; none may come from outside.
  return !is_own_event(event.kind) && feed_counts(t, event) && t.find_seen(event.id) == none;
}

void on_leader_event(Step& s, const LeaderEvent& event) {
  if (!leader_event_matters(s.t, event)) {
    ++s.t.ignored_events;
    return;
  }
  s.t.remember({.id = event.id,
                .alias = event.alias,
                .body_hash = {event.body_hash[0], event.body_hash[1]},
                .seq = s.event.seq,
                .time_ns = s.now_ns});
  switch (event.kind) {
    case LeaderEventKind::fill:
      return on_fill(s, event);
    case LeaderEventKind::signal_published:
      return on_signal_published(s, event);
    case LeaderEventKind::signal_updated:
      return on_signal_updated(s, event);
    case LeaderEventKind::signal_closed:
      return on_signal_closed(s, event);
    case LeaderEventKind::one_click_copy:
      return on_one_click_copy(s, event);
    case LeaderEventKind::risk_close:
    case LeaderEventKind::sync:
    case LeaderEventKind::stop_close:
      return;
    case LeaderEventKind::order_placed:
    case LeaderEventKind::order_amended:
    case LeaderEventKind::order_cancelled:
      return on_order_told(s, event);
  }
}

}  // namespace oneclick::core
