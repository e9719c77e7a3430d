#include "connectors/net/tls_engine.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "connectors/net/tls_impl.hpp"
#include "engine/base/check.hpp"

namespace oneclick::net {
namespace {

bool is_ip_literal(const std::string& host) {
  in6_addr address;
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

int TlsEngine::on_bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  static_cast<TlsEngine*>(BIO_get_data(bio))->outgoing_.append({data, size});
  *written = size;
  return 1;
}

int TlsEngine::on_bio_read(BIO* bio, char* out, std::size_t room, std::size_t* read) {
  std::string_view& in = static_cast<TlsEngine*>(BIO_get_data(bio))->incoming_;
  BIO_clear_retry_flags(bio);
  if (in.empty()) {
    BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
    *read = 0;
    return 0;
  }
  *read = std::min(room, in.size());
  std::memcpy(out, in.data(), *read);
  in.remove_prefix(*read);
  return 1;
}

long TlsEngine::on_bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* TlsEngine::bio_method() {
  // Made once and kept for the life of the process, as OpenSSL's own methods are.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "oneclick wire");
    CHECK(made != nullptr);
    BIO_meth_set_write_ex(made, &TlsEngine::on_bio_write);
    BIO_meth_set_read_ex(made, &TlsEngine::on_bio_read);
    BIO_meth_set_ctrl(made, &TlsEngine::on_bio_control);
    return made;
  }();
  return method;
}

TlsEngine::TlsEngine(SSL_CTX* context) : ssl_(SSL_new(context)) {
  CHECK(ssl_ != nullptr);
  BIO* bio = BIO_new(bio_method());
  CHECK(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
}

TlsEngine::~TlsEngine() {
  SSL_free(ssl_);
}

std::unique_ptr<TlsEngine> TlsEngine::for_client(const TlsClient& tls, const std::string& host) {
  std::unique_ptr<TlsEngine> made(new TlsEngine(tls.impl->context.get()));
  SSL_set_connect_state(made->ssl_);
  X509_VERIFY_PARAM* verify = SSL_get0_param(made->ssl_);
  X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (is_ip_literal(host)) {
    CHECK(X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1);
  } else {
    CHECK(X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) == 1);
    std::string name = host;  // SSL_set_tlsext_host_name, without its C cast
    SSL_ctrl(made->ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }
  return made;
}

std::unique_ptr<TlsEngine> TlsEngine::for_server(const TlsServer& tls) {
  std::unique_ptr<TlsEngine> made(new TlsEngine(tls.impl->context.get()));
  SSL_set_accept_state(made->ssl_);
  return made;
}

void TlsEngine::remember_error() {
  const long verdict = SSL_get_verify_result(ssl_);
  error_ = take_openssl_error();
  if (verdict != X509_V_OK) {
    error_ = std::string("certificate refused: ") + X509_verify_cert_error_string(verdict);
  }
}

TlsEngine::Step TlsEngine::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return Step::done;
  if (SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ) return Step::again;
  remember_error();
  return Step::failed;
}

TlsEngine::Step TlsEngine::decrypt(Buffer& plain) {
  ERR_clear_error();
  while (true) {
    char* out = plain.prepare(record_bytes_max);
    std::size_t read = 0;
    const int result = SSL_read_ex(ssl_, out, record_bytes_max, &read);
    if (result == 1) {
      plain.commit(read);
      continue;
    }
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        return Step::again;
      case SSL_ERROR_ZERO_RETURN:
        return Step::closed;
      default:
        remember_error();
        return Step::failed;
    }
  }
}

bool TlsEngine::encrypt(std::string_view plain) {
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(ssl_, plain.data(), plain.size(), &written) == 1 && written == plain.size()) {
    return true;
  }
  remember_error();
  return false;
}

void TlsEngine::close_notify() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_) == 1) SSL_shutdown(ssl_);
  ERR_clear_error();
}

}  // namespace oneclick::net
