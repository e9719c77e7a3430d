#include "bench/fanout/wire.hpp"

#include <cstring>
#include <stdexcept>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "engine/base/crypto.hpp"

namespace oneclick::bench {

namespace {

// Both ends of every measurement negotiate the same cipher: the one performance.md's figures are
// of.
constexpr char ciphers[] = "TLS_AES_128_GCM_SHA256";

void require(bool good, const std::string& what) {
  if (good) return;
  char reason[256];
  ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
  throw std::runtime_error(what + ": " + reason);
}

TlsContext context_of(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method));
  require(context != nullptr, "TLS context");
  require(SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1, "TLS 1.3");
  require(SSL_CTX_set_ciphersuites(context.get(), ciphers) == 1, "cipher");
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
  return context;
}

}  // namespace

TlsContext server_context(const std::string& certificate_file, const std::string& key_file) {
  TlsContext context = context_of(TLS_server_method());
  require(SSL_CTX_use_certificate_chain_file(context.get(), certificate_file.c_str()) == 1,
          certificate_file);
  require(SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(), SSL_FILETYPE_PEM) == 1,
          key_file);
  // Several records a system call: the receiver must not be what limits a sender.
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_default_read_buffer_len(context.get(), 256 * 1024);
  SSL_CTX_set_num_tickets(context.get(), 0);
  return context;
}

TlsContext client_context(const std::string& ca_file) {
  TlsContext context = context_of(TLS_client_method());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  require(SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) == 1, ca_file);
  return context;
}

bool read_header(std::string_view data, Frame& out) {
  if (data.size() < 2) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(data[i]); };
  out.opcode = byte(0) & 0x0f;
  out.masked = (byte(1) & 0x80) != 0;
  out.payload_bytes = byte(1) & 0x7f;
  out.header_bytes = 2;
  const std::size_t length_bytes = out.payload_bytes == 126 ? 2 : out.payload_bytes == 127 ? 8 : 0;
  out.header_bytes += length_bytes + (out.masked ? 4 : 0);
  if (data.size() < out.header_bytes) return false;
  if (length_bytes != 0) out.payload_bytes = 0;
  for (std::size_t i = 0; i < length_bytes; ++i)
    out.payload_bytes = out.payload_bytes << 8 | byte(2 + i);
  return true;
}

std::string_view unmask(char* frame, const Frame& header) {
  char* payload = frame + header.header_bytes;
  if (header.masked) {
    char mask[4];
    std::memcpy(mask, payload - 4, 4);
    for (std::size_t i = 0; i < header.payload_bytes; ++i)
      payload[i] = static_cast<char>(payload[i] ^ mask[i % 4]);
  }
  return {payload, header.payload_bytes};
}

namespace {

std::size_t write_length(char* out, std::size_t bytes, std::uint8_t mask_bit) {
  if (bytes < 126) {
    out[0] = static_cast<char>(mask_bit | bytes);
    return 1;
  }
  const std::size_t length_bytes = bytes < 65'536 ? 2 : 8;
  out[0] = static_cast<char>(mask_bit | (length_bytes == 2 ? 126 : 127));
  for (std::size_t i = 0; i < length_bytes; ++i)
    out[1 + i] = static_cast<char>(bytes >> (8 * (length_bytes - 1 - i)));
  return 1 + length_bytes;
}

}  // namespace

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  char header[10];
  header[0] = static_cast<char>(0x80 | static_cast<std::uint8_t>(opcode));
  const std::size_t n = write_length(header + 1, payload.size(), 0);
  out.append(header, 1 + n);
  out.append(payload);
}

std::size_t write_masked(char* out, std::string_view payload, std::uint32_t mask, Opcode opcode) {
  out[0] = static_cast<char>(0x80 | static_cast<std::uint8_t>(opcode));
  char* at = out + 1 + write_length(out + 1, payload.size(), 0x80);
  std::memcpy(at, &mask, 4);
  at += 4;
  const std::uint64_t wide = static_cast<std::uint64_t>(mask) << 32 | mask;
  std::size_t i = 0;
  for (; i + 8 <= payload.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, payload.data() + i, 8);
    word ^= wide;
    std::memcpy(at + i, &word, 8);
  }
  const char* bytes = reinterpret_cast<const char*>(&mask);
  for (; i < payload.size(); ++i) at[i] = static_cast<char>(payload[i] ^ bytes[i % 4]);
  return static_cast<std::size_t>(at - out) + payload.size();
}

std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  require(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr) == 1, "SHA-1");
  return to_base64({digest, size});
}

}  // namespace oneclick::bench
