#include "bench/fanout/parties.hpp"

#include "engine/base/crypto.hpp"

namespace oneclick::bench {

Party make_party(std::size_t index) {
  const std::string number = std::to_string(index);
  return {to_hex(sha256("fanout key " + number)), to_hex(sha256("fanout secret " + number))};
}

std::vector<Party> make_parties(std::size_t count) {
  std::vector<Party> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.push_back(make_party(i));
  return out;
}

}  // namespace oneclick::bench
