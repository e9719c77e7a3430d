// TLS and WebSocket as the benchmark's own programs speak them: straight OpenSSL on a socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

namespace oneclick::bench {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeContext>;
struct FreeTls {
  void operator()(SSL* tls) const { SSL_free(tls); }
};
using Tls = std::unique_ptr<SSL, FreeTls>;

// Both throw std::runtime_error: without them there is nothing to measure.
[[nodiscard]] TlsContext server_context(const std::string& certificate_file,
                                        const std::string& key_file);
[[nodiscard]] TlsContext client_context(const std::string& ca_file);

// --- WebSocket frames (RFC 6455)
// -------------------------------------------------------------------

enum class Opcode : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

struct Frame {
  std::uint8_t opcode;
  std::size_t header_bytes;
  std::size_t payload_bytes;
  bool masked;
  [[nodiscard]] std::size_t bytes() const { return header_bytes + payload_bytes; }
};

// False while `data` does not hold the whole header.
[[nodiscard]] bool read_header(std::string_view data, Frame& out);
// The payload with its mask taken off, in place. `frame` is the whole frame.
[[nodiscard]] std::string_view unmask(char* frame, const Frame& header);
// An unmasked frame, as servers send them.
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
// A masked frame, as clients send them; returns its size. `out` has room for 14 bytes more.
std::size_t write_masked(char* out, std::string_view payload, std::uint32_t mask,
                         Opcode opcode = Opcode::text);

[[nodiscard]] std::string accept_key(std::string_view key);  // Sec-WebSocket-Accept

}  // namespace oneclick::bench
