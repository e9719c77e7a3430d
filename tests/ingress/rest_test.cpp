#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/domain/identity.hpp"
#include "tests/ingress/ingress_fixture.hpp"

namespace oneclick::ingress {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class RestTest : public IngressTest {};

TEST_F(RestTest, ASignalBecomesALeaderEvent) {
  const auto response =
      post("/v1/signals",
           signal_body(
               100, R"(,"entry_price":"60000.5","stop_loss":59000,"take_profit":6.5e4,)"
                    R"("confidence_level":80,"timeframe":"1h","reasoning":"because \"so\"",)"
                    R"("created_at":"2026-01-02T03:04:05.5Z","expires_at":"2099-01-01 00:00:00",)"
                    R"("exchange_name":"binance","status":"active","current_price":null)"),
           leader_key);
  ASSERT_EQ(response.status, 202) << response.body;
  ASSERT_EQ(sink.events.size(), 1u);
  const LeaderEvent& e = sink.events[0];
  EXPECT_EQ(e.id, signal_event_id(SignalId{uuid_of(100)}, LeaderEventKind::signal_published, 0));
  EXPECT_EQ(response.body,
            R"({"event_id":")" + e.id.to_text() + R"(","seq":1,"state":"accepted"})");
  EXPECT_EQ(e.kind, LeaderEventKind::signal_published);
  EXPECT_EQ(e.source, EventSource::rest);
  EXPECT_EQ(e.venue, Venue::binance);
  EXPECT_EQ(e.side, Side::buy);
  EXPECT_EQ(e.signal_type, SignalType::buy);
  EXPECT_EQ(e.leader, leader);
  EXPECT_EQ(e.channel, channel);
  EXPECT_EQ(e.signal, SignalId{uuid_of(100)});
  EXPECT_EQ(e.symbol.view(), "BTC/USDT");
  EXPECT_EQ(e.quantity, Decimal::of("0.5"));
  EXPECT_EQ(e.price, Decimal::of("60000.5"));
  EXPECT_EQ(e.stop_loss, Decimal::of("59000"));
  EXPECT_EQ(e.take_profit, Decimal::of("65000"));
  EXPECT_EQ(e.event_time_ns, 1'767'323'045'500'000'000);
  EXPECT_EQ(e.api_key, leader_key);
  EXPECT_NE(e.body_hash[0], 0u);
  EXPECT_LT(std::abs(e.received_ns - clock.now_ns()), 20 * second);
}

TEST_F(RestTest, ALeaderTradeBecomesALeaderEvent) {
  const std::string venue_ids =
      R"(,"order_id":"4711","trade_id":"815","fee":"0.0015","fee_asset":"BTC",)"
      R"("executed_at":"2026-01-02T05:04:05+02:00")";
  ASSERT_EQ(post("/v1/leader-trades", trade_body(200, venue_ids), leader_key).status, 202);
  ASSERT_EQ(sink.events.size(), 1u);
  const LeaderEvent& e = sink.events[0];
  EXPECT_EQ(e.kind, LeaderEventKind::fill);
  EXPECT_EQ(e.id, fill_event_id(Venue::binance, AccountId{}, "4711", "815"));
  EXPECT_EQ(e.leader, leader);
  EXPECT_EQ(e.quantity, Decimal::of("1.5"));
  EXPECT_EQ(e.price, Decimal::of("60000.1"));
  EXPECT_EQ(e.base_fee, Decimal::of("0.0015"));
  EXPECT_EQ(e.event_time_ns, 1'767'323'045'000'000'000);
  // Without the venue's ids, the caller's id is the identity.
  ASSERT_EQ(post("/v1/leader-trades", trade_body(201), leader_key).status, 202);
  EXPECT_EQ(sink.events[1].id, request_event_id(leader, uuid_of(201).to_text()));
}

