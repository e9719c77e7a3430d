// Kill switches over REST: {"active":true,"venue":"binance","leader_user_id":"<uuid>",
// "follower_user_id":"<uuid>","symbol":"BTC/USDT"}. What is not named is meant wholly. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/ingress/problem.hpp"
#include "engine/domain/event.hpp"

namespace oneclick::ingress {

// `json` has 64 readable bytes behind it.
[[nodiscard]] std::expected<KillSwitch, Problem> decode_kill_switch(std::string_view json);
// {"kill_switches":[...]}: those that are on.
[[nodiscard]] std::string kill_switches_json(const std::vector<KillSwitch>& active);

}  // namespace oneclick::ingress
