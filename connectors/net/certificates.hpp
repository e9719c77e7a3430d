// Certificates for the paper exchange and tests. write_test_certificates (tls.hpp) is the ordinary
// way.
#pragma once

#include <cstdint>
#include <string>

namespace oneclick::net {

struct CertificateRequest {
  std::string folder;                 // gets ca.pem, cert.pem and key.pem (mode 0600)
  std::string host_names;             // names and IP addresses, separated by commas or blanks
  std::int64_t valid_from_s = -3600;  // relative to now
  std::int64_t valid_to_s = 10L * 365 * 24 * 3600;  // in the past: expired
};
// Error text, empty when fine.
[[nodiscard]] std::string write_certificates(const CertificateRequest& request);

}  // namespace oneclick::net
