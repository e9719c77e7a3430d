#include "engine/app/cli.hpp"

#include <functional>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "engine/app/version.hpp"

namespace oneclick {

namespace {

// What the arguments ask for; run after all of them were read.
struct Request {
  std::function<int()> command;
  RunArguments run;
  DemoArguments demo;
  BooksArguments books;
  CheckArguments check;
  MigrateArguments migrate;
  PaperArguments paper;
  KeysArguments keys{};
  VaultArguments vault{};
  KillSwitchArguments kill_switch{};
  JournalArguments journal{};
  ShadowArguments shadow;
  LinksArguments links{};
  TailArguments tail;
  TopArguments top;
  MaintainArguments maintain;
  ReportArguments report;
  SearchIndexArguments search_index;
  NotifyArguments notify;
};

constexpr const char* database_variable = "ONECLICK_DATABASE_URL";

void add_database(CLI::App& app, std::string& url) {
  app.add_option("--database", url,
                 "URL of the database, postgresql://...; better in the environment")
      ->envname(database_variable)
      ->required();
}
void add_json(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "report as JSON");
}
void add_config(CLI::App& app, std::string& file, std::vector<std::string>& overrides) {
  app.add_option("--config", file, "configuration file (TOML; see configs/)")->required();
  app.add_option("--set", overrides,
                 "section.key=value, over file and environment; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
}

void add_run(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand("run", "the daemon; SIGTERM drains and ends, SIGHUP reloads");
  add_config(*app, r.run.config_file, r.run.overrides);
  app->callback([&r] { r.command = [&r] { return command_run(r.run); }; });
}

void add_demo(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "demo",
      "everything on one machine: private PostgreSQL, paper exchange, daemon, followers, a report");
  app->add_option("--followers", r.demo.followers, "how many followers")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app->add_option("--seconds", r.demo.seconds, "how long leader and bot trade")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  app->add_option("--json", r.demo.json_file, "write the report to this file as JSON");
  app->add_flag("--serve", r.demo.serve, "print the addresses and keep running until interrupted");
  app->add_option("--database", r.demo.database_url,
                  "use this database, and leave the rows there, instead of a private one");
  app->add_option("--keep", r.demo.keep_dir, "keep all files of the demo in this folder");
  app->callback([&r] { r.command = [&r] { return command_demo(r.demo); }; });
}

// Not for people: the demo and the tests run it as a process of its own.
void add_books(CLI::App& root, Request& r) {
  CLI::App* app =
      root.add_subcommand("books", "compares an exchange's ledger with the database")->group("");
  app->add_option("--ledger", r.books.ledger_file, "the ledger, JSON")->required();
  add_database(*app, r.books.database_url);
  app->callback([&r] { r.command = [&r] { return command_books(r.books); }; });
}

void add_check(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand("check", "validates a configuration and the files it names");
  add_config(*app, r.check.config_file, r.check.overrides);
  app->add_flag("--connect", r.check.connect, "also ask the database and the exchange");
  app->add_flag("--print", r.check.print,
                "print every key as it now holds, and where it came from");
  add_json(*app, r.check.json);
  app->callback([&r] { r.command = [&r] { return command_check(r.check); }; });
}

void add_migrate(CLI::App& root, Request& r) {
  CLI::App* app =
      root.add_subcommand("migrate", "brings a database to the current schema; restartable");
  add_database(*app, r.migrate.database_url);
  app->add_flag("--status", r.migrate.status,
                "only say what is applied; exit code 1 if something is missing");
  add_json(*app, r.migrate.json);
  app->callback([&r] { r.command = [&r] { return command_migrate(r.migrate); }; });
}

void add_paper(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "paper", "the paper exchange alone, speaking the exchanges' own protocols over TLS");
  app->add_option("--config", r.paper.config_file,
                  "its configuration (configs/paper-exchange.toml)")
      ->required();
  add_json(*app, r.paper.json);
  app->callback([&r] { r.command = [&r] { return command_paper(r.paper); }; });
}

