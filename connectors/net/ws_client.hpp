// A WebSocket client over verified TLS (or plain TCP for ws://) that an order path can use: frames
// are laid into one outgoing buffer, masked, encrypted in full TLS records and written without
// blocking; pongs and closes go through the same writer. Lives on its reactor's thread. No
// reconnecting here: the session above decides when and where.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"

namespace oneclick::net {

struct WsClientHandlers {
  std::function<void()> on_open;
  // A whole message (text or binary). The view is valid during the call and has at least 64
  // readable bytes after its end (what simdjson wants).
  std::function<void(std::string_view message)> on_message;
  // Once, whatever ended it: a failed connect or handshake, a close, an error, silence. After it
  // the client is dead.
  std::function<void(std::string_view why)> on_close;
};

struct WsClientOptions {
  std::string local_address;  // egress: address to bind before connecting; empty: any
  std::string connect_to;     // "host:port" to dial instead of the URL's (names still verified by
                              // URL); empty: the URL's
  std::vector<std::pair<std::string, std::string>> headers;  // added to the upgrade request
  std::int64_t handshake_timeout_ns = 10'000'000'000;
  std::int64_t ping_interval_ns =
      5'000'000'000;                          // own pings; two unanswered ones close (half-open)
  std::size_t write_chunk_bytes = 64 * 1024;  // ciphertext handed to the kernel at once
};

class WsClient {
 public:
  [[nodiscard]] static std::unique_ptr<WsClient> connect(Reactor& reactor,
                                                         std::shared_ptr<TlsClient> tls,
                                                         const Url& url, WsClientOptions options,
                                                         WsClientHandlers handlers);
  virtual ~WsClient() = default;  // closes without a word
  [[nodiscard]] virtual bool is_open() const = 0;

  // Where the next text message of at most max_bytes may be written; commit_message then frames and
  // masks it in place. No allocation once buffers have grown; no system call.
  [[nodiscard]] virtual char* reserve_message(std::size_t max_bytes) = 0;
  virtual void commit_message(std::size_t bytes) = 0;
  // Encrypts what was committed and hands it to the kernel as far as it takes it; the rest follows
  // when the socket is writable. Returns the bytes of plaintext not yet handed over.
  virtual std::size_t flush() = 0;
  [[nodiscard]] virtual std::size_t backlog_bytes() const = 0;
  // Plaintext bytes committed and plaintext bytes wholly handed to the kernel, since opening: when
  // the second passes a message's end mark, that message is on the wire.
  [[nodiscard]] virtual std::uint64_t committed_bytes_total() const = 0;
  [[nodiscard]] virtual std::uint64_t written_bytes_total() const = 0;
  virtual void send_text(std::string_view message) = 0;  // reserve + commit + flush
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  // Reads and handles what the socket has, now: for loops that spin instead of waiting. Returns
  // whether anything was there.
  virtual bool poll_read() = 0;
};

}  // namespace oneclick::net