TEST_F(RestTest, UpdatesCloseOrAmendASignal) {
  ASSERT_EQ(post("/v1/signals", signal_body(100), leader_key).status, 202);
  const std::string path = "/v1/signals/" + uuid_of(100).to_text() + "/updates";
  const std::string amend = R"({"id":")" + uuid_of(500).to_text() +
                            R"(","update_type":"stop_loss","old_value":"1","new_value":"58000.5"})";
  ASSERT_EQ(post(path, amend, leader_key).status, 202);
  ASSERT_EQ(post(path, amend, leader_key).status, 202);  // the same again
  ASSERT_EQ(sink.events.size(), 2u);
  EXPECT_EQ(sink.events[1].kind, LeaderEventKind::signal_updated);
  EXPECT_EQ(sink.events[1].stop_loss, Decimal::of("58000.5"));
  EXPECT_EQ(sink.events[1].channel, channel);
  EXPECT_EQ(sink.events[1].symbol.view(), "BTC/USDT");
  ASSERT_EQ(post(path, R"({"update_type":"status","new_value":"closed"})", leader_key).status, 202);
  EXPECT_EQ(sink.events[2].kind, LeaderEventKind::signal_closed);
  EXPECT_EQ(sink.events[2].signal, SignalId{uuid_of(100)});
  EXPECT_EQ(sink.events[2].id,
            signal_event_id(SignalId{uuid_of(100)}, LeaderEventKind::signal_closed, 0));
  // A signal that is not known here needs its channel and symbol.
  const std::string unknown = "/v1/signals/" + uuid_of(101).to_text() + "/updates";
  EXPECT_EQ(post(unknown, R"({"status":"cancelled"})", leader_key).status, 404);
  const std::string channel_only =
      R"({"status":"cancelled","channel_id":")" + channel.to_text() + "\"";
  EXPECT_EQ(post(unknown, channel_only + "}", leader_key).status, 404);
  EXPECT_EQ(post(unknown, channel_only + R"(,"asset_symbol":"ETH/USDT"})", leader_key).status, 202);
  EXPECT_EQ(sink.events[3].symbol.view(), "ETH/USDT");
  // One that came in elsewhere is known from the journal.
  LeaderEvent elsewhere{};
  elsewhere.id = EventId{uuid_of(5)};
  elsewhere.kind = LeaderEventKind::signal_published;
  elsewhere.signal = SignalId{uuid_of(102)};
  elsewhere.channel = channel;
  elsewhere.symbol = Symbol::cut("SOL/USDT");
  ingress->on_event_journaled(elsewhere, 9);
  EXPECT_EQ(post("/v1/signals/" + uuid_of(102).to_text() + "/updates", R"({"status":"expired"})",
                 leader_key)
                .status,
            202);
  EXPECT_EQ(sink.events[4].symbol.view(), "SOL/USDT");
  EXPECT_EQ(sink.events.size(), 5u);
}

struct BadRow {
  const char* what;
  std::string body;
  const char* field;  // "" when the body as a whole is meant
};

