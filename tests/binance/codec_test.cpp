// The pure codec: what is sent is what the documents ask for, what is read is what they show.
#include <gtest/gtest.h>

#include "connectors/binance/decode.hpp"
#include "connectors/binance/encode.hpp"
#include "tests/binance/payloads.hpp"

namespace oneclick::binance::test {
namespace {

const std::string api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const std::string api_secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

RequestTemplate hmac_account(const std::string& key = api_key, std::uint32_t window_ms = 5'000) {
  return {Signer::make({key, Secret(api_secret), Secret(), KeyType::hmac}).value(), window_ms};
}

NewOrder limit_order() {
  return {.kind = OrderKind::limit,
          .time_in_force = TimeInForce::ioc,
          .side = Side::sell,
          .response = ResponseType::ack,
          .symbol = "BTCUSDT",
          .client_order_id = "ocAAAAAAAAAAAAAAAAAAAAAA",
          .quantity = Decimal::of("0.01"),
          .price = Decimal::of("52000"),
          .quantity_decimals = 5,
          .price_decimals = 2};
}

Message decoded(const std::string& json) {
  static Decoder decoder;
  static std::vector<std::unique_ptr<PaddedText>> kept;
  kept.push_back(std::make_unique<PaddedText>(json));
  Message out;
  EXPECT_TRUE(decoder.message(kept.back()->view(), out)) << json;
  return out;
}

TEST(Encode, PlacesAnOrderAsTheGenericEncoderWould) {
  for (const std::string& key : {api_key, std::string("key"), std::string(57, 'k')}) {
    const RequestTemplate account = hmac_account(key, key == "key" ? 2'500 : 5'000);
    for (const OrderKind kind : {OrderKind::limit, OrderKind::market, OrderKind::limit_maker}) {
      for (const ResponseType response :
           {ResponseType::by_default, ResponseType::ack, ResponseType::full}) {
        NewOrder order = limit_order();
        order.kind = kind;
        order.response = response;
        order.time_in_force = kind == OrderKind::limit ? TimeInForce::ioc : TimeInForce::none;
        char out[request_bytes_max];
        const std::size_t size = encode_place(account, order, 0xabcdef01, 1'700'000'000'123, out);
        EXPECT_EQ(std::string(out, size), encode_signed("order.place", place_params(order), account,
                                                        0xabcdef01, 1'700'000'000'123));
      }
    }
  }
}

TEST(Encode, WritesAmountsLikeTheDecimalItself) {
  for (const char* text :
       {"0", "0.1", "1", "123456.7", "0.00000001", "999999999999.99999999", "10"}) {
    for (int decimals = 0; decimals <= 8; ++decimals) {
      char fast[Decimal::text_size_max], plain[Decimal::text_size_max];
      const Decimal value = Decimal::of(text);
      const std::size_t fast_size = write_amount(fast, value, decimals);
      const std::size_t plain_size = value.write_fixed(plain, decimals);
      EXPECT_EQ(std::string(fast, fast_size), std::string(plain, plain_size)) << text;
    }
  }
}

TEST(Encode, QuotesTextsAndPercentEncodesQueries) {
  const RequestTemplate account = hmac_account();
  const Params params = {{"symbol", "\xEF\xBC\x91\"\\\n"}};
  const std::string json = encode_signed("order.status", params, account, 1, 5);
  EXPECT_NE(json.find("\"symbol\":\"\xEF\xBC\x91\\\"\\\\\\u000a\""), std::string::npos);
  const std::string query = encode_rest_query({{"symbol", "\xEF\xBC\x91"}}, account, 5);
  EXPECT_TRUE(query.starts_with("symbol=%EF%BC%91&timestamp=5&signature="));
}

TEST(Sign, RefusesCredentialsThatCannotBeUsed) {
  EXPECT_FALSE(Signer::make({"", Secret("s"), Secret(), KeyType::hmac}));
  EXPECT_FALSE(Signer::make({"k\"ey", Secret("s"), Secret(), KeyType::hmac}));
  EXPECT_FALSE(Signer::make({"key", Secret(), Secret(), KeyType::hmac}));
  EXPECT_FALSE(Signer::make({std::string(129, 'k'), Secret("s"), Secret(), KeyType::hmac}));
  EXPECT_FALSE(Signer::make({"key", Secret("not a key"), Secret(), KeyType::ed25519}));
}

TEST(Sign, Ed25519RequestsVerify) {
  const Ed25519Key key = Ed25519Key::generate();
  const RequestTemplate account(
      Signer::make({"key", Secret(key.to_pem()), Secret(), KeyType::ed25519}).value(), 5'000);
  char out[request_bytes_max];
  const std::string json(out, encode_place(account, limit_order(), 1, 1'700'000'000'000, out));
  dom::parser parser;
  const dom::element params = parser.parse(json)["params"];
  const auto signature = from_base64(text_of(params["signature"]));
  ASSERT_TRUE(signature && signature->size() == 64);
  const std::string text =
      "apiKey=key&newClientOrderId=ocAAAAAAAAAAAAAAAAAAAAAA&newOrderRespType=ACK&price=52000.00&"
      "quantity=0.01000&side=SELL&symbol=BTCUSDT&timeInForce=IOC&"
      "timestamp=1700000000000&type=LIMIT";
  EXPECT_TRUE(ed25519_verify(key.public_pem(), text,
                             std::span<const std::uint8_t, 64>(signature->data(), 64)));
}

// ---- decoding -----------------------------------------------------------------------------------

TEST(Decode, ReadsAFilledReport) {
  const Message m = decoded(payload("execution_report_filled"));
  ASSERT_EQ(m.kind, Message::Kind::execution_report);
  EXPECT_EQ(m.report.execution, ExecutionType::trade);
  EXPECT_EQ(m.report.state, OrderState::filled);
  EXPECT_EQ(m.report.order_id.view(), "98765432101");
  EXPECT_EQ(m.report.trade_id.view(), "1");
  EXPECT_EQ(m.report.last_quantity, Decimal::of("1"));
  EXPECT_EQ(m.report.cumulative_quote, Decimal::of("10050"));
  EXPECT_EQ(m.report.fee, Decimal::of("0.1"));
  EXPECT_EQ(m.report.fee_asset.view(), "USDT");
}

TEST(Decode, ReadsANewReportInItsEnvelope) {
  const Message m = decoded(payload("execution_report_new"));
  ASSERT_EQ(m.kind, Message::Kind::execution_report);
  EXPECT_EQ(m.subscription_id, 0);
  EXPECT_EQ(m.report.execution, ExecutionType::created);
  EXPECT_EQ(m.report.client_order_id, "mUvoqJxFIILMdfAW5iGSOW");
  EXPECT_EQ(m.report.side, Side::buy);
  EXPECT_EQ(m.report.transaction_ms, 1499405658657);
}

TEST(Decode, ReadsEnvelopesWhoseMembersComeInAnyOrder) {
  std::string json = payload("execution_report_new");
  const std::string head = "{\"subscriptionId\":0,";
  ASSERT_TRUE(json.starts_with(head));
  json = "{" + json.substr(head.size(), json.size() - head.size() - 1) + ",\"subscriptionId\":7}";
  const Message m = decoded(json);
  EXPECT_EQ(m.subscription_id, 7);
  EXPECT_EQ(m.report.order_id.view(), "4293153");
}

TEST(Decode, ReadsAccountEvents) {
  const Message position = decoded(payload("account_position"));
  ASSERT_EQ(position.kind, Message::Kind::account_position);
  ASSERT_EQ(position.balances.size(), 1U);
  EXPECT_EQ(position.balances[0].asset.view(), "ETH");
  EXPECT_EQ(position.balances[0].free, Decimal::of("10000"));
  EXPECT_EQ(position.update_ms, 1564034571073);
  EXPECT_EQ(decoded(payload("balance_update")).kind, Message::Kind::balance_change);
  EXPECT_EQ(decoded(payload("external_lock_update")).kind, Message::Kind::balance_change);
  EXPECT_EQ(decoded(payload("stream_terminated")).kind, Message::Kind::stream_terminated);
  EXPECT_EQ(decoded(payload("server_shutdown")).kind, Message::Kind::server_shutdown);
  EXPECT_EQ(decoded(payload("list_status")).kind, Message::Kind::other_event);
}

TEST(Decode, ReadsOrderReplies) {
  for (const char* name : {"reply_place_1", "reply_place_2", "reply_place_3"}) {
    const Message m = decoded(payload(name));
    ASSERT_EQ(m.kind, Message::Kind::reply);
    EXPECT_EQ(m.reply.status, 200);
    EXPECT_FALSE(m.reply.has_error);
    EXPECT_EQ(m.reply.order.order_id.view(), "12569099453");
    EXPECT_EQ(m.reply.order.client_order_id, "4d96324ff9d44481926157ec08158a40");
    EXPECT_EQ(m.rate_limits.size(), 3U);
  }
  EXPECT_FALSE(decoded(payload("reply_place_1")).reply.order.has_state);
  const Message filled = decoded(payload("reply_place_3"));
  EXPECT_EQ(filled.reply.order.state, OrderState::filled);
  EXPECT_EQ(filled.reply.order.quote, Decimal::of("198.335215"));
}

TEST(Decode, ReadsRefusals) {
  const Message refused = decoded(payload("reply_place_refused"));
  EXPECT_EQ(refused.reply.status, 400);
  EXPECT_TRUE(refused.reply.has_error);
  EXPECT_EQ(refused.reply.code, -2010);
  EXPECT_EQ(refused.reply.message, "Account has insufficient balance for requested action.");
  const Message banned = decoded(payload("reply_banned"));
  EXPECT_EQ(banned.reply.status, 418);
  EXPECT_EQ(banned.reply.retry_after_ms, 1659146400000);
  const Message key = decoded(payload("reply_credentials_refused"));
  EXPECT_EQ(key.reply.code, -2015);
  EXPECT_TRUE(key.reply.id.empty());
}

TEST(Decode, ReadsQueriesAndLists) {
  Decoder decoder;
  Message m;
  const PaddedText account(payload("reply_account"));
  ASSERT_TRUE(decoder.message(account.view(), m));
  std::vector<BalanceRow> balances;
  ASSERT_TRUE(decoder.balances(m.reply.balances, balances));
  EXPECT_EQ(balances.size(), 3U);
  EXPECT_EQ(balances[1].locked, Decimal::of("0.086"));
  EXPECT_EQ(m.reply.update_time_ms, 1660801833000);

  const PaddedText open(payload("reply_open_orders"));
  ASSERT_TRUE(decoder.message(open.view(), m));
  std::vector<OrderRow> orders;
  ASSERT_TRUE(decoder.orders(m.reply.array, orders));
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].state, OrderState::partially_filled);
  EXPECT_EQ(orders[0].executed, Decimal::of("0.0072"));

