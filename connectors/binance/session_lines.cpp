// Connections: opened with backoff inside the venue's limits, replaced before the venue ends them,
// and everything that was under way on a lost one made known as such.
#include <algorithm>

#include "connectors/binance/session.hpp"
#include "engine/base/log.hpp"

namespace oneclick::binance {

namespace {

constexpr std::int64_t tick_busy_ns = 1'000'000;
constexpr std::int64_t tick_idle_ns = 10'000'000;
constexpr std::size_t sweep_rows = 512;
constexpr int clock_samples = 3;
constexpr std::int64_t clock_retry_ns = 1'000'000'000;
constexpr std::uint32_t time_weight = 1;
constexpr std::uint32_t subscriptions_life_max = 65'000;

}  // namespace

void Session::schedule_tick() {
  bool busy = !held_.empty();
  for (const auto& line : lines_) busy = busy || !line->unwritten.empty();
  timer_->start(busy ? tick_busy_ns : tick_idle_ns, [this] { tick(); });
}

void Session::tick() {
  const std::int64_t now = shared_->now_ns();
  dead_.clear();
  push_held();
  follow_order_limits();
  keep_lines(now);
  if (up_) {
    const bool is_done = pump_subscriptions(now) && pump_reconciles(now);
    if (is_done) pump_gaps(now);
    pump_sweeps(now, is_done);
  }
  sweep_timeouts(now);
  flush();
  update_up();
  schedule_tick();
}

void Session::follow_order_limits() {
  const std::uint32_t short_limit = shared_->orders_short_limit();
  const std::uint32_t day_limit = shared_->orders_day_limit();
  if (short_limit == orders_short_limit_ && day_limit == orders_day_limit_) return;
  orders_short_limit_ = short_limit;
  orders_day_limit_ = day_limit;
  for (const auto& account : accounts_) {
    if (!account) continue;
    account->orders_short.set_limit(short_limit);
    account->orders_day.set_limit(day_limit);
  }
}

void Session::push_held() {
  while (!held_.empty() && sink_.try_push(held_.front())) held_.pop_front();
  if (held_.size() <= shared_->config().held_events_max) return;
  // Nobody takes events: stop taking them from the venue. The accounts are read again afterwards.
  log_error("events are not taken; closing binance connections", {{"held", held_.size()}});
  for (std::size_t i = 0; i < lines_.size(); ++i)
    on_close(lines_[i]->serial, "events are not taken");
}

Line* Session::line_at(std::uint32_t serial) {
  for (const auto& line : lines_)
    if (line->serial == serial) return line.get();
  return nullptr;
}

Line* Session::order_line() {
  Line* retiring = nullptr;
  for (const auto& line : lines_) {
    if (!line->open) continue;
    if (!line->retiring) return line.get();
    retiring = line.get();
  }
  return retiring;
}

Line* Session::line_for_account() {
  for (const auto& line : lines_) {
    if (line->open && !line->retiring &&
        line->accounts < shared_->config().subscriptions_per_connection &&
        line->subscriptions_total < subscriptions_life_max)
      return line.get();
  }
  return nullptr;
}

// As many connections as the accounts need, at least one.
void Session::keep_lines(std::int64_t now_ns) {
  const std::size_t per_line = shared_->config().subscriptions_per_connection;
  const std::size_t wanted = std::max<std::size_t>(1, (account_count_ + per_line - 1) / per_line);
  std::size_t usable = 0;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    Line& line = *lines_[i];
    if (line.closed) continue;
    if (line.open && !line.retiring &&
        (now_ns >= line.ends_ns || line.subscriptions_total >= subscriptions_life_max))
      retire(line, "its time is over");
    if (!line.retiring) ++usable;
  }
  // A retired line goes once its accounts have moved and its answers have come.
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    Line& line = *lines_[i];
    if (line.retiring && line.open && usable > 0 && line.accounts == 0 && line.in_flight == 0 &&
        order_line() != &line)
      on_close(line.serial, "replaced");
  }
  std::erase_if(lines_, [&](std::unique_ptr<Line>& line) {
    if (!line->closed) return false;
    dead_.push_back(std::move(line));
    return true;
  });
  if (usable < wanted && held_.size() <= shared_->config().held_events_max) open_line(now_ns);
  if (Line* const line = order_line(); line != nullptr) {
    const std::int64_t interval =
        shared_->offset.known() ? shared_->config().clock_interval_ns : clock_retry_ns;
    if (shared_->offset.claim_measurement(now_ns, interval)) measure_clock(*line);
  }
}