TEST_F(RestTest, BadSignalsAreRefusedByNameAndNothingHappens) {
  const std::string base = R"("channel_id":")" + channel.to_text() + "\"";
  const std::string id = R"("id":")" + uuid_of(100).to_text() + "\"";
  const auto with = [&](const std::string& more) { return signal_body(100, "," + more); };
  const std::vector<BadRow> rows = {
      {"empty", "", ""},
      {"not an object", "[1]", ""},
      {"a string", "\"x\"", ""},
      {"cut off", R"({"id":"x")", ""},
      {"trailing bytes", signal_body(100) + "x", ""},
      {"two objects", signal_body(100) + "{}", ""},
      {"bad UTF-8", with("\"reasoning\":\"\xff\xfe\""), ""},
      {"control character", with("\"reasoning\":\"a\nb\""), ""},
      {"NaN", with("\"entry_price\":NaN"), ""},
      {"bare word", with("\"entry_price\":abc"), ""},
      {"missing comma", R"({"confidence_level":1 "id":"x"})", ""},
      {"unknown field", with(R"("leverage":"10")"), "leverage"},
      {"a field of trades", with(R"("side":"buy")"), "side"},
      {"op", with(R"("op":"signal")"), "op"},
      {"type", with(R"("type":"signal")"), "type"},
      {"duplicate key", with(R"("signal_type":"sell")"), "signal_type"},
      {"duplicate key, escaped", with(R"("signal_typ\u0065":"sell")"), "signal_type"},
      {"object", with(R"("entry_price":{"a":1})"), "entry_price"},
      {"array", with(R"("entry_price":[1])"), "entry_price"},
      {"boolean", with(R"("entry_price":true)"), "entry_price"},
      {"id is no UUID", R"({"id":"7",)" + base + R"(,"signal_type":"buy","asset_symbol":"A/B"})",
       "id"},
      {"no id", "{" + base + R"(,"signal_type":"buy","asset_symbol":"A/B"})", "id"},
      {"no channel", "{" + id + R"(,"signal_type":"buy","asset_symbol":"A/B"})", "channel_id"},
      {"channel is no UUID",
       "{" + id + R"(,"channel_id":"x","signal_type":"buy","asset_symbol":"A/B"})", "channel_id"},
      {"no symbol", "{" + id + "," + base + R"(,"signal_type":"buy"})", "asset_symbol"},
      {"no type", "{" + id + "," + base + R"(,"asset_symbol":"A/B"})", "signal_type"},
      {"null where needed", "{" + id + "," + base + R"(,"asset_symbol":"A/B","signal_type":null})",
       "signal_type"},
      {"unknown type", "{" + id + "," + base + R"(,"signal_type":"BUY","asset_symbol":"A/B"})",
       "signal_type"},
      {"symbol without slash",
       "{" + id + "," + base + R"(,"signal_type":"buy","asset_symbol":"BTCUSDT"})", "asset_symbol"},
      {"symbol with format",
       "{" + id + "," + base + R"(,"signal_type":"buy","asset_symbol":"{}/%s%n"})", "asset_symbol"},
      {"symbol too long",
       "{" + id + "," + base +
           R"(,"signal_type":"buy","asset_symbol":"ABCDEFGHIJKLMN/ABCDEFGHIJ"})",
       "asset_symbol"},
      {"1e999", with("\"entry_price\":1e999"), "entry_price"},
      {"400 digits", with("\"entry_price\":" + std::string(400, '9')), "entry_price"},
      {"nine decimals", with(R"("entry_price":"0.000000001")"), "entry_price"},
      {"NaN in a string", with(R"("entry_price":"NaN")"), "entry_price"},
      {"leading zero", with("\"entry_price\":01"), "entry_price"},
      {"blank in a decimal", with(R"("entry_price":" 1")"), "entry_price"},
      {"negative price", with(R"("entry_price":"-1")"), "entry_price"},
      {"negative quantity",
       "{" + id + "," + base +
           R"(,"signal_type":"buy","asset_symbol":"A/B","quantity_suggestion":-0.1})",
       "quantity_suggestion"},
      {"number for a text", with("\"timeframe\":5"), "timeframe"},
      {"text for an integer", with(R"("confidence_level":"80")"), "confidence_level"},
      {"fraction for an integer", with("\"confidence_level\":8.5"), "confidence_level"},
      {"published closed", with(R"("status":"closed")"), "status"},
      {"unknown venue", with(R"("exchange_name":"nowhere")"), "exchange_name"},
      {"no date", with(R"("created_at":"yesterday")"), "created_at"},
      {"30 February", with(R"("created_at":"2026-02-30T00:00:00Z")"), "created_at"},
      {"number for a date", with("\"created_at\":1767323045"), "created_at"},
      {"future", with(R"("created_at":"2098-01-01T00:00:00Z")"), "created_at"},
      {"expired", with(R"("expires_at":"2020-01-01T00:00:00Z")"), "expires_at"},
      {"text too long", with("\"reasoning\":\"" + std::string(10'001, 'x') + "\""), "reasoning"},
      {"100000 levels", std::string(30'000, '[') + std::string(30'000, ']'), ""},
      {"deep object",
       [] {
         std::string text;
         for (int i = 0; i < 5000; ++i) text += R"({"id":)";
         return text;
       }(),
       ""},
  };
  for (const BadRow& row : rows) {
    const auto response = post("/v1/signals", row.body, leader_key);
    EXPECT_EQ(response.status, 400) << row.what << response.body << response.error;
    EXPECT_EQ(response.header("content-type"), "application/problem+json") << row.what;
    EXPECT_TRUE(contains(response.body, R"("status":400)")) << row.what;
    if (*row.field != '\0') {
      EXPECT_TRUE(contains(response.body, "\"field\":\"" + std::string(row.field) + "\""))
          << row.what << response.body;
    }
  }
  EXPECT_TRUE(sink.events.empty());
  // The next good one is not disturbed.
  EXPECT_EQ(post("/v1/signals", signal_body(100), leader_key).status, 202);
}

TEST_F(RestTest, ProblemsEscapeAndCutWhatTheyQuote) {
  const auto response =
      post("/v1/signals",
           signal_body(1, R"(,"exchange_name":"<b>\"\\\u0007ü)" + std::string(500, 'x') + "\""),
           leader_key);
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(contains(response.body, R"("value":"<b>\"\\\u0007??xxx)")) << response.body;
  EXPECT_LT(response.body.size(), 400u);
}

TEST_F(RestTest, BadTradesAreRefusedByName) {
  const std::vector<BadRow> rows = {
      {"zero",
       R"({"id":"@","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"0","price":"1"})",
       "quantity"},
      {"negative",
       R"({"id":"@","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"-1","price":"1"})",
       "quantity"},
      {"no price",
       R"({"id":"@","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1"})",
       "price"},
      {"price zero",
       R"({"id":"@","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1","price":0})",
       "price"},
      {"too large",
       R"({"id":"@","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1000000000000","price":1})",
       "quantity"},
      {"hold",
       R"({"id":"@","exchange_name":"binance","side":"hold","asset_symbol":"A/B","quantity":"1","price":1})",
       "side"},
      {"no venue", R"({"id":"@","side":"buy","asset_symbol":"A/B","quantity":"1","price":1})",
       "exchange_name"},
      {"fee above the quantity",
       R"({"id":"@","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1","price":1,"fee":"1","fee_asset":"A"})",
       "fee"},
      {"no identity",
       R"({"exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1","price":1})",
       "id"},
      {"order without trade",
       R"({"order_id":"1","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1","price":1})",
       "id"},
      {"long order id",
       R"({"order_id":"0123456789012345678901234567890123456789","trade_id":"1","exchange_name":"binance","side":"buy","asset_symbol":"A/B","quantity":"1","price":1})",
       "order_id"},
  };
  for (const BadRow& row : rows) {
    std::string body = row.body;
    if (const auto at = body.find('@'); at != std::string::npos)
      body.replace(at, 1, uuid_of(9).to_text());
    const auto response = post("/v1/leader-trades", body, leader_key);
    EXPECT_EQ(response.status, 400) << row.what << response.body;
    EXPECT_TRUE(contains(response.body, "\"field\":\"" + std::string(row.field) + "\""))
        << row.what << response.body;
  }
  EXPECT_TRUE(sink.events.empty());
}

