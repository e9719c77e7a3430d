// Accounts read back in turns, and the age of the oldest reading; streams that do not tell what
// happens.
#include <algorithm>
#include <limits>

#include "connectors/binance/session.hpp"
#include "engine/base/log.hpp"

namespace oneclick::binance {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::size_t sweep_looks_max = 64;  // past accounts that cannot be read now

}  // namespace

// What is left of the budget goes to the accounts that were not read for longest, one at a time and
// after all that have to be read.
void Session::pump_sweeps(std::int64_t now_ns, bool may_ask) {
  const Config& config = shared_->config();
  while (!read_order_.empty()) {
    AttachedAccount* const a = account_at(read_order_.front().slot);
    const bool is_void = a == nullptr || a->refused || a->read_ns != read_order_.front().read_ns;
    if (is_void) {
      read_order_.pop_front();
      continue;
    }
    break;
  }
  oldest_reading_->store(read_order_.empty() ? std::numeric_limits<std::int64_t>::max()
                                             : read_order_.front().read_ns);
  if (!may_ask || reads_open_ > 0 || read_order_.empty()) return;
  for (std::size_t i = 0; i < std::min(read_order_.size(), sweep_looks_max); ++i) {
    AttachedAccount* const a = account_at(read_order_[i].slot);
    if (a == nullptr || a->read_ns != read_order_[i].read_ns) continue;
    if (now_ns - a->read_ns < config.sweep_interval_ns) return;
    if (!a->reconciled || a->live_on == 0 || a->not_before_ns > now_ns) continue;
    if (budget_.weight.remaining_ratio(shared_->venue_now_ns()) < 1 - config.sweep_budget_ratio)
      return;
    return queue_reconcile(*a);
  }
}

void Session::note_read(AttachedAccount& a) {
  a.read_ns = shared_->now_ns();
  read_order_.push_back({.slot = a.slot, .read_ns = a.read_ns});
}

// It tells others, or pings, but not this: what else it does not tell nobody knows.
void Session::doubt_silent_stream(AttachedAccount& a, std::int64_t ended_ms) {
  const std::int64_t now_ms = shared_->venue_now_ns() / ns_per_ms;
  const std::int64_t silence_ms = shared_->config().stream_silence_ns / ns_per_ms;
  if (a.live_on == 0 || ended_ms <= a.live_ms || ended_ms <= a.heard_ms ||
      now_ms - ended_ms < silence_ms)
    return;
  log_warning("binance account stream is silent; subscribing anew",
              {{"account", a.account.id.to_text()}});
  drop_subscription(a);
  lose(a, "the stream does not tell what happens");
  queue_subscription(a);
}

}  // namespace oneclick::binance
