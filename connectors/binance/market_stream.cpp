// Market data: best bid and ask by bookTicker streams, average prices by avgPrice streams,
// instruments by exchangeInfo (Binance spot API docs, web-socket-streams.md and rest-api.md). Lives
// on its reactor's thread.
#include <algorithm>
#include <deque>
#include <tuple>

#include "connectors/binance/backoff.hpp"
#include "connectors/binance/decode.hpp"
#include "connectors/binance/rest.hpp"
#include "connectors/net/ws_client.hpp"
#include "engine/base/log.hpp"

namespace oneclick::binance {

namespace {

// Two streams each: the venue allows 1,024 on a connection; URLs have limits too.
constexpr std::size_t symbols_per_line = 100;
constexpr std::uint32_t exchange_info_weight = 20;
constexpr std::uint32_t time_weight = 1;
constexpr std::int64_t tick_ns = 50'000'000;
constexpr std::int64_t restamp_ns = 250'000'000;
constexpr std::int64_t retry_ns = 1'000'000'000;
constexpr int clock_samples = 5;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

bool same_rules(const Instrument& a, const Instrument& b) {
  const auto all = [](const Instrument& i) {
    return std::tie(i.status, i.symbol, i.venue_symbol, i.price_tick, i.price_min, i.price_max,
                    i.lot_step, i.quantity_min, i.quantity_max, i.market_lot_step,
                    i.market_quantity_min, i.market_quantity_max, i.notional_min, i.notional_max,
                    i.notional_min_at_market);
  };
  return all(a) == all(b);
}

// One connection and the instruments whose touch it brings.
struct StreamLine {
  struct Row {
    Symbol symbol;
    Symbol venue_symbol;
    Touch touch;
  };
  std::vector<Row> rows;
  std::unordered_map<std::string_view, Row*> by_venue_symbol;
  std::unique_ptr<net::WsClient> client;
  std::uint32_t serial = 0;  // of the connection; what older ones still say is not for us
  bool open = false;
  bool renew = false;  // the venue or its age asks for another connection
  std::int64_t next_dial_ns = 0;
  std::int64_t ends_ns = 0;
  std::int64_t last_read_ns = 0;
  Backoff backoff;
  explicit StreamLine(const Config& config)
      : backoff(config.reconnect_min_ns, config.reconnect_max_ns) {}
};

class Stream final : public MarketStream {
 public:
  Stream(net::Reactor& reactor, std::shared_ptr<VenueShared> shared, std::uint8_t egress,
         TouchSink& touches, EventSink& sink)
      : reactor_(reactor),
        shared_(std::move(shared)),
        budget_(shared_->egress(egress)),
        touches_(touches),
        sink_(sink),
        rest_(reactor, shared_, egress),
        timer_(reactor.make_timer()) {
    tick();
  }
  ~Stream() override { timer_->cancel(); }

  [[nodiscard]] bool up() const override {
    return shared_->instruments_version() != 0 && !lines_.empty() &&
           std::all_of(lines_.begin(), lines_.end(), [](const auto& line) { return line->open; });
  }

 private:
  void tick();
  void fetch_instruments(std::int64_t now_ns);
  void on_exchange_info(const RestReply& reply);
  void take_limits(const std::vector<RateLimitRow>& limits);
  void tell_instrument(const Instrument& instrument);
  void tell_vanished(const std::vector<const Instrument*>& wanted);
  [[nodiscard]] bool is_configured(const Symbol& symbol) const;
  void make_lines(const std::vector<const Instrument*>& wanted);
  void measure_clock(int samples_left);
  void keep_line(StreamLine& line, std::int64_t now_ns);
  void on_message(StreamLine& line, std::string_view json);
  void on_average(StreamLine& line);
  void on_close(StreamLine& line, std::string_view why);
  void restamp(StreamLine& line, std::int64_t now_ns);

