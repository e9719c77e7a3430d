// The order session of one shard: its state, in five .cpp files. session.cpp sends orders and
// reads answers, session_accounts.cpp keeps account streams subscribed and reconciled,
// session_sweeps.cpp reads them back in turns, session_trades.cpp fetches trades of gaps,
// session_lines.cpp keeps connections. Lives on the shard's thread; never blocks, never drops an
// event.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connectors/binance/backoff.hpp"
#include "connectors/binance/binance.hpp"
#include "connectors/binance/decode.hpp"
#include "connectors/binance/encode.hpp"
#include "connectors/binance/pending.hpp"
#include "connectors/net/ws_client.hpp"

namespace oneclick::binance {

// One connection to the WebSocket API.
struct Line {
  std::uint32_t serial = 0;
  std::unique_ptr<net::WsClient> client;
  bool open = false;
  bool closed = false;
  bool retiring = false;                  // takes no new accounts; closed once it has none
  std::int64_t ends_ns = 0;               // replaced at this time
  std::uint32_t in_flight = 0;            // requests without an answer
  std::uint32_t subscriptions_total = 0;  // over its life: the venue allows 65,535
  std::uint32_t accounts = 0;             // subscribed or being subscribed here
  std::vector<AccountSlot> slots;         // by subscription id
  UnwrittenRing unwritten;
  explicit Line(std::size_t requests_max) : unwritten(requests_max) {}
};

// Trades of a time in which an account's stream did not tell, as far as they were fetched.
struct Gap {
  std::int64_t from_ms = 0;  // 0: there is none
  bool queued = false;
  bool open = false;   // a question is under way
  bool again = false;  // and is of an older round
  std::int64_t not_before_ns = 0;
  std::size_t symbol = 0;           // of Session's list, the one being fetched
  std::string from_id;              // of its next page
  bool page_is_last = false;        // of this symbol
  std::vector<OrderUpdate> trades;  // whose order is not known yet
};

struct AttachedAccount {
  AttachedAccount(const Account& a, AccountSlot s, Signer signer, const VenueShared& shared);
  Account account;
  AccountSlot slot;
  std::uint32_t attached = 0;
  Digest credentials{};  // of key and secret, to see whether they changed
  RequestTemplate request;
  net::RateWindow orders_short;  // ORDERS, ten seconds
  net::RateWindow orders_day;    // ORDERS, one day
  int open_orders = 0;           // placed and not known to have ended
  bool refused = false;          // the venue refused its key
  // Account stream. Serials are 0 when there is none.
  std::uint32_t live_on = 0;
  std::int64_t subscription = -1;
  std::uint32_t subscribing_on = 0;
  bool queued = false;             // waits to be subscribed
  std::int64_t not_before_ns = 0;  // after a failure
  int failures = 0;
  // Reconciling: reads are numbered from 0; see read_count().
  bool reconcile_queued = false;
  bool reconciled = false;
  std::size_t reads_sent = 0;
  std::size_t reads_open = 0;
  bool read_failed = false;
  int snapshot_tries = 0;
  std::uint32_t sweep = 0;  // id of the present reading, and when it began
  std::int64_t sweep_started_ns = 0;
  std::int64_t read_ns = 0;     // when it was last read back whole; before that: attached
  std::int64_t live_ms = 0;     // when its stream began, by the venue's clock
  std::int64_t heard_ms = 0;    // the newest that it told
  std::int64_t pushed_ms = 0;   // of the newest pushed balance
  std::int64_t balance_ms = 0;  // of the newest balance told, and what it was told as
  std::int64_t balance_time_ns = 0;
  Gap gap;
  std::vector<Asset> told;  // assets whose balance the core was told
};

// Orders of one batch wait here for each other, so that their signatures are made together.
struct StagedOrder {
  std::uint32_t id;
  std::uint32_t line;  // serial
  const Signer* signer;
  UnsignedSizes sizes;
  char json[request_bytes_max];
  char text[request_bytes_max];
};

[[nodiscard]] OrderUpdateKind update_kind_of(OrderState state);
[[nodiscard]] std::string client_order_id_of(const OrderKey& key);

class Session final : public OrderSession {
 public:
  Session(net::Reactor& reactor, std::shared_ptr<VenueShared> shared, std::uint8_t egress,
          EventSink& sink);
  ~Session() override;

  void attach(AccountSlot slot, const Account& account, const Credentials& credentials) override;
  void detach(AccountSlot slot) override;
  [[nodiscard]] SubmitResult submit(const Intent& intent) override;
  void prefetch(AccountSlot slot, bool first) const override;
  void flush() override;
  [[nodiscard]] bool up() const override { return up_; }
  [[nodiscard]] std::size_t backlog_bytes() const override;

 private:
  // session.cpp
  SubmitResult submit_place(AttachedAccount& a, Line& line, const Intent& intent);
  // session_pairs.cpp
  SubmitResult submit_pair(AttachedAccount& a, Line& line, const Intent& intent);
  void on_pair_reply(const Pending& row, const Reply& reply);
  bool on_cancelled_list(const Pending& row, const Reply& reply);
  void emit_pair(OrderUpdate update, const Pending& row);

