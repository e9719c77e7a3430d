#include "connectors/net/ws_frame.hpp"

#include <openssl/sha.h>

#include <cstring>

#include "engine/base/crypto.hpp"

namespace oneclick::net {
namespace {

void put_big_endian(char* out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out[i] = static_cast<char>(static_cast<unsigned char>(value >> (8 * (bytes - 1 - i))));
  }
}

std::uint64_t get_big_endian(const char* in, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  return value;
}

bool is_control(WsOpcode opcode) {
  return static_cast<unsigned>(opcode) >= 8;
}

bool is_known(unsigned opcode) {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

// Four words at once. Spelled out: left as a loop over an array, the compiler goes through memory
// and every vector load waits for the scalar stores before it.
typedef std::uint64_t Words __attribute__((vector_size(32)));

// Codes that may travel in a close frame (RFC 6455 section 7.4).
bool is_close_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

WsMasks::WsMasks() {
  std::array<std::uint8_t, 16> seed{};
  random_bytes(seed);
  std::memcpy(state_, seed.data(), sizeof state_);
  state_[0] |= 1;  // never all zero
}

std::uint32_t WsMasks::next() {  // xoroshiro128+
  const std::uint64_t a = state_[0];
  std::uint64_t b = state_[1];
  const std::uint64_t sum = a + b;
  b ^= a;
  state_[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
  state_[1] = b << 37 | b >> 27;
  return static_cast<std::uint32_t>(sum >> 32);
}

void ws_apply_mask(char* data, std::size_t size, std::uint32_t mask) {
  const std::uint64_t wide = static_cast<std::uint64_t>(mask) << 32 | mask;
  const Words words = {wide, wide, wide, wide};
  std::size_t i = 0;
  for (; i + sizeof words <= size; i += sizeof words) {
    Words part;
    std::memcpy(&part, data + i, sizeof part);
    part ^= words;
    std::memcpy(data + i, &part, sizeof part);
  }
  for (; i + 8 <= size; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, data + i, sizeof word);
    word ^= wide;
    std::memcpy(data + i, &word, sizeof word);
  }
  for (std::uint64_t rest = wide; i < size; ++i, rest >>= 8) {
    data[i] = static_cast<char>(data[i] ^ static_cast<char>(rest));
  }
}

std::size_t ws_header_bytes(std::size_t payload_bytes, bool masked) {
  const std::size_t length = payload_bytes < 126 ? 2 : payload_bytes < 65536 ? 4 : 10;
  return length + (masked ? 4 : 0);
}

void ws_write_header(char* out, WsOpcode opcode, std::size_t payload_bytes, bool masked,
                     std::uint32_t mask) {
  const unsigned mask_bit = masked ? 0x80 : 0;
  *out++ = static_cast<char>(0x80U | static_cast<unsigned>(opcode));
  if (payload_bytes < 126) {
    *out++ = static_cast<char>(mask_bit | static_cast<unsigned>(payload_bytes));
  } else if (payload_bytes < 65536) {
    *out++ = static_cast<char>(mask_bit | 126U);
    put_big_endian(out, payload_bytes, 2);
    out += 2;
  } else {
    *out++ = static_cast<char>(mask_bit | 127U);
    put_big_endian(out, payload_bytes, 8);
    out += 8;
  }
  if (masked) std::memcpy(out, &mask, sizeof mask);
}

std::size_t ws_lay_frame(Buffer& out, WsOpcode opcode, std::string_view payload, WsMasks* masks) {
  const bool masked = masks != nullptr;
  const std::size_t header = ws_header_bytes(payload.size(), masked);
  char* at = out.prepare(header + payload.size());
  const std::uint32_t mask = masked ? masks->next() : 0;
  ws_write_header(at, opcode, payload.size(), masked, mask);
  if (!payload.empty()) std::memcpy(at + header, payload.data(), payload.size());
  if (masked) ws_apply_mask(at + header, payload.size(), mask);
  return header + payload.size();
}

std::string ws_close_payload(std::uint16_t code, std::string_view reason) {
  std::string payload(2, '\0');
  put_big_endian(payload.data(), code, 2);
  payload += reason.substr(0, 123);
  return payload;
}

std::string ws_accept_value(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
  std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return to_base64(digest);
}

WsReader::Result WsReader::fail(std::uint16_t code, const char* problem) {
  return {.step = Step::violation, .payload = {}, .close_code = code, .problem = problem};
}

WsReader::Header WsReader::parse(std::string_view bytes, const char*& problem) const {
  Header header{};
  if (bytes.size() < 2) return header;
  const unsigned first = static_cast<unsigned char>(bytes[0]);
  const unsigned second = static_cast<unsigned char>(bytes[1]);
  if ((first & 0x70U) != 0) problem = "reserved bits are set";
  if (!is_known(first & 0x0fU)) problem = "unknown opcode";
  const bool masked = (second & 0x80U) != 0;
  if (masked != (role_ == Role::server)) problem = masked ? "masked frame" : "unmasked frame";
  if (problem != nullptr) return header;
  header.final = (first & 0x80U) != 0;
  header.opcode = static_cast<WsOpcode>(first & 0x0fU);
  header.payload_bytes = second & 0x7fU;
  const int wide = header.payload_bytes == 126 ? 2 : header.payload_bytes == 127 ? 8 : 0;
  header.header_bytes = 2 + static_cast<std::size_t>(wide) + (masked ? 4 : 0);
  if (bytes.size() < header.header_bytes) return header;
  if (wide != 0) header.payload_bytes = get_big_endian(bytes.data() + 2, wide);
  if (masked) std::memcpy(&header.mask, bytes.data() + header.header_bytes - 4, 4);
  header.complete = true;
  return header;
}

WsReader::Result WsReader::check(const Header& header) const {
  if (is_control(header.opcode)) {
    if (!header.final) return fail(1002, "fragmented control frame");
    if (header.payload_bytes > 125) return fail(1002, "control frame too long");
  } else {
    if ((header.opcode == WsOpcode::continuation) != in_message_) {
      return fail(1002,
                  in_message_ ? "new message inside a fragmented one" : "continuation of nothing");
    }
    if (header.payload_bytes > message_bytes_max_ ||
        assembled_.size() + header.payload_bytes > message_bytes_max_) {
      return fail(1009, "message too large");
    }
    // Endless empty fragments would keep a message open for ever without growing it.
    if (!header.final && header.payload_bytes == 0) return fail(1002, "empty fragment");
  }
  return {.step = Step::incomplete, .payload = {}, .close_code = 0, .problem = nullptr};
}

WsReader::Result WsReader::take_control(const Header& header, std::string_view payload) {
  Result result{.step = Step::ping, .payload = payload, .close_code = 0, .problem = nullptr};
  if (header.opcode == WsOpcode::ping) return result;
  if (header.opcode == WsOpcode::pong) {
    result.step = Step::pong;
    return result;
  }
  result.step = Step::close;
  result.close_code = 1005;
  if (payload.size() == 1) return fail(1002, "close frame of one byte");
  if (payload.size() >= 2) {
    result.close_code = static_cast<std::uint16_t>(get_big_endian(payload.data(), 2));
    result.payload = payload.substr(2);
    if (!is_close_code(result.close_code)) return fail(1002, "close code not allowed");
  }
  return result;
}

WsReader::Result WsReader::next(Buffer& in) {
  while (true) {
    const char* problem = nullptr;
    const std::string_view bytes = in.view();
    const Header header = parse(bytes, problem);
    if (problem != nullptr) return fail(1002, problem);
    Result result{.step = Step::incomplete, .payload = {}, .close_code = 0, .problem = nullptr};
    if (!header.complete) return result;
    result = check(header);
    if (result.step == Step::violation) return result;
    if (bytes.size() - header.header_bytes < header.payload_bytes) return result;
    frame_bytes_ = header.header_bytes + header.payload_bytes;
    // The frame's bytes are ours: unmasking in place copies nothing.
    char* payload = const_cast<char*>(bytes.data()) + header.header_bytes;
    if (role_ == Role::server) ws_apply_mask(payload, header.payload_bytes, header.mask);
    result.payload = {payload, header.payload_bytes};
    if (is_control(header.opcode)) return take_control(header, result.payload);
    result.step = Step::message;
    if (header.final && !in_message_) return result;
    assembled_.append(result.payload);
    in_message_ = !header.final;
    if (header.final) {
      message_done_ = true;
      result.payload = assembled_.view();
      return result;
    }
    release(in);
  }
}

void WsReader::release(Buffer& in) {
  in.consume(frame_bytes_);
  frame_bytes_ = 0;
  if (message_done_) {
    message_done_ = false;
    assembled_.clear();
  }
}

}  // namespace oneclick::net
