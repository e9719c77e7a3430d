// A leader's own account stream as a feed: every fill, and all that happens to a resting order,
// becomes one leader event, once and in order. What happened while the stream was away is fetched
// from the history of trades and orders before what came after it is passed on. Nothing is dropped:
// what nobody takes is held, and beyond a bound the connection is closed until there is room. Lives
// on its reactor's thread.
#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "connectors/binance/backoff.hpp"
#include "connectors/binance/decode.hpp"
#include "connectors/binance/leader_orders.hpp"
#include "connectors/binance/rest.hpp"
#include "connectors/net/ws_client.hpp"
#include "engine/base/log.hpp"
#include "engine/domain/identity.hpp"

namespace oneclick::binance {

namespace {

constexpr std::uint32_t subscribe_weight = 2;
constexpr std::uint32_t trades_weight = 20;
constexpr std::uint32_t order_weight = 4;
constexpr std::uint32_t account_weight = 20;
constexpr std::uint32_t all_orders_weight = 20;
constexpr std::uint32_t amendments_weight = 4;
constexpr std::int64_t worth_interval_ns = 30'000'000'000;  // the whole account is read this often
constexpr int checks_per_fetch = 5;  // every so many silences the whole history is read
constexpr std::uint32_t subscribe_id = 1;
constexpr int trades_page = 1'000;
constexpr int orders_page = 1'000;
constexpr std::int64_t tick_ns = 10'000'000;
constexpr std::int64_t retry_ns = 1'000'000'000;
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t overlap_ms = 60'000;    // fetched again: ids tell what is already known
constexpr std::int64_t settling_ms = 2'000;    // a fill this young may still be on its way to us
constexpr std::size_t remembered_max = 8'192;  // event ids and order ids kept for comparison

struct EventIdHash {
  std::size_t operator()(const EventId& id) const { return hash_of(id); }
};

// The last so many ids.
class RecentEvents {
 public:
  void add(const EventId& id) {
    if (!set_.insert(id).second) return;
    order_.push_back(id);
    if (order_.size() <= remembered_max) return;
    set_.erase(order_.front());
    order_.pop_front();
  }
  [[nodiscard]] bool contains(const EventId& id) const { return set_.contains(id); }

 private:
  std::unordered_set<EventId, EventIdHash> set_;
  std::deque<EventId> order_;
};

class Leader final : public LeaderStream {
 public:
  Leader(net::Reactor& reactor, std::shared_ptr<VenueShared> shared, LeaderStreamOptions options,
         Signer signer, EventSink& sink)
      : reactor_(reactor),
        shared_(std::move(shared)),
        budget_(shared_->egress(options.egress)),
        feed_(options.feed),
        request_(std::move(signer), shared_->config().recv_window_ms),
        sink_(sink),
        rest_(reactor, shared_, options.egress),
        backoff_(shared_->config().reconnect_min_ns, shared_->config().reconnect_max_ns),
        delivered_ns_(std::max(options.resume_from_ns, options.feed.baseline_ns)),
        timer_(reactor.make_timer()) {
    tick();
  }
  ~Leader() override { timer_->cancel(); }

  [[nodiscard]] bool up() const override { return subscribed_ && !fetching_ && held_.empty(); }

 private:
  void tick();
  void keep_connection(std::int64_t now_ns);
  void dial(std::int64_t now_ns);
  void subscribe();
  void close(std::string_view why);
  void on_message(std::string_view json);
  void on_reply(const Reply& reply);
  void on_report(const ExecutionReport& report);
  LeaderEvent event_of(std::string_view venue_symbol, std::string_view order_id,
                       std::string_view trade_id);
  void pass_on(const LeaderEvent& event);
  void deliver(const LeaderEvent& event);
  void push_held();

