// The files of schema/migrations as the build embedded them.
#pragma once

#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "persistence/pg.hpp"

namespace oneclick {

struct EmbeddedFile {
  std::string_view name;  // "0001_platform.sql"
  std::string_view text;
};
// Ordered by name.
[[nodiscard]] const std::vector<EmbeddedFile>& embedded_migrations();

// migrate() to the last of `known` instead of to the last of all: how a database of an earlier
// version is made.
[[nodiscard]] std::expected<int, std::string> migrate_to(
    const std::string& database_url, std::span<const Migration> known,
    const std::function<void(const Migration&)>& on_step);

}  // namespace oneclick