TEST_F(RestTest, BadUpdatesAreRefusedByName) {
  ASSERT_EQ(post("/v1/signals", signal_body(100), leader_key).status, 202);
  const std::string path = "/v1/signals/" + uuid_of(100).to_text() + "/updates";
  const std::vector<BadRow> rows = {
      {"nothing", "{}", "update_type"},
      {"no value", R"({"update_type":"stop_loss"})", "new_value"},
      {"no price", R"({"update_type":"stop_loss","new_value":"low"})", "new_value"},
      {"unknown status", R"({"update_type":"status","new_value":"gone"})", "new_value"},
      {"unknown type", R"({"update_type":"leverage","new_value":"1"})", "update_type"},
      {"no identity", R"({"update_type":"stop_loss","new_value":"1"})", "id"},
      {"another signal", R"({"signal_id":")" + uuid_of(7).to_text() + R"(","status":"closed"})",
       "signal_id"},
      {"another symbol", R"({"asset_symbol":"ETH/USDT","status":"closed"})", "asset_symbol"},
      {"another channel", R"({"channel_id":")" + dead_channel.to_text() + R"(","status":"closed"})",
       "channel_id"},
  };
  for (const BadRow& row : rows) {
    const auto response = post(path, row.body, leader_key);
    EXPECT_EQ(response.status, 400) << row.what << response.body;
    EXPECT_TRUE(contains(response.body, "\"field\":\"" + std::string(row.field) + "\""))
        << row.what << response.body;
  }
  EXPECT_EQ(post("/v1/signals/nonsense/updates", R"({"status":"closed"})", leader_key).status, 400);
  EXPECT_EQ(sink.events.size(), 1u);
}

// --- who may do what

