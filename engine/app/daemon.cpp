#include "engine/app/daemon.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/control.hpp"
#include "engine/app/market_rates.hpp"
#include "engine/app/version.hpp"
#include "engine/base/limits.hpp"
#include "engine/base/log.hpp"
#include "persistence/metrics_text.hpp"

namespace oneclick {

namespace {

constexpr std::size_t touch_capacity = 4'096;
constexpr std::int64_t gauges_interval_ns = 100'000'000;
constexpr std::int64_t prices_interval_ns = 1'000'000'000;

std::int64_t ms(std::int64_t n) {
  return n * 1'000'000;
}

int exit_code_of(JournalError::Kind kind) {
  switch (kind) {
    case JournalError::Kind::io:
      return exit_codes::failure;
    case JournalError::Kind::locked:
      return exit_codes::locked;
    case JournalError::Kind::damaged:
    case JournalError::Kind::newer_format:
      return exit_codes::data;
  }
  return exit_codes::failure;
}

std::vector<UsdRates::Peg> pegs_of(const Config& config) {
  std::vector<UsdRates::Peg> pegs;
  for (const auto& peg : config.usd_pegs)
    pegs.push_back({.asset = Asset::cut(peg.asset), .usd = peg.rate});
  return pegs;
}

// A timer that starts itself again, for as long as its owner keeps the handle.
void every(net::Reactor::Timer& timer, std::int64_t interval_ns,
           const std::function<void()>& task) {
  timer.start(interval_ns, [&timer, interval_ns, task] {
    task();
    every(timer, interval_ns, task);
  });
}

}  // namespace

Daemon::Daemon(const Config& config)
    : config_(config),
      touch_board_(touch_capacity),
      usd_rates_(pegs_of(config), touch_board_, ms(config.engine.touch_age_max_ms)),
      shard_metrics_(metrics_),
      gauges_(metrics_) {
  metrics_
      .gauge("build_info", "Which build this is; always 1.",
             {{"version", std::string(version())}, {"commit", std::string(commit())}})
      .set(1);
}

Daemon::Gauges::Gauges(Metrics& m)
    : unknown_orders(m.gauge("unknown_orders", "Orders in flight that are not known either way.")),
      quarantined_links(m.gauge("quarantined_links", "Copy links set aside.")),
      exits_in_alarm(m.gauge("exits_in_alarm",
                             "Exits and protective orders that engine.exit_alarm_attempts attempts "
                             "in a row did not place.")),
      kill_switch_active(m.gauge("kill_switch_active", "Kill switches that are on.")),
      accounts(m.gauge("accounts", "Follower accounts known to the shards.")),
      accounts_reconciled(m.gauge("accounts_reconciled", "Of them, compared with their venue.")),
      links(m.gauge("links", "Copy links known to the shards.")),
      reconcile_age(
          m.gauge("reconcile_age_seconds",
                  "Time since the account that was compared with its venue longest ago was.")),
      leader_feeds(m.gauge("leader_feeds", "Leaders' accounts followed.")),
      leader_feeds_up(m.gauge("leader_feeds_up", "Of them, those whose events arrive.")),
      last_reload_successful(
          m.gauge("config_last_reload_successful", "Whether the last reload was taken.")) {
  last_reload_successful.set(1);
}

// All that was read is good before any of it is taken.
bool Daemon::apply(const Config& reloaded) {
  auto keys = read_master_keys(reloaded.vault.master_key_file);
  if (!keys) {
    log_error("configuration not reloaded", {{"error", "vault.master_key_file: " + keys.error()}});
    note_failed_reload();
    return false;
  }
  loader_->set_master_keys(std::move(*keys));
  log_set_level(reloaded.log.level);
  gauges_.last_reload_successful.set(1);
  return true;
}

void Daemon::note_failed_reload() {
  gauges_.last_reload_successful.set(0);
}

Daemon::~Daemon() {
  stop(0);
}

std::expected<std::unique_ptr<Daemon>, StartError> Daemon::start(const Config& config) {
  std::unique_ptr<Daemon> daemon(new Daemon(config));
  for (const auto step : {&Daemon::recover_shards, &Daemon::connect_venues, &Daemon::open_listeners,
                          &Daemon::load_configuration})
    if (const auto done = (daemon.get()->*step)(); !done) return std::unexpected(done.error());
  return daemon;
}

CoreSettings Daemon::core_settings(std::uint16_t shard) const {
  const auto& e = config_.engine;
  const auto& venue = config_.binance;
  return {.shard = shard,
          .shard_count = static_cast<std::uint16_t>(e.shards),
          .taker_fee_bps = e.taker_fee_bps,
          .ack_timeout_ns = ms(e.ack_timeout_ms),
          .query_interval_ns = ms(e.query_interval_ms),
          .absence_proof_ns = ms(venue.absence_proof_ms),
          .absence_answers_min = venue.absence_answers_min,
          .exit_attempts_per_minute = e.exit_attempts_per_minute,
          .exit_alarm_attempts = e.exit_alarm_attempts,
          .touch_age_ns_max = ms(e.touch_age_max_ms),
          .equity_age_ns_max = ms(e.equity_age_max_ms),
          .leader_event_age_ns_max = ms(e.leader_event_age_max_ms),
          .divergence_age_ns_max = ms(e.divergence_age_max_ms),
          .event_notional_max = e.event_notional_max,
          .quote_equal = e.quote_equal};
}

ShardHostOptions Daemon::host_options(std::uint16_t shard) const {
  const auto& e = config_.engine;
  const bool pinned = shard < e.pin_cores.size();
  return {
      .shard =
          {.index = shard,
           .spin = e.mode == EngineMode::spin,
           .pin_core = pinned ? e.pin_cores[shard] : -1,
           .durability = e.durability,
           // An order that waits for the disk gives up well before the core asks what became of it.
           .hold_ns_max = ms(e.ack_timeout_ms) / 2,
           .snapshot_every = static_cast<std::uint64_t>(e.snapshot_every_records),
           .journal_room_max = (static_cast<std::size_t>(config_.journal.ring_mib) << 20) / 4},
      .journal = {.dir = e.data_dir,
                  .shard = shard,
                  .ring_bytes = static_cast<std::size_t>(config_.journal.ring_mib) << 20,
                  .segment_bytes = static_cast<std::size_t>(config_.journal.segment_mib) << 20,
                  .retention_ns = ms(config_.journal.retention_hours * 3'600'000LL)},
      .settings = core_settings(shard),
      .database_url = config_.database_url,
      .queue_events = limits::shard_queue_events,
      .sink_batch_records = static_cast<std::size_t>(config_.database.sink_batch_records),
      .sink_batch_wait_ns = ms(config_.database.sink_batch_wait_ms)};
}

// An account's journal is its shard's: another number of shards would look for it elsewhere.
Daemon::Started Daemon::recover_shards() {
  const std::vector<std::uint16_t> there = journal_shards(config_.engine.data_dir);
  if (!there.empty() && there.size() != static_cast<std::size_t>(config_.engine.shards))
    return std::unexpected(StartError{
        exit_codes::config,
        fmt::format("engine.shards = {}: {} has journals of {} shards; use that number, or "
                    "another engine.data_dir",
                    config_.engine.shards, config_.engine.data_dir, there.size())});
  std::vector<Inbox*> inboxes;
  for (int s = 0; s < config_.engine.shards; ++s) {
    auto host = ShardHost::recover(host_options(static_cast<std::uint16_t>(s)),
                                   {.metrics = metrics_,
                                    .clock = clock_,
                                    .touch_board = touch_board_,
                                    .usd_rates = usd_rates_,
                                    .kill_board = kill_board_,
                                    .shard_metrics = shard_metrics_});
    if (!host)
      return std::unexpected(StartError{exit_code_of(host.error().kind), host.error().message});
    hosts_.push_back(std::move(*host));
    queue_depths_.push_back(&metrics_.gauge("queue_depth", "Events waiting to be taken.",
                                            {{"queue", fmt::format("shard-{}", s)}}));
    inboxes.push_back(&hosts_.back()->inbox());
  }
  router_ = std::make_unique<Router>(inboxes);
  prices_ = std::make_unique<PriceFeed>(touch_board_, usd_rates_, *router_);
  seen_events_ = hosts_[0]->recovered_core().seen_events();
  for (const KillSwitch& k : hosts_[0]->recovered_core().kill_switches()) kill_board_.set(k);
  return {};
}

Daemon::Started Daemon::connect_venues() {
  auto venue = binance::VenueShared::make(config_.binance.connector, clock_, metrics_);
  if (!venue) return std::unexpected(StartError{exit_codes::config, venue.error()});
  venue_ = *venue;
  const bool on_shard = config_.engine.shards == 1 && config_.engine.mode == EngineMode::spin;
  if (!on_shard) own_feeds_reactor_ = std::make_unique<net::Reactor>();
  feeds_reactor_ = on_shard ? &hosts_[0]->reactor() : own_feeds_reactor_.get();
  market_ = binance::make_market_stream(*feeds_reactor_, venue_, 0, touch_board_, *router_);
  for (const auto& host : hosts_) {
    for (const auto& [account, time] : host->last_fills())
      last_fills_[account] = std::max(last_fills_[account], time);
    host->connect(venue_, {.on_duplicate =
                               [this](const LeaderEvent& e) {
                                 feeds_reactor_->post([this, id = e.id] {
                                   if (ingress_) ingress_->on_event_journaled(id, 0);
                                 });
                               },
                           .on_entry = [this](const JournalEntry& entry) { on_entry(entry); },
                           .on_journal_failed =
                               [this] {
                                 log_error("the journal failed: no order leaves any more");
                                 failed_ = true;
                               }});
  }
  return {};
}

// Only the first shard speaks for an event's acceptance: every shard has it.
void Daemon::on_entry(const JournalEntry& entry) {
  if (entry.event != nullptr) {
    if (entry.event->kind != EventKind::leader || entry.event->shard != 0) return;
    feeds_reactor_->post([this, leader = entry.event->leader, seq = entry.event->seq] {
      if (ingress_) ingress_->on_event_journaled(leader, seq);
    });
    return;
  }
  const RecordKind kind = entry.record->kind;
  if (kind != RecordKind::outcome && kind != RecordKind::order && kind != RecordKind::fill) return;
  if (!records_wanted_.load(std::memory_order_relaxed)) return;  // no stream is subscribed
  feeds_reactor_->post([this, record = *entry.record] {
    if (ingress_) ingress_->on_record(record);
  });
}

Daemon::Started Daemon::open_listeners() {
  side_writer_ = PgSideWriter::start(config_.database_url, metrics_);
  if (config_.market.store_interval_ms > 0)
    market_sampler_ = std::make_unique<MarketSampler>(
        touch_board_, ms(config_.market.store_interval_ms),
        [this](std::vector<MarketSample> samples) {
          side_writer_->usd_rates(rates_of(samples, usd_rates_, clock_.now_ns()));
          side_writer_->market(std::move(samples));
        });
  questions_ = std::make_unique<EventQuestions>(config_.database_url);
  // Before the feeds' thread runs: from then on all this lives there.
  if (const auto done = open_ingress(); !done) return done;
  for (const Core::Seen& seen : seen_events_)
    ingress_->restore(seen.id, seen.alias, seen.body_hash, seen.seq, seen.time_ns);
  auto operations = ingress::Operations::listen(
      operations_reactor_,
      {.address = config_.operations.listen.address, .port = config_.operations.listen.port},
      {.ready = [this](bool& ready) { return ready_json(ready); },
       .metrics = [this] { return metrics_text(metrics_); },
       .alive = [this] { return alive(5'000'000'000); }});
  if (!operations)
    return std::unexpected(
        StartError{exit_codes::unavailable, "operations.listen: " + operations.error()});
  operations_ = std::move(*operations);
  return {};
}

Daemon::Started Daemon::open_ingress() {
  std::shared_ptr<net::TlsServer> tls;
  if (!config_.ingress.tls_certificate_file.empty()) {
    auto made =
        net::TlsServer::make(config_.ingress.tls_certificate_file, config_.ingress.tls_key_file);
    if (!made)
      return std::unexpected(
          StartError{exit_codes::config, "ingress.tls_certificate_file: " + made.error()});
    tls = *made;
  }
  ingress::IngressOptions options;
  options.address = config_.ingress.listen.address;
  options.port = config_.ingress.listen.port;
  options.tls = tls;
  options.rate_per_second = config_.ingress.requests_per_second_per_key;
  options.rate_burst = config_.ingress.requests_per_second_per_key * 2;
  auto opened = ingress::Ingress::listen(
      *feeds_reactor_, options,
      {.sink = *router_,
       .clock = clock_,
       .find_event = [this](EventId id, UserId viewer,
                            auto answer) { questions_->ask(id, viewer, std::move(answer)); },
       .kill_switches = [this] { return kill_board_.active(); },
       .set_kill_switch = [this](const KillSwitch& k,
                                 ApiKeyId by) { return try_set_kill_switch(k, by); },
       .on_refused = [this](const ingress::Refusal& refusal) { note_refusal(refusal); },
       .records_wanted = &records_wanted_});
  if (!opened)
    return std::unexpected(
        StartError{exit_codes::unavailable, "ingress.listen: " + opened.error()});
  ingress_ = std::move(*opened);
  return {};
}

void Daemon::note_refusal(const ingress::Refusal& refusal) {
  side_writer_->security_event(
      {.user = refusal.user,
       .event_type = "ingress_refused",
       .severity = "medium",
       .description =
           fmt::format("{}{}", refusal.what,
                       refusal.key ? " (key " + refusal.key->to_text() + ")" : std::string()),
       .ip_address = refusal.address});
}

Daemon::Started Daemon::load_configuration() {
  std::set<LinkId> links;
  std::set<AccountId> accounts, feeds;
  std::vector<RiskLimits> limits;
  std::vector<SymbolMapping> symbol_map;
  for (const auto& host : hosts_) {
    const Core& core = host->recovered_core();
    for (const LinkId id : core.link_ids()) links.insert(id);
    for (const AccountId id : core.account_ids()) accounts.insert(id);
    for (const AccountId id : core.feed_ids()) feeds.insert(id);
    for (const RiskLimits& l : core.risk_limits()) limits.push_back(l);
    for (const SymbolMapping& m : core.symbol_mappings()) symbol_map.push_back(m);
  }
  auto keys = read_master_keys(config_.vault.master_key_file);
  if (!keys)
    return std::unexpected(
        StartError{exit_codes::config, "vault.master_key_file: " + keys.error()});
  auto control = ControlSocket::start(config_.engine.control_socket,
                                      [this](const std::string& line) { return on_control(line); });
  if (!control)
    return std::unexpected(
        StartError{exit_codes::unavailable, "engine.control_socket: " + control.error()});
  control_ = std::move(*control);

  watch_feeds();
  for (const auto& host : hosts_) host->start();
  start_threads();
  changes_ = std::make_unique<Changes>(change_targets());
  changes_->expect(std::move(links), std::move(accounts), std::move(feeds), limits, symbol_map);
  loader_ = PgLoader::start({.database_url = config_.database_url, .master_keys = std::move(*keys)},
                            *changes_, metrics_);
  start_redis();
  return {};
}

// Last, and nothing waits for it: a copy for others.
void Daemon::start_redis() {
  if (!config_.redis.is_on()) return;
  redis_sessions_ = RedisSessions::start(
      {.address = config_.redis.address, .database_url = config_.database_url}, metrics_);
  const auto& redis = config_.redis;
  RedisFeedOptions feed{
      .address = redis.address,
      .journal_dir = config_.engine.data_dir,
      .shards = {},
      .lag_entries_max = static_cast<std::uint64_t>(redis.lag_entries_max),
      .stream_entries_max = redis.stream_entries_max,
      .stream_keep_ns = ms(redis.stream_keep_hours * 3'600'000),
      .price_interval_ns = ms(redis.price_interval_ms),
      .each_price = [this](const PriceVisitor& visit) { touch_board_.for_each(visit); }};
  const bool power = config_.engine.durability == Durability::power;
  for (std::size_t s = 0; s < hosts_.size(); ++s)
    feed.shards.push_back(
        {.shard = static_cast<std::uint16_t>(s), .end = [host = hosts_[s].get(), power] {
           return power ? host->journal().synced() : host->journal().written();
         }});
  redis_feed_ = RedisFeed::start(std::move(feed), metrics_);
}

// Before the feeds' thread runs, which may be a shard's.
void Daemon::watch_feeds() {
  feeds_watch_ = feeds_reactor_->make_timer();
  every(*feeds_watch_, gauges_interval_ns, [this] {
    market_up_ = market_->up();
    leaders_total_ = leaders_.size();
    leaders_up_ = static_cast<std::size_t>(
        std::ranges::count_if(leaders_, [](const auto& l) { return l.second->up(); }));
  });
}

void Daemon::start_threads() {
  gauges_watch_ = operations_reactor_.make_timer();
  every(*gauges_watch_, gauges_interval_ns, [this] { publish_gauges(); });
  prices_watch_ = operations_reactor_.make_timer();
  every(*prices_watch_, prices_interval_ns, [this] {
    prices_->tell();
    if (market_sampler_) market_sampler_->look(clock_.now_ns());
  });
  if (own_feeds_reactor_) feeds_thread_ = std::thread([this] { own_feeds_reactor_->run(); });
  operations_thread_ = std::thread([this] { operations_reactor_.run(); });
}

ChangeTargets Daemon::change_targets() {
  return {.router = *router_,
          .attach = [this](const Account& a,
                           const Credentials& c) { host_of(a.id).shard().attach_account(a, c); },
          .detach = [this](AccountId id) { host_of(id).shard().detach_account(id); },
          .start_feed = [this](const LeaderFeed& f, const Credentials& c) { start_feed(f, c); },
          .stop_feed = [this](AccountId id) { stop_feed(id); },
          .api_key = [this](const ApiKey& key) { ingress_->update(key); },
          .api_key_removed = [this](ApiKeyId id) { ingress_->remove(id); },
          .channel = [this](ChannelId id, UserId creator,
                            bool active) { ingress_->update_channel(id, creator, active); },
          .kill_switch = [this](const KillSwitch& k) { set_kill_switch(k); },
          .loaded = [this] { configuration_loaded_ = true; }};
}

ShardHost& Daemon::host_of(AccountId account) {
  return *hosts_[shard_of(account, static_cast<std::uint16_t>(hosts_.size()))];
}

void Daemon::start_feed(const LeaderFeed& feed, const Credentials& credentials) {
  if (feed.venue != Venue::binance) return;
  feeds_reactor_->post([this, feed, credentials] {
    const auto last = last_fills_.find(feed.account);
    leaders_[feed.account] = binance::make_leader_stream(
        *feeds_reactor_, venue_,
        {.feed = feed,
         .credentials = credentials,
         .egress = 0,
         .resume_from_ns = last == last_fills_.end() ? 0 : last->second},
        *router_);
  });
}

void Daemon::stop_feed(AccountId account) {
  feeds_reactor_->post([this, account] { leaders_.erase(account); });
}

void Daemon::set_kill_switch(const KillSwitch& kill_switch) {
  // In force at the gate from here on; the event brings it into the journal and the core.
  kill_board_.set(kill_switch);
  while (!router_->try_push(make_event(kill_switch)) && !stopping_)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

bool Daemon::try_set_kill_switch(const KillSwitch& kill_switch, ApiKeyId by) {
  log_warning("kill switch over REST", {{"active", kill_switch.on}, {"api_key", by.to_text()}});
  kill_board_.set(kill_switch);
  return router_->try_push(make_event(kill_switch));
}

std::string Daemon::on_control(const std::string& line) {
  return answer_control(line,
                        {.set_kill_switch = [this](const KillSwitch& k) { set_kill_switch(k); },
                         .kill_switches = [this] { return kill_board_.active(); }});
}

bool Daemon::alive(std::int64_t within_ns) const {
  const std::int64_t now = clock_.now_ns();
  return std::ranges::all_of(hosts_, [&](const auto& host) {
    return now - host->shard().status().alive_ns.load() <= within_ns;
  });
}

std::vector<std::string> Daemon::not_ready() const {
  std::vector<std::string> reasons;
  if (failed_) reasons.push_back("journal_failed");
  if (stopping_) reasons.push_back("draining");
  if (!configuration_loaded_) reasons.push_back("configuration_not_loaded");
  if (!market_up_) reasons.push_back("market_data_down");
  if (!std::ranges::all_of(hosts_, [](const auto& h) { return h->sessions_up(); }))
    reasons.push_back("venue_session_down");
  if (leaders_up_ < leaders_total_) reasons.push_back("leader_feed_down");
  std::size_t accounts = 0, reconciled = 0;
  for (const auto& host : hosts_) {
    accounts += host->shard().status().accounts;
    reconciled += host->shard().status().accounts_reconciled;
  }
  if (accounts != 0 && reconciled == 0) reasons.push_back("no_account_reconciled");
  return reasons;
}

void Daemon::publish_gauges() {
  const std::int64_t now = clock_.now_ns();
  std::size_t unknown = 0, quarantined = 0, alarms = 0, accounts = 0, reconciled = 0, links = 0;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const ShardStatus& s = hosts_[i]->shard().status();
    unknown += s.orders_unknown;
    quarantined += s.quarantined_links;
    alarms += s.exits_in_alarm;
    accounts += s.accounts;
    reconciled += s.accounts_reconciled;
    links += s.links;
    queue_depths_[i]->set(static_cast<double>(hosts_[i]->inbox().queue.size()));
  }
  gauges_.unknown_orders.set(static_cast<double>(unknown));
  gauges_.quarantined_links.set(static_cast<double>(quarantined));
  gauges_.exits_in_alarm.set(static_cast<double>(alarms));
  gauges_.kill_switch_active.set(static_cast<double>(kill_board_.active().size()));
  gauges_.accounts.set(static_cast<double>(accounts));
  gauges_.accounts_reconciled.set(static_cast<double>(reconciled));
  gauges_.links.set(static_cast<double>(links));
  gauges_.reconcile_age.set(static_cast<double>(now - std::min(now, venue_->oldest_reading_ns())) /
                            1e9);
  gauges_.leader_feeds.set(static_cast<double>(leaders_total_.load()));
  gauges_.leader_feeds_up.set(static_cast<double>(leaders_up_.load()));
  venue_->publish_metrics();
}

std::string Daemon::ready_json(bool& ready) {
  const std::vector<std::string> reasons = not_ready();
  ready = reasons.empty();
  std::string list;
  for (const std::string& r : reasons) list += (list.empty() ? "\"" : ",\"") + r + "\"";
  return fmt::format(R"({{"ready":{},"reasons":[{}]}})", ready, list);
}

void Daemon::stop(std::int64_t drain_ns_max) {
  if (stopping_.exchange(true)) return;
  log_info("stopping");
  if (changes_) changes_->stop();
  redis_sessions_.reset();
  loader_.reset();
  control_.reset();
  if (ingress_) feeds_reactor_->post([this] { ingress_->stop_intake(); });
  for (const auto& host : hosts_)
    if (host->started()) host->stop(drain_ns_max);
  if (own_feeds_reactor_) own_feeds_reactor_->stop();
  if (feeds_thread_.joinable()) feeds_thread_.join();
  operations_reactor_.stop();
  if (operations_thread_.joinable()) operations_thread_.join();
  // No thread runs any more: what lived on them can go.
  feeds_watch_.reset();
  gauges_watch_.reset();
  prices_watch_.reset();
  ingress_.reset();
  leaders_.clear();
  market_.reset();
  operations_.reset();
  redis_feed_.reset();
  questions_.reset();
  if (market_sampler_) market_sampler_->finish();
  market_sampler_.reset();
  side_writer_.reset();
  changes_.reset();
  hosts_.clear();
}

}  // namespace oneclick
