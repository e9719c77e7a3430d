// The commands of the program, one function and one file each: arguments in, exit code out
// (sysexits).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oneclick {

namespace exit_codes {
inline constexpr int fine = 0;
inline constexpr int failure = 1;  // at run time, or a check that did not hold
inline constexpr int usage = 64;
inline constexpr int data = 65;         // damaged
inline constexpr int unavailable = 69;  // a service that is needed
inline constexpr int locked = 75;       // another instance holds the lock
inline constexpr int config = 78;
}  // namespace exit_codes

// "oneclick: message" on stderr; returns the code.
int fail(int exit_code, std::string_view message);
// Prints a line on stdout.
void print_line(std::string_view line);

struct RunArguments {
  std::string config_file;
  std::vector<std::string> overrides;  // "section.key=value"
};
[[nodiscard]] int command_run(const RunArguments& arguments);

struct DemoArguments {
  std::int64_t followers = 1'000;
  std::int64_t seconds = 30;
  std::string json_file;  // empty: none
  bool serve = false;
  std::string database_url;  // empty: a private PostgreSQL
  std::string keep_dir;      // empty: a temporary folder that is removed
};
[[nodiscard]] int command_demo(const DemoArguments& arguments);

struct BooksArguments {
  std::string ledger_file;
  std::string database_url;
};
[[nodiscard]] int command_books(const BooksArguments& arguments);

struct CheckArguments {
  std::string config_file;
  std::vector<std::string> overrides;
  bool connect = false;
  bool print = false;  // the effective configuration
  bool json = false;
};
[[nodiscard]] int command_check(const CheckArguments& arguments);

struct MigrateArguments {
  std::string database_url;
  bool status = false;
  bool json = false;
};
[[nodiscard]] int command_migrate(const MigrateArguments& arguments);

struct PaperArguments {
  std::string config_file;
  bool json = false;
};
[[nodiscard]] int command_paper(const PaperArguments& arguments);

struct KeysArguments {
  enum class Action : std::uint8_t { add, list, revoke } action;
  std::string database_url;
  std::string user;
  std::string name;
  std::vector<std::string> scopes;
  std::string expires;  // YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ; empty: never
  std::string id;       // of revoke
  bool json = false;
};
[[nodiscard]] int command_keys(const KeysArguments& arguments);

struct VaultArguments {
  enum class Action : std::uint8_t { keygen, encrypt, rotate } action;
  std::string database_url;
  std::string master_key_file;
  std::string out;      // of keygen
  std::string key_id;   // of keygen; empty: the day
  std::string account;  // of encrypt: user_exchanges.id
  bool json = false;
};
[[nodiscard]] int command_vault(const VaultArguments& arguments);

struct KillSwitchArguments {
  enum class Action : std::uint8_t { on, off, status } action;
  std::string config_file;  // says where the socket is, unless `socket` does
  std::string socket;
  std::string venue, leader, follower, symbol;  // empty: any
  bool all = false;
  bool json = false;
};
[[nodiscard]] int command_kill_switch(const KillSwitchArguments& arguments);

struct JournalArguments {
  enum class Action : std::uint8_t { verify, dump, replay } action;
  std::string dir;
  std::int64_t shard = -1;  // -1: all
  std::uint64_t from = 1;
  std::uint64_t count = 0;  // 0: to the end
  bool json = false;
};
[[nodiscard]] int command_journal(const JournalArguments& arguments);

struct ShadowArguments {
  std::string journal_dir;
  std::vector<std::string> changes;  // "key=value"
  std::string link, user;            // whose terms change; empty: everyone's
  bool json = false;
};
[[nodiscard]] int command_shadow(const ShadowArguments& arguments);

struct LinksArguments {
  enum class Action : std::uint8_t { list, pause, resume, exits_only, stop, release } action;
  std::string database_url;
  std::vector<std::string> ids;
  std::string user, leader, channel, status;  // empty: any
  bool json = false;
};
[[nodiscard]] int command_links(const LinksArguments& arguments);

struct TailArguments {
  std::string journal_dir;  // or the configuration that says where it is
  std::string config_file;
  std::string user, link, event;  // empty: any
  bool from_start = false;
  bool once = false;        // what is written, and no more
  std::uint64_t count = 0;  // lines; 0: any number
  bool json = false;
};
[[nodiscard]] int command_tail(const TailArguments& arguments);

struct TopArguments {
  std::string config_file;  // says where the daemon listens, unless `url` does
  std::string url;
  std::int64_t interval_ms = 1'000;
  bool once = false;
  bool json = false;
};
[[nodiscard]] int command_top(const TopArguments& arguments);

struct MaintainArguments {
  std::string database_url;
  std::string config_file;             // section [retention]; empty: its defaults
  std::vector<std::string> overrides;  // "retention.key=value"
  std::string master_key_file;         // signs the audit chain; empty: it is only sealed
  std::string erase_user;              // users.id: this and nothing else
  bool dry_run = false;                // only says what would go
  bool verify_audit = false;           // this and nothing else
  std::string audit_anchor;            // file; see AuditReportArguments
  bool json = false;
};
[[nodiscard]] int command_maintain(const MaintainArguments& arguments);

struct ReportArguments {
  std::string database_url;
  std::string user;       // users.id of the follower
  std::string leader;     // users.id; empty: all
  std::string from, to;   // UTC; empty: no limit
  std::string html_file;  // empty: none
  bool json = false;
};
[[nodiscard]] int command_report_copy(const ReportArguments& arguments);

struct SearchIndexArguments {
  std::string database_url;
  std::string url;  // of the server
  std::string ca_file;
  std::string api_key_file;  // at most one of these two
  std::string basic_file;    // user:password
  std::string index_prefix = "oneclick";
  bool once = false;
  bool rebuild = false;
  bool forget = false;
  bool json = false;
};
[[nodiscard]] int command_search_index(const SearchIndexArguments& arguments);

struct NotifyArguments {
  std::string database_url;
  std::string config_file;             // section [notify]; empty: its defaults
  std::vector<std::string> overrides;  // "notify.key=value"
  bool once = false;
  bool retry_dead = false;
  bool forget = false;
  bool json = false;
};
[[nodiscard]] int command_notify(const NotifyArguments& arguments);

}  // namespace oneclick
