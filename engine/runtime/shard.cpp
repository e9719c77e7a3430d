#include "engine/runtime/shard.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstring>

#include "engine/base/check.hpp"
#include "engine/base/limits.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::size_t events_per_turn = 256;
constexpr std::int64_t status_interval_ns = 10'000'000;
// A wake-up that is missed by a hair costs at most this.
constexpr std::int64_t wait_ns_max = 5'000'000;
constexpr std::int64_t wait_ns_while_held = 50'000;
// Journal bytes of one follower in one fan-out: an outcome, an order, their frames.
constexpr std::size_t journal_bytes_per_follower = 800;
constexpr std::size_t journal_bytes_reserve = 256 * 1024;

// Once for each attempt: as it is sent, and not with what the venue says to it.
void tell_alarm(const OrderRecord& order) {
  if (order.source != UpdateSource::gate || order.status != OrderStatus::pending) return;
  log_error(order.type == OrderType::market ? "an exit cannot be placed: tried again"
                                            : "a protection cannot be placed: tried again",
            {{"order", order.key.to_text()},
             {"link", order.link.to_text()},
             {"symbol", order.symbol.view()},
             {"quantity", order.quantity.to_text()}});
}

}  // namespace

void Shard::StepOutput::begin(std::uint64_t position, std::int64_t now_ns) {
  position_ = position;
  now_ns_ = now_ns;
  placed_ = 0;
  batch_ = 0;
  batch_limit_ = limits::fanout_batch_first;
  first_ns_ = 0;
}

void Shard::StepOutput::on_intent(const Intent& intent) {
  shard_.gate_.release(intent, position_, now_ns_);
  if (places(intent)) ++placed_;
  if (++batch_ < batch_limit_) return;
  shard_.gate_.flush();
  if (first_ns_ == 0) first_ns_ = shard_.around_.clock.now_ns();
  batch_ = 0;
  batch_limit_ = std::min(batch_limit_ * 2, limits::fanout_batch_max);
}

void Shard::StepOutput::on_record(const Record& record) {
  if (record.kind == RecordKind::outcome) shard_.around_.metrics.on_outcome(record.outcome);
  if (record.kind == RecordKind::order && record.order.alarm) [[unlikely]]
    tell_alarm(record.order);
  // With the journal lost the record is derived again from its input at the next start.
  if (!shard_.wait_for_room(sizeof(Record) * 2)) return;
  shard_.position_ = shard_.around_.journal.append(record);
}

void Shard::StepOutput::finish() {
  shard_.gate_.flush();
  if (first_ns_ == 0) first_ns_ = shard_.around_.clock.now_ns();
}

Shard::Shard(ShardOptions options, ShardSurroundings around, ShardHooks hooks, Core core,
             std::uint64_t last_seq, std::int64_t last_time_ns, std::uint64_t last_position)
    : options_(options),
      around_(around),
      hooks_(std::move(hooks)),
      core_(std::move(core)),
      gate_({.durability = options.durability, .hold_ns_max = options.hold_ns_max}, around.journal,
            around.kill_board),
      output_(*this),
      seq_(last_seq),
      time_ns_(last_time_ns),
      position_(last_position),
      snapshot_position_(last_position) {
  around_.inbox.poller = &around_.poller;
}

Shard::~Shard() {
  if (thread_.joinable()) stop(0);
}

void Shard::start(const CoreSettings& settings) {
  scratch_ = make_event(Fence{.settings = settings});
  take(scratch_);
  publish_status();
  thread_ = std::thread([this] { run(); });
}

void Shard::stop(std::int64_t drain_ns_max) {
  drain_until_ns_ = around_.clock.now_ns() + drain_ns_max;
  stopping_ = true;
  around_.poller.wake();
  if (thread_.joinable()) thread_.join();
}

void Shard::attach_account(const Account& account, const Credentials& credentials) {
  {
    const std::lock_guard hold(commands_mutex_);
    commands_.push_back({.attach = true, .account = account, .credentials = credentials});
  }
  has_commands_.store(true, std::memory_order_release);
  around_.poller.wake();
}

void Shard::detach_account(AccountId id) {
  {
    const std::lock_guard hold(commands_mutex_);
    Command command{};
    command.account.id = id;
    commands_.push_back(std::move(command));
  }
  has_commands_.store(true, std::memory_order_release);
  around_.poller.wake();
}

void Shard::run() {
  if (options_.pin_core >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options_.pin_core, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
      log_warning("shard not pinned", {{"shard", options_.index}, {"core", options_.pin_core}});
  }
  for (;;) {
    const std::size_t did = run_once();
    if (stopping_.load(std::memory_order_acquire)) {
      gate_.stop_entries(Reason::draining);
      if (drained()) break;
    }
    if (did == 0 && !options_.spin) wait_for_work();
  }
  snapshot_when_due(true);
  publish_status();
}

