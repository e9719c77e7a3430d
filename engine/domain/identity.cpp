#include "engine/domain/identity.hpp"

#include <cstring>

#include "engine/base/hash.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;

// UUIDv8 (RFC 9562): 48 bits of milliseconds so that keys sort by time, version 8, variant 10, and
// the first 74 bits of the digest.
Uuid time_ordered(const Digest& digest, std::int64_t time_ns) {
  const auto ms = static_cast<std::uint64_t>(time_ns / ns_per_ms) & 0xffff'ffff'ffffULL;
  std::uint64_t head, tail;
  std::memcpy(&head, digest.data(), 8);
  std::memcpy(&tail, digest.data() + 8, 8);
  head = __builtin_bswap64(head);
  tail = __builtin_bswap64(tail);
  return {(ms << 16) | 0x8000 | (head >> 52),
          0x8000'0000'0000'0000ULL | ((head << 10) & 0x3fff'ffff'ffff'ffffULL) | (tail >> 54)};
}

// UUIDv8 of digest bits alone: two feeds may round an event's time differently, so the identity of
// an event must not depend on it.
Uuid unordered(const Digest& digest) {
  Uuid id = Uuid::from_bytes(digest.data());
  id.high = (id.high & ~0xf000ULL) | 0x8000;
  id.low = (id.low & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;
  return id;
}

// Text pieces with their lengths before them: no two different lists give the same bytes.
class Message {
 public:
  void add(std::string_view piece) {
    add_number(piece.size());
    text_.append(piece);
  }
  void add(const Uuid& id) {
    const auto bytes = id.bytes();
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void add_number(std::uint64_t n) {
    for (int shift = 56; shift >= 0; shift -= 8) text_.push_back(static_cast<char>(n >> shift));
  }
  [[nodiscard]] Digest digest() const { return sha256(text_); }

 private:
  std::string text_;
};

constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int base64url_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

}  // namespace

EventId fill_event_id(Venue venue, AccountId account, std::string_view order_id,
                      std::string_view trade_id) {
  Message m;
  m.add("fill");
  m.add(to_text(venue));
  m.add(account.value);
  m.add(order_id);
  m.add(trade_id);
  return {unordered(m.digest())};
}

std::uint64_t leader_order_of(Venue venue, AccountId account, std::string_view order_id) {
  Message m;
  m.add("leader order");
  m.add(to_text(venue));
  m.add(account.value);
  m.add(order_id);
  return unordered(m.digest()).high | 1;
}

EventId leader_order_event_id(Venue venue, AccountId account, std::string_view order_id,
                              LeaderEventKind kind, std::int64_t version) {
  Message m;
  m.add("order");
  m.add(to_text(venue));
  m.add(account.value);
  m.add(order_id);
  m.add(to_text(kind));
  m.add_number(static_cast<std::uint64_t>(version));
  return {unordered(m.digest())};
}

EventId signal_event_id(SignalId signal, LeaderEventKind kind, std::int64_t version) {
  Message m;
  m.add("signal");
  m.add(signal.value);
  m.add(to_text(kind));
  m.add_number(static_cast<std::uint64_t>(version));
  return {unordered(m.digest())};
}

EventId copy_event_id(SignalId signal, UserId user) {
  Message m;
  m.add("copy");
  m.add(signal.value);
  m.add(user.value);
  return {unordered(m.digest())};
}

EventId risk_event_id(LinkId link, std::string_view symbol, std::uint64_t cause_seq) {
  Message m;
  m.add("risk");
  m.add(link.value);
  m.add(symbol);
  m.add_number(cause_seq);
  return {unordered(m.digest())};
}

EventId request_event_id(UserId caller, std::string_view idempotency_key) {
  Message m;
  m.add("request");
  m.add(caller.value);
  m.add(idempotency_key);
  return {unordered(m.digest())};
}

OrderKey order_key(EventId event, LinkId link, std::uint8_t leg, std::uint32_t attempt,
                   std::int64_t event_time_ns) {
  std::array<char, 37> message;
  const auto e = event.value.bytes(), l = link.value.bytes();
  std::memcpy(message.data(), e.data(), 16);
  std::memcpy(message.data() + 16, l.data(), 16);
  message[32] = static_cast<char>(leg);
  // As many bytes as the number needs.
  std::size_t size = 33;
  do {
    message[size++] = static_cast<char>(attempt);
    attempt >>= 8;
  } while (attempt != 0);
  return {time_ordered(sha256(std::string_view(message.data(), size)), event_time_ns)};
}

Uuid state_row_id(OrderKey order, std::uint32_t change, std::int64_t time_ns) {
  Message m;
  m.add("state");
  m.add(order.value);
  m.add_number(change);
  return time_ordered(m.digest(), time_ns);
}

Uuid fill_row_id(OrderKey order, std::string_view trade_id) {
  Message m;
  m.add("fill");
  m.add(order.value);
  m.add(trade_id);
  return time_ordered(m.digest(), static_cast<std::int64_t>(order.value.high >> 16) * ns_per_ms);
}

void write_client_order_id(OrderKey key, char* out) {
  const auto b = key.value.bytes();
  *out++ = 'o';
  *out++ = 'c';
  for (int i = 0; i < 15; i += 3) {
    const std::uint32_t v = static_cast<std::uint32_t>(b[i] << 16 | b[i + 1] << 8 | b[i + 2]);
    *out++ = alphabet[v >> 18];
    *out++ = alphabet[(v >> 12) & 63];
    *out++ = alphabet[(v >> 6) & 63];
    *out++ = alphabet[v & 63];
  }
  *out++ = alphabet[b[15] >> 2];
  *out = alphabet[(b[15] & 3) << 4];
}

std::optional<OrderKey> order_key_from_client_id(std::string_view text) {
  if (text.size() != client_order_id_size || text[0] != 'o' || text[1] != 'c') return std::nullopt;
  std::array<std::uint8_t, 17> bytes{};
  std::uint32_t bits = 0, value = 0;
  std::size_t n = 0;
  for (const char c : text.substr(2)) {
    const int six = base64url_value(c);
    if (six < 0) return std::nullopt;
    value = (value << 6) | static_cast<std::uint32_t>(six);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[n++] = static_cast<std::uint8_t>(value >> bits);
      value &= (1U << bits) - 1;
    }
  }
  if (n != 16 || value != 0) return std::nullopt;
  const OrderKey key{Uuid::from_bytes(bytes.data())};
  if ((key.value.high & 0xf000) != 0x8000 || (key.value.low >> 62) != 2) return std::nullopt;
  return key;
}

}  // namespace oneclick
