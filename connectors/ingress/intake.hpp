// Accepted means journaled: events go to the shards once, and their senders hear back when the
// journal has them. Repetitions get the first answer. Lives on ingress' thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "connectors/ingress/event_of.hpp"
#include "connectors/ingress/memory.hpp"

namespace oneclick::ingress {

struct Answer {
  int status;
  std::string body;       // a JSON object
  int retry_after_s = 0;  // 0: none
};
using Reply = std::function<void(const Answer&)>;

[[nodiscard]] Answer answer_of(const Problem& problem);

class Intake {
 public:
  Intake(net::Reactor& reactor, const IngressOptions& options, EventSink& sink,
         const EngineClock& clock);

  void submit(const LeaderEvent& event, const ApiKey& key, Reply reply);
  void on_event_journaled(EventId id, std::uint64_t seq);
  void restore(EventId id, EventId alias, const std::uint64_t (&body_hash)[2], std::uint64_t seq,
               std::int64_t time_ns);
  void stop() { stopping_ = true; }
  // Null when not remembered.
  [[nodiscard]] const Accepted* find(EventId id) { return memory_.find(id); }
  // Signals that were published, so that updates need not repeat their channel.
  [[nodiscard]] const KnownSignal* find_signal(SignalId id) const;
  void learn_signal(const LeaderEvent& event);

 private:
  struct Waiter {
    Reply reply;  // empty once answered
    std::int64_t deadline_ns;
  };
  void wait(EventId id, Reply reply);
  void arm_timer();
  void on_time();

  const std::int64_t answer_timeout_ns_;
  const std::size_t signals_max_;
  EventSink& sink_;
  const EngineClock& clock_;
  Memory memory_;
  std::unordered_map<EventId, std::vector<std::shared_ptr<Waiter>>, IdHash<oneclick::EventTag>>
      waiting_;
  std::deque<std::pair<EventId, std::shared_ptr<Waiter>>> deadlines_;  // soonest first
  std::unordered_map<SignalId, KnownSignal, IdHash<oneclick::SignalTag>> signals_;
  std::deque<SignalId> signals_by_age_;
  std::unique_ptr<net::Reactor::Timer> timer_;
  bool timer_armed_ = false;
  bool stopping_ = false;
};

}  // namespace oneclick::ingress
