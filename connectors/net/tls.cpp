#include "connectors/net/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

#include "connectors/net/tls_impl.hpp"

namespace oneclick::net {
namespace {

// AES-128-GCM first: the cheapest per record on CPUs with AES instructions, and strong enough.
constexpr const char* cipher_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* ciphers_tls12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

// Empty when fine.
std::string set_up_common(SSL_CTX* context) {
  if (context == nullptr) return take_openssl_error();
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, cipher_suites) != 1 ||
      SSL_CTX_set_cipher_list(context, ciphers_tls12) != 1) {
    return take_openssl_error();
  }
  return {};
}

}  // namespace

std::string take_openssl_error() {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  if (first == 0) return "unknown TLS error";
  std::array<char, 256> text{};
  ERR_error_string_n(first, text.data(), text.size());
  const char* reason = ERR_reason_error_string(first);
  return reason != nullptr ? std::string(reason) : std::string(text.data());
}

TlsClient::TlsClient() : impl(std::make_unique<Impl>()) {}
TlsClient::~TlsClient() = default;
TlsServer::TlsServer() : impl(std::make_unique<Impl>()) {}
TlsServer::~TlsServer() = default;

std::expected<std::shared_ptr<TlsClient>, std::string> TlsClient::make(const std::string& ca_file) {
  auto made = std::make_shared<TlsClient>();
  made->impl->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = made->impl->context.get();
  if (std::string error = set_up_common(context); !error.empty()) return std::unexpected(error);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty()
                         ? SSL_CTX_set_default_verify_paths(context)
                         : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
  if (loaded != 1) {
    return std::unexpected("CA file " + ca_file + " cannot be used: " + take_openssl_error());
  }
  return made;
}

std::expected<std::shared_ptr<TlsServer>, std::string> TlsServer::make(
    const std::string& certificate_file, const std::string& key_file) {
  auto made = std::make_shared<TlsServer>();
  made->impl->context.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made->impl->context.get();
  if (std::string error = set_up_common(context); !error.empty()) return std::unexpected(error);
  // Thousands of idle connections: buffers are kept only while a record is under way.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return std::unexpected("certificate file " + certificate_file +
                           " cannot be used: " + take_openssl_error());
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return std::unexpected("key file " + key_file + " cannot be used: " + take_openssl_error());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return std::unexpected("key file " + key_file + " does not belong to certificate file " +
                           certificate_file);
  }
  return made;
}

}  // namespace oneclick::net
