// The files of schema/migrations as the build embedded them.
#pragma once

#include <string_view>
#include <vector>

namespace oneclick {

struct EmbeddedFile {
  std::string_view name;  // "0001_platform.sql"
  std::string_view text;
};
// Ordered by name.
[[nodiscard]] const std::vector<EmbeddedFile>& embedded_migrations();

}  // namespace oneclick
