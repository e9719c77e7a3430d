#include "connectors/ingress/intake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/domain/identity.hpp"

namespace oneclick::ingress {
namespace {

Answer accepted_answer(EventId id, std::uint64_t seq) {
  const std::string position = seq == 0 ? "null" : std::to_string(seq);
  return {.status = 202,
          .body = fmt::format(R"({{"event_id":"{}","seq":{},"state":"accepted"}})", id.to_text(),
                              position)};
}

Answer conflict(std::string_view detail) {
  return answer_of({.status = 409, .detail = std::string(detail)});
}

Answer unavailable(std::string_view detail) {
  return answer_of({.status = 503, .detail = std::string(detail), .retry_after_s = 1});
}

}  // namespace

Answer answer_of(const Problem& problem) {
  return {
      .status = problem.status, .body = to_json(problem), .retry_after_s = problem.retry_after_s};
}

Intake::Intake(net::Reactor& reactor, const IngressOptions& options, EventSink& sink,
               const EngineClock& clock)
    : answer_timeout_ns_(options.answer_timeout_ns),
      signals_max_(options.remembered_max),
      sink_(sink),
      clock_(clock),
      memory_(options.remembered_ns, options.remembered_max),
      timer_(reactor.make_timer()) {}

void Intake::submit(const LeaderEvent& event, const ApiKey& key, Reply reply) {
  const std::int64_t now_ns = clock_.now_ns();
  memory_.sweep(now_ns);
  if (!event.alias.is_nil()) {
    const EventId named = memory_.alias(event.alias);
    if (!named.is_nil() && named != event.id) {
      reply(conflict("this Idempotency-Key was used for another request"));
      return;
    }
  }
  if (const Accepted* known = memory_.find(event.id)) {
    if (!is_same_body(*known, event.body_hash)) {
      reply(conflict("the same identity was used with another body"));
    } else if (known->pending) {
      wait(event.id, std::move(reply));
    } else {
      reply(accepted_answer(event.id, known->seq));
    }
    return;
  }
  if (stopping_) {
    reply(unavailable("the engine is stopping"));
    return;
  }
  if (!sink_.try_push(make_event(event))) {
    reply(unavailable("the engine's queue is full"));
    return;
  }
  memory_.add(event.id, {.body_hash = {event.body_hash[0], event.body_hash[1]},
                         .seq = 0,
                         .time_ns = now_ns,
                         .user = key.user,
                         .key = key.id,
                         .pending = true});
  if (!event.alias.is_nil()) memory_.add_alias(event.alias, event.id, now_ns);
  learn_signal(event);
  wait(event.id, std::move(reply));
}

void Intake::wait(EventId id, Reply reply) {
  auto waiter = std::make_shared<Waiter>(std::move(reply), clock_.now_ns() + answer_timeout_ns_);
  waiting_[id].push_back(waiter);
  deadlines_.emplace_back(id, std::move(waiter));
  arm_timer();
}

void Intake::on_event_journaled(EventId id, std::uint64_t seq) {
  if (Accepted* known = memory_.find(id)) {
    if (known->pending) known->seq = seq;
    known->pending = false;
  }
  const auto at = waiting_.find(id);
  if (at == waiting_.end()) return;
  const auto waiters = std::move(at->second);
  waiting_.erase(at);
  for (const auto& waiter : waiters) {
    if (const Reply reply = std::exchange(waiter->reply, nullptr)) reply(accepted_answer(id, seq));
  }
}

void Intake::arm_timer() {
  if (timer_armed_ || deadlines_.empty()) return;
  timer_armed_ = true;
  const std::int64_t after = deadlines_.front().second->deadline_ns - clock_.now_ns();
  timer_->start(std::max<std::int64_t>(after, 0), [this] {
    timer_armed_ = false;
    on_time();
    arm_timer();
  });
}

void Intake::on_time() {
  const std::int64_t now_ns = clock_.now_ns();
  while (!deadlines_.empty()) {
    const auto [id, waiter] = deadlines_.front();
    if (waiter->reply && waiter->deadline_ns > now_ns) return;
    deadlines_.pop_front();
    const Reply reply = std::exchange(waiter->reply, nullptr);
    if (!reply) continue;
    if (const auto at = waiting_.find(id); at != waiting_.end()) {
      std::erase(at->second, waiter);
      if (at->second.empty()) waiting_.erase(at);
    }
    // It stays remembered as pending: the same request, sent again, gets the answer when there is
    // one.
    reply(unavailable("not in the journal yet; send the same request again"));
  }
}

void Intake::restore(EventId id, EventId alias, const std::uint64_t (&body_hash)[2],
                     std::uint64_t seq, std::int64_t time_ns) {
  memory_.add(id, {.body_hash = {body_hash[0], body_hash[1]},
                   .seq = seq,
                   .time_ns = time_ns,
                   .user = {},
                   .key = {},
                   .pending = false});
  if (!alias.is_nil()) memory_.add_alias(alias, id, time_ns);
}

const KnownSignal* Intake::find_signal(SignalId id) const {
  const auto at = signals_.find(id);
  return at == signals_.end() ? nullptr : &at->second;
}

void Intake::learn_signal(const LeaderEvent& event) {
  if (event.kind != LeaderEventKind::signal_published) return;
  const KnownSignal known{.channel = event.channel, .symbol = event.symbol};
  if (!signals_.insert_or_assign(event.signal, known).second) return;
  signals_by_age_.push_back(event.signal);
  if (signals_by_age_.size() <= signals_max_) return;
  signals_.erase(signals_by_age_.front());
  signals_by_age_.pop_front();
}

}  // namespace oneclick::ingress
