#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "engine/base/check.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick {

namespace {

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

using Key = std::shared_ptr<void>;
Key own(EVP_PKEY* key) {
  return {key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }};
}
EVP_PKEY* raw(const Key& key) {
  return static_cast<EVP_PKEY*>(key.get());
}

Bio reading(std::string_view text) {
  CHECK(text.size() < 1 << 20);
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  CHECK(bio != nullptr);
  return bio;
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

// OpenSSL would ask on the terminal for the passphrase of an encrypted key.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

const std::uint8_t* data_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

}  // namespace

std::expected<Ed25519Key, std::string> Ed25519Key::from_pem(std::string_view pem) {
  if (pem.size() > 64 * 1024) return std::unexpected("not a PEM private key");
  const Bio bio = reading(pem);
  EVP_PKEY* found = PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr);
  if (found == nullptr) return std::unexpected("not a PEM private key");
  Ed25519Key out;
  out.key_ = own(found);
  if (EVP_PKEY_get_base_id(found) != EVP_PKEY_ED25519) return std::unexpected("not an Ed25519 key");
  return out;
}

Ed25519Key Ed25519Key::generate() {
  EVP_PKEY* made = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  CHECK(made != nullptr);
  Ed25519Key out;
  out.key_ = own(made);
  return out;
}

std::array<std::uint8_t, 64> Ed25519Key::sign(std::string_view text) const {
  CHECK(key_ != nullptr);
  const Context context(EVP_MD_CTX_new());
  CHECK(context != nullptr);
  std::array<std::uint8_t, 64> out;
  std::size_t size = out.size();
  CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, raw(key_)) == 1);
  CHECK(EVP_DigestSign(context.get(), out.data(), &size, data_of(text), text.size()) == 1);
  CHECK(size == out.size());
  return out;
}

std::string Ed25519Key::to_pem() const {
  CHECK(key_ != nullptr);
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PKCS8PrivateKey(bio.get(), raw(key_), nullptr, nullptr, 0, nullptr,
                                      nullptr) == 1);
  return contents(bio.get());
}

std::string Ed25519Key::public_pem() const {
  CHECK(key_ != nullptr);
  const Bio bio(BIO_new(BIO_s_mem()));
  CHECK(PEM_write_bio_PUBKEY(bio.get(), raw(key_)) == 1);
  return contents(bio.get());
}

bool ed25519_verify(std::string_view public_pem, std::string_view text,
                    std::span<const std::uint8_t, 64> signature) {
  if (public_pem.size() > 64 * 1024) return false;
  const Bio bio = reading(public_pem);
  const Key key = own(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr || EVP_PKEY_get_base_id(raw(key)) != EVP_PKEY_ED25519) return false;
  const Context context(EVP_MD_CTX_new());
  CHECK(context != nullptr);
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, raw(key)) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), data_of(text),
                          text.size()) == 1;
}

}  // namespace oneclick