void add_keys(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand("keys", "API keys of those who feed events in");
  app->require_subcommand(1);
  const auto command = [&r](KeysArguments::Action action) {
    return [&r, action] {
      r.keys.action = action;
      r.command = [&r] { return command_keys(r.keys); };
    };
  };
  CLI::App* add = app->add_subcommand("add", "makes a key and prints it, once");
  add_database(*add, r.keys.database_url);
  add->add_option("--user", r.keys.user, "whose key: users.id")->required();
  add->add_option("--name", r.keys.name, "what to call it")->required();
  add->add_option("--scope", r.keys.scopes,
                  "signals:write, trades:write, stream:read or admin; may be repeated")
      ->required()
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"signals:write", "trades:write", "stream:read", "admin"}));
  add->add_option("--expires", r.keys.expires,
                  "YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ; never when absent");
  add_json(*add, r.keys.json);
  add->callback(command(KeysArguments::Action::add));
  CLI::App* list = app->add_subcommand("list", "all keys, without their secrets");
  add_database(*list, r.keys.database_url);
  add_json(*list, r.keys.json);
  list->callback(command(KeysArguments::Action::list));
  CLI::App* revoke =
      app->add_subcommand("revoke", "ends a key; a running daemon knows within a second");
  add_database(*revoke, r.keys.database_url);
  revoke->add_option("id", r.keys.id, "api_keys.id")->required();
  add_json(*revoke, r.keys.json);
  revoke->callback(command(KeysArguments::Action::revoke));
}

void add_master_key(CLI::App& app, std::string& file) {
  app.add_option("--master-key-file", file,
                 "lines \"<id> <base64 of 32 bytes>\"; the first one seals")
      ->envname("ONECLICK_MASTER_KEY_FILE")
      ->required();
}

void add_vault(CLI::App& root, Request& r) {
  CLI::App* app =
      root.add_subcommand("vault", "master keys, and exchange credentials sealed under them");
  app->require_subcommand(1);
  const auto command = [&r](VaultArguments::Action action) {
    return [&r, action] {
      r.vault.action = action;
      r.command = [&r] { return command_vault(r.vault); };
    };
  };
  CLI::App* keygen =
      app->add_subcommand("keygen", "writes a new master key to a new file (mode 0600)");
  keygen->add_option("--out", r.vault.out, "the file; refused if it exists")->required();
  keygen->add_option("--key-id", r.vault.key_id, "1 to 16 of a-z and 0-9; the day when absent");
  add_json(*keygen, r.vault.json);
  keygen->callback(command(VaultArguments::Action::keygen));
  CLI::App* encrypt =
      app->add_subcommand("encrypt",
                          "seals the credentials of one account: JSON "
                          "{\"api_key\",\"api_secret\",\"passphrase\",\"key_type\"} "
                          "on stdin or in ONECLICK_CREDENTIALS");
  add_database(*encrypt, r.vault.database_url);
  add_master_key(*encrypt, r.vault.master_key_file);
  encrypt->add_option("--account", r.vault.account, "user_exchanges.id")->required();
  add_json(*encrypt, r.vault.json);
  encrypt->callback(command(VaultArguments::Action::encrypt));
  CLI::App* rotate =
      app->add_subcommand("rotate", "seals everything anew under the first key of the key file");
  add_database(*rotate, r.vault.database_url);
  add_master_key(*rotate, r.vault.master_key_file);
  add_json(*rotate, r.vault.json);
  rotate->callback(command(VaultArguments::Action::rotate));
}

