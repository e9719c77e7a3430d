// Ingress API keys: made, listed, revoked. The secret is shown once; the database has its hash.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <pqxx/pqxx>

#include "persistence/loader_rows.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

constexpr std::size_t secret_bytes = 32;

std::expected<std::string, std::string> scopes_json(const std::vector<std::string>& scopes) {
  if (scopes.empty())
    return std::unexpected(
        "no scope given; allowed: signals:write, trades:write, stream:read, admin");
  std::string json;
  for (const std::string& scope : scopes) {
    if (!api_scope_from_text(scope))
      return std::unexpected(fmt::format(
          "scope: {}; allowed: signals:write, trades:write, stream:read, admin", scope));
    json += fmt::format("{}\"{}\"", json.empty() ? "" : ",", scope);
  }
  return "[" + json + "]";
}

// UUIDv4 from the system's random numbers.
Uuid random_uuid() {
  std::array<std::uint8_t, 16> bytes;
  random_bytes(bytes);
  Uuid id = Uuid::from_bytes(bytes.data());
  id.high = (id.high & ~0xf000ULL) | 0x4000;
  id.low = (id.low & 0x3fff'ffff'ffff'ffffULL) | 0x8000'0000'0000'0000ULL;
  return id;
}

}  // namespace

std::expected<NewApiKey, std::string> add_api_key(const std::string& database_url, UserId user,
                                                  std::string_view name,
                                                  const std::vector<std::string>& scopes,
                                                  std::optional<std::int64_t> expires_unix_s) try {
  const auto permissions = scopes_json(scopes);
  if (!permissions) return std::unexpected(permissions.error());
  if (name.empty()) return std::unexpected("the key needs a name");
  std::array<std::uint8_t, secret_bytes> bytes;
  random_bytes(bytes);
  const std::string secret = to_hex(bytes);
  const NewApiKey key{.id = ApiKeyId{random_uuid()}, .token = {}};
  pqxx::connection connection(database_url);
  pqxx::work work(connection);
  const auto there =
      work.exec_params("SELECT 1 FROM public.users WHERE id = $1::uuid", user.to_text());
  if (there.empty()) return std::unexpected(fmt::format("users has no row {}", user.to_text()));
  work.exec_params(
      "INSERT INTO public.api_keys (id, user_id, name, key_hash, permissions, expires_at)"
      " VALUES ($1::uuid, $2::uuid, $3, $4, $5::jsonb,"
      " to_timestamp($6::double precision) AT TIME ZONE 'UTC')",
      key.id.to_text(), user.to_text(), std::string(name), to_hex(sha256(secret)), *permissions,
      expires_unix_s);
  work.commit();
  return NewApiKey{.id = key.id, .token = fmt::format("oc_{}_{}", key.id.to_text(), secret)};
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

std::expected<std::vector<ApiKeyRow>, std::string> list_api_keys(
    const std::string& database_url) try {
  pqxx::connection connection(database_url);
  pqxx::read_transaction work(connection);
  std::vector<ApiKeyRow> rows;
  for (const auto& r :
       work.exec("SELECT id, user_id, name, permissions, created_at, expires_at, last_used_at"
                 " FROM public.api_keys ORDER BY created_at, id")) {
    const auto text = [&](int column) { return std::string(r[column].c_str()); };
    rows.push_back({.id = text(0),
                    .user_id = text(1),
                    .name = text(2),
                    .permissions = text(3),
                    .created_at = text(4),
                    .expires_at = text(5),
                    .last_used_at = text(6)});
  }
  return rows;
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

std::expected<bool, std::string> revoke_api_key(const std::string& database_url, ApiKeyId id) try {
  pqxx::connection connection(database_url);
  pqxx::work work(connection);
  const auto gone =
      work.exec_params("DELETE FROM public.api_keys WHERE id = $1::uuid", id.to_text());
  work.commit();
  return gone.affected_rows() == 1;
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

}  // namespace oneclick
