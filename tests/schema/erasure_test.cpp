// A person who asks is forgotten, the books stay whole, and the audit chain still proves itself.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "persistence/erasure.hpp"
#include "tests/schema/maintain_rig.hpp"
#include "tests/schema/migrate_world.hpp"

namespace oneclick {
namespace {

using namespace test;
using testing::HasSubstr;

constexpr const char* person = "00000000-0000-4000-8000-000000000001";

// "planted" is in every place where a text of or about the person can be.
constexpr const char* a_life = R"(
INSERT INTO users (id, email, username, password_hash, first_name, last_name, avatar_url, bio,
    phone_number, country, timezone, account_status) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted@example.org', 'planted', 'planted', 'planted',
   'planted', 'planted', 'planted', '+49planted', 'planted', 'planted', 'active'),
  ('00000000-0000-4000-8000-000000000002', 'b@example.org', 'b', '!', NULL, NULL, NULL, 'mine',
   NULL, NULL, NULL, 'active');
INSERT INTO user_profiles (user_id, preferred_assets, investment_goals, annual_income_range,
    net_worth_range, social_media_links, achievements) VALUES
  ('00000000-0000-4000-8000-000000000001', '["planted"]', 'planted', 'planted', 'planted',
   '{"x": "planted"}', '["planted"]');
INSERT INTO user_settings (user_id, email_notifications, push_notifications, privacy_settings,
    language_preference) VALUES
  ('00000000-0000-4000-8000-000000000001', '{"p": "planted"}', '{"p": "planted"}',
   '{"p": "planted"}', 'planted');
INSERT INTO user_sessions (user_id, token_hash, device_info, ip_address, location, expires_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted', '{"d": "planted"}', '203.0.113.77', 'planted',
   '2999-01-01');
INSERT INTO password_resets (user_id, token_hash, expires_at) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted', '2999-01-01');
INSERT INTO two_factor_auth (user_id, secret_key, backup_codes) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted', '["planted"]');
INSERT INTO api_keys (user_id, name, key_hash, permissions) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted', 'planted', '["planted"]');
INSERT INTO user_exchanges (id, user_id, exchange_name, api_key, api_secret, passphrase, status)
  VALUES ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000001', 'binance',
   'planted', 'planted', 'planted', 'connected');
INSERT INTO portfolios (id, user_id, name, description, is_default) VALUES
  ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000001', 'planted',
   'planted', true);
INSERT INTO trades (id, user_id, portfolio_id, exchange_id, order_id, asset_symbol, quantity, status)
  VALUES ('00000000-0000-4000-8000-000000000005', '00000000-0000-4000-8000-000000000001',
   '00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000003', '4711',
   'BTC/USDT', 1, 'filled');
INSERT INTO trade_history (trade_id, status, exchange_response) VALUES
  ('00000000-0000-4000-8000-000000000005', 'fill', '{"trade_id": "9"}');
INSERT INTO community_posts (id, user_id, title, content, media_urls, trade_data, tags) VALUES
  ('00000000-0000-4000-8000-000000000006', '00000000-0000-4000-8000-000000000001', 'planted',
   'planted', '["planted"]', '{"t": "planted"}', '["planted"]');
INSERT INTO post_comments (post_id, user_id, content) VALUES
  ('00000000-0000-4000-8000-000000000006', '00000000-0000-4000-8000-000000000001', 'planted'),
  ('00000000-0000-4000-8000-000000000006', '00000000-0000-4000-8000-000000000002', 'of another');
INSERT INTO post_likes (post_id, user_id) VALUES
  ('00000000-0000-4000-8000-000000000006', '00000000-0000-4000-8000-000000000001');
INSERT INTO user_follows (follower_id, following_id) VALUES
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'),
  ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001');
