#include "engine/base/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/base/clock.hpp"

namespace oneclick {

namespace {

constexpr std::size_t queued_bytes_max = 4 << 20;  // beyond it lines are dropped and counted
constexpr std::size_t write_bytes_max = 4096;      // PIPE_BUF: written whole or not at all
constexpr auto stop_wait_max = std::chrono::seconds(1);

// A reader that stopped reading must not stop us: wait for room in slices, give up when told.
template <typename GiveUp>
bool write_all(std::string_view text, GiveUp give_up) {
  while (!text.empty()) {
    pollfd out{STDERR_FILENO, POLLOUT, 0};
    const int wait_ms = give_up() ? 0 : 20;
    if (poll(&out, 1, wait_ms) > 0 && (out.revents & POLLOUT) != 0) {
      const ssize_t n = write(STDERR_FILENO, text.data(), std::min(text.size(), write_bytes_max));
      if (n > 0) {
        text.remove_prefix(static_cast<std::size_t>(n));
        continue;
      }
    }
    if ((out.revents & (POLLERR | POLLNVAL)) != 0 || wait_ms == 0) return false;
  }
  return true;
}

class Writer {
 public:
  ~Writer() { stop(); }

  void set_level(LogLevel lowest) { lowest_.store(lowest, std::memory_order_relaxed); }

  void start(LogLevel lowest, LogFormat format) {
    stop();
    const std::lock_guard hold(mutex_);
    lowest_.store(lowest, std::memory_order_relaxed);
    format_.store(format, std::memory_order_relaxed);
    stopping_.store(false, std::memory_order_relaxed);
    running_ = true;
    thread_ = std::thread([this] { run(); });
  }

  void stop() {
    {
      const std::lock_guard hold(mutex_);
      if (!running_) return;
      running_ = false;
      stop_by_ = std::chrono::steady_clock::now() + stop_wait_max;
      stopping_.store(true, std::memory_order_release);
    }
    wake_.notify_all();
    thread_.join();
  }

  void take(LogLevel level, std::string_view message, std::span<const LogField> fields) {
    if (level < lowest_.load(std::memory_order_relaxed)) return;
    std::string line = format_log_line(format_.load(std::memory_order_relaxed), wall_now_ns(),
                                       level, message, fields);
    std::unique_lock hold(mutex_);
    if (!running_) {
      hold.unlock();
      const auto by = std::chrono::steady_clock::now() + stop_wait_max;
      if (!write_all(line, [by] { return std::chrono::steady_clock::now() >= by; })) drop(1);
      return;
    }
    if (queued_bytes_ + line.size() > queued_bytes_max) return drop(1);
    queued_bytes_ += line.size();
    lines_.push_back(std::move(line));
    hold.unlock();
    wake_.notify_one();
  }

  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void drop(std::uint64_t lines) { dropped_.fetch_add(lines, std::memory_order_relaxed); }

  bool out_of_time() const {
    return stopping_.load(std::memory_order_acquire) &&
           std::chrono::steady_clock::now() >= stop_by_;
  }

  void run() {
    std::deque<std::string> batch;
    std::unique_lock hold(mutex_);
    while (true) {
      wake_.wait(hold, [this] { return !lines_.empty() || !running_; });
      if (lines_.empty()) return;
      batch.swap(lines_);
      hold.unlock();
      for (const std::string& line : batch) write_line(line);
      batch.clear();
      hold.lock();
    }
  }

  void write_line(const std::string& line) {
    if (!write_all(line, [this] { return out_of_time(); })) drop(1);
    // Its bytes count as queued until written: the bound is on memory, not on the queue's length.
    const std::lock_guard hold(mutex_);
    queued_bytes_ -= line.size();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::string> lines_;
  std::size_t queued_bytes_ = 0;
  bool running_ = false;
  std::chrono::steady_clock::time_point stop_by_{};
  std::atomic<bool> stopping_{false};
  std::atomic<LogLevel> lowest_{LogLevel::info};
  std::atomic<LogFormat> format_{LogFormat::logfmt};
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

Writer& writer() {
  static Writer one;
  return one;
}

}  // namespace

void log_start(LogLevel lowest, LogFormat format) {
  writer().start(lowest, format);
}
void log_set_level(LogLevel lowest) {
  writer().set_level(lowest);
}
void log_stop() {
  writer().stop();
}
std::uint64_t log_dropped() {
  return writer().dropped();
}

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  writer().take(level, message, {fields.begin(), fields.size()});
}

}  // namespace oneclick