TEST_F(RestTest, EveryRouteAndMethodRefusesBadCredentials) {
  const std::vector<std::string> credentials = {
      "",
      "Bearer",
      "Bearer ",
      "Bearer x",
      "Basic " + token(leader_key),
      token(leader_key),
      "Bearer oc_" + leader_key.to_text(),
      "Bearer oc_" + leader_key.to_text() + "_",
      "Bearer oc_" + leader_key.to_text() + "_wrong",
      "Bearer oc_" + uuid_of(999).to_text() + "_" + secret,
      "Bearer " + token(leader_key) + "x",
      "bearer " + token(leader_key)};
  std::string first;
  for (const Route& route : Ingress::routes()) {
    std::string path(route.path);
    for (const auto& [name, value] :
         {std::pair{"{id}", uuid_of(1).to_text()}, std::pair{"{event_id}", uuid_of(1).to_text()},
          std::pair{"{kind}", std::string("native")},
          std::pair{"{token}", std::string("oc_wrong")}}) {
      if (const auto at = path.find(name); at != std::string::npos) {
        path.replace(at, std::string(name).size(), value);
      }
    }
    ASSERT_EQ(path.find('{'), std::string::npos) << path;
    for (const char* method : {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"}) {
      for (const std::string& text : credentials) {
        Headers headers;
        if (!text.empty()) headers.emplace_back("Authorization", text);
        const auto response = call(method, path, "", headers);
        ASSERT_EQ(response.status, 401) << method << " " << path << " " << text;
        if (first.empty()) first = response.body;
        EXPECT_EQ(response.body, first);
      }
    }
    StreamCaller caller(reactor, url("ws", path), "oc_wrong");
    ASSERT_TRUE(run_until([&] { return !caller.closed.empty(); }));
    EXPECT_TRUE(contains(caller.closed, "401")) << path << caller.closed;
  }
  EXPECT_EQ(call("GET", "/nowhere", "", {}).status, 401);
  EXPECT_EQ(call("POST", "/v1/signals", signal_body(1),
                 {{"Authorization", "Bearer " + token(leader_key)},
                  {"Authorization", "Bearer " + token(leader_key)}})
                .status,
            401);
  EXPECT_TRUE(sink.events.empty());
  // One for the address, one for the key that exists.
  EXPECT_EQ(refusals.size(), 2u);
}

TEST_F(RestTest, PathsAndMethodsForThoseWithAKey) {
  const Headers key = {{"Authorization", "Bearer " + token(leader_key)}};
  EXPECT_EQ(call("GET", "/", "", key).status, 404);
  EXPECT_EQ(call("GET", "/v1", "", key).status, 404);
  EXPECT_EQ(call("POST", "/v1/signals/", "{}", key).status, 404);
  EXPECT_EQ(call("POST", "/v1/signals//updates", "{}", key).status, 404);
  EXPECT_EQ(call("POST", "/v1/signals/x/updates/y", "{}", key).status, 404);
  const auto wrong = call("GET", "/v1/signals", "", key);
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("allow"), "POST");
  EXPECT_EQ(call("GET", "/v1/stream", "", key).status, 426);
  EXPECT_EQ(call("POST", "/v1/stream", "", key).status, 405);
  EXPECT_EQ(call("GET", "/v1/events/x", "", key).status, 400);
}

TEST_F(RestTest, AKeyActsOnlyForItsOwnUser) {
  EXPECT_EQ(post("/v1/signals", signal_body(100), other_key).status, 403);
  EXPECT_EQ(post("/v1/signals", signal_body(100), reader_key).status, 403);
  EXPECT_EQ(post("/v1/leader-trades", trade_body(1, R"(,"user_id":")" + leader.to_text() + "\""),
                 other_key)
                .status,
            403);
  EXPECT_EQ(post("/v1/leader-trades", trade_body(1), reader_key).status, 403);
  EXPECT_EQ(post("/v1/signals", signal_body(100, R"(,"creator_id":")" + other.to_text() + "\""),
                 leader_key)
                .status,
            403);
  std::string unknown_channel = signal_body(100);
  unknown_channel.replace(unknown_channel.find(channel.to_text()), 36, uuid_of(77).to_text());
  EXPECT_EQ(post("/v1/signals", unknown_channel, leader_key).status, 403);
  EXPECT_EQ(post("/v1/signals", unknown_channel, admin_key).status, 404);
  std::string dead = signal_body(100);
  dead.replace(dead.find(channel.to_text()), 36, dead_channel.to_text());
  EXPECT_EQ(post("/v1/signals", dead, leader_key).status, 403);
  EXPECT_TRUE(sink.events.empty());
  // The platform acts for anybody.
  EXPECT_EQ(post("/v1/signals", signal_body(100), admin_key).status, 202);
  EXPECT_EQ(sink.events[0].leader, leader);
  EXPECT_EQ(post("/v1/leader-trades", trade_body(1, R"(,"user_id":")" + other.to_text() + "\""),
                 admin_key)
                .status,
            202);
  EXPECT_EQ(sink.events[1].leader, other);
}

TEST_F(RestTest, ExpiredAndRemovedKeysAreRefused) {
  add_key(leader_key, leader, scope_signals_write, clock.now_ns() - 1);
  EXPECT_EQ(post("/v1/signals", signal_body(1), leader_key).status, 401);
  add_key(leader_key, leader, scope_signals_write, clock.now_ns() + 3600 * second);
  EXPECT_EQ(post("/v1/signals", signal_body(1), leader_key).status, 202);
  ingress->update({.id = leader_key,
                   .user = leader,
                   .key_hash = sha256(secret),
                   .scopes = scope_signals_write,
                   .expires_ns = 0,
                   .user_active = false});
  EXPECT_EQ(post("/v1/signals", signal_body(2), leader_key).status, 401);
  ingress->remove(other_key);
  EXPECT_EQ(post("/v1/leader-trades", trade_body(1), other_key).status, 401);
  ASSERT_EQ(refusals.size(), 2u);
  EXPECT_EQ(refusals[0].what, "expired_key");
  EXPECT_EQ(refusals[0].user, leader);
  EXPECT_EQ(refusals[1].what, "unknown_key");
  EXPECT_EQ(refusals[1].address, "127.0.0.1");
}

