// The exchange's end of the benchmark, a process of its own with one thread on one core. During a
// burst it only takes bytes and notes when they came; what they are is looked at afterwards: every
// signature is checked with OpenSSL's own HMAC, every order must be of another account and have
// another id.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <string>

namespace oneclick::bench {

struct ReceiverOptions {
  std::string dir;          // holds cert.pem and key.pem
  std::size_t parties = 0;  // accounts it knows
  int core = -1;            // to stay on; -1: any
};

// One burst to be received.
struct Burst {
  std::uint32_t orders;     // how many to wait for
  std::uint32_t answer;     // 1: acknowledge and fill each of them afterwards
  std::int64_t timeout_ns;  // from now; then it reports what came
};

struct BurstResult {
  std::uint32_t orders;   // place requests that came
  std::uint32_t good;     // of them: signed rightly, by another account each, with an id of its own
  std::uint32_t bytes;    // of the WebSocket stream
  std::int64_t first_ns;  // CLOCK_MONOTONIC when the first one had been read wholly
  std::int64_t median_ns;
  std::int64_t last_ns;
  std::int64_t lost_ns;  // the receiver's core was away for this long during the burst
  char problem[160];     // of the first one that was not good
};

// Runs the receiver: never returns to main's ordinary way. `control` is one end of a socket pair.
int run_receiver(const ReceiverOptions& options, int control);

// The benchmark's handle on that process.
class Receiver {
 public:
  [[nodiscard]] static std::expected<Receiver, std::string> start(const ReceiverOptions& options);
  Receiver(Receiver&& other) noexcept;
  Receiver& operator=(Receiver&&) = delete;
  ~Receiver();  // ends the process

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Returns when the receiver spins and waits for the burst.
  [[nodiscard]] std::expected<void, std::string> arm(const Burst& burst);
  [[nodiscard]] std::expected<BurstResult, std::string> result();
  // Accounts whose streams are subscribed, as the engine does at start.
  [[nodiscard]] std::expected<std::uint32_t, std::string> subscriptions();

 private:
  Receiver() = default;
  pid_t pid_ = -1;
  int control_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace oneclick::bench