  net::Reactor& reactor_;
  const std::shared_ptr<VenueShared> shared_;
  EgressBudget& budget_;
  TouchSink& touches_;
  EventSink& sink_;
  Rest rest_;
  Decoder decoder_;
  MarketMessage message_;
  std::vector<std::unique_ptr<StreamLine>> lines_;
  std::vector<std::unique_ptr<net::WsClient>> dead_;
  std::unordered_map<std::string, Instrument> told_;  // by venue symbol
  std::deque<Event> held_;
  std::int64_t next_fetch_ns_ = 0;
  bool fetching_ = false;
  bool measuring_ = false;
  std::unique_ptr<net::Reactor::Timer> timer_;
};

void Stream::tick() {
  const std::int64_t now = shared_->now_ns();
  dead_.clear();
  while (!held_.empty() && sink_.try_push(held_.front())) held_.pop_front();
  if (!fetching_ && now >= next_fetch_ns_) fetch_instruments(now);
  // Order sessions measure more finely; this is for when there is none, or none gets through.
  const std::int64_t interval =
      shared_->offset.known() ? 2 * shared_->config().clock_interval_ns : retry_ns;
  if (!measuring_ && shared_->offset.claim_measurement(now, interval)) {
    measuring_ = true;
    measure_clock(clock_samples);
  }
  for (const auto& line : lines_) {
    keep_line(*line, now);
    restamp(*line, now);
  }
  shared_->publish_metrics();
  timer_->start(tick_ns, [this] { tick(); });
}

void Stream::measure_clock(int samples_left) {
  const bool sent =
      samples_left > 0 &&
      rest_.get(endpoint::time.path, {}, time_weight, [this, samples_left](const RestReply& r) {
        std::int64_t server_ms = 0;
        if (!r.ok || !decoder_.server_time(PaddedText(r.body).view(), server_ms)) {
          measuring_ = false;
          return;
        }
        shared_->offset.add_sample(r.sent_ns, r.received_ns, server_ms);
        measure_clock(samples_left - 1);
      });
  if (!sent) measuring_ = false;
}

void Stream::fetch_instruments(std::int64_t now_ns) {
  next_fetch_ns_ = now_ns + retry_ns;
  fetching_ = rest_.get(endpoint::exchange_info.path, {{"showPermissionSets", "false"}},
                        exchange_info_weight, [this](const RestReply& reply) {
                          fetching_ = false;
                          on_exchange_info(reply);
                        });
}

void Stream::on_exchange_info(const RestReply& reply) {
  ExchangeInfo info{};
  if (!reply.ok || !decoder_.exchange_info(PaddedText(reply.body).view(), info)) {
    log_warning("binance exchangeInfo failed", {{"why", reply.ok ? "unreadable" : reply.problem}});
    if (reply.ok) shared_->refused_messages.add();
    return;
  }
  next_fetch_ns_ = shared_->now_ns() + shared_->config().instruments_interval_ns;
  take_limits(info.rate_limits);
  std::vector<const Instrument*> wanted;
  for (const Instrument& row : info.instruments)
    if (is_configured(row.symbol)) wanted.push_back(&row);
  if (wanted.empty()) log_error("binance lists none of the configured symbols");
  for (const Instrument* row : wanted) tell_instrument(*row);
  tell_vanished(wanted);
  if (lines_.empty()) make_lines(wanted);
  shared_->publish_instruments(std::move(info.instruments));
}

bool Stream::is_configured(const Symbol& symbol) const {
  const auto& symbols = shared_->config().symbols;
  return symbols.empty() ||
         std::find(symbols.begin(), symbols.end(), symbol.view()) != symbols.end();
}

// A limit over another interval than ours is brought to ours.
void Stream::take_limits(const std::vector<RateLimitRow>& limits) {
  constexpr std::int64_t minute = 60'000'000'000;
  const auto scaled = [](const RateLimitRow& row, std::int64_t interval) {
    const double limit = static_cast<double>(row.limit) * static_cast<double>(interval) /
                         static_cast<double>(row.interval_ns);
    return static_cast<std::uint32_t>(std::clamp(limit, 1.0, 4e9));
  };
  std::uint32_t short_orders = 0, day_orders = 0, weight = 0, raw = 0, connections = 0;
  for (const RateLimitRow& row : limits) {
    switch (row.kind) {
      case RateLimitRow::Kind::request_weight:
        weight = scaled(row, minute);
        break;
      case RateLimitRow::Kind::raw_requests:
        raw = scaled(row, 5 * minute);
        break;
      case RateLimitRow::Kind::connections:
        connections = scaled(row, 5 * minute);
        break;
      case RateLimitRow::Kind::orders:
        if (row.interval_ns >= 24 * 60 * minute)
          day_orders = scaled(row, 24 * 60 * minute);
        else
          short_orders = scaled(row, minute / 6);
        break;
      case RateLimitRow::Kind::other:
        break;
    }
  }
  shared_->set_egress_limits(weight, raw, connections);
  shared_->set_order_limits(short_orders, day_orders);
}

void Stream::tell_instrument(const Instrument& instrument) {
  const auto [at, added] = told_.try_emplace(instrument.venue_symbol.str(), instrument);
  if (!added) {
    if (same_rules(at->second, instrument)) return;
    at->second = instrument;
  }
  const Event event = make_event(instrument);
  if (!held_.empty() || !sink_.try_push(event)) held_.push_back(event);
}

// What the venue no longer lists takes no orders.
void Stream::tell_vanished(const std::vector<const Instrument*>& wanted) {
  for (auto& [name, told] : told_) {
    const bool listed = std::any_of(wanted.begin(), wanted.end(), [&](const Instrument* row) {
      return row->venue_symbol.view() == name;
    });
    if (listed || told.status == TradingStatus::halted) continue;
    Instrument gone = told;
    gone.status = TradingStatus::halted;
    tell_instrument(gone);
  }
}

void Stream::make_lines(const std::vector<const Instrument*>& wanted) {
  for (std::size_t i = 0; i < wanted.size(); i += symbols_per_line) {
    auto line = std::make_unique<StreamLine>(shared_->config());
    const std::size_t end = std::min(wanted.size(), i + symbols_per_line);
    for (std::size_t k = i; k < end; ++k)
      line->rows.push_back({wanted[k]->symbol, wanted[k]->venue_symbol, {}});
    for (StreamLine::Row& row : line->rows)
      line->by_venue_symbol.emplace(row.venue_symbol.view(), &row);
    lines_.push_back(std::move(line));
  }
}

void Stream::keep_line(StreamLine& line, std::int64_t now_ns) {
  if (line.open && (line.renew || now_ns >= line.ends_ns)) {
    dead_.push_back(std::move(line.client));
    ++line.serial;
    line.open = line.renew = false;
    line.next_dial_ns = 0;
  }
  if (line.client || now_ns < line.next_dial_ns || !budget_.try_connect(shared_->venue_now_ns()))
    return;
  const Config& config = shared_->config();
  line.next_dial_ns = now_ns + line.backoff.next_delay_ns();
  line.ends_ns = now_ns + config.connection_lifetime_ns -
                 line.backoff.random_below(config.connection_lifetime_ns / 24);
  net::Url url = net::parse_url(config.stream_url).value();
  std::string names;
  for (const StreamLine::Row& row : line.rows) {
    if (!names.empty()) names += "/";
    const std::string symbol = percent_encode(lower(row.venue_symbol.view()));
    names += symbol + "@bookTicker/" + symbol + "@avgPrice";
  }
  url.target = (url.target == "/" ? "" : url.target) + "/stream?streams=" + names;
  net::WsClientOptions options;
  options.local_address = budget_.local_address;
  options.connect_to = config.stream_connect_to;
  options.ping_interval_ns = config.ping_interval_ns;
  StreamLine* const at = &line;
  const std::uint32_t serial = ++line.serial;
  const auto is_current = [at, serial] { return at->serial == serial; };
  auto client = net::WsClient::connect(reactor_, shared_->tls(), url, std::move(options),
                                       {.on_open = [at, is_current] { at->open = is_current(); },
                                        .on_message =
                                            [this, at, is_current](std::string_view json) {
                                              if (is_current()) on_message(*at, json);
                                            },
                                        .on_close =
                                            [this, at, is_current](std::string_view why) {
                                              if (is_current()) on_close(*at, why);
                                            }});
  if (is_current())
    line.client = std::move(client);
  else
    dead_.push_back(std::move(client));
}

void Stream::on_close(StreamLine& line, std::string_view why) {
  log_warning("binance market stream closed", {{"why", why}});
  ++line.serial;
  line.open = false;
  if (line.client) dead_.push_back(std::move(line.client));
}

void Stream::on_message(StreamLine& line, std::string_view json) {
  if (!decoder_.market(json, message_)) {
    shared_->refused_messages.add();
    return;
  }
  if (message_.kind == MarketMessage::Kind::server_shutdown) {
    line.renew = true;
    return;
  }
  if (message_.kind == MarketMessage::Kind::average_price) return on_average(line);
  if (message_.kind != MarketMessage::Kind::book_ticker) return;
  line.last_read_ns = shared_->now_ns();
  line.backoff.reset();
  const auto found = line.by_venue_symbol.find(message_.ticker.symbol);
  if (found == line.by_venue_symbol.end()) return;
  StreamLine::Row& row = *found->second;
  const bool usable = message_.ticker.bid.is_positive() && message_.ticker.ask.is_positive();
  row.touch = usable ? Touch{message_.ticker.bid, message_.ticker.ask, line.last_read_ns} : Touch{};
  touches_.on_touch(Venue::binance, row.symbol, row.touch);
}

// Told every second, whether or not there were trades: as old as the telling.
void Stream::on_average(StreamLine& line) {
  const auto found = line.by_venue_symbol.find(message_.average.symbol);
  if (found == line.by_venue_symbol.end() || !message_.average.price.is_positive()) return;
  touches_.on_reference(Venue::binance, found->second->symbol,
                        {message_.average.price, shared_->now_ns()});
}

// Messages of one connection come in order: when a newer one of any symbol was read, an older touch
// of another symbol still held at that time.
void Stream::restamp(StreamLine& line, std::int64_t now_ns) {
  if (!line.open || now_ns - line.last_read_ns > 4 * restamp_ns) return;
  for (StreamLine::Row& row : line.rows) {
    if (row.touch.time_ns == 0 || line.last_read_ns - row.touch.time_ns < restamp_ns) continue;
    row.touch.time_ns = line.last_read_ns;
    touches_.on_touch(Venue::binance, row.symbol, row.touch);
  }
}

}  // namespace

std::unique_ptr<MarketStream> make_market_stream(net::Reactor& reactor,
                                                 std::shared_ptr<VenueShared> shared,
                                                 std::uint8_t egress, TouchSink& touches,
                                                 EventSink& sink) {
  return std::make_unique<Stream>(reactor, std::move(shared), egress, touches, sink);
}

}  // namespace oneclick::binance
