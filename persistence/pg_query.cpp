#include "persistence/pg_query.hpp"

#include <libpq-fe.h>

#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

struct ResultDeleter {
  void operator()(PGresult* r) const { PQclear(r); }
};
using Result = std::unique_ptr<PGresult, ResultDeleter>;

std::string trimmed(const char* text) {
  std::string out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

bool succeeded(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

void append_copy_value(std::string& out, const std::string& value) {
  for (const char c : value) {
    switch (c) {
      case '\\':
        out += "\\\\";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        out += c;
    }
  }
}

std::string copy_text(const std::vector<PgRow>& rows) {
  std::string out;
  for (const PgRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i != 0) out += '\t';
      if (row[i].has_value()) {
        append_copy_value(out, *row[i]);
      } else {
        out += "\\N";
      }
    }
    out += '\n';
  }
  return out;
}

}  // namespace

struct PgQuery::Impl {
  PGconn* connection;
  explicit Impl(PGconn* c) : connection(c) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { PQfinish(connection); }
  [[nodiscard]] std::string error() const { return trimmed(PQerrorMessage(connection)); }
};

PgQuery::PgQuery(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PgQuery::PgQuery(PgQuery&&) noexcept = default;
PgQuery& PgQuery::operator=(PgQuery&&) noexcept = default;
PgQuery::~PgQuery() = default;

std::expected<PgQuery, std::string> PgQuery::connect(const std::string& database_url) {
  auto impl = std::make_unique<Impl>(PQconnectdb(database_url.c_str()));
  if (PQstatus(impl->connection) != CONNECTION_OK)
    return std::unexpected(without_password(impl->error(), database_url));
  PQsetNoticeProcessor(
      impl->connection, [](void*, const char*) {}, nullptr);
  return PgQuery(std::move(impl));
}

std::expected<std::vector<PgRow>, std::string> PgQuery::rows(
    const std::string& sql, const std::vector<std::optional<std::string>>& parameters) {
  std::vector<const char*> values;
  for (const auto& p : parameters) values.push_back(p.has_value() ? p->c_str() : nullptr);
  const Result result(PQexecParams(impl_->connection, sql.c_str(), static_cast<int>(values.size()),
                                   nullptr, values.data(), nullptr, nullptr, 0));
  if (!succeeded(result.get())) return std::unexpected(trimmed(PQresultErrorMessage(result.get())));
  std::vector<PgRow> out(static_cast<std::size_t>(PQntuples(result.get())));
  const int columns = PQnfields(result.get());
  for (int r = 0; r < PQntuples(result.get()); ++r)
    for (int c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(r)].push_back(
          PQgetisnull(result.get(), r, c) != 0
              ? std::nullopt
              : std::optional<std::string>(PQgetvalue(result.get(), r, c)));
  return out;
}

std::expected<void, std::string> PgQuery::run(const std::string& sql) {
  const Result result(PQexec(impl_->connection, sql.c_str()));
  if (!succeeded(result.get())) return std::unexpected(trimmed(PQresultErrorMessage(result.get())));
  return {};
}

std::expected<void, std::string> PgQuery::copy(const std::string& target,
                                               const std::vector<PgRow>& rows) {
  const Result begun(PQexec(impl_->connection, ("COPY " + target + " FROM STDIN").c_str()));
  if (PQresultStatus(begun.get()) != PGRES_COPY_IN)
    return std::unexpected(trimmed(PQresultErrorMessage(begun.get())));
  const std::string text = copy_text(rows);
  if (PQputCopyData(impl_->connection, text.data(), static_cast<int>(text.size())) != 1 ||
      PQputCopyEnd(impl_->connection, nullptr) != 1)
    return std::unexpected(impl_->error());
  std::string error;
  while (PGresult* const next = PQgetResult(impl_->connection)) {
    const Result result(next);
    if (!succeeded(result.get())) error = trimmed(PQresultErrorMessage(result.get()));
  }
  if (!error.empty()) return std::unexpected(error);
  return {};
}

}  // namespace oneclick
