// The audit chain: what is sealed, and that each way of tampering is found and named.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "engine/base/clock.hpp"
#include "persistence/audit.hpp"
#include "persistence/pg.hpp"
#include "tests/persistence/sink_world.hpp"
#include "tests/support/pg_server.hpp"

namespace oneclick {
namespace {

using namespace test;

MasterKey key_named(std::string id, std::uint8_t fill) {
  MasterKey key{.id = std::move(id), .bytes = {}};
  key.bytes.fill(fill);
  return key;
}

class Audit : public ::testing::Test {
 protected:
  void SetUp() override {
    ONECLICK_NEEDS_POSTGRES();
    url_ = PgServer::fresh_database();
    query_.emplace(open_query(url_));
  }
  void sql(const std::string& text) { run(*query_, text); }
  std::string ask(const std::string& text) { return row_text(*query_, text); }

  // One row a day from 2015 on, columns of every kind; sealed in this order.
  void write_rows(int from, int to) {
    sql(fmt::format(
        "INSERT INTO audit_logs (id, action, resource_type, resource_id, old_values, new_values,"
        " ip_address, user_agent, created_at) SELECT"
        " ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'change', CASE WHEN n % 2"
        " = 0 THEN '' END, 'käse ' || n, CASE WHEN n % 3 = 0 THEN '{{\"b\": 1.50, \"a\": null}}'"
        " ::jsonb END, '{{}}', ('10.0.0.' || n % 200)::inet, E'line\\none',"
        " timestamp '2015-01-01 00:00:00.123456' + n * interval '1 day'"
        " FROM generate_series({}, {}) AS n",
        from, to));
  }
  static std::string id(int n) { return fmt::format("00000000-0000-4000-8000-{:012}", n); }
  void seal() {
    const auto sealed = seal_audit(url_);
    ASSERT_TRUE(sealed.has_value()) << sealed.error();
  }
  AuditVerdict verify(std::vector<AuditAnchor> anchors = {}) {
    const auto verdict =
        verify_audit(url_, {.keys = {keys_.begin(), keys_.end()}, .anchors = std::move(anchors)});
    EXPECT_TRUE(verdict.has_value()) << verdict.error();
    return verdict.value_or(AuditVerdict{});
  }
  // "" when it holds, else what it says, a line a problem.
  static std::string text(const AuditVerdict& verdict) {
    std::string all;
    for (const AuditProblem& p : verdict.problems)
      all += fmt::format("{}|{}|{}|{}\n", p.source, p.seq, p.row_id, p.what);
    return all;
  }
  // Tampering as the owner of the database can do it, then what verification says.
  std::string after(const std::string& tampering, std::vector<AuditAnchor> anchors = {}) {
    sql(tampering);
    return text(verify(std::move(anchors)));
  }