INSERT INTO premium_channels (id, creator_id, name, description, banner_url, category, tags) VALUES
  ('00000000-0000-4000-8000-000000000007', '00000000-0000-4000-8000-000000000001', 'planted',
   'planted', 'planted', 'planted', '["planted"]'),
  ('00000000-0000-4000-8000-000000000008', '00000000-0000-4000-8000-000000000002', 'c', NULL, NULL,
   NULL, NULL);
INSERT INTO subscriptions (id, user_id, channel_id, status, start_date) VALUES
  ('00000000-0000-4000-8000-000000000009', '00000000-0000-4000-8000-000000000001',
   '00000000-0000-4000-8000-000000000008', 'active', '2026-01-01');
INSERT INTO payment_methods (id, user_id, type, provider, external_id, is_primary, card_last_four,
    card_brand, card_expiry_month, card_expiry_year, crypto_wallet_address, crypto_network) VALUES
  ('00000000-0000-4000-8000-000000000010', '00000000-0000-4000-8000-000000000001', 'credit_card',
   'stripe', 'planted', true, '4242', 'planted', 1, 2030, 'planted', 'planted');
INSERT INTO payments (id, user_id, subscription_id, payment_method_id, amount, status,
    external_transaction_id, failure_reason) VALUES
  ('00000000-0000-4000-8000-000000000011', '00000000-0000-4000-8000-000000000001',
   '00000000-0000-4000-8000-000000000009', '00000000-0000-4000-8000-000000000010', 30, 'completed',
   'tx-1', 'planted');
INSERT INTO invoices (user_id, payment_id, description, total_amount, subtotal, tax_amount,
    invoice_url) VALUES
  ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000011', 'planted', 30,
   25, 5, 'planted');
INSERT INTO trading_signals (id, channel_id, creator_id, signal_type, asset_symbol, reasoning,
    status) VALUES
  ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000007',
   '00000000-0000-4000-8000-000000000001', 'buy', 'BTC/USDT', 'planted first', 'active');
UPDATE trading_signals SET reasoning = 'planted', status = 'closed';
INSERT INTO signal_followers (signal_id, user_id, follow_type) VALUES
  ('00000000-0000-4000-8000-000000000012', '00000000-0000-4000-8000-000000000001', 'copied');
INSERT INTO notifications (user_id, title, message, data) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted', 'planted', '{"p": "planted"}'),
  ('00000000-0000-4000-8000-000000000002', 'New follower', '@planted follows you', '{}'),
  ('00000000-0000-4000-8000-000000000002', 'Unplantedness', 'stays', '{}');
INSERT INTO notification_preferences (user_id, notification_type) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted');
INSERT INTO price_alerts (user_id, asset_symbol, condition_type, target_price) VALUES
  ('00000000-0000-4000-8000-000000000001', 'planted', 'above', 1);
INSERT INTO system_logs (service, message, context) VALUES
  ('mail', 'sent to Planted@example.org', '{}'), ('mail', 'sent to b@example.org', '{}');
INSERT INTO security_events (user_id, event_type, severity, description, ip_address, location) VALUES
  ('00000000-0000-4000-8000-000000000001', 'login', 'low', 'planted', '203.0.113.77', 'planted'),
  ('00000000-0000-4000-8000-000000000002', 'login', 'low', 'of another', '203.0.113.78', 'here');
INSERT INTO audit_logs (user_id, action, old_values, new_values, ip_address, user_agent, created_at)
  SELECT '00000000-0000-4000-8000-000000000001', 'change', '{"e": "planted"}', '{"e": "planted"}',
         '203.0.113.77', 'planted', d FROM (VALUES (timestamp '2011-01-01'), ('2012-01-01')) AS v (d);
INSERT INTO audit_logs (user_id, action, resource_type, resource_id, new_values, ip_address) VALUES
  ('00000000-0000-4000-8000-000000000001', 'change', NULL, NULL, '{"e": "planted"}', '203.0.113.77'),
  ('00000000-0000-4000-8000-000000000002', 'change', 'users',
   '00000000-0000-4000-8000-000000000001', '{"e": "planted"}', '203.0.113.78'),
  ('00000000-0000-4000-8000-000000000002', 'change', NULL, NULL, '{"e": "of another"}', NULL);
)";

