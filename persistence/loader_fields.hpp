// One row's columns, read with a check each; the first that does not hold is remembered.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "engine/base/decimal.hpp"
#include "engine/domain/ids.hpp"
#include "engine/domain/venue.hpp"
#include "persistence/loader_rows.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

class RowFields {
 public:
  RowFields(const PgAnswer& answer, int row) : answer_(&answer), row_(row) {}
  // Columns that are no row of the database but are checked as one: texts as it would write them.
  explicit RowFields(std::span<const std::optional<std::string>> texts) : texts_(texts) {}

  [[nodiscard]] bool valid() const { return problem_.empty(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  void refuse(std::string_view column, std::string_view value, std::string_view allowed) {
    if (!problem_.empty()) return;
    constexpr std::size_t shown_max = 80;
    problem_ =
        fmt::format("{}: {}{}; allowed: {}", column, database_text(value.substr(0, shown_max)),
                    value.size() > shown_max ? "..." : "", allowed);
  }

  [[nodiscard]] bool is_null(int column) const {
    return answer_ != nullptr ? answer_->is_null(row_, column) : given(column) == nullptr;
  }
  [[nodiscard]] std::string_view text(int column) const {
    if (answer_ != nullptr) return answer_->text(row_, column);
    return is_null(column) ? std::string_view() : std::string_view(*given(column));
  }
  // The database has whole numbers only in such columns; another text is below whatever is allowed.
  [[nodiscard]] std::int64_t integer(int column) const {
    if (answer_ != nullptr) return answer_->integer(row_, column);
    if (is_null(column)) return 0;
    return whole_number(text(column)).value_or(std::numeric_limits<std::int64_t>::min());
  }
  [[nodiscard]] bool boolean(int column) const {
    return answer_ != nullptr ? answer_->boolean(row_, column) : text(column) == "t";
  }
  // Nil for NULL: the database knows no other text in a uuid column.
  [[nodiscard]] Uuid uuid(int column) const { return uuid_of(text(column)); }

  [[nodiscard]] Uuid required_uuid(int column, std::string_view name) {
    const Uuid id = uuid(column);
    if (id.is_nil()) refuse(name, is_null(column) ? "NULL" : text(column), "a row's id");
    return id;
  }
  // Zero for NULL; negative values and NaN are refused.
  [[nodiscard]] Decimal amount(int column, std::string_view name) {
    if (is_null(column)) return {};
    const auto value = Decimal::parse(text(column));
    if (value && !value->is_negative()) return *value;
    refuse(name, text(column), "a number from 0 on with at most 8 decimals");
    return {};
  }
  [[nodiscard]] Symbol symbol(int column, std::string_view name) {
    return symbol(text(column), name);
  }
  [[nodiscard]] Symbol symbol(std::string_view value, std::string_view name) {
    if (is_symbol(value)) return Symbol::cut(value);
    refuse(name, value, "BASE/QUOTE in capital letters and digits, at most 23 characters");
    return {};
  }
  template <typename Enum>
  [[nodiscard]] Enum word(int column, std::string_view name,
                          std::optional<Enum> (*from_text)(std::string_view), Enum fallback,
                          std::string_view allowed) {
    if (const auto value = from_text(text(column))) return *value;
    refuse(name, is_null(column) ? "NULL" : text(column), allowed);
    return fallback;
  }

 private:
  [[nodiscard]] static bool is_symbol(std::string_view value) {
    if (!Symbol::fits(value) || !split_symbol(value)) return false;
    return std::ranges::all_of(value, [](char c) {
      return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == ':' || c == '-' ||
             c == '_' || c == '.';
    });
  }

  [[nodiscard]] const std::string* given(int column) const {
    const auto at = static_cast<std::size_t>(column);
    return at < texts_.size() && texts_[at] ? &*texts_[at] : nullptr;
  }
  [[nodiscard]] static std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }

  const PgAnswer* const answer_ = nullptr;
  const int row_ = 0;
  const std::span<const std::optional<std::string>> texts_;
  std::string problem_;
};

// A row of the query for copy links. False passes it over.
[[nodiscard]] bool decode_link(RowFields& fields, LoadedLink& out, std::int64_t now_us);

}  // namespace oneclick