  std::string url_;
  std::optional<PgQuery> query_;
  std::vector<MasterKey> keys_ = {key_named("k1", 7)};
};

TEST_F(Audit, WhatIsWrittenIsSealedAndHolds) {
  make_users(*query_, 1);
  write_rows(1, 25);
  sql(
      fmt::format("UPDATE users SET total_followers = 0; INSERT INTO audit_logs (user_id, action)"
                  " VALUES ('{}', 'with a user')",
                  user(0).to_text()));
  sql("INSERT INTO security_events (event_type, severity, description, location)"
      " VALUES ('key_refused', 'low', 'x', 'Zürich')");
  EXPECT_EQ(verify().rows_unsealed, 27);
  const auto sealed = seal_audit(url_);
  ASSERT_TRUE(sealed.has_value()) << sealed.error();
  EXPECT_EQ(*sealed, 27);
  EXPECT_EQ(ask("SELECT count(*) FROM engine.audit_queue"), "0");
  // What people do with security events afterwards is no tampering.
  sql("UPDATE security_events SET resolved = true, resolved_at = now() AT TIME ZONE 'UTC'");
  const AuditVerdict verdict = verify();
  EXPECT_EQ(text(verdict), "");
  EXPECT_EQ(verdict.rows_checked, 27);
  EXPECT_EQ(verdict.rows_unsealed, 0);
  ASSERT_EQ(verdict.heads.size(), 2U);
  EXPECT_EQ(verdict.heads[0].seq, 26);
  EXPECT_EQ(verdict.heads[1].seq, 1);
}

// The verdict must not hang on how the reading or the writing session is set up.
TEST_F(Audit, SettingsOfSessionsChangeNothing) {
  sql("SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = 'iso_8601';"
      " SET client_encoding = 'LATIN1'; SET extra_float_digits = 0; SET bytea_output = 'escape'");
  sql("SET client_encoding = 'UTF8'");
  write_rows(1, 10);
  seal();
  EXPECT_EQ(text(verify()), "");
}

TEST_F(Audit, EachTamperingIsFoundAndNamed) {
  const struct {
    const char* what;
    std::string tampering;
    std::string expected;  // in the first line
  } table[] = {
      {"altered", "UPDATE audit_logs SET action = 'other' WHERE id = '" + id(5) + "'",
       "audit_logs|5|" + id(5) + "|the row was altered"},
      {"a column emptied", "UPDATE audit_logs SET resource_type = '' WHERE id = '" + id(5) + "'",
       "audit_logs|5|" + id(5) + "|the row was altered"},
      {"JSON altered",
       "UPDATE audit_logs SET old_values = '{\"a\": null, \"b\": 1.5}' WHERE id = '" + id(6) + "'",
       "audit_logs|6|" + id(6) + "|the row was altered"},
      {"moved in time",
       "UPDATE audit_logs SET created_at = created_at + interval '1 us' WHERE id = '" + id(7) + "'",
       "audit_logs|7|" + id(7) + "|the row was altered"},
      {"removed", "DELETE FROM audit_logs WHERE id = '" + id(5) + "'",
       "audit_logs|5|" + id(5) + "|the row is missing"},
      {"removed with its seal",
       "DELETE FROM audit_logs WHERE id = '" + id(5) +
           "'; DELETE FROM engine.audit_chain WHERE"
           " row_id = '" +
           id(5) + "'",
       "audit_logs|5||positions 5 to 5 of the chain are missing"},
      {"the first one removed with its seal",
       "DELETE FROM audit_logs WHERE id = '" + id(1) +
           "'; DELETE FROM engine.audit_chain WHERE"
           " row_id = '" +
           id(1) + "'",
       "audit_logs|1||positions 1 to 1 of the chain are missing"},
      {"the last ones removed with their seals",
       "DELETE FROM audit_logs WHERE id > '" + id(8) +
           "'; DELETE FROM engine.audit_chain WHERE"
           " source = 'audit_logs' AND seq > 8",
       "audit_logs|9||the chain's end is cut off: it ends at 8, its head says 10"},
      {"all removed", "DELETE FROM audit_logs; DELETE FROM engine.audit_chain",
       "audit_logs|1||the chain's end is cut off"},
      {"inserted past the trigger",
       "SET session_replication_role = replica; INSERT INTO audit_logs (id, action) VALUES ('" +
           id(99) + "', 'x'); RESET session_replication_role",
       "audit_logs|0|" + id(99) + "|the row is not in the chain"},
      {"only the seal removed",
       "DELETE FROM engine.audit_chain WHERE source = 'audit_logs' AND seq = 10; UPDATE"
       " engine.audit_heads SET seq = 9, hash = (SELECT hash FROM engine.audit_chain WHERE"
       " source = 'audit_logs' AND seq = 9) WHERE source = 'audit_logs'",
       "audit_logs|0|" + id(10) + "|the row is not in the chain"},
      {"re-ordered",
       "UPDATE engine.audit_chain SET seq = 104 WHERE source = 'audit_logs' AND seq = 4;"
       "UPDATE engine.audit_chain SET seq = 4 WHERE source = 'audit_logs' AND seq = 5;"
       "UPDATE engine.audit_chain SET seq = 5 WHERE source = 'audit_logs' AND seq = 104",
       "audit_logs|4|" + id(5) + "|the chain does not go on from the position before"},
      {"two rows exchanged",
       "UPDATE audit_logs SET id = '" + id(77) + "' WHERE id = '" + id(4) +
           "';"
           "UPDATE audit_logs SET id = '" +
           id(4) + "' WHERE id = '" + id(5) +
           "';"
           "UPDATE audit_logs SET id = '" +
           id(5) + "' WHERE id = '" + id(77) + "'",
       "audit_logs|4|" + id(4) + "|the row was altered"},
      {"altered and its hash too",
       "UPDATE audit_logs SET action = 'other' WHERE id = '" + id(5) +
           "';"
           "UPDATE engine.audit_chain c SET row_hash = engine.audit_row_hash('audit_logs',"
           " engine.audit_fields(a)) FROM audit_logs a WHERE a.id = c.row_id AND c.seq = 5",
       "audit_logs|5|" + id(5) + "|the chain's hash is not that of its row"},
      {"altered, with its hash and link",
       "UPDATE audit_logs SET action = 'other' WHERE id = '" + id(5) +
           "';"
           "UPDATE engine.audit_chain c SET row_hash = engine.audit_row_hash('audit_logs',"
           " engine.audit_fields(a)), hash = engine.audit_link_hash(c.previous_hash, c.seq, "
           "c.row_id,"
           " engine.audit_row_hash('audit_logs', engine.audit_fields(a))) FROM audit_logs a"
           " WHERE a.id = c.row_id AND c.seq = 5",
       "audit_logs|6|" + id(6) + "|the chain does not go on from the position before"},
      {"removed and written again",
       "DELETE FROM audit_logs WHERE id = '" + id(5) +
           "'; INSERT INTO audit_logs (id, action)"
           " VALUES ('" +
           id(5) + "', 'other'); SELECT engine.seal_audit()",
       "audit_logs|5|" + id(5) + "|the row was altered"},
      {"the head is gone", "DELETE FROM engine.audit_heads WHERE source = 'audit_logs'",
       "audit_logs|0||the chain's head is missing"},
      {"altered before it was sealed",
       "INSERT INTO audit_logs (id, action) VALUES ('" + id(50) +
           "', 'x');"
           "UPDATE audit_logs SET action = 'y' WHERE id = '" +
           id(50) + "'",
       "audit_logs|0|" + id(50) + "|the row was altered"},
      {"removed before it was sealed",
       "INSERT INTO audit_logs (id, action) VALUES ('" + id(50) +
           "', 'x'); DELETE FROM audit_logs"
           " WHERE id = '" +
           id(50) + "'; SELECT engine.seal_audit()",
       "audit_logs|11|" + id(50) + "|the row is missing"},
      {"a security event made harmless", "UPDATE security_events SET severity = 'low'",
       "security_events|1|" + id(1) + "|the row was altered"},
  };
  write_rows(1, 10);
  sql("INSERT INTO security_events (id, event_type, severity, description) VALUES ('" + id(1) +
      "', 'x', 'high', 'y')");
  seal();
  ASSERT_EQ(text(verify()), "");
  const std::string name = url_.substr(url_.rfind('/') + 1);
  query_.reset();  // a template must not be in use
  for (const auto& row : table) {
    PgQuery admin = open_query(PgServer::get()->url());
    run(admin, "DROP DATABASE IF EXISTS tampered");
    run(admin, "CREATE DATABASE tampered TEMPLATE " + name);
    const std::string original = std::exchange(url_, url_.substr(0, url_.rfind('/')) + "/tampered");
    query_.emplace(open_query(url_));
    const std::string found = after(row.tampering);
    EXPECT_TRUE(found.starts_with(row.expected)) << row.what << ": " << found;
    query_.reset();
    url_ = original;
  }
}

// Whoever may write everything may compute the whole chain anew, with its head. Then only what is
// signed, or was seen before, tells.
TEST_F(Audit, AChainComputedAnewIsFoundByItsSignaturesAndByWhoSawItBefore) {
  write_rows(1, 10);
  seal();
  const AuditVerdict seen = verify();
  ASSERT_EQ(text(seen), "");
  const auto anchors = parse_audit_anchors(audit_anchor_text(seen.heads));
  ASSERT_TRUE(anchors.has_value()) << anchors.error();
  const auto signed_heads = sign_audit_heads(url_, keys_);
  ASSERT_TRUE(signed_heads.has_value()) << signed_heads.error();
  ASSERT_EQ(text(verify(*anchors)), "");
  EXPECT_EQ(verify().checkpoints, 1);

  sql("UPDATE audit_logs SET action = 'other' WHERE id = '" + id(3) +
      "'; DELETE FROM engine.audit_chain WHERE source = 'audit_logs';"
      "UPDATE engine.audit_heads SET seq = 0, hash = decode(repeat('00', 32), 'hex') WHERE"
      " source = 'audit_logs'; INSERT INTO engine.audit_queue (source, row_id, row_hash) SELECT"
      " 'audit_logs', id, engine.audit_row_hash('audit_logs', engine.audit_fields(a)) FROM"
      " audit_logs a ORDER BY created_at; SELECT engine.seal_audit()");
  EXPECT_TRUE(text(verify()).starts_with("audit_logs|10||the chain is not the one that was signed"))
      << text(verify());
  sql("DELETE FROM engine.audit_checkpoints");
  EXPECT_EQ(text(verify()), "") << "nothing inside the database tells any more";
  EXPECT_TRUE(text(verify(*anchors))
                  .starts_with("audit_logs|10||the chain is not the one that was seen before"))
      << text(verify(*anchors));
  EXPECT_TRUE(after("DELETE FROM audit_logs WHERE id > '" + id(8) +
                        "'; DELETE FROM engine.audit_chain WHERE seq > 8; UPDATE"
                        " engine.audit_heads h SET seq = 8, hash = c.hash FROM engine.audit_chain c"
                        " WHERE c.source = h.source AND c.seq = 8",
                    *anchors)
                  .starts_with("audit_logs|10||the chain ends before a position that was seen"));
}

TEST_F(Audit, AForgedOrUncheckableCheckpointIsFound) {
  write_rows(1, 10);
  ASSERT_TRUE(sign_audit_heads(url_, keys_).has_value());
  EXPECT_EQ(after("UPDATE engine.audit_checkpoints SET made_at = made_at + interval '1 s'"),
            "audit_logs|10||the checkpoint is forged: its signature does not hold\n");
  sql("UPDATE engine.audit_checkpoints SET made_at = made_at - interval '1 s'");
  ASSERT_EQ(text(verify()), "");
  keys_ = {key_named("k2", 7)};
  EXPECT_EQ(text(verify()),
            "audit_logs|10||the checkpoint's signature cannot be checked: no master key k1\n");
  keys_ = {key_named("k1", 8)};
  EXPECT_EQ(text(verify()),
            "audit_logs|10||the checkpoint is forged: its signature does not hold\n");
}

TEST_F(Audit, AnotherMasterKeySignsOlderCheckpointsAgain) {
  write_rows(1, 10);
  ASSERT_TRUE(sign_audit_heads(url_, keys_).has_value());
  keys_.insert(keys_.begin(), key_named("k2", 9));
  const auto again = sign_audit_heads(url_, keys_);
  ASSERT_TRUE(again.has_value()) << again.error();
  keys_.pop_back();
  EXPECT_EQ(text(verify()), "");
}

TEST_F(Audit, RetentionLeavesASignedCheckpointAndTheArchiveStillHolds) {
  write_rows(1, 30);
  EXPECT_EQ(ask("SELECT engine.archive_audit()"), "0") << "nothing leaves unsigned";
  const auto upto = make_audit_checkpoint(url_, keys_, "2015-01-21");
  ASSERT_TRUE(upto.has_value()) << upto.error();
  EXPECT_EQ(*upto, 19) << "the 20th is of 2015-01-21 00:00:00.123456";
  EXPECT_EQ(ask("SELECT engine.audit_archivable('2015-01-21')"), "19");
  EXPECT_EQ(ask("SELECT engine.archive_audit(7)"), "7");
  EXPECT_EQ(ask("SELECT engine.archive_audit(7)"), "7");
  EXPECT_EQ(ask("SELECT engine.archive_audit(7)"), "5");
  EXPECT_EQ(ask("SELECT engine.archive_audit(7)"), "0");
  EXPECT_EQ(ask("SELECT count(*) FROM audit_logs"), "11");
  EXPECT_EQ(ask("SELECT count(*) FROM engine.audit_chain"), "11");
  EXPECT_EQ(ask("SELECT string_agg(resource_id, ',' ORDER BY seq) FROM engine.audit_archive_rows"
                " WHERE seq IN (1, 19)"),
            "käse 1,käse 19");
  AuditVerdict verdict = verify();
  EXPECT_EQ(text(verdict), "");
  EXPECT_EQ(verdict.rows_checked, 30);
  EXPECT_EQ(verdict.rows_archived, 19);
  // And so on, with what came since.
  write_rows(31, 40);
  const auto next = make_audit_checkpoint(url_, keys_, "2015-02-05");
  ASSERT_TRUE(next.has_value()) << next.error();
  EXPECT_EQ(*next, 34);
  EXPECT_EQ(ask("SELECT engine.archive_audit()"), "15");
  EXPECT_EQ(text(verify()), "");

  EXPECT_TRUE(after("UPDATE engine.audit_archive SET entries = jsonb_set(entries, '{1, 5}',"
                    " '\"other\"') WHERE first_seq = 8")
                  .starts_with("audit_logs|9|" + id(9) + "|the row was altered"));
  EXPECT_TRUE(after("UPDATE engine.audit_archive SET entries = jsonb_set(entries, '{1, 2}',"
                    " to_jsonb(repeat('ab', 32))) WHERE first_seq = 8")
                  .find("audit_logs|19||the chain is not the one that was signed") !=
              std::string::npos);
  EXPECT_TRUE(after("DELETE FROM engine.audit_archive WHERE first_seq = 8")
                  .starts_with("audit_logs|8||positions 8 to 14 of the chain are missing"));
  // Archives may leave the database whole, oldest first, as long as a signature stands at the cut.
  EXPECT_EQ(after("DELETE FROM engine.audit_archive WHERE last_seq <= 19"), "");
  EXPECT_EQ(after("DELETE FROM engine.audit_checkpoints WHERE seq = 19"),
            "audit_logs|1||positions 1 to 19 of the chain are missing: rows were removed\n");
}

TEST_F(Audit, NothingIsSignedOverWhatDoesNotHold) {
  write_rows(1, 10);
  seal();
  sql("UPDATE audit_logs SET action = 'other' WHERE id = '" + id(3) + "'");
  const auto upto = make_audit_checkpoint(url_, keys_, "2015-01-06");
  ASSERT_FALSE(upto.has_value());
  EXPECT_NE(upto.error().find(id(3) + ": the row was altered"), std::string::npos) << upto.error();
  EXPECT_FALSE(sign_audit_heads(url_, keys_).has_value());
  EXPECT_EQ(ask("SELECT count(*) FROM engine.audit_checkpoints"), "0");
  EXPECT_FALSE(make_audit_checkpoint(url_, {}, "2015-01-06").has_value());
}

// Rows of transactions that commit in any order, while sealers seal: each once, none left out.
TEST_F(Audit, WritersAndSealersAtOnceLoseNothing) {
  constexpr int writers = 6, rows_each = 60;
  std::atomic<int> writing = writers;
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      PgQuery query = open_query(url_);
      for (int i = 0; i < rows_each; ++i) {
        // Every third is undone; some stay open over several seals.
        run(query,
            fmt::format("BEGIN; INSERT INTO audit_logs (action) VALUES ('{}-{}'),('x')", w, i));
        if (i % 5 == w % 5) run(query, "SELECT pg_sleep(0.005)");
        run(query, i % 3 == 0 ? "ROLLBACK" : "COMMIT");
      }
      --writing;
    });
  for (int s = 0; s < 3; ++s)
    threads.emplace_back([&] {
      PgQuery query = open_query(url_);
      while (writing > 0) run(query, "SELECT engine.seal_audit(50)");
    });
  for (std::thread& t : threads) t.join();
  seal();
  EXPECT_EQ(text(verify()), "");
  const int expected = writers * rows_each * 2 * 2 / 3;
  EXPECT_EQ(ask("SELECT count(*) || ' ' || count(DISTINCT row_id) || ' ' || max(seq) FROM"
                " engine.audit_chain"),
            fmt::format("{0} {0} {0}", expected));
}

