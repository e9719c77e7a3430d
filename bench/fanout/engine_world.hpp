// Leaders and their followers as rows of the platform's database.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/domain/ids.hpp"

namespace oneclick::bench {

struct EngineWorld {
  UserId platform;              // owner of the ingress key
  std::vector<UserId> leaders;  // by size of fan-out
};

// Leader i is copied by sizes[i] followers; followers are parties 0, 1, 2, ... in the order of
// leaders.
[[nodiscard]] std::expected<EngineWorld, std::string> write_engine_world(
    const std::string& database_url, const std::vector<std::size_t>& sizes, const MasterKey& key);

}  // namespace oneclick::bench
