// One connection of the sink: writes batches with the offset they reach in one transaction, finds
// rows that the database refuses and sets them aside. Knows nothing of threads and journals.
#pragma once

#include <expected>
#include <memory>
#include <span>
#include <string>

#include "engine/base/metrics.hpp"
#include "persistence/pg_connection.hpp"
#include "persistence/sink_rows.hpp"

namespace oneclick {

// Whose offset is moved.
struct SinkIdentity {
  std::uint16_t shard;
  Uuid journal;
};

struct SinkCounters {
  Counter* rows;
  Counter* rejects;
};

class SinkWriter {
 public:
  // Connects, makes the temporary tables, finds the offset.
  [[nodiscard]] static std::expected<std::unique_ptr<SinkWriter>, PgError> open(
      const std::string& database_url, const SinkIdentity& identity, SinkCounters counters,
      StopSignal& stop);

  [[nodiscard]] JournalPosition committed() const { return committed_; }
  // Commits these records and the offset `upto` (of the last entry read, at least the last
  // record's). After an error nothing is known of what is committed: throw the writer away and open
  // another, unless the error is not `lost`; then the same can be tried again.
  [[nodiscard]] std::expected<void, PgError> write(std::span<const SinkRecord> records,
                                                   JournalPosition upto);

 private:
  SinkWriter(std::unique_ptr<PgConnection> connection, const SinkIdentity& identity,
             SinkCounters counters);
  [[nodiscard]] std::expected<void, PgError> prepare();
  [[nodiscard]] std::expected<void, PgError> write_once(std::span<const SinkRecord> records,
                                                        JournalPosition upto);
  [[nodiscard]] std::expected<void, PgError> write_rows(SinkRows& rows);
  [[nodiscard]] std::expected<void, PgError> copy(SinkRows& rows, SinkTable::Id id);
  [[nodiscard]] std::expected<void, PgError> write_table(SinkRows& rows, SinkTable::Id id);
  // False: some of these rows are there already, and nothing was written.
  [[nodiscard]] std::expected<bool, PgError> try_direct(SinkRows& rows, SinkTable::Id id);
  [[nodiscard]] std::expected<void, PgError> drop_known_fills(SinkRows& rows);
  [[nodiscard]] std::expected<void, PgError> make_positions(const PgParameters& keys);
  [[nodiscard]] std::expected<void, PgError> fold_positions(SinkRows& rows);
  [[nodiscard]] std::expected<void, PgError> commit_at(JournalPosition upto);
  [[nodiscard]] std::expected<void, PgError> set_aside(const SinkRecord& record, const PgError& why,
                                                       JournalPosition upto);
  [[nodiscard]] PgError roll_back(PgError why);

  std::unique_ptr<PgConnection> connection_;
  SinkIdentity identity_;
  SinkCounters counters_;
  JournalPosition committed_ = 0;
  // What was written before comes again in stretches, after a database was set back: for so many
  // batches nothing is tried directly.
  int direct_pause_ = 0;
};

}  // namespace oneclick
