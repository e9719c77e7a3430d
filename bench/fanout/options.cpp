#include "bench/fanout/options.hpp"

#include <charconv>
#include <string_view>

namespace oneclick::bench {

namespace {

constexpr char help_text[] =
    "bench_fanout: from a leader event to every follower's order at the exchange, over TLS on "
    "loopback\n"
    "\n"
    "  --followers N[,N...]  sizes of fan-out (default 1,10,100,1000,10000)\n"
    "  --rounds N            bursts of each sender at each size (default by size)\n"
    "  --quick               few rounds\n"
    "  --mode spin|block     how the daemon waits (default spin)\n"
    "  --no-engine           only the floor and the plain sender\n"
    "  --no-plain            without the plain sender\n"
    "  --json FILE           the report as JSON\n"
    "  --results DIR         keep the report there, named by commit and time (default "
    "bench/results)\n"
    "  --no-results          keep nothing\n"
    "  --work DIR            keep the run's files (logs, configuration, database) in DIR\n"
    "  --program FILE        the oneclick binary (default: the one built beside this)\n";

constexpr std::size_t followers_max = 50'000;

bool read_number(std::string_view text, std::size_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out > 0;
}

bool read_sizes(std::string_view text, std::vector<std::size_t>& out) {
  out.clear();
  while (true) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::size_t size = 0;
    if (!read_number(text.substr(0, comma), size) || size > followers_max) return false;
    out.push_back(size);
    if (comma == text.size()) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::expected<Options, UsageError> read_options(int argc, char** argv) {
  Options out;
  out.program = ONECLICK_BINARY;
  out.results_dir = SOURCE_DIR "/bench/results";
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--help" || name == "-h") return std::unexpected(UsageError{help_text, true});
    if (name == "--quick") {
      out.quick = true;
    } else if (name == "--no-engine") {
      out.engine = false;
    } else if (name == "--no-plain") {
      out.plain = false;
    } else if (name == "--no-results") {
      out.results_dir.clear();
    } else if (i + 1 == argc) {
      return std::unexpected(
          UsageError{std::string(name) + ": unknown, or its value is missing\n"});
    } else {
      const std::string value = argv[++i];
      bool good = true;
      if (name == "--followers")
        good = read_sizes(value, out.followers);
      else if (name == "--rounds")
        good = read_number(value, out.rounds);
      else if (name == "--mode")
        good = (out.mode = value) == "spin" || value == "block";
      else if (name == "--json")
        out.json_file = value;
      else if (name == "--results")
        out.results_dir = value;
      else if (name == "--work")
        out.work_dir = value;
      else if (name == "--program")
        out.program = value;
      else
        good = false;
      if (!good)
        return std::unexpected(UsageError{std::string(name) + " " + value + ": not understood\n"});
    }
  }
  return out;
}

std::size_t rounds_for(const Options& options, std::size_t followers) {
  if (options.rounds != 0) return options.rounds;
  const std::size_t full = followers <= 100 ? 100 : followers <= 1'000 ? 50 : 20;
  return options.quick ? full / 4 : full;
}

}  // namespace oneclick::bench
