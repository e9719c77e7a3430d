// The loader's thread: one whole snapshot whenever it connects, then the change log.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "persistence/link_chains.hpp"
#include "persistence/loader_changes.hpp"
#include "persistence/loader_rows.hpp"
#include "persistence/loader_signals.hpp"
#include "persistence/pg.hpp"

namespace oneclick {

namespace {

using Parameters = std::vector<std::optional<std::string>>;

constexpr std::int64_t poll_ns = 250'000'000;  // also without a notification
constexpr std::int64_t retry_ns = 10'000'000;  // a full queue is asked again
constexpr std::int64_t backoff_ns_min = 50'000'000;
constexpr std::int64_t backoff_ns_max = 1'000'000'000;
// A connection that was open this long earns a quick first retry again.
constexpr std::int64_t stable_ns = 10'000'000'000;

Ids ids_of(const std::set<std::string>& set) {
  return {set.begin(), set.end()};
}

struct UuidHash {
  std::size_t operator()(const Uuid& u) const { return hash_of(u); }
};
using Told = std::unordered_set<Uuid, UuidHash>;

bool same_scope(const KillSwitch& a, const KillSwitch& b) {
  return a.venue == b.venue && a.leader == b.leader && a.follower == b.follower &&
         a.symbol == b.symbol;
}

std::int64_t wall_us() {
  return wall_now_ns() / 1'000;
}

class Loader final : public PgLoader {
 public:
  Loader(PgLoaderOptions options, ChangeSink& changes, Metrics& metrics);
  ~Loader() override;
  [[nodiscard]] bool loaded() const override { return loaded_.load(); }
  [[nodiscard]] bool connected() const override { return connected_.load(); }
  void set_master_keys(std::vector<MasterKey> keys) override {
    {
      const std::lock_guard hold(keys_mutex_);
      master_keys_ = std::move(keys);
    }
    keys_changed_ = true;
    stop_.nudge();
  }

 private:
  using Done = std::expected<void, PgError>;
  void run();
  [[nodiscard]] Done work();  // until the connection is lost or we stop
  [[nodiscard]] Done make_default_portfolios(const LinkFilter* only);
  [[nodiscard]] Done take_snapshot();
  [[nodiscard]] Done follow_once();
  [[nodiscard]] Done apply(const ChangeSet& set);
  [[nodiscard]] Done apply_switches(const Ids& ids);
  [[nodiscard]] Done apply_releases(const Ids& links);
  [[nodiscard]] Done apply_limits(const Ids& keys);
  [[nodiscard]] Done apply_accounts(const Ids& ids);
  [[nodiscard]] Done apply_feeds(const Ids& ids);
  [[nodiscard]] Done apply_channels(const Ids& ids);
  [[nodiscard]] Done apply_symbol_map();
  [[nodiscard]] Done apply_links(const ChangeSet& set);
  [[nodiscard]] Done apply_keys(const Ids& ids, const Ids& users);
  [[nodiscard]] Done apply_signals(const SignalChanges& signals);
  [[nodiscard]] Done apply_ended_subscriptions();
  // False: its chain cannot be, and is added to what is refused.
  bool tell_link(const LoadedLink& loaded, std::vector<InvalidRow>& refused);
  [[nodiscard]] Done apply_freed_chains();
  [[nodiscard]] Done tell_invalid(const std::vector<InvalidRow>& rows);
  [[nodiscard]] Done report_sealed(const InvalidRow& row);
  // Of the rows asked for, those that were told once and are not among what was found.
  template <typename Remove>
  void remove_missing(Told& told, const Ids& asked, const Told& found, Remove remove);

  [[nodiscard]] std::vector<MasterKey> master_keys() {
    const std::lock_guard hold(keys_mutex_);
    return master_keys_;
  }
  // False: it was told just so before.
  [[nodiscard]] bool is_new(const LoadedAccount& loaded);

  const std::string database_url_;
  std::vector<MasterKey> master_keys_;  // under keys_mutex_
  ChangeSink& changes_;
  Gauge& up_;
  Counter& changes_total_;
  Counter& invalid_total_;
  const EngineClock clock_;

