#include "connectors/net/wire.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>

#include "engine/base/clock.hpp"

namespace oneclick::net {
namespace {

namespace asio = boost::asio;

constexpr std::size_t read_bytes_max = 64 * 1024;  // of one recv()
constexpr int reads_per_turn_max = 4;              // then others have their turn
constexpr int broken_turns_max = 64;               // of what arrived before the connection broke

// Ciphertext on its way from the kernel to OpenSSL, which takes all of it before the next read.
std::array<char, read_bytes_max>& scratch() {
  thread_local std::array<char, read_bytes_max> bytes;
  return bytes;
}

std::string error_text(const char* what, int number) {
  return std::string(what) + ": " + std::strerror(number);
}

}  // namespace

Wire::Wire(asio::ip::tcp::socket socket, std::unique_ptr<TlsEngine> tls,
           std::size_t write_chunk_bytes)
    : socket_(std::move(socket)), tls_(std::move(tls)), chunk_bytes_(write_chunk_bytes) {
  boost::system::error_code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  marks_.reserve(64);
}

void Wire::start(WireOwner* owner) {
  owner_ = owner;
  arm_read();
  if (tls_) {
    advance_handshake();
    return;
  }
  ready_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    if (self->owner_ != nullptr && !self->ended_) self->owner_->on_wire_ready();
  });
}

void Wire::drop() {
  owner_ = nullptr;
  ended_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Wire::end_later(std::string why) {
  if (ended_) return;
  ended_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  asio::post(socket_.get_executor(), [self = shared_from_this(), why = std::move(why)] {
    if (WireOwner* owner = std::exchange(self->owner_, nullptr)) owner->on_wire_end(why);
  });
}

// What the peer said before it went away is still to be read, and may be answers that matter.
void Wire::break_later(std::string why) {
  if (broken_ || ended_) return;
  broken_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this(), why = std::move(why)] {
    for (int turn = 0; turn < broken_turns_max && !self->ended_ && self->poll_read(); ++turn) {
    }
    self->end_later(why);
  });
}

// --- reading

void Wire::arm_read() {
  if (read_armed_ || paused_ || ended_) return;
  read_armed_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->read_armed_ = false;
                       if (error || self->ended_) return;
                       self->poll_read();
                       self->arm_read();
                     });
}

void Wire::pause_reading(bool paused) {
  paused_ = paused;
  arm_read();
}

bool Wire::poll_read() {
  if (reading_ || ended_ || paused_) return false;
  const auto self = shared_from_this();
  reading_ = true;
  bool any = false;
  for (int turn = 0; turn < reads_per_turn_max && !ended_ && !paused_; ++turn) {
    auto& bytes = scratch();
    const ssize_t n = ::recv(socket_.native_handle(), bytes.data(), bytes.size(), 0);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) end_later(error_text("read failed", errno));
      break;
    }
    any = true;
    if (n == 0) {
      end_later("closed by the peer");
      break;
    }
    read_ns_ = monotonic_now_ns();
    take({bytes.data(), static_cast<std::size_t>(n)});
    if (static_cast<std::size_t>(n) < bytes.size()) break;
  }
  reading_ = false;
  return any;
}

// All of `bytes` is taken before the owner is called: they lie in memory that other wires share.
void Wire::take(std::string_view bytes) {
  if (finishing_) return;  // we have said goodbye: only the end is awaited
  if (!tls_) {
    in_.append(bytes);
    if (owner_ != nullptr) owner_->on_wire_data();
    return;
  }
  tls_->feed(bytes);
  const bool was_ready = ready_;
  if (!was_ready) advance_handshake();
  if (!ready_ || ended_) return;
  const std::size_t before = in_.size();
  const TlsEngine::Step step = tls_->decrypt(in_);
  const bool grown = in_.size() != before;
  if (!tls_->outgoing().empty()) flush();  // answers to key updates
  if (!was_ready && owner_ != nullptr) owner_->on_wire_ready();
  if (grown && owner_ != nullptr) owner_->on_wire_data();
  if (step == TlsEngine::Step::closed) end_later("closed by the peer");
  if (step == TlsEngine::Step::failed) end_later("TLS failed: " + tls_->error());
}

