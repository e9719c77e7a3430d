// The operations listener: is it alive, can it trade, what does it count. Plain HTTP on a local
// address, on a reactor of its own so that it answers while the rest is busy.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "connectors/net/reactor.hpp"

namespace oneclick::ingress {

struct OperationsOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 9464;  // 0: any free one
};

// Called on the reactor's thread.
struct OperationsDependencies {
  std::function<std::string(bool& ready)> ready;  // JSON with the reasons
  std::function<std::string()> metrics;           // Prometheus text
  std::function<bool()> alive;                    // the engine's loops turn
};

class Operations {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<Operations>, std::string> listen(
      net::Reactor& reactor, OperationsOptions options, OperationsDependencies dependencies);
  virtual ~Operations() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
};

}  // namespace oneclick::ingress
