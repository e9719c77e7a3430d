// OpenSSL behind the contexts; only connectors/net's own .cpp files include it.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "connectors/net/tls.hpp"

namespace oneclick::net {

struct FreeSslContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSslContext>;

struct TlsClient::Impl {
  SslContext context;
};
struct TlsServer::Impl {
  SslContext context;
};

// Takes OpenSSL's queued errors of this thread and says the first one.
[[nodiscard]] std::string take_openssl_error();

}  // namespace oneclick::net