  const PaddedText trades(payload("reply_trades"));
  ASSERT_TRUE(decoder.message(trades.view(), m));
  std::vector<TradeRow> rows;
  ASSERT_TRUE(decoder.trades(m.reply.array, rows));
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].trade_id.view(), "1650422482");
  EXPECT_EQ(rows[1].side, Side::sell);
  EXPECT_TRUE(rows[1].maker);

  EXPECT_EQ(decoded(payload("reply_subscribe")).reply.subscription_id, 0);
  EXPECT_EQ(decoded(payload("reply_time")).reply.server_time_ms, 1656400526260);
  const Message status = decoded(payload("reply_order_status"));
  EXPECT_EQ(status.reply.order.state, OrderState::filled);
  const Message cancel = decoded(payload("reply_cancel"));
  EXPECT_EQ(cancel.reply.order.state, OrderState::cancelled);
  EXPECT_EQ(cancel.reply.order.original_client_order_id, "4d96324ff9d44481926157");
}

std::string instrument_json(const std::string& status, const std::string& filters) {
  return R"({"serverTime":1,"rateLimits":[{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE",)"
         R"("intervalNum":5,"limit":300000}],"symbols":[{"symbol":"BTCUSDT","status":")" +
         status + R"(","baseAsset":"BTC","quoteAsset":"USDT","filters":[)" + filters + "]}]}";
}