// --- repetition

TEST_F(RestTest, TheSameRequestGetsTheFirstAnswer) {
  const auto first = post("/v1/signals", signal_body(100), leader_key);
  ASSERT_EQ(first.status, 202);
  // Order of fields and blanks do not make another body.
  const std::string same =
      "{ \"quantity_suggestion\" : 0.50, "
      "\"asset_symbol\":\"BTC/USDT\",\n\"signal_type\":\"buy\",\"channel_id\":\"" +
      channel.to_text() + "\",\"id\":\"" + uuid_of(100).to_text() + "\"}";
  for (const std::string& body : {signal_body(100), same}) {
    const auto again = post("/v1/signals", body, leader_key);
    EXPECT_EQ(again.status, 202);
    EXPECT_EQ(again.body, first.body);
  }
  const auto conflict = post("/v1/signals", signal_body(100, R"(,"entry_price":"1")"), leader_key);
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(sink.events.size(), 1u);
}

TEST_F(RestTest, TheIdempotencyKeyStandsForAnId) {
  const std::string body =
      R"({"channel_id":")" + channel.to_text() +
      R"(","signal_type":"buy","asset_symbol":"BTC/USDT","quantity_suggestion":"1"})";
  const std::string changed =
      R"({"channel_id":")" + channel.to_text() +
      R"(","signal_type":"sell","asset_symbol":"BTC/USDT","quantity_suggestion":"1"})";
  const auto first = post("/v1/signals", body, leader_key, {{"Idempotency-Key", "order 7"}});
  ASSERT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(post("/v1/signals", body, leader_key, {{"Idempotency-Key", "order 7"}}).body,
            first.body);
  EXPECT_EQ(post("/v1/signals", changed, leader_key, {{"Idempotency-Key", "order 7"}}).status, 409);
  EXPECT_EQ(post("/v1/signals", body, leader_key, {{"Idempotency-Key", "order 8"}}).status, 202);
  // Beside an id the header is another name of the same request.
  EXPECT_EQ(post("/v1/signals", signal_body(300), leader_key, {{"Idempotency-Key", "a"}}).status,
            202);
  EXPECT_EQ(post("/v1/signals", signal_body(301), leader_key, {{"Idempotency-Key", "a"}}).status,
            409);
  EXPECT_EQ(
      post("/v1/leader-trades", trade_body(302), leader_key, {{"Idempotency-Key", "a"}}).status,
      409);
  EXPECT_EQ(
      post("/v1/signals", body, leader_key, {{"Idempotency-Key", "x"}, {"Idempotency-Key", "y"}})
          .status,
      400);
  EXPECT_EQ(
      post("/v1/signals", body, leader_key, {{"Idempotency-Key", std::string(129, 'k')}}).status,
      400);
  // Another user's key of the same name is another key.
  ASSERT_EQ(
      post("/v1/leader-trades", trade_body(400), other_key, {{"Idempotency-Key", "a"}}).status,
      202);
  EXPECT_EQ(sink.events.size(), 4u);
}

TEST_F(RestTest, AcceptedMeansJournaled) {
  journal = false;
  IngressOptions options;
  options.answer_timeout_ns = 100'000'000;
  open(options);
  const auto late = post("/v1/signals", signal_body(100), leader_key);
  EXPECT_EQ(late.status, 503);
  EXPECT_EQ(late.header("retry-after"), "1");
  ASSERT_EQ(sink.events.size(), 1u);
  // Sent again while it is pending: no second event; both get the answer when it comes.
  std::vector<int> statuses;
  const auto client = net::HttpClient::make(reactor, nullptr, url("http"), {});
  for (int i = 0; i < 2; ++i) {
    net::HttpRequest request;
    request.method = "POST";
    request.target = "/v1/signals";
    request.headers = {{"Authorization", "Bearer " + token(leader_key)}};
    request.body = signal_body(100);
    client->send(request, [&](net::HttpResponse response) { statuses.push_back(response.status); });
  }
  auto timer = reactor.make_timer();
  timer->start(30'000'000, [&] { ingress->on_event_journaled(sink.events[0].id, 42); });
  ASSERT_TRUE(run_until([&] { return statuses.size() == 2; }));
  EXPECT_EQ(statuses, (std::vector<int>{202, 202}));
  EXPECT_EQ(sink.events.size(), 1u);
  EXPECT_TRUE(contains(post("/v1/signals", signal_body(100), leader_key).body, R"("seq":42)"));
}

