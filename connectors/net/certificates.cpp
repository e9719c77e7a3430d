#include "connectors/net/certificates.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "connectors/net/tls.hpp"
#include "connectors/net/tls_impl.hpp"

namespace oneclick::net {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;
using File = std::unique_ptr<std::FILE, CloseFile>;

struct Extension {
  int nid;
  std::string value;
};

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::string name;
  for (const char c : text + ",") {
    if (c != ',' && c != ' ') {
      name += c;
    } else if (!name.empty()) {
      names.push_back(std::exchange(name, {}));
    }
  }
  return names;
}

std::string subject_names(const std::string& host_names) {
  std::string out = "DNS:localhost,IP:127.0.0.1,IP:::1";
  for (const std::string& name : split_names(host_names)) {
    in6_addr address;
    const bool is_ip = ::inet_pton(AF_INET, name.c_str(), &address) == 1 ||
                       ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
    out += (is_ip ? ",IP:" : ",DNS:") + name;
  }
  return out;
}

void set_name(X509* certificate, const char* common_name, X509* issuer) {
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
  X509_set_issuer_name(certificate, issuer != nullptr ? X509_get_subject_name(issuer) : name);
}

void set_random_serial(X509* certificate) {
  unsigned char bytes[8];
  RAND_bytes(bytes, sizeof bytes);
  std::uint64_t serial;
  std::memcpy(&serial, bytes, sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1);
}

bool add_extension(X509* certificate, X509* issuer, const Extension& extension) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* made =
      X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value.c_str());
  if (made == nullptr) return false;
  const bool added = X509_add_ext(certificate, made, -1) == 1;
  X509_EXTENSION_free(made);
  return added;
}

struct Signer {
  X509* certificate;  // null: self-signed
  EVP_PKEY* key;
};

Certificate make_certificate(EVP_PKEY* key, const char* common_name, const Signer& signer,
                             const CertificateRequest& request,
                             const std::vector<Extension>& extensions) {
  Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  set_random_serial(made.get());
  X509_gmtime_adj(X509_getm_notBefore(made.get()), request.valid_from_s);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), request.valid_to_s);
  set_name(made.get(), common_name, signer.certificate);
  X509_set_pubkey(made.get(), key);
  X509* issuer = signer.certificate != nullptr ? signer.certificate : made.get();
  for (const Extension& extension : extensions) {
    if (!add_extension(made.get(), issuer, extension)) return nullptr;
  }
  if (X509_sign(made.get(), signer.key, EVP_sha256()) == 0) return nullptr;
  return made;
}

File open_file(const std::string& path, mode_t mode, std::string& error) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) error = path + ": " + std::strerror(errno);
  return File(fd < 0 ? nullptr : ::fdopen(fd, "w"));
}

std::string write_certificate(const std::string& path, X509* certificate) {
  std::string error;
  const File file = open_file(path, 0644, error);
  if (file && PEM_write_X509(file.get(), certificate) != 1) return path + ": cannot be written";
  return error;
}

std::string write_key(const std::string& path, EVP_PKEY* key) {
  std::string error;
  const File file = open_file(path, 0600, error);
  if (file && PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return path + ": cannot be written";
  }
  return error;
}

}  // namespace

std::string write_certificates(const CertificateRequest& request) {
  CertificateRequest authority = request;  // an expired certificate comes from a living CA
  authority.valid_from_s = -100 * 24 * 3600;
  authority.valid_to_s = 10L * 365 * 24 * 3600;
  const Key ca_key(EVP_EC_gen("P-256"));
  const Key key(EVP_EC_gen("P-256"));
  if (!ca_key || !key) return take_openssl_error();
  const Certificate ca =
      make_certificate(ca_key.get(), "OneClick test CA", {nullptr, ca_key.get()}, authority,
                       {{NID_basic_constraints, "critical,CA:TRUE"},
                        {NID_key_usage, "critical,keyCertSign,cRLSign"},
                        {NID_subject_key_identifier, "hash"}});
  if (!ca) return take_openssl_error();
  const Certificate certificate =
      make_certificate(key.get(), "localhost", {ca.get(), ca_key.get()}, request,
                       {{NID_basic_constraints, "critical,CA:FALSE"},
                        {NID_key_usage, "critical,digitalSignature"},
                        {NID_ext_key_usage, "serverAuth"},
                        {NID_subject_key_identifier, "hash"},
                        {NID_authority_key_identifier, "keyid"},
                        {NID_subject_alt_name, subject_names(request.host_names)}});
  if (!certificate) return take_openssl_error();
  std::string error = write_certificate(request.folder + "/ca.pem", ca.get());
  if (error.empty()) error = write_certificate(request.folder + "/cert.pem", certificate.get());
  if (error.empty()) error = write_key(request.folder + "/key.pem", key.get());
  return error;
}

std::string write_test_certificates(const std::string& folder, const std::string& host_names) {
  CertificateRequest request;
  request.folder = folder;
  request.host_names = host_names;
  return write_certificates(request);
}

}  // namespace oneclick::net