TEST(Decode, MapsEveryFilterOfAnInstrument) {
  Decoder decoder;
  ExchangeInfo info;
  const PaddedText text(instrument_json(
      "TRADING",
      R"({"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"1000000","tickSize":"0.01"},)"
      R"({"minQty":"0.00001","maxQty":"9000","stepSize":"0.00001","filterType":"LOT_SIZE"},)"
      R"({"filterType":"MARKET_LOT_SIZE","minQty":"0","maxQty":"50","stepSize":"0"},)"
      R"({"filterType":"MIN_NOTIONAL","minNotional":"7","applyToMarket":true,"avgPriceMins":5},)"
      R"({"filterType":"NOTIONAL","minNotional":"5","applyMinToMarket":false,"maxNotional":"9000000",)"
      R"("applyMaxToMarket":false,"avgPriceMins":5},{"filterType":"NEW_ONE","limit":3})"));
  ASSERT_TRUE(decoder.exchange_info(text.view(), info));
  ASSERT_EQ(info.instruments.size(), 1U);
  const Instrument& row = info.instruments[0];
  EXPECT_EQ(row.symbol.view(), "BTC/USDT");
  EXPECT_EQ(row.status, TradingStatus::trading);
  EXPECT_EQ(row.price_tick, Decimal::of("0.01"));
  EXPECT_EQ(row.price_max, Decimal::of("1000000"));
  EXPECT_EQ(row.lot_step, Decimal::of("0.00001"));
  EXPECT_EQ(row.quantity_max, Decimal::of("9000"));
  EXPECT_EQ(row.market_quantity_max, Decimal::of("50"));
  EXPECT_TRUE(row.market_lot_step.is_zero());
  EXPECT_EQ(row.notional_min, Decimal::of("7"));
  EXPECT_EQ(row.notional_max, Decimal::of("9000000"));
  EXPECT_TRUE(row.notional_min_at_market);
  ASSERT_EQ(info.rate_limits.size(), 1U);
  EXPECT_EQ(info.rate_limits[0].interval_ns, 300'000'000'000);
}