  SubmitResult submit_question(AttachedAccount& a, Line& line, const Intent& intent);
  void send_request(Line& line, Pending& row, std::uint32_t id, const std::string& message);
  void commit_staged();
  void drop_staged(std::uint32_t serial);
  void finish_commit(Line& line, std::uint32_t id);
  void note_written(Line& line);
  void on_message(std::uint32_t serial, std::string_view json);
  void on_refused_message(Line& line);
  void on_reply(Line& line, Pending& row);
  void on_place_reply(const Pending& row, const Reply& reply);
  void on_cancel_reply(const Pending& row, const Reply& reply);
  void on_query_reply(const Pending& row, const Reply& reply);
  void on_trades_reply(Line& line, const Pending& row, const Reply& reply);
  void request_trades(Line& line, const Pending& of, std::string_view from_id);
  void request_order_by_id(Line& line, const Pending& of);
  void fail_pending(const Pending& row, std::string_view why);
  Judgement judge_reply(const Pending& row, const Reply& reply);
  void apply_remedy(Remedy remedy, const Pending& row, const Reply& reply);
  void observe_limits(const Pending& row);
  OrderUpdate update_of(const Pending& row, OrderUpdateKind kind, UpdateSource source) const;
  void emit(const Event& event);
  void emit_update(const OrderUpdate& update);

  // session_accounts.cpp
  AttachedAccount* account_at(AccountSlot slot);
  AttachedAccount* account_of(const Pending& row);
  void queue_subscription(AttachedAccount& a);
  void queue_reconcile(AttachedAccount& a, bool urgent = false);
  // Whether all that can be asked now was: false when the budget or a bound is in the way.
  bool pump_subscriptions(std::int64_t now_ns);
  bool send_subscription(AttachedAccount& a, Line& line);
  bool pump_reconciles(std::int64_t now_ns);
  void pump_sweeps(std::int64_t now_ns, bool may_ask);
  void note_read(AttachedAccount& a);
  void doubt_silent_stream(AttachedAccount& a, std::int64_t ended_ms);
  bool send_next_read(AttachedAccount& a);
  [[nodiscard]] std::size_t read_count() const;
  void on_subscribe_reply(Line& line, const Pending& row, const Reply& reply);
  void on_read_reply(const Pending& row, const Reply& reply);
  bool take_snapshot(AttachedAccount& a, const Pending& row, const Reply& reply);
  bool take_open_orders(AttachedAccount& a, const Reply& reply);
  void finish_read(AttachedAccount& a, bool ok);
  void on_event(Line& line);
  void on_report(AttachedAccount& a, const ExecutionReport& report);
  void on_position(AttachedAccount& a);
  void tell_balance(AttachedAccount& a, const BalanceRow& row, std::int64_t time_ms, bool snapshot);
  void drop_subscription(AttachedAccount& a);
  void lose(AttachedAccount& a, std::string_view why);
  void refuse(AttachedAccount& a, std::string_view why);
  void order_ended(AttachedAccount* a);
  Symbol symbol_of(std::string_view venue_symbol);

  // session_trades.cpp
  void begin_gap(AttachedAccount& a);
  void queue_gap(AttachedAccount& a);
  void pump_gaps(std::int64_t now_ns);
  bool send_gap_question(AttachedAccount& a);
  void on_gap_reply(const Pending& row, const Reply& reply);
  void on_gap_failed(const Pending& row);
  bool take_gap_trades(AttachedAccount& a, const Reply& reply);
  void tell_gap_trades(AttachedAccount& a, const VenueOrderId& order,
                       std::string_view client_order_id);
  void end_gap_page(AttachedAccount& a);

  // session_lines.cpp
  void tick();
  void schedule_tick();
  void keep_lines(std::int64_t now_ns);
  void open_line(std::int64_t now_ns);
  void on_open(std::uint32_t serial);
  void on_close(std::uint32_t serial, std::string_view why);
  void retire(Line& line, std::string_view why);
  void measure_clock(Line& line);
  void sweep_timeouts(std::int64_t now_ns);
  void push_held();
  void follow_order_limits();
  void update_up();
  Line* line_at(std::uint32_t serial);
  Line* order_line();
  Line* line_for_account();

  net::Reactor& reactor_;
  const std::shared_ptr<VenueShared> shared_;
  EgressBudget& budget_;
  EventSink& sink_;
  const net::Url url_;
  Decoder decoder_;
  Message message_;
  PendingTable pending_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::vector<std::unique_ptr<Line>> dead_;  // destroyed on the next tick, outside their handlers
  std::vector<std::unique_ptr<AttachedAccount>> accounts_;  // by slot
  std::size_t account_count_ = 0;
  std::deque<AccountSlot> to_subscribe_;
  std::deque<AccountSlot> to_reconcile_;
  // Accounts by when they were last read, the longest ago first; rows of other times are void.
  struct ReadRow {
    AccountSlot slot;
    std::int64_t read_ns;
  };
  std::deque<ReadRow> read_order_;
  std::deque<AccountSlot> gaps_;
  std::size_t gaps_open_ = 0;
  VenueShared::Reading oldest_reading_;
  std::uint32_t sweep_last_;
  std::size_t subscribing_ = 0;  // requests without an answer
  std::size_t reads_open_ = 0;
  static constexpr std::size_t staged_max = 16;
  std::array<StagedOrder, staged_max> staged_;
  std::size_t staged_count_ = 0;
  std::deque<Event> held_;                 // nobody took them yet
  std::vector<std::string> read_symbols_;  // venue symbols whose open orders are read one by one
  std::vector<Asset> watched_assets_;      // of the configured symbols: told as zero when not held
  std::shared_ptr<const InstrumentTable> instruments_;
  std::uint64_t instruments_seen_ = 0;
  std::vector<BalanceRow> balance_rows_;
  std::vector<OrderRow> order_rows_;
  std::vector<TradeRow> trade_rows_;
  Backoff backoff_;
  std::int64_t next_dial_ns_ = 0;
  std::size_t sweep_at_ = 0;
  std::uint32_t orders_short_limit_ = 0;  // what the accounts' windows were given
  std::uint32_t orders_day_limit_ = 0;
  std::uint32_t serial_last_ = 0;
  std::uint32_t attached_last_ = 0;
  bool up_ = false;
  std::unique_ptr<net::Reactor::Timer> timer_;
};

}  // namespace oneclick::binance