// As a role that has what the daemon's group has, and nothing more.
TEST_F(Audit, TheSideWriterSealsByItself) {
  sql("DROP ROLE IF EXISTS test_sealer");
  sql("CREATE ROLE test_sealer LOGIN IN ROLE oneclick_engine");
  std::string daemon_url = url_;
  daemon_url.replace(daemon_url.find("oneclick@"), 9, "test_sealer@");
  Metrics metrics;
  const auto writer = PgSideWriter::start(daemon_url, metrics);
  write_rows(1, 10);
  writer->security_event({.user = std::nullopt,
                          .event_type = "key_refused",
                          .severity = "low",
                          .description = "x",
                          .ip_address = "127.0.0.1"});
  const std::int64_t until = steady_now_ns() + 20'000'000'000;
  while (steady_now_ns() < until && ask("SELECT count(*) FROM engine.audit_chain") != "11")
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(ask("SELECT count(*) FROM engine.audit_chain"), "11");
  EXPECT_EQ(text(verify()), "");
  Counter& sealed = metrics.counter("audit_sealed_rows_total", "");
  while (steady_now_ns() < until && sealed.value() != 11)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(sealed.value(), 11U);
}

TEST(AuditAnchors, AreReadAsTheyAreWritten) {
  Digest hash{};
  hash.fill(0xab);
  const std::string text =
      audit_anchor_text(std::vector<AuditAnchor>{{.source = "audit_logs", .seq = 7, .hash = hash}});
  const auto read = parse_audit_anchors("# seen\n" + text);
  ASSERT_TRUE(read.has_value()) << read.error();
  ASSERT_EQ(read->size(), 1U);
  EXPECT_EQ((*read)[0].seq, 7);
  EXPECT_EQ((*read)[0].hash, hash);
  for (const char* bad : {"x 1 ", "audit_logs x ab", "audit_logs 1 ab", "trades 1 "})
    EXPECT_FALSE(parse_audit_anchors(std::string(bad) + std::string(64, 'a') + "zz").has_value())
        << bad;
}

}  // namespace
}  // namespace oneclick