TEST(Decode, HaltsInstrumentsWhoseStatusItDoesNotKnow) {
  Decoder decoder;
  for (const auto& [text, status] :
       {std::pair{"TRADING", TradingStatus::trading},
        std::pair{"CANCEL_ONLY", TradingStatus::cancel_only},
        std::pair{"HALT", TradingStatus::halted}, std::pair{"BREAK", TradingStatus::halted},
        std::pair{"END_OF_DAY", TradingStatus::halted},
        std::pair{"SOMETHING_NEW", TradingStatus::halted}}) {
    ExchangeInfo info;
    ASSERT_TRUE(decoder.exchange_info(PaddedText(instrument_json(text, "")).view(), info));
    EXPECT_EQ(info.instruments.at(0).status, status) << text;
  }
}

TEST(Decode, LeavesOutSymbolsThatOrdersCannotName) {
  Decoder decoder;
  ExchangeInfo info;
  const PaddedText text(
      R"({"symbols":[{"symbol":"A&B=C","status":"TRADING","baseAsset":"A","quoteAsset":"B","filters":[]},)"
      R"({"symbol":"ABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","status":"TRADING","baseAsset":"A",)"
      R"("quoteAsset":"B","filters":[]}]})");
  ASSERT_TRUE(decoder.exchange_info(text.view(), info));
  EXPECT_TRUE(info.instruments.empty());
  EXPECT_EQ(info.refused, 2U);
}

TEST(Decode, ReadsBookTickersBareAndCombined) {
  Decoder decoder;
  const std::string ticker =
      R"({"u":400900217,"s":"BNBUSDT","b":"25.35190000","B":"31.21","a":"25.36520000","A":"40.66"})";
  for (const std::string& json :
       {ticker, "{\"stream\":\"bnbusdt@bookTicker\",\"data\":" + ticker + "}"}) {
    MarketMessage m;
    ASSERT_TRUE(decoder.market(PaddedText(json).view(), m));
    ASSERT_EQ(m.kind, MarketMessage::Kind::book_ticker);
    EXPECT_EQ(m.ticker.bid, Decimal::of("25.3519"));
    EXPECT_EQ(m.ticker.ask, Decimal::of("25.3652"));
  }
  MarketMessage m;
  ASSERT_TRUE(decoder.market(
      PaddedText(R"({"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}})").view(), m));
  EXPECT_EQ(m.kind, MarketMessage::Kind::server_shutdown);
}

// ---- hostile input ------------------------------------------------------------------------------

std::vector<std::string> all_payloads() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(SOURCE_DIR) /
                                                               "tests/binance/payloads"))
    if (entry.path().extension() == ".json") out.push_back(payload(entry.path().stem().string()));
  return out;
}

TEST(Hostile, RefusesEveryTruncation) {
  Decoder decoder;
  Message m;
  const std::vector<std::string> payloads = all_payloads();
  ASSERT_GT(payloads.size(), 20U);
  for (const std::string& whole : payloads) {
    ASSERT_TRUE(decoder.message(PaddedText(whole).view(), m)) << whole;
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(decoder.message(PaddedText(whole.substr(0, size)).view(), m))
          << whole.substr(0, size);
    EXPECT_FALSE(decoder.message(PaddedText(whole + "}").view(), m));
    EXPECT_FALSE(decoder.message(PaddedText(whole + whole).view(), m));
  }
}

