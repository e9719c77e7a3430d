// What a daemon answers to control questions, read back.
#pragma once

#include <expected>
#include <string>
#include <vector>

namespace oneclick {

struct ControlReply {
  struct Switch {
    std::string venue, leader, follower, symbol;  // empty: any
  };
  std::vector<Switch> kill_switches;  // in force
};
// Error: what the daemon refused, or that the answer is none.
[[nodiscard]] std::expected<ControlReply, std::string> parse_control_reply(const std::string& line);

}  // namespace oneclick
