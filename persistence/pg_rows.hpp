// Rows in PostgreSQL's binary COPY format, built from the domain's types.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/decimal.hpp"
#include "engine/base/uuid.hpp"

namespace oneclick {

class CopyRows {
 public:
  CopyRows() { clear(); }
  void clear();
  [[nodiscard]] bool empty() const { return rows_ == 0; }
  [[nodiscard]] std::size_t rows() const { return rows_; }
  // The whole stream, trailer included.
  [[nodiscard]] std::string_view finish();

  void begin_row(int fields);
  void null();
  void uuid(const Uuid& value);               // nil becomes NULL
  void text(std::string_view value);          // also varchar and enum labels; made valid UTF-8
  void text_or_null(std::string_view value);  // empty becomes NULL
  void int4(std::int32_t value);
  void int8(std::int64_t value);
  void int8_or_null(std::int64_t value);  // zero becomes NULL
  void boolean(bool value);
  void numeric(Decimal value);
  void numeric_or_null(Decimal value);  // zero becomes NULL
  void time(std::int64_t unix_ns);      // timestamp and timestamptz (UTC), cut to microseconds
  void time_or_null(std::int64_t unix_ns);
  void jsonb(std::string_view json);

 private:
  void bytes(std::string_view value);
  template <typename Swapped>
  void put_bytes(Swapped value);
  void put16(std::uint16_t v);
  void put32(std::uint32_t v);
  void put64(std::uint64_t v);
  std::string data_;
  std::size_t rows_ = 0;
  bool finished_ = false;
};

}  // namespace oneclick
