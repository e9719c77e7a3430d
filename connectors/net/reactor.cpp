#include "connectors/net/reactor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "connectors/net/reactor_impl.hpp"
#include "engine/base/check.hpp"

namespace oneclick::net {
namespace {

namespace asio = boost::asio;

int make_eventfd() {
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK(fd >= 0);
  return fd;
}

// The waiting handler keeps the state alive; a generation tells it that it was replaced or
// cancelled.
struct TimerState {
  explicit TimerState(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
  std::function<void()> on_time;
  std::uint64_t generation = 0;
};

class AsioTimer final : public Reactor::Timer {
 public:
  explicit AsioTimer(asio::io_context& io) : state_(std::make_shared<TimerState>(io)) {}
  ~AsioTimer() override { AsioTimer::cancel(); }

  void cancel() override {
    ++state_->generation;
    state_->on_time = nullptr;
    state_->timer.cancel();
  }

  void start(std::int64_t after_ns, std::function<void()> on_time) override {
    const std::uint64_t generation = ++state_->generation;
    state_->on_time = std::move(on_time);
    state_->timer.expires_after(std::chrono::nanoseconds(after_ns));
    state_->timer.async_wait([state = state_, generation](const boost::system::error_code& error) {
      if (error || state->generation != generation) return;
      const auto run = std::exchange(state->on_time, nullptr);
      run();
    });
  }

 private:
  std::shared_ptr<TimerState> state_;
};

}  // namespace

Reactor::Impl::Impl() : work(io.get_executor()), waker(io, make_eventfd()) {
  arm_wake();
}

void Reactor::Impl::arm_wake() {
  waker.async_wait(
      asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& error) {
        if (error) return;
        std::uint64_t count;
        [[maybe_unused]] const auto n = ::read(waker.native_handle(), &count, sizeof count);
        arm_wake();
      });
}

Reactor::Reactor() : impl_(std::make_unique<Impl>()) {}
Reactor::~Reactor() = default;

std::size_t Reactor::poll() {
  if (impl_->io.stopped()) impl_->io.restart();
  return impl_->io.poll();
}

std::size_t Reactor::wait(std::int64_t timeout_ns) {
  if (impl_->io.stopped()) impl_->io.restart();
  const std::size_t first = impl_->io.run_one_for(std::chrono::nanoseconds(timeout_ns));
  return first == 0 ? 0 : first + impl_->io.poll();
}

void Reactor::run() {
  impl_->io.run();
}
void Reactor::stop() {
  impl_->io.stop();
}

void Reactor::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(impl_->waker.native_handle(), &one, sizeof one);
}

void Reactor::post(std::function<void()> task) {
  asio::post(impl_->io, std::move(task));
}

std::unique_ptr<Reactor::Timer> Reactor::make_timer() {
  return std::make_unique<AsioTimer>(impl_->io);
}

}  // namespace oneclick::net