void add_maintain(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand("maintain", "what the database needs from time to time");
  add_database(*app, r.maintain.database_url);
  CLI::Option* config = app->add_option("--config", r.maintain.config_file,
                                        "its section [retention] says what is kept how long");
  CLI::Option* set = app->add_option("--set", r.maintain.overrides,
                                     "retention.key=value, over file and environment; may be "
                                     "repeated")
                         ->take_all()
                         ->allow_extra_args(false);
  CLI::Option* dry =
      app->add_flag("--dry-run", r.maintain.dry_run, "says what would go, and changes nothing");
  app->add_option("--master-key-file", r.maintain.master_key_file,
                  "signs the audit chain, and shows that signatures of it hold")
      ->envname("ONECLICK_MASTER_KEY_FILE");
  CLI::Option* verify = app->add_flag(
      "--verify-audit", r.maintain.verify_audit,
      "only checks that audit rows are those that were written; 1 when one was removed, altered, "
      "inserted or re-ordered");
  verify->excludes(config)->excludes(set)->excludes(dry);
  app->add_option("--erase-user", r.maintain.erase_user,
                  "users.id of a person who asked for it: what the law says must stay becomes "
                  "pseudonymous, everything else about the person goes")
      ->excludes(verify)
      ->excludes(config)
      ->excludes(set);
  app->add_option("--audit-anchor", r.maintain.audit_anchor,
                  "file outside the database with the chain's last known end: compared with, then "
                  "written anew when everything holds")
      ->needs(verify);
  add_json(*app, r.maintain.json);
  app->callback([&r] { r.command = [&r] { return command_maintain(r.maintain); }; });
}

void add_report(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand("report", "what copying came to");
  app->require_subcommand(1);
  CLI::App* copy = app->add_subcommand(
      "copy", "what copying cost a follower against the leader's prices, part by part");
  ReportArguments& a = r.report;
  add_database(*copy, a.database_url);
  copy->add_option("--user", a.user, "users.id of the follower")->required();
  copy->add_option("--from", a.from,
                   "events accepted from then on, UTC: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ");
  copy->add_option("--to", a.to, "events accepted before then");
  copy->add_option("--leader", a.leader, "users.id: copies of this leader only");
  copy->add_option("--html", a.html_file, "write a page with plots to this file");
  add_json(*copy, a.json);
  copy->callback([&r] { r.command = [&r] { return command_report_copy(r.report); }; });
}

void add_search_index(CLI::App& root, Request& r) {
  CLI::App* app =
      root.add_subcommand("search-index", "tells an Elasticsearch server what can be searched");
  SearchIndexArguments& a = r.search_index;
  add_database(*app, a.database_url);
  CLI::Option* url = app->add_option("--url", a.url, "of the server, http://host:9200 or https://")
                         ->envname("ONECLICK_SEARCH_URL");
  app->add_option("--ca-file", a.ca_file, "PEM, instead of the system's certificates");
  CLI::Option* key =
      app->add_option("--api-key-file", a.api_key_file, "its first line is an encoded API key");
  app->add_option("--basic-file", a.basic_file, "its first line is user:password")->excludes(key);
  app->add_option("--index-prefix", a.index_prefix,
                  "indices are PREFIX-users, -channels, -posts, -signals");
  CLI::Option* once = app->add_flag("--once", a.once, "ends when everything is told");
  CLI::Option* rebuild = app->add_flag("--rebuild", a.rebuild, "tells everything again");
  app->add_flag("--forget", a.forget, "changes are not noted any more; tells nothing")
      ->excludes(url)
      ->excludes(once)
      ->excludes(rebuild);
  add_json(*app, a.json);
  app->callback([&r] { r.command = [&r] { return command_search_index(r.search_index); }; });
}

void add_notify(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "notify", "posts notifications to the services that send e-mail, push and text messages");
  NotifyArguments& a = r.notify;
  add_database(*app, a.database_url);
  app->add_option("--config", a.config_file, "its section [notify] says where and how");
  app->add_option("--set", a.overrides,
                  "notify.key=value, over file and environment; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  CLI::Option* once =
      app->add_flag("--once", a.once, "ends when nothing is due now; 1 when something waits");
  CLI::Option* retry = app->add_flag("--retry-dead", a.retry_dead,
                                     "queues dead letters again, beside a running notify too");
  app->add_flag("--forget", a.forget, "notifications are not queued any more; sends nothing")
      ->excludes(once)
      ->excludes(retry);
  retry->excludes(once);
  add_json(*app, a.json);
  app->callback([&r] { r.command = [&r] { return command_notify(r.notify); }; });
}