  void check();
  void read_worth();
  void tell_balance(const Asset& asset, Decimal free, Decimal locked);
  void begin_fetch(bool is_check);
  void fetch_next();
  LeaderEvent order_event_of(std::string_view venue_symbol, std::string_view order_id, Side side,
                             const LeaderOrderChange& change);
  void fetch_trades(const std::string& venue_symbol, const std::string& from_id);
  void fetch_orders(const std::string& venue_symbol, std::int64_t from_ms);
  void on_orders(const std::string& venue_symbol, std::int64_t from_ms, const RestReply& reply);
  bool look_up_next_amendment();
  void on_amendments(const RestReply& reply);
  void on_trades(const std::string& venue_symbol, const RestReply& reply);
  bool look_up_next_order();
  void on_order(const std::string& order_id, const RestReply& reply);
  void finish_fetch();
  void remember_order(std::string_view order_id, bool made_by_engine);

  // A trade of the history, with its texts held.
  struct Found {
    std::string symbol;
    std::int64_t number;
    TradeRow row;
  };
  // A resting order of the history, and what is asked for before its changes are known.
  struct FoundOrder {
    std::string symbol;
    OrderRow row;
    std::string type, time_in_force;
  };
  struct OrderFetch {
    std::string symbol;
    std::int64_t from_ms;
  };
  // What was found, to be told in the exchange's order.
  struct Missed {
    std::int64_t time_ms;
    int rank;  // within a millisecond: placed, amended, filled, ended
    std::int64_t number;
    LeaderEvent event;
  };
  struct Fetch {
    std::string symbol;
    std::string from_id;  // empty: from the start time
  };

  net::Reactor& reactor_;
  const std::shared_ptr<VenueShared> shared_;
  EgressBudget& budget_;
  const LeaderFeed feed_;
  const RequestTemplate request_;
  EventSink& sink_;
  Rest rest_;
  Decoder decoder_;
  Decoder history_decoder_;
  Message message_;
  std::unique_ptr<net::WsClient> client_;
  std::vector<std::unique_ptr<net::WsClient>> dead_;
  std::uint32_t serial_ = 0;
  bool open_ = false;
  bool subscribing_ = false;
  bool subscribed_ = false;
  bool refused_ = false;
  std::int64_t asked_ns_ = 0;
  std::int64_t ends_ns_ = 0;
  std::int64_t next_dial_ns_ = 0;
  Backoff backoff_;

  std::optional<Event> refusal_;     // of the key, until it is taken
  std::deque<LeaderEvent> held_;     // nobody took them yet
  std::deque<LeaderEvent> waiting_;  // came while older ones are being fetched
  RecentEvents seen_;
  std::int64_t delivered_ns_;   // engine time of the newest fill that was taken
  std::int64_t active_ns_ = 0;  // when the stream last said something, or was looked up

  bool checking_ = false;
  int checks_ = 0;
  bool worth_open_ = false;
  std::int64_t next_worth_ns_ = 0;
  std::vector<Asset> assets_told_;
  std::int64_t balance_ms_ = 0;  // venue time of the newest change of balance that was told

