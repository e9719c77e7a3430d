// A daemon's local socket: lines of JSON in, one line of JSON back for each. Its own thread, so
// that it answers while everything else is busy or gone; the file is for its owner alone (mode
// 0600).
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

namespace oneclick {

class ControlSocket {
 public:
  // Called on the socket's thread. Must not throw; the answer must be one line.
  using Handler = std::function<std::string(const std::string& line)>;

  // Takes the place of a socket file nobody listens on; refuses one in use, and anything else
  // there.
  [[nodiscard]] static std::expected<std::unique_ptr<ControlSocket>, std::string> start(
      const std::string& path, Handler handler);
  virtual ~ControlSocket() = default;  // stops, removes the file
};

// One question to a running daemon. Error: why there is no answer.
[[nodiscard]] std::expected<std::string, std::string> ask_control(const std::string& path,
                                                                  const std::string& line,
                                                                  std::int64_t timeout_ns);

}  // namespace oneclick