// Hot path 3/7: one turn. Reads the clock once, takes a bounded batch, says how much it did.
std::size_t Shard::run_once() {
  if (has_commands_.load(std::memory_order_acquire)) run_commands();
  std::size_t did = around_.poller.poll();
  did += drain_local();
  did += drain_inbox();
  const std::int64_t now = around_.clock.now_ns();
  if (now >= core_.next_deadline_ns()) {
    scratch_ = make_timer();
    take(scratch_);
    ++did;
  }
  did += gate_.release_held(now);
  settle_refusals();
  if (around_.journal.failed() && !journal_failure_told_) {
    journal_failure_told_ = true;
    hooks_.on_journal_failed();
  }
  if (now >= status_due_ns_) {
    status_due_ns_ = now + status_interval_ns;
    publish_status();
    if (did == 0) snapshot_when_due(false);
  }
  return did;
}

void Shard::wait_for_work() {
  const std::int64_t now = around_.clock.now_ns();
  std::int64_t timeout = std::min(core_.next_deadline_ns() - now, wait_ns_max);
  if (gate_.held() != 0) timeout = std::min(timeout, wait_ns_while_held);
  if (timeout <= 0) return;
  around_.inbox.sleeping.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (around_.inbox.queue.size() == 0 && !has_commands_.load(std::memory_order_relaxed) &&
      local_sink_.events_.empty())
    around_.poller.wait(timeout);
  around_.inbox.sleeping.store(false, std::memory_order_relaxed);
}

void Shard::run_commands() {
  std::vector<Command> commands;
  {
    const std::lock_guard hold(commands_mutex_);
    commands.swap(commands_);
    has_commands_.store(false, std::memory_order_release);
  }
  for (const Command& command : commands) apply(command);
}

void Shard::apply(const Command& command) {
  if (!command.attach) {
    const AccountSlot slot = core_.slot_of(command.account.id);
    if (slot == no_slot) return;
    if (const Account* const account = core_.account_at(slot))
      if (OrderSession* const session = hooks_.session_for(*account)) session->detach(slot);
    gate_.set_session(slot, nullptr);
    scratch_ = make_account_remove({.id = command.account.id});
    return offer(scratch_);
  }
  scratch_ = make_event(command.account);
  offer(scratch_);
  const AccountSlot slot = core_.slot_of(command.account.id);
  if (slot == no_slot) {
    log_error("account not taken: the shard's table is full",
              {{"shard", options_.index}, {"account", command.account.id.to_text()}});
    return;
  }
  OrderSession* const session = hooks_.session_for(command.account);
  gate_.set_session(slot, session);
  if (session != nullptr) session->attach(slot, command.account, command.credentials);
}

std::size_t Shard::drain_inbox() {
  std::size_t taken = 0;
  while (taken < events_per_turn && around_.journal.has_room(room_for_next()) &&
         around_.inbox.queue.try_pop(scratch_)) {
    offer(scratch_);
    ++taken;
  }
  return taken;
}

std::size_t Shard::drain_local() {
  if (local_sink_.events_.empty()) return 0;
  local_batch_.swap(local_sink_.events_);
  for (Event& event : local_batch_) offer(event);
  const std::size_t taken = local_batch_.size();
  local_batch_.clear();
  return taken;
}

void Shard::offer(Event& event) {
  if (!core_.would_change(event)) {
    if (event.kind == EventKind::leader && hooks_.on_duplicate) hooks_.on_duplicate(event.leader);
    return;
  }
  take(event);
  settle_refusals();
}

void Shard::stamp(Event& event) {
  // Never backwards, so that replay and the live run agree whatever the host's clock does.
  time_ns_ = std::max(time_ns_, around_.clock.now_ns());
  event.shard = options_.index;
  event.seq = ++seq_;
  event.time_ns = time_ns_;
  if (event.kind == EventKind::leader) {
    // A signal names no venue: it is priced where its followers trade.
    const Venue venue = event.leader.venue == Venue::none ? Venue::binance : event.leader.venue;
    event.leader.touch = around_.touch_board.touch(venue, event.leader.symbol.view());
  }
  if (event.kind != EventKind::order_update) return;
  if (event.order.kind == OrderUpdateKind::execution) stamp_rates(event.order);
  // What follows from an order's end may be priced by it.
  if (event.order.kind == OrderUpdateKind::execution || event.order.kind == OrderUpdateKind::done)
    stamp_touch(event.order);
}

