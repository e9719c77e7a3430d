// What the engine is measured against, inside the benchmark's own process: the floor, the best that
// is known how to do, and the plain sender, what one would write first. Both send real signed
// orders to the same receiver over one TLS connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/common/machine.hpp"
#include "bench/fanout/parties.hpp"
#include "bench/fanout/wire.hpp"
#include "engine/base/crypto.hpp"

namespace oneclick::bench {

// One WebSocket connection over TLS, blocking. Throws std::runtime_error.
class Line {
 public:
  // `headers`: lines to add to the upgrade request, each with its line end.
  Line(const std::string& ca_file, std::uint16_t port, const std::string& target,
       const std::string& headers = {});
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  void write(const char* data, std::size_t bytes);
  // The next text message; pings are answered. Throws when none comes for ten seconds.
  [[nodiscard]] std::string read_message();

 private:
  void read_more();
  TlsContext context_;
  int fd_ = -1;
  Tls tls_;
  std::string in_;
};

class Sender {
 public:
  virtual ~Sender() = default;
  // Sends one order for each of the first `count` parties. Returns when the last byte was handed to
  // the kernel. `round` makes ids and prices differ from burst to burst.
  virtual void send(std::size_t count, std::uint32_t round) = 0;
};

// Templates, midstates, four signatures at once, 16 KB TLS records, one write a record.
[[nodiscard]] std::unique_ptr<Sender> make_floor(Line& line, const std::vector<Party>& parties);
// One text after another, HMAC() and one write an order.
[[nodiscard]] std::unique_ptr<Sender> make_plain(Line& line, const std::vector<Party>& parties);

}  // namespace oneclick::bench
