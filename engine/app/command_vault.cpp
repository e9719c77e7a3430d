// `oneclick vault`: master keys, and exchange credentials sealed under them. No secret is ever an
// argument: arguments are visible to everyone on the machine.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/credentials.hpp"
#include "engine/app/json_text.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/crypto.hpp"
#include "persistence/pg.hpp"
#include "persistence/pg_query.hpp"

namespace oneclick {

namespace {

constexpr const char* credentials_variable = "ONECLICK_CREDENTIALS";
constexpr std::size_t credentials_bytes_max = 32 * 1024;

std::string today_id() {
  const std::time_t now = wall_now_ns() / 1'000'000'000;
  std::tm day{};
  gmtime_r(&now, &day);
  return fmt::format("k{:04}{:02}{:02}", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
}

bool is_key_id(const std::string& id) {
  return !id.empty() && id.size() <= 16 &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos;
}

// Whole and on disk, or not at all: a key lost after its first use takes every credential with it.
std::string write_new_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return errno == EEXIST ? "exists already and is not overwritten" : std::strerror(errno);
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       fchmod(fd, 0600) == 0 && fsync(fd) == 0;
  const std::string problem = written ? "" : std::strerror(errno);
  close(fd);
  if (!written) unlink(path.c_str());
  return problem;
}

int keygen(const VaultArguments& arguments) {
  MasterKey key{.id = arguments.key_id.empty() ? today_id() : arguments.key_id, .bytes = {}};
  if (!is_key_id(key.id))
    return fail(exit_codes::usage,
                fmt::format("--key-id {}: allowed: 1 to 16 of a-z and 0-9", key.id));
  random_bytes(key.bytes);
  const std::string problem =
      write_new_file(arguments.out, key.id + " " + to_base64(key.bytes) + "\n");
  if (!problem.empty())
    return fail(exit_codes::failure, fmt::format("--out {}: {}", arguments.out, problem));
  print_line(arguments.json ? JsonObject().text("file", arguments.out).text("key_id", key.id).str()
                            : fmt::format("wrote key {} to {}", key.id, arguments.out));
  return exit_codes::fine;
}

// From the environment, else from stdin to its end.
std::expected<std::string, std::string> read_credentials_text() {
  if (const char* const text = std::getenv(credentials_variable)) return std::string(text);
  std::string out(credentials_bytes_max + 1, '\0');
  const std::size_t n = std::fread(out.data(), 1, out.size(), stdin);
  if (n > credentials_bytes_max) return std::unexpected("more than 32 KiB");
  out.resize(n);
  return out;
}

int encrypt(const VaultArguments& arguments, const MasterKey& key) {
  const auto account = Uuid::parse(arguments.account);
  if (!account)
    return fail(
        exit_codes::usage,
        fmt::format("--account {}: allowed: the UUID of a user_exchanges row", arguments.account));
  const auto text = read_credentials_text();
  const auto plain = text ? parse_credentials(*text) : std::unexpected(text.error());
  if (!plain) return fail(exit_codes::data, "credentials: " + plain.error());
  const auto changed = seal_credentials(arguments.database_url, key, {*account}, *plain);
  if (!changed) return fail(exit_codes::failure, "vault encrypt: " + changed.error());
  if (*changed == 0)
    return fail(exit_codes::failure,
                fmt::format("vault encrypt: no user_exchanges row {}", arguments.account));
  print_line(
      arguments.json
          ? JsonObject().text("account", arguments.account).text("key_id", key.id).str()
          : fmt::format("sealed the credentials of {} under key {}", arguments.account, key.id));
  return exit_codes::fine;
}

int rotate(const VaultArguments& arguments, const std::vector<MasterKey>& keys) {
  const auto changed = rewrap_credentials(arguments.database_url, keys);
  if (!changed) return fail(exit_codes::failure, "vault rotate: " + changed.error());
  print_line(arguments.json
                 ? JsonObject().number("rewrapped", *changed).text("key_id", keys.front().id).str()
                 : fmt::format("{} rows are now sealed under key {}", *changed, keys.front().id));
  return exit_codes::fine;
}

}  // namespace

int command_vault(const VaultArguments& arguments) {
  if (arguments.action == VaultArguments::Action::keygen) return keygen(arguments);
  const auto keys = read_master_keys(arguments.master_key_file);
  if (!keys) return fail(exit_codes::config, "--master-key-file: " + keys.error());
  if (const auto connection = PgQuery::connect(arguments.database_url); !connection)
    return fail(exit_codes::unavailable, "database: " + connection.error());
  return arguments.action == VaultArguments::Action::encrypt ? encrypt(arguments, keys->front())
                                                             : rotate(arguments, *keys);
}

}  // namespace oneclick