class ErasureOfAPerson : public MaintainRig {
 protected:
  World world() {
    auto query = PgQuery::connect(url_);
    EXPECT_TRUE(query.has_value());
    return world_of(*query, columns_of(*query));
  }
  Ran erase(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--erase-user", person});
    return maintain(more);
  }
  std::string tables_with(const std::string& text) {
    std::string found;
    for (const auto& [table, rows] : world()) {
      std::string lower = rows;
      std::ranges::transform(lower, lower.begin(), ::tolower);
      if (lower.find(text) != std::string::npos) found += table + " ";
    }
    return found;
  }
};

TEST_F(ErasureOfAPerson, LeavesNoWordOfThePersonAndTheBooksWhole) {
  sql(a_life);
  // Two audit rows are in the archive by now.
  ASSERT_EQ(maintain().code, 0);
  ASSERT_EQ(ask("SELECT count(*) FROM engine.audit_archive_rows"), "2");
  sql("UPDATE notifications SET title = 'Unplantedness' WHERE message = 'stays'");
  const Ran ran = erase();
  ASSERT_EQ(ran.code, 0) << ran.output;
  sql("DELETE FROM notifications WHERE title = 'Unplantedness'");
  EXPECT_EQ(tables_with("planted"), "");
  EXPECT_EQ(tables_with("203.0.113.77"), "");
  EXPECT_EQ(tables_with("4242"), "");
  // What stays, and whose it is.
  EXPECT_EQ(ask("SELECT user_id || ' ' || order_id || ' ' || exchange_id FROM trades"),
            std::string(person) + " 4711 00000000-0000-4000-8000-000000000003");
  EXPECT_EQ(ask("SELECT exchange_response ->> 'trade_id' FROM trade_history"), "9");
  EXPECT_EQ(ask("SELECT amount || ' ' || external_transaction_id || ' ' || payment_method_id FROM"
                " payments"),
            "30.00 tx-1 00000000-0000-4000-8000-000000000010");
  EXPECT_EQ(ask("SELECT total_amount || ' ' || (invoice_number LIKE 'INV-%') FROM invoices"),
            "30.00 true");
  EXPECT_EQ(ask("SELECT account_status || ' ' || email FROM users WHERE id = '" +
                std::string(person) + "'"),
            "suspended erased-" + std::string(person) + "@erased.invalid");
  EXPECT_EQ(ask("SELECT status FROM subscriptions"), "cancelled");
  EXPECT_EQ(ask("SELECT copies_count FROM trading_signals"), "1");
  // What others have.
  EXPECT_EQ(ask("SELECT bio || total_followers || total_following FROM users WHERE username = 'b'"),
            "mine00");
  EXPECT_EQ(ask("SELECT string_agg(content, ',' ORDER BY content) FROM post_comments"),
            "erased,of another");
  EXPECT_EQ(ask("SELECT string_agg(message, ',') FROM system_logs"), "sent to b@example.org");
  EXPECT_EQ(ask("SELECT count(*) FROM audit_logs WHERE new_values ->> 'e' = 'of another'"), "1");
  EXPECT_EQ(ask("SELECT host(ip_address) FROM security_events WHERE description = 'of another'"),
            "203.0.113.78");
  // That it was done.
  EXPECT_EQ(ask("SELECT user_id || ' ' || resource_id FROM audit_logs WHERE action ="
                " 'user.erased'"),
            fmt::format("{0} {0}", person));
  const Ran verified = maintain({"--verify-audit"});
  EXPECT_EQ(verified.code, 0) << verified.output;
  EXPECT_THAT(verified.output, HasSubstr("data of erased persons was taken out of 5 rows"));
}

