// Plain questions to PostgreSQL, one at a time, answers as text: for tools, reports and tests.
// Nothing here is on the order path.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace oneclick {

using PgRow = std::vector<std::optional<std::string>>;  // nullopt: NULL

class PgQuery {
 public:
  // Error: what the server or libpq said, without the URL.
  [[nodiscard]] static std::expected<PgQuery, std::string> connect(const std::string& database_url);
  PgQuery(PgQuery&&) noexcept;
  PgQuery& operator=(PgQuery&&) noexcept;
  ~PgQuery();

  // One statement with text parameters $1, $2, ...
  [[nodiscard]] std::expected<std::vector<PgRow>, std::string> rows(
      const std::string& sql, const std::vector<std::optional<std::string>>& parameters = {});
  // Several statements without parameters, in one implicit transaction.
  [[nodiscard]] std::expected<void, std::string> run(const std::string& sql);
  // COPY table(columns) FROM STDIN in text format: rows are escaped here.
  [[nodiscard]] std::expected<void, std::string> copy(const std::string& target,
                                                      const std::vector<PgRow>& rows);

 private:
  struct Impl;
  explicit PgQuery(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace oneclick