void add_kill_switch(CLI::App& root, Request& r) {
  CLI::App* app =
      root.add_subcommand("kill-switch", "stops and allows entries of a running daemon");
  app->require_subcommand(1);
  using Action = KillSwitchArguments::Action;
  const std::tuple<const char*, const char*, Action> actions[] = {
      {"on", "no entries that match; exits go on", Action::on},
      {"off", "releases the switch with the same filters; with --all every switch", Action::off},
      {"status", "the switches in force", Action::status}};
  for (const auto& [name, what, action] : actions) {
    CLI::App* one = app->add_subcommand(name, what);
    auto& k = r.kill_switch;
    one->add_option("--config", k.config_file,
                    "the daemon's configuration: says where its socket is");
    one->add_option("--socket", k.socket, "the socket itself (engine.control_socket)");
    add_json(*one, k.json);
    one->callback([&r, action = action] {
      r.kill_switch.action = action;
      r.command = [&r] { return command_kill_switch(r.kill_switch); };
    });
    if (action == Action::status) continue;
    one->add_flag("--all", k.all, "everything");
    one->add_option("--venue", k.venue, "binance")->check(CLI::IsMember({"binance"}));
    one->add_option("--leader", k.leader, "users.id of a leader");
    one->add_option("--follower", k.follower, "users.id of a follower");
    one->add_option("--symbol", k.symbol, "BASE/QUOTE");
  }
}

void add_journal(CLI::App& root, Request& r) {
  CLI::App* app =
      root.add_subcommand("journal", "checks, prints and replays a journal; changes nothing");
  app->require_subcommand(1);
  using Action = JournalArguments::Action;
  const std::tuple<const char*, const char*, Action> actions[] = {
      {"verify", "reads everything, checks every frame", Action::verify},
      {"dump", "prints entries, one a line", Action::dump},
      {"replay", "runs the core over it, compares what it derives, prints the state's hash",
       Action::replay}};
  for (const auto& [name, what, action] : actions) {
    CLI::App* one = app->add_subcommand(name, what);
    auto& j = r.journal;
    one->add_option("dir", j.dir, "the journal's folder (engine.data_dir)")->required();
    one->add_option("--shard", j.shard, "only this shard")->check(CLI::Range(0, 63));
    add_json(*one, j.json);
    one->callback([&r, action = action] {
      r.journal.action = action;
      r.command = [&r] { return command_journal(r.journal); };
    });
    if (action != Action::dump) continue;
    one->add_option("--from", j.from, "first position")
        ->check(CLI::Range(std::uint64_t{1}, ~std::uint64_t{0}))
        ->capture_default_str();
    one->add_option("--count", j.count, "how many entries; 0: to the end")->capture_default_str();
  }
}

void add_links(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "links",
      "copy links, and what holds some of them back; a running daemon follows in a second");
  app->require_subcommand(1);
  using Action = LinksArguments::Action;
  const std::tuple<const char*, const char*, Action> actions[] = {
      {"list", "all, or those that match", Action::list},
      {"pause", "no entries; what is held is still sold when the leader sells", Action::pause},
      {"resume", "copies again", Action::resume},
      {"exits-only", "only sells, until nothing is held", Action::exits_only},
      {"stop", "copies nothing any more, sales neither", Action::stop},
      {"release", "lifts a quarantine, and what a drawdown has halted", Action::release}};
  for (const auto& [name, what, action] : actions) {
    CLI::App* one = app->add_subcommand(name, what);
    LinksArguments& a = r.links;
    add_database(*one, a.database_url);
    one->add_option("id", a.ids, "engine.copy_links.id; may be repeated");
    one->add_option("--user", a.user, "users.id of a follower");
    one->add_option("--leader", a.leader, "users.id of a leader");
    one->add_option("--channel", a.channel, "premium_channels.id");
    one->add_option("--status", a.status, "active, paused, exits_only, stopped or quarantined");
    add_json(*one, a.json);
    one->callback([&r, action = action] {
      r.links.action = action;
      r.command = [&r] { return command_links(r.links); };
    });
  }
}

