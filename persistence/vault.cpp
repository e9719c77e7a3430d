// Exchange credentials at rest: sealed column by column, each bound to its table, column and row.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>

#include <fmt/format.h>
#include <pqxx/pqxx>

#include "engine/base/log.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_text.hpp"

namespace oneclick {

namespace {

constexpr std::array<std::string_view, 3> sealed_columns = {"api_key", "api_secret", "passphrase"};
constexpr std::size_t rewrap_batch_rows = 200;
constexpr std::size_t key_file_bytes_max = 64 * 1024;

bool is_key_id(std::string_view id) {
  return !id.empty() && id.size() <= 16 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

std::expected<MasterKey, std::string> parse_key_line(std::string_view line) {
  const auto space = line.find(' ');
  if (space == std::string_view::npos) return std::unexpected("expected \"<id> <base64>\"");
  MasterKey key{.id = std::string(line.substr(0, space)), .bytes = {}};
  if (!is_key_id(key.id)) return std::unexpected("the id must be 1 to 16 of a-z and 0-9");
  auto bytes = from_base64(line.substr(space + 1));
  if (!bytes) return std::unexpected("the key is not base64");
  if (bytes->size() != key.bytes.size())
    return std::unexpected(fmt::format("the key has {} bytes; allowed: 32", bytes->size()));
  std::ranges::copy(*bytes, key.bytes.begin());
  std::ranges::fill(*bytes, std::uint8_t{0});
  return key;
}

struct SealedRow {
  std::string id;
  std::array<std::optional<std::string>, 3> values;
};

bool is_sealed_with(std::string_view sealed, std::string_view key_id) {
  return sealed.starts_with(fmt::format("v1.{}.", key_id));
}

std::vector<SealedRow> rows_under_other_keys(pqxx::work& work, const MasterKey& first,
                                             const std::string& after) {
  const std::string other = fmt::format("v1.{}.%", first.id);
  const auto found = work.exec_params(
      "SELECT id, api_key, api_secret, passphrase FROM public.user_exchanges WHERE id > $3::uuid"
      " AND (api_key NOT LIKE $1 OR api_secret NOT LIKE $1 OR passphrase NOT LIKE $1)"
      " ORDER BY id LIMIT $2 FOR UPDATE",
      other, rewrap_batch_rows, after);
  std::vector<SealedRow> rows;
  for (const auto& row : found) {
    SealedRow r{.id = row[0].c_str(), .values = {}};
    for (int i = 0; i < 3; ++i)
      if (!row[i + 1].is_null()) r.values[static_cast<std::size_t>(i)] = row[i + 1].c_str();
    rows.push_back(std::move(r));
  }
  return rows;
}

// True when something was sealed anew; what does not open stays as it is and is told.
bool rewrap(SealedRow& row, std::span<const MasterKey> keys) {
  const AccountId id{Uuid::parse(row.id).value_or(Uuid{})};
  bool changed = false;
  for (std::size_t i = 0; i < sealed_columns.size(); ++i) {
    auto& value = row.values[i];
    if (!value || value->empty() || is_sealed_with(*value, keys[0].id)) continue;
    const std::string aad = credential_aad(sealed_columns[i], id);
    const auto plain = open_sealed(keys, aad, *value);
    if (!plain) {
      log_warning("a credential does not open and was left as it is",
                  {{"row", row.id}, {"column", sealed_columns[i]}, {"problem", plain.error()}});
      continue;
    }
    value = seal(keys[0], aad, plain->view());
    changed = true;
  }
  return changed;
}

void store(pqxx::work& work, const SealedRow& row) {
  work.exec_params(
      "UPDATE public.user_exchanges SET api_key = $2, api_secret = $3, passphrase = $4,"
      " updated_at = now() AT TIME ZONE 'UTC' WHERE id = $1::uuid",
      row.id, row.values[0], row.values[1], row.values[2]);
}

}  // namespace

std::string credential_aad(std::string_view column, AccountId account) {
  return fmt::format("user_exchanges|{}|{}", column, account.to_text());
}

// After owner and mode were checked on the open descriptor.
std::expected<std::string, std::string> read_private_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::unexpected(fmt::format("{}: {}", path.string(), std::strerror(errno)));
  struct stat info {};
  std::string text;
  std::string problem;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    problem = "is not a regular file";
  else if ((info.st_mode & 077) != 0)
    problem = fmt::format("has mode {:04o}; allowed: 0600 (nobody but its owner may read it)",
                          info.st_mode & 07777);
  else if (static_cast<std::size_t>(info.st_size) > key_file_bytes_max)
    problem = "is larger than 64 KiB";
  if (problem.empty()) {
    text.resize(static_cast<std::size_t>(info.st_size));
    std::size_t at = 0;
    while (at < text.size()) {
      const ssize_t n = ::read(fd, text.data() + at, text.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    text.resize(at);
  }
  ::close(fd);
  if (!problem.empty()) return std::unexpected(fmt::format("{} {}", path.string(), problem));
  return text;
}

std::expected<std::vector<MasterKey>, std::string> read_master_keys(
    const std::filesystem::path& path) {
  const auto text = read_private_file(path);
  if (!text) return std::unexpected(text.error());
  std::vector<MasterKey> keys;
  std::istringstream lines(*text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    auto key = parse_key_line(line);
    if (!key) return std::unexpected(fmt::format("{}:{}: {}", path.string(), number, key.error()));
    if (std::ranges::find(keys, key->id, &MasterKey::id) != keys.end())
      return std::unexpected(
          fmt::format("{}:{}: key id {} is there twice", path.string(), number, key->id));
    keys.push_back(std::move(*key));
  }
  if (keys.empty())
    return std::unexpected(fmt::format(
        "{} holds no key; expected lines \"<id> <base64 of 32 bytes>\"", path.string()));
  return keys;
}

std::expected<int, std::string> seal_credentials(const std::string& database_url,
                                                 const MasterKey& key, AccountId account,
                                                 const Credentials& plain) try {
  pqxx::connection connection(database_url);
  pqxx::work work(connection);
  std::optional<std::string> passphrase;
  if (!plain.passphrase.empty())
    passphrase = seal(key, credential_aad("passphrase", account), plain.passphrase.view());
  const SealedRow row{
      .id = account.to_text(),
      .values = {seal(key, credential_aad("api_key", account), plain.api_key),
                 seal(key, credential_aad("api_secret", account), plain.secret.view()),
                 passphrase}};
  const auto there = work.exec_params(
      "SELECT 1 FROM public.user_exchanges WHERE id = $1::uuid FOR UPDATE", row.id);
  if (there.empty()) return std::unexpected(fmt::format("user_exchanges has no row {}", row.id));
  store(work, row);
  work.commit();
  return 1;
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

std::expected<int, std::string> rewrap_credentials(const std::string& database_url,
                                                   std::span<const MasterKey> keys) try {
  if (keys.empty()) return std::unexpected("no master key given");
  pqxx::connection connection(database_url);
  {  // the credentials stay what they are: no news for the running daemon
    pqxx::nontransaction quiet(connection);
    quiet.exec("SET oneclick.writer = 'engine'");
  }
  int changed = 0;
  std::string after = Uuid{}.to_text();
  for (;;) {  // short transactions: the daemon goes on reading and trading meanwhile
    pqxx::work work(connection);
    std::vector<SealedRow> rows = rows_under_other_keys(work, keys[0], after);
    for (SealedRow& row : rows) {
      if (!rewrap(row, keys)) continue;
      store(work, row);
      ++changed;
    }
    work.commit();
    if (rows.size() < rewrap_batch_rows) return changed;
    after = rows.back().id;
  }
} catch (const std::exception& e) {
  return std::unexpected(without_password(e.what(), database_url));
}

}  // namespace oneclick