TEST_F(RestTest, AFullQueueIsSaidAndForgotten) {
  sink.full = true;
  const auto refused = post("/v1/signals", signal_body(100), leader_key);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("retry-after"), "1");
  sink.full = false;
  EXPECT_EQ(post("/v1/signals", signal_body(100), leader_key).status, 202);
  EXPECT_EQ(sink.events.size(), 1u);
}

TEST_F(RestTest, WhatTheJournalHoldsIsRememberedAfterAStart) {
  const auto first = post("/v1/signals", signal_body(100), leader_key);
  const LeaderEvent event = sink.events[0];
  open({});  // another ingress, as after a restart
  ingress->restore(event.id, event.alias, event.body_hash, 1, event.received_ns);
  EXPECT_EQ(post("/v1/signals", signal_body(100), leader_key).body, first.body);
  EXPECT_EQ(post("/v1/signals", signal_body(100, R"(,"entry_price":"1")"), leader_key).status, 409);
  EXPECT_EQ(sink.events.size(), 1u);
}

TEST_F(RestTest, AnIdempotencyKeyBesideAnIdIsRememberedAfterAStart) {
  ASSERT_EQ(post("/v1/signals", signal_body(100), leader_key, {{"Idempotency-Key", "a"}}).status,
            202);
  const LeaderEvent event = sink.events[0];
  open({});
  ingress->restore(event.id, event.alias, event.body_hash, 1, event.received_ns);
  EXPECT_EQ(post("/v1/signals", signal_body(101), leader_key, {{"Idempotency-Key", "a"}}).status,
            409);
  EXPECT_EQ(post("/v1/signals", signal_body(100), leader_key, {{"Idempotency-Key", "a"}}).status,
            202);
  EXPECT_EQ(sink.events.size(), 1u);
}

TEST_F(RestTest, MemoryIsBoundedInTimeAndNumber) {
  IngressOptions options;
  options.remembered_max = 3;
  open(options);
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_EQ(post("/v1/signals", signal_body(100 + i), leader_key).status, 202);
  }
  EXPECT_EQ(post("/v1/signals", signal_body(104, R"(,"entry_price":"1")"), leader_key).status, 409);
  EXPECT_EQ(sink.events.size(), 5u);
  // The oldest was forgotten here: the shards know it still (and answer as for a duplicate).
  EXPECT_EQ(post("/v1/signals", signal_body(100), leader_key).status, 202);
  EXPECT_EQ(sink.events.size(), 6u);
}

TEST_F(RestTest, AFillThatTheFeedBroughtFirstIsAcceptedOnce) {
  journal = false;
  sink.on_push = [this](const LeaderEvent& event) {  // the shard knows it: position not told
    reactor.post([this, id = event.id] { ingress->on_event_journaled(id, 0); });
  };
  const auto response =
      post("/v1/leader-trades", trade_body(1, R"(,"order_id":"1","trade_id":"2")"), leader_key);
  EXPECT_EQ(response.status, 202);
  EXPECT_TRUE(contains(response.body, R"("seq":null)")) << response.body;
}

// --- limits

TEST_F(RestTest, ASpentBudgetIsOneKeysOwn) {
  IngressOptions options;
  options.rate_per_second = 1;
  options.rate_burst = 3;
  open(options);
  int accepted = 0;
  net::HttpResponse last;
  for (std::uint64_t i = 0; i < 10; ++i) {
    last = post("/v1/signals", signal_body(100 + i), leader_key);
    if (last.status == 202) ++accepted;
  }
  EXPECT_GE(accepted, 3);
  EXPECT_LT(accepted, 10);
  EXPECT_EQ(last.status, 429);
  EXPECT_EQ(last.header("retry-after"), "1");
  EXPECT_EQ(post("/v1/leader-trades", trade_body(1), other_key).status, 202);
  EXPECT_EQ(sink.events.size(), static_cast<std::size_t>(accepted) + 1);
}

TEST_F(RestTest, OversizedBodiesAreRefused) {
  EXPECT_EQ(post("/v1/signals", std::string(64 * 1024 + 1, ' '), leader_key).status, 413);
  EXPECT_EQ(
      post("/v1/signals", signal_body(1), leader_key, {{"X-Long", std::string(9000, 'x')}}).status,
      431);
  EXPECT_TRUE(sink.events.empty());
}