void add_shadow(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "shadow", "what another setting would have done, by a journal; changes nothing");
  ShadowArguments& a = r.shadow;
  app->add_option("--journal", a.journal_dir,
                  "the journal's folder (engine.data_dir), also of a running daemon")
      ->required();
  app->add_option("--set", a.changes,
                  "key=value: a column of engine.copy_links (copy_percentage=50; NULL for none; "
                  "symbols separated by commas), or a setting of the engine (taker_fee_bps=20); "
                  "may be repeated")
      ->required()
      ->take_all()
      ->allow_extra_args(false);
  app->add_option("--link", a.link, "engine.copy_links.id: only this link's terms change");
  app->add_option("--user", a.user, "users.id of a follower: only this user's links change");
  add_json(*app, a.json);
  app->callback([&r] { r.command = [&r] { return command_shadow(r.shadow); }; });
}

void add_tail(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "tail", "leader events, outcomes, orders and fills as a daemon journals them");
  TailArguments& a = r.tail;
  app->add_option("--journal", a.journal_dir, "the journal's folder (engine.data_dir)");
  app->add_option("--config", a.config_file, "the daemon's configuration: says where that is");
  app->add_option("--user", a.user, "users.id: a follower, or the leader of an event");
  app->add_option("--link", a.link, "engine.copy_links.id");
  app->add_option("--event", a.event, "engine.leader_events.id");
  app->add_flag("--from-start", a.from_start, "all that is kept first");
  app->add_flag("--once", a.once, "all that is kept, and nothing that comes after");
  app->add_option("--count", a.count, "ends after so many lines")->capture_default_str();
  app->add_flag("--json", a.json, "one JSON object a line");
  app->callback([&r] { r.command = [&r] { return command_tail(r.tail); }; });
}

void add_top(CLI::App& root, Request& r) {
  CLI::App* app = root.add_subcommand(
      "top", "rates, outcomes, latencies, queues and sessions of a running daemon, live");
  TopArguments& a = r.top;
  app->add_option("--config", a.config_file,
                  "the daemon's configuration: says where it listens (operations.listen)");
  app->add_option("--url", a.url, "its operations listener, http://127.0.0.1:9464");
  app->add_option("--interval", a.interval_ms, "milliseconds between two looks")
      ->check(CLI::Range(100, 3'600'000))
      ->capture_default_str();
  app->add_flag("--once", a.once, "two looks one interval apart, and what they show");
  app->add_flag("--json", a.json, "one JSON object a look");
  app->callback([&r] { r.command = [&r] { return command_top(r.top); }; });
}

void print_version(bool json) {
  if (json) {
    print_line(JsonObject()
                   .text("name", "oneclick")
                   .text("version", version())
                   .text("commit", commit())
                   .str());
  } else {
    print_line(commit().empty() ? fmt::format("oneclick {}", version())
                                : fmt::format("oneclick {} ({})", version(), commit()));
  }
}

void add_commands(CLI::App& root, Request& r) {
  add_run(root, r);
  add_demo(root, r);
  add_check(root, r);
  add_migrate(root, r);
  add_paper(root, r);
  add_keys(root, r);
  add_vault(root, r);
  add_maintain(root, r);
  add_report(root, r);
  add_search_index(root, r);
  add_notify(root, r);
  add_links(root, r);
  add_kill_switch(root, r);
  add_journal(root, r);
  add_shadow(root, r);
  add_top(root, r);
  add_tail(root, r);
  add_books(root, r);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CLI::App root("OneClick, the execution engine of a copy-trading platform", "oneclick");
  bool show_version = false, version_json = false;
  root.add_flag("--version", show_version, "version and commit of this build");
  root.add_flag("--json", version_json, "with --version: as JSON");
  root.require_subcommand(0, 1);
  root.footer(
      "oneclick COMMAND --help says more. Exit codes: 0 fine, 1 failed, 64 usage, 65 damaged "
      "data,\n"
      "69 a needed service is unavailable, 75 another instance holds the lock, 78 configuration.");
  Request request;
  add_commands(root, request);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return root.exit(e);
    return fail(exit_codes::usage,
                fmt::format("{} (oneclick --help says what is allowed)", e.what()));
  }
  if (show_version) {
    print_version(version_json);
    return exit_codes::fine;
  }
  if (!request.command)
    return fail(exit_codes::usage,
                "a command is needed: run, demo, check, migrate, maintain, report, search-index, "
                "paper, keys, "
                "vault, links, kill-switch, journal, shadow, top or tail (oneclick --help)");
  return request.command();
}

}  // namespace oneclick