void Shard::stamp_touch(OrderUpdate& update) const {
  const AccountSlot slot = core_.slot_of(update.account);
  const Account* const account = slot == no_slot ? nullptr : core_.account_at(slot);
  if (account != nullptr)
    update.touch = around_.touch_board.touch(account->venue, update.symbol.view());
}

void Shard::stamp_rates(OrderUpdate& update) const {
  const auto parts = split_symbol(update.symbol.view());
  const AccountSlot slot = core_.slot_of(update.account);
  if (!parts || slot == no_slot) return;
  const Account* const account = core_.account_at(slot);
  if (account == nullptr) return;
  update.quote_usd = around_.usd_rates.usd_per(account->venue, parts->quote, time_ns_);
  if (!update.fee_asset.empty())
    update.fee_usd = around_.usd_rates.usd_per(account->venue, update.fee_asset.view(), time_ns_);
}

void Shard::take(Event& event) {
  stamp(event);
  if (!wait_for_room(sizeof(Event) * 2)) return;
  position_ = around_.journal.append(event);
  output_.begin(position_, time_ns_);
  core_.step(event, output_);
  output_.finish();
  note_latency(event);
}

void Shard::note_latency(const Event& event) {
  if (event.kind == EventKind::leader) {
    around_.metrics.on_leader_event(event.leader.source);
    const std::int64_t received = event.leader.received_ns;
    if (received == 0) return;
    around_.metrics.stage_queue.record(time_ns_ - received);
    if (output_.placed() == 0) return;
    const std::int64_t now = around_.clock.now_ns();
    around_.metrics.fanout_first.record(output_.first_ns() - received);
    around_.metrics.fanout_last.record(now - received);
    around_.metrics.stage_fanout.record(now - time_ns_);
    return;
  }
  if (event.kind == EventKind::order_update && event.order.source == UpdateSource::reply &&
      event.order.sent_ns != 0)
    around_.metrics.stage_wire_ack.record(time_ns_ - event.order.sent_ns);
}

// What the gate refused goes back into the core as events. Answers may be refused again (an exit
// that is tried at once and finds the session still down); the core spaces such tries by timers, so
// this ends.
void Shard::settle_refusals() {
  while (!gate_.refused().empty()) {
    refusals_.swap(gate_.refused());
    for (const OrderUpdate& update : refusals_) {
      Event event = make_event(update);
      take(event);
    }
    refusals_.clear();
  }
}

std::size_t Shard::room_for_next() const {
  const std::size_t links = status_.links.load(std::memory_order_relaxed);
  // A fan-out larger than the ring waits for the disk in its middle instead of before it.
  return std::min(links * journal_bytes_per_follower + journal_bytes_reserve,
                  options_.journal_room_max);
}

bool Shard::wait_for_room(std::size_t bytes) {
  if (around_.journal.has_room(bytes)) [[likely]]
    return true;
  gate_.flush();
  while (!around_.journal.has_room(bytes)) {
    if (around_.journal.failed()) return false;
    std::this_thread::yield();
  }
  return true;
}

void Shard::publish_status() {
  const Core::Counts counts = core_.counts();
  status_.links.store(counts.links, std::memory_order_relaxed);
  status_.accounts.store(counts.accounts, std::memory_order_relaxed);
  status_.accounts_reconciled.store(counts.accounts_reconciled, std::memory_order_relaxed);
  status_.orders_open.store(counts.orders_open, std::memory_order_relaxed);
  status_.orders_unknown.store(counts.orders_unknown, std::memory_order_relaxed);
  status_.quarantined_links.store(counts.quarantined_links, std::memory_order_relaxed);
  status_.exits_in_alarm.store(counts.exits_in_alarm, std::memory_order_relaxed);
  status_.orders_submitted.store(gate_.submitted_total(), std::memory_order_relaxed);
  status_.seq.store(seq_, std::memory_order_relaxed);
  status_.alive_ns.store(around_.clock.now_ns(), std::memory_order_relaxed);
}

void Shard::snapshot_when_due(bool force) {
  if (!hooks_.on_snapshot || around_.journal.failed()) return;
  if (!force && position_ - snapshot_position_ < options_.snapshot_every) return;
  snapshot_position_ = position_;
  hooks_.on_snapshot(position_, seq_, time_ns_, core_.save());
}

bool Shard::drained() const {
  if (around_.clock.now_ns() >= drain_until_ns_.load()) return true;
  return around_.inbox.queue.size() == 0 && local_sink_.events_.empty() && gate_.held() == 0 &&
         core_.orders_in_flight() == 0;
}

}  // namespace oneclick