TEST_F(RestTest, StoppingRefusesNewEventsAndAnswersWaitingOnes) {
  journal = false;
  net::HttpResponse waiting;
  const auto client = net::HttpClient::make(reactor, nullptr, url("http"), {});
  net::HttpRequest request;
  request.method = "POST";
  request.target = "/v1/signals";
  request.headers = {{"Authorization", "Bearer " + token(leader_key)}};
  request.body = signal_body(100);
  client->send(request, [&](net::HttpResponse response) { waiting = std::move(response); });
  ASSERT_TRUE(run_until([&] { return sink.events.size() == 1; }));
  net::HttpResponse refused;
  StreamCaller caller(reactor, url("ws", "/v1/stream"), token(leader_key));
  ASSERT_TRUE(run_until([&] { return caller.open; }));
  ingress->stop_intake();
  caller.send(R"({"op":"signal",)" + signal_body(101).substr(1));
  ASSERT_TRUE(run_until([&] { return !caller.messages.empty(); }));
  EXPECT_TRUE(contains(caller.messages[0], R"("status":503)"));
  ingress->on_event_journaled(sink.events[0].id, 7);
  ASSERT_TRUE(run_until([&] { return waiting.status != 0; }));
  EXPECT_EQ(waiting.status, 202);
  EXPECT_EQ(sink.events.size(), 1u);
}

// --- webhooks and reports

TEST_F(RestTest, WebhooksCarryTheTokenInThePath) {
  const std::string path = "/v1/webhooks/native/" + token(leader_key);
  const std::string body = signal_body(100, R"(,"type":"signal")");
  EXPECT_EQ(call("POST", path, body, {}).status, 202);
  EXPECT_EQ(sink.events[0].source, EventSource::webhook);
  EXPECT_EQ(call("POST", path, trade_body(5, R"(,"type":"leader_trade")"), {}).status, 202);
  EXPECT_EQ(call("POST", path, signal_body(101), {}).status, 400);
  EXPECT_EQ(call("POST", path, signal_body(101, R"(,"type":"order")"), {}).status, 400);
  EXPECT_EQ(call("POST", "/v1/webhooks/tradingview/" + token(leader_key), body, {}).status, 404);
  EXPECT_EQ(call("POST", "/v1/webhooks/native/" + token(other_key), body, {}).status, 403);
  EXPECT_EQ(sink.events.size(), 2u);
}

// What users of other copiers complain about: see tests/core/complaints_test.cpp.
using IngressComplaints = RestTest;

TEST_F(IngressComplaints, WebhooksComeTwice) {
  const std::string path = "/v1/webhooks/native/" + token(leader_key);
  const std::string body = signal_body(100, R"(,"type":"signal")");
  const auto first = call("POST", path, body, {});
  ASSERT_EQ(first.status, 202);
  // The sender did not hear the answer, and sends again: four times, as some do.
  for (int i = 0; i < 4; ++i) {
    const auto again = call("POST", path, body, {});
    EXPECT_EQ(again.status, 202);
    EXPECT_EQ(again.body, first.body);
  }
  EXPECT_EQ(sink.events.size(), 1u);
}

TEST_F(RestTest, EventsAreReportedToThoseWhoMaySeeThem) {
  ASSERT_EQ(post("/v1/signals", signal_body(100), leader_key).status, 202);
  const std::string path = "/v1/events/" + sink.events[0].id.to_text();
  const auto get = [&](const std::string& target, ApiKeyId key) {
    return call("GET", target, "", {{"Authorization", "Bearer " + token(key)}});
  };
  report = R"({"outcomes":{"copied":3}})";
  EXPECT_EQ(get(path, leader_key).body, *report);
  EXPECT_EQ(get(path, admin_key).status, 200);
  EXPECT_EQ(get(path, other_key).status, 404);
  report.reset();  // the database does not have it yet
  EXPECT_TRUE(contains(get(path, leader_key).body, R"("state":"accepted")"));
  const std::string unknown = "/v1/events/" + uuid_of(123456).to_text();
  EXPECT_EQ(get(unknown, leader_key).status, 404);
  // The sender and an admin see all of it; of others' events the database decides by who asks.
  EXPECT_EQ(viewers, (std::vector<UserId>{{}, {}, {}, leader}));
  report_available = false;
  EXPECT_EQ(get(unknown, leader_key).status, 503);
  EXPECT_EQ(get(path, leader_key).status, 200);
  add_key(other_key, other, scope_signals_write);
  EXPECT_EQ(get(unknown, other_key).status, 403);
}

}  // namespace
}  // namespace oneclick::ingress