  StopSignal stop_;
  std::unique_ptr<PgConnection> connection_;
  ChangeFollower follower_;
  bool start_over_ = false;
  LinkChains chains_;
  Told accounts_, links_, feeds_, keys_, channels_;
  std::unordered_map<Uuid, Digest, UuidHash> account_digests_;
  std::map<Uuid, KillSwitch> switches_;
  std::vector<SymbolMapping> symbol_map_;
  std::multimap<std::int64_t, Uuid> ends_us_;  // when a link's subscription ends by itself
  std::unordered_set<std::string> sealed_reported_;
  std::string last_problem_;

  std::mutex keys_mutex_;
  std::atomic<bool> keys_changed_{false};
  std::atomic<bool> loaded_{false};
  std::atomic<bool> connected_{false};
  std::thread thread_;
};

Loader::Loader(PgLoaderOptions options, ChangeSink& changes, Metrics& metrics)
    : database_url_(std::move(options.database_url)),
      master_keys_(std::move(options.master_keys)),
      changes_(changes),
      up_(metrics.gauge("loader_up", "1 while changes in the database are followed")),
      changes_total_(metrics.counter("loader_changes_total", "Change log rows that took effect")),
      invalid_total_(metrics.counter("loader_invalid_rows_total", "Rows that were left out")),
      thread_([this] { run(); }) {}

Loader::~Loader() {
  stop_.give();
  thread_.join();
}

void Loader::run() {
  std::int64_t backoff = backoff_ns_min;
  while (!stop_.given()) {
    const std::int64_t begun = steady_now_ns();
    const Done ended = work();
    connected_ = false;
    up_.set(0);
    connection_.reset();
    if (stop_.given()) return;
    if (!ended && ended.error().message != last_problem_) {
      last_problem_ = ended.error().message;
      log_error("loader cannot read the database; what it told so far stays in force",
                {{"problem", last_problem_}});
    }
    if (steady_now_ns() - begun > stable_ns) backoff = backoff_ns_min;
    stop_.wait(backoff);
    backoff = std::min(backoff * 2, backoff_ns_max);
  }
}

Loader::Done Loader::work() {
  auto opened = PgConnection::open(database_url_, {.application_name = "oneclick loader"}, stop_);
  if (!opened) return std::unexpected(opened.error());
  connection_ = std::move(*opened);
  if (auto listening = connection_->run("LISTEN oneclick_changes"); !listening)
    return std::unexpected(listening.error());
  if (auto ready = follower_.open(*connection_); !ready) return ready;
  start_over_ = true;
  while (!stop_.given()) {
    if (keys_changed_.exchange(false)) start_over_ = true;
    if (start_over_) {
      if (auto told = take_snapshot(); !told) return told;
      start_over_ = false;
      loaded_ = true;
      connected_ = true;
      up_.set(1);
      if (!last_problem_.empty()) log_info("loader goes on");
      last_problem_.clear();
    }
    if (auto followed = follow_once(); !followed) return followed;
    if (auto notified = connection_->wait_notified(poll_ns); !notified)
      return std::unexpected(notified.error());
  }
  return {};
}

// A link without a portfolio books into its follower's default one.
Loader::Done Loader::make_default_portfolios(const LinkFilter* only) {
  std::string sql =
      "INSERT INTO public.portfolios (user_id, name, is_default)"
      " SELECT DISTINCT l.follower_user_id, 'Default', true FROM engine.copy_links l"
      " WHERE l.portfolio_id IS NULL AND NOT EXISTS (SELECT FROM public.portfolios p"
      " WHERE p.user_id = l.follower_user_id AND p.is_default)";
  Parameters parameters;
  if (only != nullptr) {
    sql += " AND (l.id = ANY($1::uuid[]) OR l.follower_user_id = ANY($2::uuid[]))";
    parameters = {uuid_array(only->ids), uuid_array(only->users)};
  }
  const auto made = connection_->run(sql, parameters);
  if (!made) return std::unexpected(made.error());
  return {};
}

Loader::Done Loader::take_snapshot() {
  if (auto made = make_default_portfolios(nullptr); !made) return made;
  const auto begun = connection_->run(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
      " SELECT pg_snapshot_xmin(pg_current_snapshot())");
  if (!begun) return std::unexpected(begun.error());
  const std::string xmin(begun->text(0, 0));
  const auto switches = read_switches(*connection_, nullptr);
  if (!switches) return std::unexpected(switches.error());
  const auto limits = read_limits(*connection_, nullptr);
  if (!limits) return std::unexpected(limits.error());
  const auto accounts = read_accounts(*connection_, master_keys(), nullptr);
  if (!accounts) return std::unexpected(accounts.error());
  const auto feeds = read_feeds(*connection_, nullptr);
  if (!feeds) return std::unexpected(feeds.error());
  const auto channels = read_channels(*connection_, nullptr);
  if (!channels) return std::unexpected(channels.error());
  const auto links = read_links(*connection_, wall_us(), nullptr);
  if (!links) return std::unexpected(links.error());
  const auto releases = read_releases(*connection_, nullptr);
  if (!releases) return std::unexpected(releases.error());
  const auto keys = read_api_keys(*connection_, nullptr, nullptr);
  if (!keys) return std::unexpected(keys.error());
  const auto symbols = read_symbol_map(*connection_);
  if (!symbols) return std::unexpected(symbols.error());
  if (auto ended = connection_->run("COMMIT"); !ended) return std::unexpected(ended.error());
  follower_.skip_state_below(std::strtoull(xmin.c_str(), nullptr, 10));

  // Told only when all of it was read: a snapshot that breaks off would take away what is in force.
  changes_.on_snapshot_begin();
  accounts_.clear();
  account_digests_.clear();
  links_.clear();
  chains_.clear();
  feeds_.clear();
  keys_.clear();
  channels_.clear();
  ends_us_.clear();
  switches_.clear();
  for (const LoadedSwitch& s : switches->rows) {
    switches_[s.id] = s.kill_switch;
    // The engine's own "off" may be older than its journal; its "on" errs on the safe side.
    if (s.kill_switch.on || !s.set_by_engine) changes_.on_kill_switch(s.kill_switch);
  }
  // Before what they limit.
  for (const RiskLimits& l : limits->rows) changes_.on_risk_limits(l);
  if (auto told = tell_invalid(limits->invalid); !told) return told;
  for (const LoadedAccount& a : accounts->rows) {
    accounts_.insert(a.account.id.value);
    (void)is_new(a);
    changes_.on_account(a.account, a.credentials);
  }
  for (const LeaderFeed& f : feeds->rows) {
    feeds_.insert(f.account.value);
    changes_.on_feed(f);
  }
  for (const LoadedChannel& c : channels->rows) {
    channels_.insert(c.id.value);
    changes_.on_channel(c.id, c.creator, c.active);
  }
  std::vector<InvalidRow> refused;
  for (const LoadedLink& l : links->rows) (void)tell_link(l, refused);
  for (const QuarantineRelease& r : releases->rows) changes_.on_quarantine_release(r);
  for (const ApiKey& k : keys->rows) {
    keys_.insert(k.id.value);
    changes_.on_api_key(k);
  }
  symbol_map_ = symbols->rows;
  for (const SymbolMapping& m : symbol_map_) changes_.on_symbol_mapping(m);
  changes_.on_snapshot_end();
  for (const auto* invalid : {&switches->invalid, &accounts->invalid, &feeds->invalid,
                              &channels->invalid, &links->invalid, &std::as_const(refused),
                              &releases->invalid, &keys->invalid, &symbols->invalid})
    if (auto told = tell_invalid(*invalid); !told) return told;
  return {};
}

Loader::Done Loader::follow_once() {
  const auto set = follower_.read(*connection_);
  if (!set) return std::unexpected(set.error());
  if (set->truncated) {
    start_over_ = true;  // and read the same rows again after it
    return {};
  }
  if (set->count != 0)
    if (auto applied = apply(*set); !applied) return applied;
  follower_.taken();
  changes_total_.add(set->count);
  if (auto ended = apply_ended_subscriptions(); !ended) return ended;
  return follower_.save(*connection_, steady_now_ns());
}

// State before signals: a link written together with a signal is there when the signal comes.
Loader::Done Loader::apply(const ChangeSet& set) {
  if (auto done = apply_switches(ids_of(set.switches)); !done) return done;
  if (auto done = apply_limits(ids_of(set.limits)); !done) return done;
  if (auto done = apply_accounts(ids_of(set.accounts)); !done) return done;
  std::set<std::string> feeds = set.feeds;
  feeds.insert(set.accounts.begin(), set.accounts.end());
  if (auto done = apply_feeds(ids_of(feeds)); !done) return done;
  if (auto done = apply_channels(ids_of(set.channels)); !done) return done;
  if (set.symbol_map)
    if (auto done = apply_symbol_map(); !done) return done;
  if (auto done = apply_links(set); !done) return done;
  if (auto done = apply_releases(ids_of(set.quarantines)); !done) return done;
  if (auto done = apply_keys(ids_of(set.api_keys), ids_of(set.users)); !done) return done;
  return apply_signals(set.signals);
}

template <typename Remove>
void Loader::remove_missing(Told& told, const Ids& asked, const Told& found, Remove remove) {
  for (const std::string& text : asked) {
    const Uuid id = uuid_of(text);
    if (!found.contains(id) && told.erase(id) != 0) remove(id);
  }
}

Loader::Done Loader::apply_switches(const Ids& ids) {
  if (ids.empty()) return {};
  const auto read = read_switches(*connection_, &ids);
  if (!read) return std::unexpected(read.error());
  std::map<Uuid, KillSwitch> before;
  for (const std::string& id : ids)
    if (const auto at = switches_.find(uuid_of(id)); at != switches_.end())
      before.insert(switches_.extract(at));
  for (const LoadedSwitch& s : read->rows) {
    switches_[s.id] = s.kill_switch;
    if (const auto at = before.find(s.id); at != before.end()) {
      if (same_scope(at->second, s.kill_switch)) before.erase(at);
    }
    if (!s.set_by_engine) changes_.on_kill_switch(s.kill_switch);
  }
  // Removed, or its scope is another now: what it switched off is on again.
  for (auto& [id, gone] : before) {
    if (!gone.on) continue;
    gone.on = false;
    changes_.on_kill_switch(gone);
  }
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_releases(const Ids& links) {
  if (links.empty()) return {};
  const auto read = read_releases(*connection_, &links);
  if (!read) return std::unexpected(read.error());
  for (const QuarantineRelease& r : read->rows) changes_.on_quarantine_release(r);
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_limits(const Ids& keys) {
  if (keys.empty()) return {};
  const auto read = read_limits(*connection_, &keys);
  if (!read) return std::unexpected(read.error());
  std::set<std::pair<LimitScope, Uuid>> found;
  for (const RiskLimits& l : read->rows) {
    found.emplace(l.scope, l.id);
    changes_.on_risk_limits(l);
  }
  // A row that does not hold leaves in force what was: without it there would be no limit at all.
  std::set<std::string> asked(keys.begin(), keys.end());
  for (const InvalidRow& row : read->invalid) asked.erase(row.row);
  for (const std::string& key : asked)
    if (const auto gone = removed_limits(key); gone && !found.contains({gone->scope, gone->id}))
      changes_.on_risk_limits(*gone);
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_accounts(const Ids& ids) {
  if (ids.empty()) return {};
  const auto read = read_accounts(*connection_, master_keys(), &ids);
  if (!read) return std::unexpected(read.error());
  Told found;
  for (const LoadedAccount& a : read->rows) {
    found.insert(a.account.id.value);
    accounts_.insert(a.account.id.value);
    // Sealed anew under another key it is the same account: its sessions need not hear of it.
    if (is_new(a)) changes_.on_account(a.account, a.credentials);
  }
  remove_missing(accounts_, ids, found, [&](const Uuid& id) {
    account_digests_.erase(id);
    changes_.on_account_removed(AccountId{id});
  });
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_feeds(const Ids& ids) {
  if (ids.empty()) return {};
  const auto read = read_feeds(*connection_, &ids);
  if (!read) return std::unexpected(read.error());
  Told found;
  for (const LeaderFeed& f : read->rows) {
    found.insert(f.account.value);
    feeds_.insert(f.account.value);
    changes_.on_feed(f);
  }
  remove_missing(feeds_, ids, found,
                 [&](const Uuid& id) { changes_.on_feed_removed(AccountId{id}); });
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_channels(const Ids& ids) {
  if (ids.empty()) return {};
  const auto read = read_channels(*connection_, &ids);
  if (!read) return std::unexpected(read.error());
  Told found;
  for (const LoadedChannel& c : read->rows) {
    found.insert(c.id.value);
    channels_.insert(c.id.value);
    changes_.on_channel(c.id, c.creator, c.active);
  }
  remove_missing(channels_, ids, found,
                 [&](const Uuid& id) { changes_.on_channel(ChannelId{id}, UserId{}, false); });
  return tell_invalid(read->invalid);
}

// Few rows, and seldom: all of them are read again.
Loader::Done Loader::apply_symbol_map() {
  const auto read = read_symbol_map(*connection_);
  if (!read) return std::unexpected(read.error());
  const std::vector<SymbolMapping> before = std::exchange(symbol_map_, read->rows);
  for (SymbolMapping gone : before) {
    const auto same_row = [&](const SymbolMapping& m) {
      return m.venue == gone.venue && m.venue_symbol == gone.venue_symbol;
    };
    if (std::ranges::any_of(symbol_map_, same_row)) continue;
    gone.present = false;
    changes_.on_symbol_mapping(gone);
  }
  for (const SymbolMapping& m : symbol_map_) changes_.on_symbol_mapping(m);
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_links(const ChangeSet& set) {
  LinkFilter filter;
  filter.ids = ids_of(set.links);
  filter.users = ids_of(set.users);
  filter.users.insert(filter.users.end(), set.subscribers.begin(), set.subscribers.end());
  filter.accounts = ids_of(set.accounts);
  filter.channels = ids_of(set.channels);
  if (filter.ids.empty() && filter.users.empty() && filter.accounts.empty() &&
      filter.channels.empty())
    return {};
  if (auto made = make_default_portfolios(&filter); !made) return made;
  const auto read = read_links(*connection_, wall_us(), &filter);
  if (!read) return std::unexpected(read.error());
  Ids asked = filter.ids;
  for (const InvalidRow& row : read->invalid) asked.push_back(row.row);
  Told found;
  for (const LoadedLink& l : read->rows) found.insert(l.link.id.value);
  for (const std::string& id : asked)
    if (const Uuid link = uuid_of(id); !found.contains(link)) chains_.remove(LinkId{link});
  std::vector<InvalidRow> invalid = read->invalid;
  for (const LoadedLink& l : read->rows) {
    if (tell_link(l, invalid)) continue;
    found.erase(l.link.id.value);
    asked.push_back(l.link.id.to_text());
  }
  remove_missing(links_, asked, found,
                 [&](const Uuid& id) { changes_.on_link_removed(LinkId{id}); });
  if (auto told = tell_invalid(invalid); !told) return told;
  return apply_freed_chains();
}

Loader::Done Loader::apply_keys(const Ids& ids, const Ids& users) {
  if (ids.empty() && users.empty()) return {};
  const auto read = read_api_keys(*connection_, &ids, &users);
  if (!read) return std::unexpected(read.error());
  Told found;
  for (const ApiKey& k : read->rows) {
    found.insert(k.id.value);
    keys_.insert(k.id.value);
    changes_.on_api_key(k);
  }
  Ids asked = ids;
  for (const InvalidRow& row : read->invalid) asked.push_back(row.row);
  remove_missing(keys_, asked, found,
                 [&](const Uuid& id) { changes_.on_api_key_removed(ApiKeyId{id}); });
  return tell_invalid(read->invalid);
}

Loader::Done Loader::apply_signals(const SignalChanges& signals) {
  if (signals.empty()) return {};
  const auto read = read_signal_events(*connection_, signals, clock_.now_ns());
  if (!read) return std::unexpected(read.error());
  for (const LeaderEvent& event : read->rows)
    while (!changes_.on_leader_event(event))
      if (stop_.wait(retry_ns))
        return std::unexpected(PgError{.message = "stopping", .sqlstate = "", .lost = true});
  return tell_invalid(read->invalid);
}

// Nobody writes a row at the moment an end date passes.
Loader::Done Loader::apply_ended_subscriptions() {
  ChangeSet ended;
  const std::int64_t now = wall_us();
  while (!ends_us_.empty() && ends_us_.begin()->first <= now) {
    ended.links.insert(ends_us_.begin()->second.to_text());
    ends_us_.erase(ends_us_.begin());
  }
  return ended.links.empty() ? Done{} : apply_links(ended);
}

bool Loader::is_new(const LoadedAccount& loaded) {
  const Account& a = loaded.account;
  const Credentials& c = loaded.credentials;
  std::string text = fmt::format("{}|{}|{}|{}|{}|{}|", a.user.to_text(), to_text(a.venue),
                                 a.connected, a.sandbox, a.egress, c.api_key.size());
  text += c.api_key;
  const Digest secret = sha256(c.secret.view()), passphrase = sha256(c.passphrase.view());
  text += to_hex(secret) + to_hex(passphrase);
  const Digest digest = sha256(text);
  const auto [at, fresh] = account_digests_.try_emplace(a.id.value, digest);
  if (fresh) return true;
  return std::exchange(at->second, digest) != digest;
}

bool Loader::tell_link(const LoadedLink& loaded, std::vector<InvalidRow>& refused) {
  if (auto problem = chains_.take(loaded.link)) {
    refused.push_back({"engine.copy_links", loaded.link.id.to_text(), std::move(*problem)});
    return false;
  }
  links_.insert(loaded.link.id.value);
  if (loaded.changes_at_us != 0) ends_us_.emplace(loaded.changes_at_us, loaded.link.id.value);
  changes_.on_link(loaded.link);
  return true;
}

// Chains that were refused for a link that is none of one any more.
Loader::Done Loader::apply_freed_chains() {
  ChangeSet freed;
  for (const LinkId id : chains_.take_freed()) freed.links.insert(id.to_text());
  return freed.links.empty() ? Done{} : apply_links(freed);
}

Loader::Done Loader::tell_invalid(const std::vector<InvalidRow>& rows) {
  for (const InvalidRow& row : rows) {
    invalid_total_.add();
    changes_.on_invalid(row.table, row.row, row.problem);
    if (row.table == "user_exchanges" && row.problem.find("does not open") != std::string::npos)
      if (auto reported = report_sealed(row); !reported) return reported;
  }
  return {};
}

// Credentials that were moved or altered are a matter for people: one open event per row and
// problem.
Loader::Done Loader::report_sealed(const InvalidRow& row) {
  const std::string description = fmt::format("user_exchanges {}: {}", row.row, row.problem);
  if (!sealed_reported_.insert(description).second) return {};
  const auto put = connection_->run(
      "INSERT INTO public.security_events (user_id, event_type, severity, description)"
      " SELECT (SELECT e.user_id FROM public.user_exchanges e WHERE e.id = $1::uuid),"
      " 'credential_unreadable', 'high', $2::text WHERE NOT EXISTS (SELECT FROM"
      " public.security_events s WHERE s.event_type = 'credential_unreadable'"
      " AND s.description = $2::text AND s.resolved IS NOT TRUE)",
      Parameters{row.row, description});
  if (!put) return std::unexpected(put.error());
  return {};
}

}  // namespace

std::unique_ptr<PgLoader> PgLoader::start(PgLoaderOptions options, ChangeSink& changes,
                                          Metrics& metrics) {
  return std::make_unique<Loader>(std::move(options), changes, metrics);
}

}  // namespace oneclick