  std::vector<std::string> symbols_;  // venue symbols whose history is looked at
  std::deque<Fetch> to_fetch_;
  bool fetching_ = false;    // from the first request to the last trade passed on
  bool fetch_open_ = false;  // a request is under way
  bool fetch_is_check_ = false;
  std::int64_t fetch_from_ms_ = 0;
  std::int64_t next_fetch_ns_ = 0;
  std::vector<Found> found_;
  std::deque<OrderFetch> orders_to_fetch_;
  std::deque<FoundOrder> amendments_to_look_up_;
  std::vector<LeaderEvent> found_changes_;
  std::deque<std::string> orders_to_look_up_;
  std::unordered_map<std::string, std::string> symbol_of_order_;
  std::unordered_map<std::string, bool> made_by_engine_;  // by order id
  std::deque<std::string> remembered_orders_;
  std::unique_ptr<net::Reactor::Timer> timer_;
};

void Leader::tick() {
  const std::int64_t now = shared_->now_ns();
  dead_.clear();
  push_held();
  if (!refused_) keep_connection(now);
  if (subscribed_ && fetching_ && !fetch_open_ && now >= next_fetch_ns_) fetch_next();
  const std::int64_t silence = shared_->config().leader_check_interval_ns;
  if (subscribed_ && !fetching_ && !checking_ && now - active_ns_ > silence) check();
  if (subscribed_ && !worth_open_ && now >= next_worth_ns_) read_worth();
  timer_->start(tick_ns, [this] { tick(); });
}

// ---- connection ---------------------------------------------------------------------------------

void Leader::keep_connection(std::int64_t now_ns) {
  if (client_ && open_ && now_ns >= ends_ns_) close("its time is over");
  if (client_ && subscribing_ && now_ns - asked_ns_ > shared_->config().request_timeout_ns)
    close("no answer to the subscription");
  if (!client_) return dial(now_ns);
  // Without instruments a symbol has no name of ours yet; without an offset, a signature no time.
  const bool ready = shared_->instruments_version() != 0 && shared_->offset.known();
  if (open_ && !subscribed_ && !subscribing_ && ready) subscribe();
}

void Leader::dial(std::int64_t now_ns) {
  const Config& config = shared_->config();
  if (now_ns < next_dial_ns_ || held_.size() > config.held_events_max ||
      !budget_.try_connect(shared_->venue_now_ns()))
    return;
  next_dial_ns_ = now_ns + backoff_.next_delay_ns();
  ends_ns_ = now_ns + config.connection_lifetime_ns -
             backoff_.random_below(config.connection_lifetime_ns / 24);
  net::WsClientOptions options;
  options.local_address = budget_.local_address;
  options.connect_to = config.ws_api_connect_to;
  options.ping_interval_ns = config.ping_interval_ns;
  const std::uint32_t serial = ++serial_;
  auto client = net::WsClient::connect(
      reactor_, shared_->tls(), net::parse_url(config.ws_api_url).value(), std::move(options),
      {.on_open = [this, serial] { open_ = open_ || serial == serial_; },
       .on_message =
           [this, serial](std::string_view json) {
             if (serial == serial_) on_message(json);
           },
       .on_close =
           [this, serial](std::string_view why) {
             if (serial == serial_) close(why);
           }});
  if (serial == serial_)
    client_ = std::move(client);
  else
    dead_.push_back(std::move(client));
}

void Leader::close(std::string_view why) {
  log_warning("binance leader stream closed", {{"why", why}});
  ++serial_;
  if (client_) dead_.push_back(std::move(client_));
  client_.reset();
  open_ = subscribing_ = subscribed_ = fetching_ = false;
  waiting_.clear();  // not passed on, so the next fetch brings them again
}

void Leader::subscribe() {
  if (!budget_.try_take(subscribe_weight, true, shared_->venue_now_ns())) return;
  subscribing_ = true;
  asked_ns_ = shared_->now_ns();
  client_->send_text(encode_signed("userDataStream.subscribe.signature", {}, request_, subscribe_id,
                                   shared_->venue_now_ns() / ns_per_ms));
}

// Hot path 1/7: bytes of a leader's trade arrive here and leave as a leader event.
void Leader::on_message(std::string_view json) {
  if (!decoder_.message(json, message_)) {
    // It may have been a fill: the history knows.
    shared_->refused_messages.add();
    log_error("binance leader stream: message refused");
    if (subscribed_ && !fetching_) begin_fetch(false);
    return;
  }
  active_ns_ = shared_->now_ns();
  switch (message_.kind) {
    case Message::Kind::reply:
      return on_reply(message_.reply);
    case Message::Kind::execution_report:
      return on_report(message_.report);
    case Message::Kind::stream_terminated:
      return close("stream terminated");
    case Message::Kind::server_shutdown:
      next_dial_ns_ = 0;
      return close("server shutdown");
    case Message::Kind::account_position:
      for (const BalanceRow& row : message_.balances) tell_balance(row.asset, row.free, row.locked);
      return;
    case Message::Kind::balance_change:  // a difference only: the whole is read
      next_worth_ns_ = 0;
      return;
    case Message::Kind::other_event:
      return;
  }
}

void Leader::on_reply(const Reply& reply) {
  if (!subscribing_) return;
  subscribing_ = false;
  if (reply.status == 200 && !reply.has_error && reply.subscription_id >= 0) {
    subscribed_ = true;
    next_worth_ns_ = 0;
    backoff_.reset();
    return begin_fetch(false);
  }
  const Judgement judged = judge(reply.status, reply.code, reply.message);
  if (judged.remedy == Remedy::resync_clock) shared_->offset.distrust(shared_->now_ns());
  if (judged.remedy == Remedy::pause_egress && reply.retry_after_ms > 0)
    budget_.pause_until(reply.retry_after_ms * ns_per_ms);
  if (judged.remedy == Remedy::stop_account) {
    refused_ = true;
    log_error("binance refuses the credentials of a leader feed", {{"message", reply.message}});
    AccountState state{};
    state.account = feed_.account;
    state.kind = AccountStateKind::credentials_refused;
    state.message = Text<95>::cut(reply.message);
    refusal_ = make_event(state);
  }
  close("subscription refused");
}

// ---- fills --------------------------------------------------------------------------------------

LeaderEvent Leader::event_of(std::string_view venue_symbol, std::string_view order_id,
                             std::string_view trade_id) {
  LeaderEvent event{};
  event.id = fill_event_id(Venue::binance, feed_.account, order_id, trade_id);
  event.leader_order = leader_order_of(Venue::binance, feed_.account, order_id);
  event.kind = LeaderEventKind::fill;
  event.venue = Venue::binance;
  event.leader = feed_.leader;
  event.feed_account = feed_.account;
  const auto table = shared_->instruments();
  const Instrument* const instrument = table ? table->find(venue_symbol) : nullptr;
  event.symbol = instrument != nullptr ? instrument->symbol : Symbol::cut(venue_symbol);
  return event;
}

LeaderEvent Leader::order_event_of(std::string_view venue_symbol, std::string_view order_id,
                                   Side side, const LeaderOrderChange& change) {
  LeaderEvent event = event_of(venue_symbol, order_id, "");
  event.id = event_id_of(feed_.account, order_id, change);
  event.kind = change.kind;
  event.side = side;
  event.quantity = change.quantity;
  event.price = change.price;
  event.event_time_ns = shared_->from_venue_ms(change.time_ms);
  return event;
}

void Leader::on_report(const ExecutionReport& report) {
  const bool ours = order_key_from_client_id(report.client_order_id).has_value() ||
                    order_key_from_client_id(report.original_client_order_id).has_value();
  const auto change = report.execution == ExecutionType::trade ? std::nullopt : change_of(report);
  if (report.execution != ExecutionType::trade && !change) return;
  remember_order(report.order_id.view(), ours);
  if (std::find(symbols_.begin(), symbols_.end(), report.symbol) == symbols_.end())
    symbols_.emplace_back(report.symbol);
  // The engine's own resting orders on a leader's account are nobody's to mirror.
  if (ours && change) return;
  if (change) {
    LeaderEvent event = order_event_of(report.symbol, report.order_id.view(), report.side, *change);
    event.source = EventSource::stream;
    event.received_ns = active_ns_;
    return pass_on(event);
  }
  LeaderEvent event = event_of(report.symbol, report.order_id.view(), report.trade_id.view());
  event.source = EventSource::stream;
  event.side = report.side;
  event.quantity = report.last_quantity;
  event.price = report.last_price;
  const auto parts = split_symbol(event.symbol.view());
  if (parts && report.fee_asset.view() == parts->base) event.base_fee = report.fee;
  event.event_time_ns = shared_->from_venue_ms(report.transaction_ms);
  event.received_ns = active_ns_;
  // Not the leader's own decision: only links that copy chains take it.
  event.chained = ours;
  pass_on(event);
}

void Leader::pass_on(const LeaderEvent& event) {
  if (event.event_time_ns < feed_.baseline_ns) return;
  if (!fetching_) return deliver(event);
  waiting_.push_back(event);
  if (waiting_.size() <= shared_->config().held_events_max) return;
  close("too many fills while older ones are fetched");
}

void Leader::deliver(const LeaderEvent& event) {
  seen_.add(event.id);
  if (held_.empty() && sink_.try_push(make_event(event))) {
    delivered_ns_ = std::max(delivered_ns_, event.event_time_ns);
    return;
  }
  held_.push_back(event);
  // Stop reading what nobody takes; after the next connection the history is read from here on.
  if (held_.size() > shared_->config().held_events_max && client_) close("events are not taken");
}

void Leader::push_held() {
  if (refusal_ && sink_.try_push(*refusal_)) refusal_.reset();
  while (!held_.empty() && sink_.try_push(make_event(held_.front()))) {
    delivered_ns_ = std::max(delivered_ns_, held_.front().event_time_ns);
    held_.pop_front();
  }
}

// ---- what was missed ----------------------------------------------------------------------------

// A stream that is silent although the account changed does not tell: one request says whether it
// did.
void Leader::check() {
  active_ns_ = shared_->now_ns();
  if (++checks_ % checks_per_fetch == 0) return begin_fetch(true);
  const std::uint32_t serial = serial_;
  checking_ = rest_.get_signed(
      endpoint::account.path, {{"omitZeroBalances", "true"}}, request_, account_weight,
      [this, serial](const RestReply& reply) {
        checking_ = false;
        if (serial != serial_ || !subscribed_ || fetching_) return;
        AccountRow row{};
        const bool known = reply.ok && history_decoder_.account(PaddedText(reply.body).view(), row);
        if (known && row.update_time_ms <= balance_ms_) return;
        if (known) balance_ms_ = row.update_time_ms;
        begin_fetch(true);
      });
}

// What the leader's account is worth decides how much followers get who copy in proportion to it.
void Leader::read_worth() {
  const std::uint32_t serial = serial_;
  next_worth_ns_ = shared_->now_ns() + retry_ns;
  worth_open_ = rest_.get_signed(
      endpoint::account.path, {{"omitZeroBalances", "true"}}, request_, account_weight,
      [this, serial](const RestReply& reply) {
        worth_open_ = false;
        AccountRow row{};
        if (serial != serial_ || !reply.ok ||
            !history_decoder_.account(PaddedText(reply.body).view(), row))
          return;
        next_worth_ns_ = shared_->now_ns() + worth_interval_ns;
        // What is left out is zero.
        for (const Asset& asset : assets_told_)
          if (std::ranges::find(row.balances, asset, &BalanceRow::asset) == row.balances.end())
            tell_balance(asset, {}, {});
        for (const BalanceRow& b : row.balances) tell_balance(b.asset, b.free, b.locked);
      });
}

// Advice: what nobody takes is told again with the next reading.
void Leader::tell_balance(const Asset& asset, Decimal free, Decimal locked) {
  if (std::ranges::find(assets_told_, asset) == assets_told_.end()) assets_told_.push_back(asset);
  Balance balance{};
  balance.account = feed_.account;
  balance.asset = asset;
  balance.free = free;
  balance.locked = locked;
  balance.venue_time_ns = shared_->now_ns();
  balance.leader = true;
  static_cast<void>(sink_.try_push(make_event(balance)));
}

void Leader::begin_fetch(bool is_check) {
  const auto table = shared_->instruments();
  for (const std::string& symbol : shared_->config().symbols) {
    if (!table) break;
    for (const Instrument& row : table->rows) {
      if (row.symbol.view() != symbol) continue;
      if (std::find(symbols_.begin(), symbols_.end(), row.venue_symbol.view()) == symbols_.end())
        symbols_.push_back(row.venue_symbol.str());
    }
  }
  active_ns_ = shared_->now_ns();
  fetch_is_check_ = is_check;
  // Held events are not lost: the history is needed from the last one read.
  const std::int64_t from_ns = held_.empty() ? delivered_ns_ : held_.back().event_time_ns;
  const std::int64_t from_ms = (from_ns + shared_->offset.offset_ns()) / ns_per_ms - overlap_ms;
  const std::int64_t baseline_ms =
      (feed_.baseline_ns + shared_->offset.offset_ns()) / ns_per_ms - 1;
  fetch_from_ms_ = std::max<std::int64_t>({from_ms, baseline_ms, 1});
  to_fetch_.clear();
  found_.clear();
  orders_to_look_up_.clear();
  orders_to_fetch_.clear();
  amendments_to_look_up_.clear();
  found_changes_.clear();
  for (const std::string& symbol : symbols_) {
    to_fetch_.push_back({symbol, ""});
    orders_to_fetch_.push_back({symbol, fetch_from_ms_});
  }
  fetching_ = true;
  next_fetch_ns_ = 0;
}

void Leader::fetch_next() {
  if (!to_fetch_.empty()) return fetch_trades(to_fetch_.front().symbol, to_fetch_.front().from_id);
  if (look_up_next_order()) return;
  if (!orders_to_fetch_.empty())
    return fetch_orders(orders_to_fetch_.front().symbol, orders_to_fetch_.front().from_ms);
  if (look_up_next_amendment()) return;
  finish_fetch();
}

void Leader::fetch_trades(const std::string& venue_symbol, const std::string& from_id) {
  TradesQuery query;
  query.symbol = venue_symbol;
  query.from_id = from_id;
  if (from_id.empty()) query.start_ms = fetch_from_ms_;
  query.limit = trades_page;
  const std::uint32_t serial = serial_;
  fetch_open_ =
      rest_.get_signed(endpoint::trades.path, trades_params(query), request_, trades_weight,
                       [this, serial, symbol = venue_symbol](const RestReply& reply) {
                         fetch_open_ = false;
                         if (serial == serial_)
                           on_trades(symbol, reply);  // else a new connection starts over
                       });
  if (!fetch_open_) next_fetch_ns_ = shared_->now_ns() + retry_ns;
}

void Leader::on_trades(const std::string& venue_symbol, const RestReply& reply) {
  std::vector<TradeRow> rows;
  const PaddedText body(reply.body);
  if (!reply.ok || !history_decoder_.trades(body.view(), rows)) {
    log_warning("binance trade history failed", {{"why", reply.ok ? "unreadable" : reply.problem}});
    next_fetch_ns_ = shared_->now_ns() + retry_ns;
    return;
  }
  std::int64_t last = 0;
  for (const TradeRow& row : rows) {
    std::int64_t number = 0;
    const std::string_view id = row.trade_id.view();
    std::from_chars(id.data(), id.data() + id.size(), number);
    last = std::max(last, number);
    Found found{venue_symbol, number, row};
    found.row.symbol = {};
    found_.push_back(std::move(found));
    const std::string order = row.order_id.str();
    if (!made_by_engine_.contains(order) && symbol_of_order_.emplace(order, venue_symbol).second)
      orders_to_look_up_.push_back(order);
  }
  const std::string symbol = to_fetch_.front().symbol;
  to_fetch_.pop_front();
  if (rows.size() >= static_cast<std::size_t>(trades_page))
    to_fetch_.push_front({symbol, std::to_string(last + 1)});
}

// The history does not say whose order a trade belongs to: the order does, by its client order id.
bool Leader::look_up_next_order() {
  if (orders_to_look_up_.empty()) return false;
  const std::string order = orders_to_look_up_.front();
  const std::uint32_t serial = serial_;
  fetch_open_ =
      rest_.get_signed(endpoint::order.path, order_params_by_id(symbol_of_order_[order], order),
                       request_, order_weight, [this, serial, order](const RestReply& reply) {
                         fetch_open_ = false;
                         if (serial == serial_) on_order(order, reply);
                       });
  if (!fetch_open_) next_fetch_ns_ = shared_->now_ns() + retry_ns;
  return true;
}

void Leader::on_order(const std::string& order_id, const RestReply& reply) {
  OrderRow row{};
  const PaddedText body(reply.body);
  bool ours = false;
  if (reply.ok && history_decoder_.order(body.view(), row)) {
    ours = order_key_from_client_id(row.client_order_id).has_value();
  } else if (reply.ok || reply.judged.verdict == Verdict::unknown ||
             reply.judged.verdict == Verdict::rejected) {
    next_fetch_ns_ = shared_->now_ns() + retry_ns;
    return;
  }
  remember_order(order_id, ours);
  symbol_of_order_.erase(order_id);
  if (!orders_to_look_up_.empty()) orders_to_look_up_.pop_front();
}

// allOrders: "Orders are filtered by time of the last execution status update".
void Leader::fetch_orders(const std::string& venue_symbol, std::int64_t from_ms) {
  const std::uint32_t serial = serial_;
  fetch_open_ = rest_.get_signed(
      endpoint::all_orders.path, changed_orders_params(venue_symbol, from_ms, orders_page),
      request_, all_orders_weight,
      [this, serial, symbol = venue_symbol, from_ms](const RestReply& r) {
        fetch_open_ = false;
        if (serial == serial_) on_orders(symbol, from_ms, r);
      });
  if (!fetch_open_) next_fetch_ns_ = shared_->now_ns() + retry_ns;
}

void Leader::on_orders(const std::string& venue_symbol, std::int64_t from_ms,
                       const RestReply& reply) {
  std::vector<OrderRow> rows;
  const PaddedText body(reply.body);
  if (!reply.ok || !history_decoder_.orders(body.view(), rows)) {
    log_warning("binance order history failed", {{"why", reply.ok ? "unreadable" : reply.problem}});
    next_fetch_ns_ = shared_->now_ns() + retry_ns;
    return;
  }
  std::int64_t last_ms = from_ms;
  for (const OrderRow& row : rows) {
    last_ms = std::max(last_ms, row.time_ms);
    if (!rests(row.type, row.time_in_force)) continue;
    const bool ours = order_key_from_client_id(row.client_order_id).has_value();
    remember_order(row.order_id.view(), ours);
    if (ours) continue;
    FoundOrder found{venue_symbol, row, std::string(row.type), std::string(row.time_in_force)};
    // An open one may have been amended: the row does not say.
    if (!is_final(row.state)) {
      amendments_to_look_up_.push_back(std::move(found));
      continue;
    }
    for (const LeaderOrderChange& change : changes_of(row, {}))
      found_changes_.push_back(order_event_of(venue_symbol, row.order_id.view(), row.side, change));
  }
  orders_to_fetch_.pop_front();
  // A full page that ends where it began cannot be gone on from; what is beyond is of one moment.
  if (rows.size() >= static_cast<std::size_t>(orders_page) && last_ms > from_ms)
    orders_to_fetch_.push_front({venue_symbol, last_ms});
}

bool Leader::look_up_next_amendment() {
  if (amendments_to_look_up_.empty()) return false;
  const FoundOrder& next = amendments_to_look_up_.front();
  const std::uint32_t serial = serial_;
  fetch_open_ = rest_.get_signed(endpoint::amendments.path,
                                 order_params_by_id(next.symbol, next.row.order_id.view()),
                                 request_, amendments_weight, [this, serial](const RestReply& r) {
                                   fetch_open_ = false;
                                   if (serial == serial_) on_amendments(r);
                                 });
  if (!fetch_open_) next_fetch_ns_ = shared_->now_ns() + retry_ns;
  return true;
}

void Leader::on_amendments(const RestReply& reply) {
  std::vector<AmendmentRow> amendments;
  const PaddedText body(reply.body);
  if (!reply.ok || !history_decoder_.amendments(body.view(), amendments)) {
    next_fetch_ns_ = shared_->now_ns() + retry_ns;
    return;
  }
  FoundOrder found = std::move(amendments_to_look_up_.front());
  amendments_to_look_up_.pop_front();
  found.row.type = found.type;
  found.row.time_in_force = found.time_in_force;
  for (const LeaderOrderChange& change : changes_of(found.row, amendments))
    found_changes_.push_back(
        order_event_of(found.symbol, found.row.order_id.view(), found.row.side, change));
}

void Leader::remember_order(std::string_view order_id, bool made_by_engine) {
  if (!made_by_engine_.emplace(std::string(order_id), made_by_engine).second) return;
  remembered_orders_.emplace_back(order_id);
  if (remembered_orders_.size() <= remembered_max) return;
  made_by_engine_.erase(remembered_orders_.front());
  remembered_orders_.pop_front();
}

// Everything found, in the exchange's order, then what came meanwhile. Events known already are
// recognised by their ids in the core.
void Leader::finish_fetch() {
  std::vector<Missed> missed;
  for (const Found& trade : found_) {
    const auto made = made_by_engine_.find(trade.row.order_id.str());
    LeaderEvent event =
        event_of(trade.symbol, trade.row.order_id.view(), trade.row.trade_id.view());
    event.chained = made != made_by_engine_.end() && made->second;
    event.side = trade.row.side;
    event.quantity = trade.row.quantity;
    event.price = trade.row.price;
    const auto parts = split_symbol(event.symbol.view());
    if (parts && trade.row.fee_asset.view() == parts->base) event.base_fee = trade.row.fee;
    event.event_time_ns = shared_->from_venue_ms(trade.row.time_ms);
    missed.push_back({trade.row.time_ms, 2, trade.number, event});
  }
  for (const LeaderEvent& event : found_changes_) {
    const std::int64_t time_ms = (event.event_time_ns + shared_->offset.offset_ns()) / ns_per_ms;
    const int rank = event.kind == LeaderEventKind::order_placed    ? 0
                     : event.kind == LeaderEventKind::order_amended ? 1
                                                                    : 3;
    missed.push_back({time_ms, rank, 0, event});
  }
  found_.clear();
  found_changes_.clear();
  std::stable_sort(missed.begin(), missed.end(), [](const Missed& a, const Missed& b) {
    return std::tuple(a.time_ms, a.event.symbol.view(), a.rank, a.number) <
           std::tuple(b.time_ms, b.event.symbol.view(), b.rank, b.number);
  });
  const std::int64_t venue_ms = shared_->venue_now_ns() / ns_per_ms;
  std::size_t count = 0;
  for (Missed& m : missed) {
    if (m.event.event_time_ns < feed_.baseline_ns || seen_.contains(m.event.id)) continue;
    if (venue_ms - m.time_ms > settling_ms) ++count;
    m.event.source = EventSource::rest;
    m.event.received_ns = shared_->now_ns();
    deliver(m.event);
  }
  symbol_of_order_.clear();
  fetching_ = false;
  while (!waiting_.empty()) {
    deliver(waiting_.front());
    waiting_.pop_front();
  }
  active_ns_ = shared_->now_ns();
  if (count > 0) log_info("binance leader stream: missed events fetched", {{"count", count}});
  // The connection lives but does not tell: another one.
  if (count > 0 && fetch_is_check_) close("events were not pushed");
}

}  // namespace

std::unique_ptr<LeaderStream> make_leader_stream(net::Reactor& reactor,
                                                 std::shared_ptr<VenueShared> shared,
                                                 LeaderStreamOptions options, EventSink& sink) {
  auto signer = Signer::make(options.credentials);
  if (!signer) {
    log_error("credentials of a leader feed cannot be used", {{"why", signer.error()}});
    AccountState state{};
    state.account = options.feed.account;
    state.kind = AccountStateKind::credentials_refused;
    state.message = Text<95>::cut(signer.error());
    static_cast<void>(
        sink.try_push(make_event(state)));  // advice; without it there is no feed either
    return nullptr;
  }
  return std::make_unique<Leader>(reactor, std::move(shared), std::move(options),
                                  std::move(*signer), sink);
}

}  // namespace oneclick::binance