TEST_F(ErasureOfAPerson, DryRunListsAndChangesNothing) {
  sql(a_life);
  sql("SELECT engine.seal_audit()");
  const World before = world();
  const Ran dry = erase({"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.output;
  EXPECT_EQ(world(), before);
  EXPECT_THAT(dry.output, HasSubstr("users: 1 rows would be changed\n"));
  EXPECT_THAT(dry.output, HasSubstr("user_follows: 2 rows would be removed\n"));
  // What was said is what is done.
  const Ran done = erase();
  EXPECT_EQ(done.code, 0) << done.output;
  std::string said = dry.output;
  for (std::size_t at = said.find("would be "); at != std::string::npos;
       at = said.find("would be ", at))
    said.erase(at, std::string_view("would be ").size());
  EXPECT_EQ(said, done.output);
  const Ran json = erase({"--dry-run", "--json"});
  EXPECT_THAT(json.output, HasSubstr(R"({"table":"users","rows_are":"changed","rows":0})"));
}

// What Redis and Elasticsearch hold follows from what the database notes for them.
TEST_F(ErasureOfAPerson, IsNotedForThoseWhoKeepCopies) {
  sql(a_life);
  sql("SELECT engine.search_follow(true)");
  const std::string sessions = ask("SELECT string_agg(id::text, ',') FROM user_sessions");
  ASSERT_EQ(sessions.size(), 36u);
  sql("DELETE FROM engine.change_log");
  ASSERT_EQ(erase().code, 0);
  EXPECT_EQ(ask("SELECT string_agg(row_id, ',') FROM engine.change_log WHERE op = 'delete' AND"
                " table_name = 'user_sessions'"),
            sessions);
  EXPECT_EQ(ask("SELECT string_agg(DISTINCT row_id, ',') FROM engine.change_log WHERE table_name ="
                " 'user_exchanges'"),
            "00000000-0000-4000-8000-000000000003");
  EXPECT_EQ(ask("SELECT string_agg(DISTINCT kind || right(row_id::text, 2), ',' ORDER BY kind ||"
                " right(row_id::text, 2)) FROM engine.search_changes WHERE row_id <>"
                " '00000000-0000-4000-8000-000000000002'"),
            "channels07,posts06,signals12,users01");
}

TEST_F(ErasureOfAPerson, TheSecondTimeNothingIsLeft) {
  sql(a_life);
  ASSERT_EQ(erase().code, 0);
  ASSERT_EQ(maintain().code, 0);
  ASSERT_EQ(erase().code, 0) << "roll-ups count the person again, by id";
  sql("SELECT engine.seal_audit()");
  const World before = world();
  const Ran again = erase();
  EXPECT_EQ(again.code, 0) << again.output;
  EXPECT_THAT(again.output, HasSubstr("nothing is left to erase"));
  EXPECT_EQ(world(), before);
}

TEST_F(ErasureOfAPerson, IsRefusedWhileSomethingGoesOnInThePersonsName) {
  sql(a_life);
  sql("INSERT INTO portfolio_positions (portfolio_id, asset_symbol, quantity) VALUES"
      " ('00000000-0000-4000-8000-000000000004', 'BTC/USDT', 0.5);"
      "UPDATE trades SET status = 'partially_filled';"
      "INSERT INTO user_exchanges (id, user_id, exchange_name) VALUES"
      " ('00000000-0000-4000-8000-000000000020', '00000000-0000-4000-8000-000000000002', "
      "'binance');"
      "INSERT INTO engine.copy_links (follower_user_id, follower_exchange_id, leader_user_id)"
      " VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000020',"
      " '00000000-0000-4000-8000-000000000001'), ('00000000-0000-4000-8000-000000000001',"
      " '00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000002');"
      "UPDATE trading_signals SET status = 'active';"
      "SELECT engine.begin_profit_share('00000000-0000-4000-8000-000000000001',"
      " '00000000-0000-4000-8000-000000000002', 0.1, 'day', '2026-01-01');"
      "INSERT INTO subscriptions (user_id, channel_id, status, start_date) VALUES"
      " ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000007', 'active',"
      " '2026-01-01')");
  sql("SELECT engine.seal_audit()");
  const World before = world();
  const Ran ran = erase();
  EXPECT_EQ(ran.code, 1);
  for (const char* const why :
       {"is not erased: 1 open positions", "1 orders that are not done",
        "1 copy links of this user", "1 copy links of others", "1 profit shares that go on",
        "1 active signals", "1 others' active subscriptions"})
    EXPECT_THAT(ran.output, HasSubstr(why));
  EXPECT_EQ(world(), before);
  // What is too little to sell does not keep anybody.
  sql("INSERT INTO engine.instruments VALUES ('binance', 'BTC/USDT', 'BTCUSDT', 'trading', 'BTC',"
      " 'USDT', 0.01, 0.01, 1e6, 0.00001, 0.00001, 9000, 0.00001, 0.00001, 100, 5, 9e6, true,"
      " now()); UPDATE portfolio_positions SET quantity = 0.000009; UPDATE engine.copy_links SET"
      " status = 'paused'; SELECT engine.end_profit_share(id, '2026-02-01') FROM"
      " engine.profit_share_terms; UPDATE trades SET status = 'cancelled'; UPDATE trading_signals "
      "SET"
      " status = 'closed'; UPDATE subscriptions SET status = 'expired'");
  const Ran free = erase();
  EXPECT_EQ(free.code, 0) << free.output;
  EXPECT_EQ(ask("SELECT string_agg(status, ',' ORDER BY status) FROM engine.copy_links"),
            "paused,stopped");
}

TEST_F(ErasureOfAPerson, BadArgumentsAreNamed) {
  sql(a_life);
  const auto says = [&](const std::vector<std::string>& arguments, int code,
                        const std::string& what) {
    const Ran ran = maintain(arguments);
    EXPECT_EQ(ran.code, code) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(what));
  };
  says({"--erase-user", "somebody"}, 64,
       "--erase-user = somebody: allowed: a UUID, as in users.id");
  says({"--erase-user", "00000000-0000-4000-8000-00000000ffff"}, 1, "there is no such user");
  says({"--erase-user", person, "--verify-audit"}, 64, "excludes");
  says({"--erase-user", person, "--set", "retention.batch_rows=1"}, 64, "excludes");
  says({"--erase-user", person, "--master-key-file", "/nonexistent"}, 78, "/nonexistent");
  says({"--erase-user", person, "--database", "postgresql://127.0.0.1:1/x"}, 69, "database:");
  auto child = ChildProcess::start(
      {.arguments = {ONECLICK_BINARY, "maintain", "--database", url_, "--erase-user", person},
       .environment = {{"ONECLICK_MASTER_KEY_FILE", ""}},
       .output_file = (dir_ / "keyless").string()});
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->wait(minute_ns), 1);
  EXPECT_THAT(output_of("keyless"), HasSubstr("a master key is needed"));
  EXPECT_EQ(ask("SELECT count(*) FROM users WHERE email LIKE 'planted%'"), "1");
}

