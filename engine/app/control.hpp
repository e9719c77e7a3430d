// What can be asked of a running daemon over its local socket: one JSON object a line each way.
//   {"op":"kill_switch","on":true,"venue":"binance","leader":"<uuid>","follower":"<uuid>","symbol":"BTC/USDT"}
//   {"op":"kill_switch_status"}
// Absent members match everything. Answers: {"ok":true,...} or {"ok":false,"error":"..."}.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/domain/event.hpp"

namespace oneclick {

struct ControlHandlers {
  std::function<void(const KillSwitch&)> set_kill_switch;
  std::function<std::vector<KillSwitch>()> kill_switches;
};

// Never throws; every line has an answer.
[[nodiscard]] std::string answer_control(const std::string& line, const ControlHandlers& handlers);

}  // namespace oneclick
