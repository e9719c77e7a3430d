// Who takes part in the benchmark: followers' credentials, all derived from their number, so that
// the receiver, the floor and the database agree on them without passing them around.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace oneclick::bench {

struct Party {
  std::string api_key;  // 64 characters, as the venue's are
  std::string secret;
};

[[nodiscard]] Party make_party(std::size_t index);
[[nodiscard]] std::vector<Party> make_parties(std::size_t count);

// What every follower can copy: one symbol, at a price that does not move.
inline constexpr char venue_symbol[] = "BTCUSDT";
inline constexpr char symbol[] = "BTC/USDT";
inline constexpr char bid_text[] = "99999.90";
inline constexpr char ask_text[] = "100000.00";

}  // namespace oneclick::bench
