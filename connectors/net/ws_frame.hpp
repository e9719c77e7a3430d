// RFC 6455 framing, both roles, as pure functions over buffers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "connectors/net/buffer.hpp"

namespace oneclick::net {

enum class WsOpcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

// Random masks: a fast generator seeded from the system's entropy, one per connection.
class WsMasks {
 public:
  WsMasks();
  [[nodiscard]] std::uint32_t next();

 private:
  std::uint64_t state_[2];
};

// XORs the mask (as it lies in memory) over the bytes, in place.
void ws_apply_mask(char* data, std::size_t size, std::uint32_t mask);

inline constexpr std::size_t ws_header_bytes_max = 14;
// Bytes of a frame's header.
[[nodiscard]] std::size_t ws_header_bytes(std::size_t payload_bytes, bool masked);
// Writes the header of a final frame, ending with the mask when masked.
void ws_write_header(char* out, WsOpcode opcode, std::size_t payload_bytes, bool masked,
                     std::uint32_t mask);
// Lays a whole frame behind the end of `out`, to be committed there; `masks` null: unmasked (a
// server's). Returns its bytes.
std::size_t ws_lay_frame(Buffer& out, WsOpcode opcode, std::string_view payload, WsMasks* masks);
// Payload of a close frame: code and at most 123 bytes of reason.
[[nodiscard]] std::string ws_close_payload(std::uint16_t code, std::string_view reason);

// Value of Sec-WebSocket-Accept for a key.
[[nodiscard]] std::string ws_accept_value(std::string_view key);

// Takes frames from the front of a buffer. Data messages come out whole, control frames as they
// come.
class WsReader {
 public:
  enum class Role { client, server };
  WsReader(Role role, std::size_t message_bytes_max)
      : role_(role), message_bytes_max_(message_bytes_max) {}

  enum class Step {
    incomplete,  // more bytes are needed
    message,     // text or binary, whole
    ping,
    pong,
    close,
    violation,  // close_code and problem say what the peer did
  };
  struct Result {
    Step step;
    std::string_view payload;  // valid until release(); 64 readable bytes behind it
    std::uint16_t close_code;  // of violation, and of close (1005 when the peer gave none)
    const char* problem;
  };
  // Call release() after handling each result but `incomplete`.
  [[nodiscard]] Result next(Buffer& in);
  void release(Buffer& in);

 private:
  struct Header {
    bool complete;
    bool final;
    WsOpcode opcode;
    std::size_t header_bytes;
    std::uint64_t payload_bytes;
    std::uint32_t mask;
  };
  [[nodiscard]] static Result fail(std::uint16_t code, const char* problem);
  [[nodiscard]] Result check(const Header& header) const;
  [[nodiscard]] static Result take_control(const Header& header, std::string_view payload);
  [[nodiscard]] Header parse(std::string_view bytes, const char*& problem) const;

  const Role role_;
  const std::size_t message_bytes_max_;
  bool in_message_ = false;      // a fragmented message is under way
  bool message_done_ = false;    // assembled_ was handed out
  std::size_t frame_bytes_ = 0;  // of the frame handed out, to be consumed
  Buffer assembled_;
};

}  // namespace oneclick::net