void Wire::advance_handshake() {
  const TlsEngine::Step step = tls_->handshake();
  const Sent sent = send_cipher();  // an alert, too, should reach the peer
  if (step == TlsEngine::Step::failed) {
    end_later("TLS handshake failed: " + tls_->error());
    return;
  }
  if (sent == Sent::some) arm_write();
  ready_ = sent != Sent::failed && step == TlsEngine::Step::done;
}

// --- writing

void Wire::arm_write() {
  if (write_armed_ || ended_) return;
  write_armed_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->write_armed_ = false;
                       if (error || self->ended_) return;
                       self->flush();
                     });
}

Wire::Sent Wire::send_from(Buffer& buffer) {
  while (!buffer.empty()) {
    const std::string_view bytes = buffer.view();
    const ssize_t n = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Sent::some;
      break_later(error_text("write failed", errno));
      return Sent::failed;
    }
    buffer.consume(static_cast<std::size_t>(n));
    if (tls_) {
      pass_marks(static_cast<std::size_t>(n));
    } else {
      written_total_ += static_cast<std::uint64_t>(n);
    }
  }
  return Sent::all;
}

Wire::Sent Wire::send_cipher() {
  return send_from(tls_->outgoing());
}

void Wire::pass_marks(std::size_t sent) {
  cipher_sent_ += sent;
  while (marks_passed_ < marks_.size() && marks_[marks_passed_].cipher_bytes <= cipher_sent_) {
    written_total_ = marks_[marks_passed_++].plain_total;
  }
  if (marks_passed_ == marks_.size() && tls_->outgoing().empty()) {
    marks_.clear();
    marks_passed_ = 0;
    cipher_sent_ = 0;
  }
}

// Full records until the chunk is reached; called with no ciphertext waiting.
bool Wire::encrypt_chunk() {
  Buffer& cipher = tls_->outgoing();
  while (!out_.empty() && cipher.size() < chunk_bytes_) {
    const std::string_view record = out_.view().substr(0, TlsEngine::record_bytes_max);
    if (!tls_->encrypt(record)) {
      end_later("TLS failed: " + tls_->error());
      return false;
    }
    encrypted_total_ += record.size();
    out_.consume(record.size());
    marks_.push_back(
        {.cipher_bytes = cipher_sent_ + cipher.size(), .plain_total = encrypted_total_});
  }
  return true;
}

void Wire::flush() {
  if (ended_ || broken_ || write_armed_) return;  // armed: the kernel is full, its turn comes
  if (!tls_) {
    if (send_from(out_) == Sent::some) arm_write();
  } else {
    while (!ended_) {
      const Sent sent = send_cipher();
      if (sent == Sent::some) arm_write();
      if (sent != Sent::all || !ready_ || out_.empty()) break;
      if (!encrypt_chunk()) return;
    }
  }
  if (finishing_ && !ended_ && backlog() == 0) shut_down_sending();
}

void Wire::release_memory() {
  if (in_.empty()) in_.release();
  if (out_.empty()) out_.release();
  if (tls_ && tls_->outgoing().empty()) tls_->outgoing().release();
}

void Wire::finish() {
  if (finishing_ || ended_) return;
  finishing_ = true;
  in_.clear();
  pause_reading(false);
  flush();
}

void Wire::shut_down_sending() {
  if (sending_shut_) return;
  sending_shut_ = true;
  if (tls_) {
    tls_->close_notify();
    if (send_cipher() == Sent::failed) return;
  }
  ::shutdown(socket_.native_handle(), SHUT_WR);
}

}  // namespace oneclick::net
