// Other terms for a copy link, by the names of engine.copy_links' columns and with the loader's own
// checks: for tools that ask what another setting would do. Pure; touches no database.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/domain/link.hpp"

namespace oneclick {

// Column and value as text: "NULL", decimals, words; symbols separated by commas.
using LinkTerm = std::pair<std::string, std::string>;

// Names that may be changed, in the order of the columns.
[[nodiscard]] std::vector<std::string_view> link_term_names();
[[nodiscard]] bool is_link_term(std::string_view name);

// Error: column, value and what is allowed.
[[nodiscard]] std::expected<CopyLink, std::string> with_terms(const CopyLink& link,
                                                              std::span<const LinkTerm> terms);

}  // namespace oneclick