TEST_F(ErasureOfAPerson, ARowThatWasAlteredIsNotBlessedByIt) {
  sql(a_life);
  ASSERT_EQ(maintain().code, 0);
  sql("UPDATE audit_logs SET user_agent = 'forged' WHERE user_id = '" + std::string(person) + "'");
  const Ran ran = erase();
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("is not what was sealed"));
  EXPECT_EQ(ask("SELECT count(*) FROM users WHERE email LIKE 'planted%'"), "1") << "all or nothing";
}

TEST_F(ErasureOfAPerson, ARedactionThatNobodySignedIsAnAlteration) {
  sql(a_life);
  ASSERT_EQ(maintain().code, 0);
  sql("UPDATE security_events SET description = 'nothing' WHERE description = 'of another';"
      "INSERT INTO engine.audit_redactions SELECT 'security_events', s.id, c.row_hash,"
      " engine.audit_row_hash('security_events', engine.audit_fields(s)), now(), 'k1', '\\x00' FROM"
      " security_events s JOIN engine.audit_chain c ON c.row_id = s.id WHERE description ="
      " 'nothing'");
  const Ran ran = maintain({"--verify-audit"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.output, HasSubstr("the redaction is forged"));
  EXPECT_THAT(ran.output, HasSubstr("the row was altered"));
}

// Rows seen by tables of the list, the list by the catalogue.
TEST_F(ErasureOfAPerson, EveryColumnThatCouldHoldATextIsDecided) {
  auto query = PgQuery::connect(url_);
  ASSERT_TRUE(query.has_value());
  const auto rows = query->rows(
      "SELECT c.relname || '.' || a.attname, a.attnotnull,"
      " a.atttypid::regtype::text IN ('character varying', 'text', 'character', 'json', 'jsonb',"
      " 'inet', 'cidr', 'macaddr', 'bytea', 'xml', 'tsvector', 'hstore', 'name')"
      " OR t.typcategory IN ('A', 'S') FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
      " JOIN pg_class c ON c.oid = a.attrelid"
      " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
      " AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped");
  ASSERT_TRUE(rows.has_value()) << rows.error();
  std::set<std::string> there, decided;
  for (const ErasureColumn& c : erasure_columns()) {
    EXPECT_TRUE(decided.insert(fmt::format("{}.{}", c.table, c.name)).second) << c.name;
    const auto table =
        std::ranges::find(erasure_tables(), std::string_view(c.table), &ErasureTable::name);
    const bool goes = table != erasure_tables().end() && table->is_removed;
    const bool changes = c.becomes != nullptr;
    EXPECT_EQ(std::string_view(c.why).empty(), goes || changes)
        << c.table << "." << c.name << ": what stays has a reason, nothing else has";
    EXPECT_TRUE(!changes || (table != erasure_tables().end() && !goes)) << c.table << "." << c.name;
  }
  for (const PgRow& row : *rows) {
    there.insert(*row[0]);
    if (row[2] == "t") {
      EXPECT_TRUE(decided.contains(*row[0]))
          << *row[0]
          << " is new: decide in persistence/erasure_columns.cpp what erasing does to it";
    }
  }
  EXPECT_GT(there.size(), 300u);
  for (const std::string& column : decided) EXPECT_TRUE(there.contains(column)) << column;
}

// "Erasure" of schema/README.md has a line per table, made of the list.
TEST(ErasureInWords, AreThoseOfTheProgram) {
  std::ifstream in(std::string(SOURCE_DIR) + "/schema/README.md");
  std::stringstream readme;
  readme << in.rdbuf();
  std::map<std::string, std::pair<std::string, std::map<std::string, std::string>>> by_table;
  for (const ErasureColumn& c : erasure_columns()) {
    auto& [changed, kept] = by_table[c.table];
    std::string& list = *c.why != '\0' ? kept[c.why] : changed;
    list += fmt::format("{}`{}`", list.empty() ? "" : ", ", c.name);
  }
  for (const ErasureTable& t : erasure_tables()) by_table[t.name];
  std::string missing;
  for (const auto& [table, columns] : by_table) {
    const auto found = std::ranges::find(erasure_tables(), table, &ErasureTable::name);
    const bool removed = found != erasure_tables().end() && found->is_removed;
    std::string kept;
    for (const auto& [why, names] : columns.second)
      kept += fmt::format("{}{}: {}", kept.empty() ? "" : "; ", names, why);
    const std::string line =
        fmt::format("| `{}` | {} | {} |\n", table, removed ? "rows removed" : columns.first, kept);
    if (readme.str().find(line) == std::string::npos) missing += line;
  }
  EXPECT_EQ(missing, "") << "lines that schema/README.md does not have";
}

}  // namespace
}  // namespace oneclick