void Session::open_line(std::int64_t now_ns) {
  if (now_ns < next_dial_ns_ || !budget_.try_connect(shared_->venue_now_ns())) return;
  next_dial_ns_ = now_ns + backoff_.next_delay_ns();
  const Config& config = shared_->config();
  auto line = std::make_unique<Line>(config.requests_in_flight_max);
  line->serial = ++serial_last_;
  // Staggered, so that many connections do not end together.
  line->ends_ns = now_ns + config.connection_lifetime_ns -
                  backoff_.random_below(config.connection_lifetime_ns / 24);
  const std::uint32_t serial = line->serial;
  net::WsClientOptions options;
  options.local_address = budget_.local_address;
  options.connect_to = config.ws_api_connect_to;
  options.ping_interval_ns = config.ping_interval_ns;
  lines_.push_back(std::move(line));
  lines_.back()->client = net::WsClient::connect(
      reactor_, shared_->tls(), url_, std::move(options),
      {.on_open = [this, serial] { on_open(serial); },
       .on_message = [this, serial](std::string_view json) { on_message(serial, json); },
       .on_close = [this, serial](std::string_view why) { on_close(serial, why); }});
}

void Session::on_open(std::uint32_t serial) {
  Line* const line = line_at(serial);
  if (line == nullptr || line->closed) return;
  line->open = true;
  measure_clock(*line);
  update_up();
}

void Session::on_close(std::uint32_t serial, std::string_view why) {
  Line* const line = line_at(serial);
  if (line == nullptr || line->closed) return;
  const bool was_open = line->open;
  line->closed = true;
  line->open = false;
  if (why != "replaced")
    log_warning("binance order connection closed", {{"why", why}, {"was_open", was_open}});
  update_up();
  drop_staged(serial);
  if (line->in_flight > 0) {
    for (std::size_t i = 0; i < pending_.capacity(); ++i) {
      Pending& row = pending_.at(i);
      if (row.kind == RequestKind::none || row.connection != serial) continue;
      const Pending copy = row;
      pending_.release(row);
      fail_pending(copy, "connection lost");
    }
  }
  for (const auto& account : accounts_) {
    if (!account) continue;
    if (account->subscribing_on == serial) account->subscribing_on = 0;
    if (account->live_on != serial) continue;
    account->live_on = 0;
    account->subscription = -1;
    lose(*account, why);
    if (account->subscribing_on == 0) queue_subscription(*account);
  }
}

// Its accounts move to another connection while this one still tells what happens.
void Session::retire(Line& line, std::string_view why) {
  if (line.retiring) return;
  line.retiring = true;
  log_info("binance order connection is being replaced", {{"why", why}});
  next_dial_ns_ = 0;
  for (const auto& account : accounts_) {
    if (account && account->live_on == line.serial && account->subscribing_on == 0)
      queue_subscription(*account);
  }
}

void Session::measure_clock(Line& line) {
  for (int i = 0; i < clock_samples; ++i) {
    if (!budget_.try_take(time_weight, true, shared_->venue_now_ns())) return;
    std::uint32_t id = 0;
    Pending* const row = pending_.take(id);
    if (row == nullptr) return;
    row->kind = RequestKind::time;
    row->slot = no_slot;
    send_request(line, *row, id, encode_public("time", {{"returnRateLimits", "true", true}}, id));
  }
  line.client->flush();
  note_written(line);
}

// A few rows a tick, so that the whole table costs no noticeable pause.
void Session::sweep_timeouts(std::int64_t now_ns) {
  if (pending_.in_flight() == 0) return;
  const std::size_t capacity = pending_.capacity();
  for (std::size_t i = 0; i < std::min(sweep_rows, capacity); ++i) {
    sweep_at_ = sweep_at_ + 1 < capacity ? sweep_at_ + 1 : 0;
    Pending& row = pending_.at(sweep_at_);
    if (row.kind == RequestKind::none ||
        now_ns - row.started_ns < shared_->config().request_timeout_ns)
      continue;
    const Pending copy = row;
    pending_.release(row);
    if (Line* const line = line_at(copy.connection); line != nullptr && line->in_flight > 0)
      --line->in_flight;
    fail_pending(copy, "no answer in time");
  }
}

void Session::update_up() {
  const bool now_up = order_line() != nullptr && shared_->offset.known();
  if (now_up == up_) return;
  up_ = now_up;
  budget_.sessions_up.fetch_add(now_up ? 1 : -1);
  log_info(now_up ? "binance order session is up" : "binance order session is down");
}

}  // namespace oneclick::binance
