// `oneclick journal`: checks, prints and replays a journal; changes nothing.
#include <algorithm>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "engine/app/recover.hpp"
#include "persistence/journal.hpp"
#include "persistence/journal_dump.hpp"

namespace oneclick {

namespace {

int report(const JournalError& error) {
  const bool damaged =
      error.kind == JournalError::Kind::damaged || error.kind == JournalError::Kind::newer_format;
  return fail(damaged ? exit_codes::data : exit_codes::failure, error.message);
}

int verify(const JournalArguments& arguments, std::uint16_t shard) {
  const auto s = verify_journal(arguments.dir, shard);
  if (!s) return report(s.error());
  if (arguments.json) {
    print_line(JsonObject()
                   .number("shard", s->shard)
                   .number("first", s->first)
                   .number("last", s->last)
                   .number("events", s->events)
                   .number("records", s->records)
                   .number("segments", s->segments)
                   .number("bytes", s->bytes)
                   .number("torn_bytes", s->torn_bytes)
                   .str());
  } else {
    print_line(fmt::format(
        "shard {}: entries {} to {}, {} events, {} records, {} segments, {} bytes, {} bytes "
        "torn at the end",
        s->shard, s->first, s->last, s->events, s->records, s->segments, s->bytes, s->torn_bytes));
  }
  return exit_codes::fine;
}

int dump(const JournalArguments& arguments, std::uint16_t shard) {
  const auto reader = JournalReader::open(arguments.dir, shard, arguments.from);
  if (!reader) return report(reader.error());
  for (std::uint64_t n = 0; arguments.count == 0 || n < arguments.count; ++n) {
    const auto entry = (*reader)->next();
    if (!entry) return report(entry.error());
    if (!entry->has_value()) break;
    print_line(arguments.json ? journal_entry_json(**entry) : journal_entry_line(**entry));
  }
  return exit_codes::fine;
}

int replay(const JournalArguments& arguments, std::uint16_t shard) {
  // From the beginning, where it is still kept: a replay from a snapshot proves less.
  const auto summary = verify_journal(arguments.dir, shard);
  if (!summary) return report(summary.error());
  const auto r = replay_journal(arguments.dir, shard,
                                {.use_snapshot = summary->first > 1, .check_intents = true});
  if (!r) return report(r.error());
  const std::string hash = fmt::format("{:016x}", r->core.state_hash());
  if (arguments.json) {
    print_line(JsonObject()
                   .number("shard", shard)
                   .number("last_position", r->last_position)
                   .number("last_seq", r->last_seq)
                   .number("events", r->events)
                   .number("records", r->records)
                   .number("intents", r->intents)
                   .text("intents_digest", r->intents_digest)
                   .boolean("from_snapshot", r->snapshot_time_ns != 0)
                   .text("mismatch", r->mismatch)
                   .text("state_hash", hash)
                   .str());
  } else {
    print_line(fmt::format(
        "shard {}: {} events, {} records compared, {} intents derived twice{}, intents {}, state "
        "{}",
        shard, r->events, r->records, r->intents,
        r->snapshot_time_ns != 0 ? " after the snapshot" : "", r->intents_digest, hash));
  }
  if (r->mismatch.empty()) return exit_codes::fine;
  return fail(exit_codes::failure, fmt::format("shard {}: {}", shard, r->mismatch));
}

int carry_out(const JournalArguments& arguments, std::uint16_t shard) {
  switch (arguments.action) {
    case JournalArguments::Action::verify:
      return verify(arguments, shard);
    case JournalArguments::Action::dump:
      return dump(arguments, shard);
    case JournalArguments::Action::replay:
      return replay(arguments, shard);
  }
  return exit_codes::usage;
}

}  // namespace

int command_journal(const JournalArguments& arguments) {
  const std::vector<std::uint16_t> shards = journal_shards(arguments.dir);
  if (shards.empty())
    return fail(exit_codes::failure,
                fmt::format("{}: no journal there (a folder with shard-NN)", arguments.dir));
  int worst = exit_codes::fine;
  bool any = false;
  for (const std::uint16_t shard : shards) {
    if (arguments.shard >= 0 && shard != arguments.shard) continue;
    any = true;
    worst = std::max(worst, carry_out(arguments, shard));
  }
  if (!any)
    return fail(exit_codes::failure,
                fmt::format("--shard {}: no such shard there", arguments.shard));
  return worst;
}

}  // namespace oneclick
