// One connected socket, plain or under TLS, with its two buffers. Writing is gathered: bytes are
// appended to one outgoing buffer, encrypted in full TLS records and handed to the kernel in large
// pieces. Used by clients and servers alike; lives on its reactor's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "connectors/net/buffer.hpp"
#include "connectors/net/reactor_impl.hpp"
#include "connectors/net/tls_engine.hpp"

namespace oneclick::net {

// Called on the reactor's thread. An owner that goes away calls Wire::drop() first.
class WireOwner {
 public:
  virtual ~WireOwner() = default;
  virtual void on_wire_ready() = 0;  // TLS is established (at once when plain)
  virtual void on_wire_data() = 0;   // in() has grown
  // Once, never from within a call of the owner's: the connection is over.
  virtual void on_wire_end(const std::string& why) = 0;
};

class Wire : public std::enable_shared_from_this<Wire> {
 public:
  // `tls` null: plain. The socket is connected.
  Wire(boost::asio::ip::tcp::socket socket, std::unique_ptr<TlsEngine> tls,
       std::size_t write_chunk_bytes);

  void start(WireOwner* owner);
  // Ends everything at once; the owner hears nothing more.
  void drop();
  // Sends what is appended and TLS's goodbye, then FIN; what the peer still sends is thrown away
  // until it closes too. The owner hears on_wire_end, and drops it when it takes too long.
  void finish();

  [[nodiscard]] Buffer& in() { return in_; }
  [[nodiscard]] std::int64_t read_ns() const {
    return read_ns_;
  }  // CLOCK_MONOTONIC of the last read
  // While paused nothing is read from the kernel: the peer feels the pressure.
  void pause_reading(bool paused);

  // Appending: write to out() and call flush() when the batch is complete.
  [[nodiscard]] Buffer& out() { return out_; }
  void commit(std::size_t bytes) {
    out_.commit(bytes);
    committed_total_ += bytes;
  }
  void append(std::string_view bytes) {
    out_.append(bytes);
    committed_total_ += bytes.size();
  }
  // Hands over as much as the kernel takes; the rest follows when the socket is writable.
  void flush();
  [[nodiscard]] std::uint64_t committed_total() const { return committed_total_; }
  // Under TLS a record counts when its last byte was handed over: a peer cannot read any of it
  // before.
  [[nodiscard]] std::uint64_t written_total() const { return written_total_; }
  [[nodiscard]] std::size_t backlog() const { return committed_total_ - written_total_; }

  // Reads what the socket has, now. Whether anything was there.
  bool poll_read();
  [[nodiscard]] bool ended() const { return ended_; }
  // Nothing more can be sent.
  [[nodiscard]] bool broken() const { return broken_ || ended_; }
  [[nodiscard]] bool ready() const { return ready_; }
  // Gives back the memory of buffers that hold nothing; they grow again when needed.
  void release_memory();

 private:
  enum class Sent { all, some, failed };
  struct Mark {  // the plaintext count reached when this many bytes of ciphertext are sent
    std::size_t cipher_bytes;
    std::uint64_t plain_total;
  };
  void arm_read();
  void arm_write();
  void take(std::string_view bytes);
  void advance_handshake();
  [[nodiscard]] bool encrypt_chunk();
  [[nodiscard]] Sent send_from(Buffer& buffer);
  [[nodiscard]] Sent send_cipher();
  void pass_marks(std::size_t sent);
  void end_later(std::string why);
  void break_later(std::string why);
  void shut_down_sending();

  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<TlsEngine> tls_;
  const std::size_t chunk_bytes_;
  WireOwner* owner_ = nullptr;
  Buffer in_;
  Buffer out_;
  std::vector<Mark> marks_;
  std::size_t marks_passed_ = 0;
  std::size_t cipher_sent_ = 0;  // of the bytes that marks_ count
  std::uint64_t committed_total_ = 0;
  std::uint64_t encrypted_total_ = 0;
  std::uint64_t written_total_ = 0;
  std::int64_t read_ns_ = 0;
  bool ready_ = false;
  bool ended_ = false;
  bool broken_ = false;   // a write failed: only what was received is still read
  bool reading_ = false;  // in poll_read: not entered twice
  bool paused_ = false;
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool finishing_ = false;
  bool sending_shut_ = false;
};

}  // namespace oneclick::net
