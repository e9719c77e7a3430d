// The one way to start a shard: load the snapshot, replay the journal, compare what is derived with
// what was recorded. A crash is not special.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "engine/core/core.hpp"
#include "persistence/journal.hpp"

namespace oneclick {

struct Replayed {
  Core core;
  std::uint64_t last_seq = 0;
  std::int64_t last_time_ns = 0;
  JournalPosition last_position = 0;
  std::int64_t snapshot_time_ns = 0;  // 0: replayed from the beginning
  std::uint64_t events = 0;
  std::uint64_t records = 0;
  // Records of the last event that a crash kept from the journal, in order: to be appended now.
  std::vector<Record> missing;
  // With check_intents: how many were derived, and SHA-256 over their bytes, chained.
  std::uint64_t intents = 0;
  std::string intents_digest;
  // The first place where the journal's records differ from what its inputs give; empty when none.
  std::string mismatch;
};

struct ReplayOptions {
  bool use_snapshot = true;
  bool check_intents = false;  // see intent_check.hpp; twice the work
  JournalPosition until = ~JournalPosition{0};
};

// Reads <dir>/shard-NN. Leader events are told to `on_event` as they pass (null: nobody asks).
[[nodiscard]] std::expected<Replayed, JournalError> replay_journal(
    const std::filesystem::path& dir, std::uint16_t shard, ReplayOptions options,
    const std::function<void(const Event&)>& on_event = {});

}  // namespace oneclick
