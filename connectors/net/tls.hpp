// TLS settings shared by clients and servers. Verification is always on for clients; a private CA
// file replaces the system's store.
#pragma once

#include <expected>
#include <memory>
#include <string>

namespace oneclick::net {

struct Url {
  std::string scheme;  // https, wss, http, ws
  std::string host;
  std::string port;    // "443" when the text has none
  std::string target;  // path and query, "/" at least
};
// Error: what is wrong with the text.
[[nodiscard]] std::expected<Url, std::string> parse_url(const std::string& text);

// A client's context: TLS 1.2 or later, peer and host name verified. Thread-safe once made.
class TlsClient {
 public:
  // ca_file empty: the system's store. Error: why the file cannot be used.
  [[nodiscard]] static std::expected<std::shared_ptr<TlsClient>, std::string> make(
      const std::string& ca_file);
  struct Impl;
  std::unique_ptr<Impl> impl;
  TlsClient();
  ~TlsClient();
};

class TlsServer {
 public:
  [[nodiscard]] static std::expected<std::shared_ptr<TlsServer>, std::string> make(
      const std::string& certificate_file, const std::string& key_file);
  struct Impl;
  std::unique_ptr<Impl> impl;
  TlsServer();
  ~TlsServer();
};

// Writes a self-signed CA and a server certificate for the given host names and addresses (PEM),
// for the paper exchange and tests. Returns an error text, empty when fine.
[[nodiscard]] std::string write_test_certificates(const std::string& folder,
                                                  const std::string& host_names);

}  // namespace oneclick::net
