// The tables as bytes. Derived tables are left out and built again.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/core/tables.hpp"

namespace oneclick::core {

[[nodiscard]] std::vector<std::byte> write_tables(const Tables& tables);
// The problem, empty when there is none.
[[nodiscard]] std::string read_tables(std::span<const std::byte> bytes, Tables& tables);

}  // namespace oneclick::core
