// What another setting would have done: two runs of the core over the inputs of a journal, side by
// side, one with the recorded settings and one with others, both answered by the same model of the
// venue (shadow_run.hpp); and what the journal recorded, so that one sees how far the model is from
// what happened. Reads only, also beside a running daemon.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/app/shadow_books.hpp"
#include "engine/domain/link.hpp"
#include "persistence/journal.hpp"
#include "persistence/link_terms.hpp"

namespace oneclick {

struct ShadowOptions {
  std::filesystem::path dir;
  std::vector<LinkTerm> link_terms;
  std::vector<std::string> core_overrides;  // "engine.key=value"; for all links
  // Whose terms change; nil: everyone's.
  LinkId link;
  UserId user;
};

struct ShadowLink {
  CopyLink link;  // as the journal told it last, unchanged
  bool selected;  // its terms were changed
  LinkFigures recorded, baseline, changed;
};
struct ShadowShard {
  std::uint16_t shard;
  JournalPosition first, last;  // of the entries that were run
  std::int64_t snapshot_ns;     // 0: from the beginning
  std::uint64_t events, leader_events;
};
struct ShadowReport {
  std::vector<ShadowShard> shards;
  std::vector<ShadowLink> links;  // selected, or with other figures; by follower
  std::uint64_t links_selected;
  // Outcomes that were recorded and that the baseline has too, and how many of them are the same.
  std::uint64_t outcomes_compared, outcomes_same;
};

struct ShadowError {
  int exit_code;
  std::string message;
};
[[nodiscard]] std::expected<ShadowReport, ShadowError> run_shadow(const ShadowOptions& options);

}  // namespace oneclick
