// TLS as a pure transformation of bytes: ciphertext in, plaintext out, and back. No socket: whoever
// owns it moves the ciphertext, so records can be gathered and handed to the kernel together.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "connectors/net/buffer.hpp"
#include "connectors/net/tls.hpp"

namespace oneclick::net {

class TlsEngine {
 public:
  enum class Step { done, again, closed, failed };

  // For a client: `host` (name or IP literal) is what the certificate must be for.
  [[nodiscard]] static std::unique_ptr<TlsEngine> for_client(const TlsClient& tls,
                                                             const std::string& host);
  [[nodiscard]] static std::unique_ptr<TlsEngine> for_server(const TlsServer& tls);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  // Gives ciphertext read from the network; it is taken wholly by the next handshake() or
  // decrypt().
  void feed(std::string_view ciphertext) { incoming_ = ciphertext; }
  // `again`: more from the network is needed. What must be sent meanwhile is in outgoing().
  [[nodiscard]] Step handshake();
  // Appends all plaintext that is complete.
  [[nodiscard]] Step decrypt(Buffer& plain);
  // Encrypts all of `plain` (at most one record's worth) into outgoing().
  [[nodiscard]] bool encrypt(std::string_view plain);
  void close_notify();
  [[nodiscard]] Buffer& outgoing() { return outgoing_; }
  // Why the last step failed, for people.
  [[nodiscard]] const std::string& error() const { return error_; }

  static constexpr std::size_t record_bytes_max = 16 * 1024;

 private:
  explicit TlsEngine(SSL_CTX* context);
  void remember_error();
  static BIO_METHOD* bio_method();
  static int on_bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* written);
  static int on_bio_read(BIO* bio, char* out, std::size_t room, std::size_t* read);
  static long on_bio_control(BIO* bio, int command, long number, void* pointer);

  SSL* ssl_;
  std::string_view incoming_;
  Buffer outgoing_;
  std::string error_;
};

}  // namespace oneclick::net