TEST(Hostile, SurvivesEveryByteBeingChanged) {
  Decoder decoder;
  Message m;
  std::vector<BalanceRow> balances;
  std::vector<OrderRow> orders;
  std::vector<TradeRow> trades;
  std::size_t refused = 0;
  for (const std::string& whole : all_payloads()) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      for (const char c : {'"', '{', '}', '[', '\\', '\0', '-', '9', 'e', '\xff', ',', ':'}) {
        std::string broken = whole;
        broken[i] = c;
        const PaddedText text(broken);
        if (!decoder.message(text.view(), m)) {
          ++refused;
          continue;
        }
        if (!m.reply.balances.empty()) (void)decoder.balances(m.reply.balances, balances);
        if (!m.reply.array.empty()) (void)decoder.orders(m.reply.array, orders);
        if (!m.reply.array.empty()) (void)decoder.trades(m.reply.array, trades);
      }
    }
  }
  EXPECT_GT(refused, 10'000U);
}

std::string with(const std::string& name, const std::string& from, const std::string& to) {
  std::string json = payload(name);
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return json.replace(at, from.size(), to);
}

TEST(Hostile, RefusesWrongTypesAndUnreadableNumbers) {
  const std::vector<std::pair<std::string, std::string>> changes = {
      {R"("x":"TRADE")", R"("x":"TRADED")"},      // an event type of tomorrow
      {R"("X":"FILLED")", R"("X":"FULFILLED")"},  // a state of tomorrow
      {R"("S":"BUY")", R"("S":"buy")"},
      {R"("z":"1")", R"("z":"1e999")"},
      {R"("z":"1")", R"("z":"NaN")"},
      {R"("z":"1")", R"("z":"-1")"},
      {R"("z":"1")", R"("z":"1,5")"},
      {R"("z":"1")", R"("z":"0x10")"},
      {R"("z":"1")", R"("z":[1])"},
      {R"("z":"1")", R"("z":null)"},
      {R"("z":"1")", R"("z":true)"},
      {R"("z":"1")", R"("z":")" + std::string(400, '9') + "\""},
      {R"("z":"1")", R"("zz":"1")"},           // missing
      {R"("l":"1")", R"("l":"0")"},            // a trade of nothing
      {R"("l":"1")", R"("l":"0.000000001")"},  // finer than money is kept
      {R"("i":"98765432101")", R"("i":1e3)"},
      {R"("i":"98765432101")", R"("i":"order")"},
      {R"("i":"98765432101")", R"("i":123456789012345678901)"},
      {R"("T":1499405658657)", R"("T":"yesterday")"},
      {R"("T":1499405658657)", R"("T":-5)"},
      {R"("T":1499405658657)", R"("T":99999999999999999999)"},
      {R"("t":1,)", R"("t":-1,)"},        // a trade without an identity
      {R"("e":"executionReport",)", ""},  // letters without a meaning
  };
  Decoder decoder;
  Message m;
  for (const auto& [from, to] : changes) {
    const std::string json = with("execution_report_filled", from, to);
    EXPECT_FALSE(decoder.message(PaddedText(json).view(), m)) << from << " -> " << to;
  }
}

TEST(Hostile, KeepsLargeIdsExact) {
  const std::string json =
      with("execution_report_filled", R"("i":"98765432101")", R"("i":9223372036854775807)");
  EXPECT_EQ(decoded(json).report.order_id.view(), "9223372036854775807");
}

TEST(Hostile, RefusesDeepNesting) {
  Decoder decoder;
  Message m;
  const std::string deep(100'000, '[');
  EXPECT_FALSE(
      decoder.message(PaddedText("{\"id\":\"1\",\"status\":200,\"result\":" + deep).view(), m));
  EXPECT_FALSE(decoder.message(PaddedText(deep).view(), m));
  EXPECT_FALSE(decoder.message(PaddedText("").view(), m));
  EXPECT_FALSE(decoder.message(PaddedText("null").view(), m));
  EXPECT_FALSE(decoder.message(PaddedText("[]").view(), m));
  EXPECT_FALSE(decoder.message(PaddedText("{}").view(), m));
}

}  // namespace
}  // namespace oneclick::binance::test
