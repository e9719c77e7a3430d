// One thread's event loop. Everything made with a Reactor lives on the thread that runs it; only
// wake() and post() may be called from others. Boost stays behind `impl`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace oneclick::net {

class Reactor {
 public:
  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // Runs what is ready without waiting; returns the number of handlers run.
  std::size_t poll();
  // Waits for work, wake() or the time, then runs what is ready.
  std::size_t wait(std::int64_t timeout_ns);
  // Runs until stop(). For threads that do nothing else.
  void run();
  void stop();                            // any thread
  void wake();                            // any thread
  void post(std::function<void()> task);  // any thread; runs on the reactor's thread

  // One-shot timer; the returned handle cancels when destroyed.
  class Timer {
   public:
    virtual ~Timer() = default;
    virtual void cancel() = 0;
    // Again, from now; replaces what was pending.
    virtual void start(std::int64_t after_ns, std::function<void()> on_time) = 0;
  };
  [[nodiscard]] std::unique_ptr<Timer> make_timer();

  struct Impl;  // holds the io_context; for connectors/net's own .cpp files
  [[nodiscard]] Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace oneclick::net
