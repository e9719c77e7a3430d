#include "engine/runtime/gate.hpp"

#include <algorithm>
#include <cstring>

namespace oneclick {

namespace {

Reason reason_of(SubmitResult result) {
  switch (result) {
    case SubmitResult::queued:
      return Reason::none;
    case SubmitResult::rate_budget:
      return Reason::rate_budget;
    case SubmitResult::down:
      return Reason::session_down;
    case SubmitResult::no_account:
      return Reason::exchange_disconnected;
  }
  return Reason::overload;
}

}  // namespace

Gate::Gate(Options options, const JournalPort& journal, const KillBoard& kill_board)
    : options_(options), journal_(journal), kill_board_(kill_board) {}

void Gate::set_session(AccountSlot slot, OrderSession* session) {
  if (slot >= sessions_.size()) {
    sessions_.resize(slot + 1, nullptr);
    // An order is refused at most once a step, so the list of refusals never grows past the
    // accounts.
    refused_.reserve(sessions_.size() * 2);
  }
  sessions_[slot] = session;
}

bool Gate::reached(std::uint64_t position) const {
  return options_.durability == Durability::process ? journal_.appended() >= position
                                                    : journal_.synced() >= position;
}

void Gate::release(const Intent& intent, std::uint64_t position, std::int64_t now_ns) {
  if (reached(position) && held() == 0) return submit(intent, now_ns);
  held_.push_back({.intent = intent, .position = position, .since_ns = now_ns});
}

Reason Gate::why_not(const Intent& intent, std::int64_t now_ns) const {
  if (!places(intent) || intent.is_exit) return Reason::none;
  if (kill_board_.any() && kill_board_.covers(intent)) return Reason::kill_switch;
  if (entries_stopped_ != Reason::none) return entries_stopped_;
  if (intent.expires_ns != 0 && now_ns > intent.expires_ns) return Reason::stale;
  return Reason::none;
}

void Gate::submit(const Intent& intent, std::int64_t now_ns) {
  if (journal_.failed() && places(intent)) return refuse(intent, Reason::overload);
  if (const Reason why = why_not(intent, now_ns); why != Reason::none) return refuse(intent, why);
  OrderSession* const session = intent.slot < sessions_.size() ? sessions_[intent.slot] : nullptr;
  if (session == nullptr) return refuse(intent, Reason::session_down);
  const SubmitResult result = session->submit(intent);
  if (result != SubmitResult::queued) return refuse(intent, reason_of(result));
  ++submitted_total_;
  if (std::ranges::find(dirty_, session) == dirty_.end()) dirty_.push_back(session);
}

void Gate::refuse(const Intent& intent, Reason reason) {
  OrderUpdate update;
  std::memset(static_cast<void*>(&update), 0, sizeof update);
  update.account = intent.account;
  update.key = intent.key;
  // A question, or a cancel, that could not be asked for says nothing about the order.
  update.kind = places(intent) ? OrderUpdateKind::not_sent : OrderUpdateKind::query_failed;
  update.source = UpdateSource::gate;
  update.reason = reason;
  update.side = intent.side;
  update.symbol = intent.symbol;
  refused_.push_back(update);
  if (intent.kind != IntentKind::place_pair) return;
  update.key = intent.other_key;
  refused_.push_back(update);
}

void Gate::flush() {
  for (OrderSession* const session : dirty_) session->flush();
  dirty_.clear();
}

std::size_t Gate::release_held(std::int64_t now_ns) {
  std::size_t done = 0;
  while (held_first_ < held_.size()) {
    const Held& next = held_[held_first_];
    // The core takes an order without an answer for unknown after a while and asks for it. One that
    // is still here then must never leave afterwards.
    const bool too_long = now_ns - next.since_ns > options_.hold_ns_max;
    if (!too_long && !reached(next.position)) break;
    if (too_long) {
      refuse(next.intent, Reason::overload);
    } else {
      submit(next.intent, now_ns);
    }
    ++held_first_;
    ++done;
  }
  if (held_first_ == held_.size()) {
    held_.clear();
    held_first_ = 0;
  }
  if (done != 0) flush();
  return done;
}

}  // namespace oneclick
