#include "engine/app/event_questions.hpp"

#include "persistence/pg.hpp"

namespace oneclick {

namespace {

constexpr std::size_t waiting_max = 1'000;

}  // namespace

EventQuestions::EventQuestions(std::string database_url)
    : database_url_(std::move(database_url)), thread_([this] { run(); }) {}

EventQuestions::~EventQuestions() {
  {
    const std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
  for (const Question& q : waiting_) q.answer(std::nullopt, false);
}

void EventQuestions::ask(EventId id, UserId viewer, Answer answer) {
  {
    const std::lock_guard hold(mutex_);
    if (waiting_.size() < waiting_max) {
      waiting_.push_back({.id = id, .viewer = viewer, .answer = std::move(answer)});
      changed_.notify_one();
      return;
    }
  }
  answer(std::nullopt, false);
}

void EventQuestions::run() {
  std::unique_lock hold(mutex_);
  for (;;) {
    changed_.wait(hold, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const Question question = std::move(waiting_.front());
    waiting_.pop_front();
    hold.unlock();
    const auto report = event_report_json(database_url_, question.id, question.viewer);
    if (report) {
      question.answer(*report, true);
    } else {
      question.answer(std::nullopt, false);
    }
    hold.lock();
  }
}

}  // namespace oneclick
