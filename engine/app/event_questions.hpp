// Asks PostgreSQL what became of events, on a thread of its own, for callers that cannot wait
// there.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/domain/ids.hpp"

namespace oneclick {

class EventQuestions {
 public:
  // Report or nullopt when there is no such event; `available` false when the database cannot be
  // asked.
  using Answer = std::function<void(std::optional<std::string> json, bool available)>;

  explicit EventQuestions(std::string database_url);
  ~EventQuestions();  // what waits is answered as not available
  EventQuestions(const EventQuestions&) = delete;
  EventQuestions& operator=(const EventQuestions&) = delete;

  // Any thread. `answer` is called on this object's thread; at once, as not available, when a
  // thousand questions wait already.
  void ask(EventId id, UserId viewer, Answer answer);

 private:
  struct Question {
    EventId id;
    UserId viewer;  // nil: sees everything
    Answer answer;
  };
  void run();

  const std::string database_url_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Question> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace oneclick
