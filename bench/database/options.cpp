#include "bench/database/options.hpp"

#include <charconv>
#include <string_view>

namespace oneclick::bench {

namespace {

constexpr char help_text[] =
    "bench_database: the platform's queries, the sink and the counters on a large database\n"
    "\n"
    "  --scale X        of 1 million users, 10 million trades, 20 million prices (default 1)\n"
    "  --rounds N       of the sink and of COPY, in turn (default 7)\n"
    "  --unjudged       speed is told and held to nothing; wrong answers still fail\n"
    "  --json FILE      the report as JSON\n"
    "  --results DIR    keep the report there, named by commit and time (default bench/results)\n"
    "  --no-results     keep nothing\n"
    "  --work DIR       keep the run's files (database, journals) in DIR; a database of the same\n"
    "                   scale that is there already is used again\n"
    "\n"
    "At scale 1 about 15 GB are written below /tmp, or in DIR. The exit code is 1 if a query does\n"
    "not use its index or takes 10 ms or more, the sink is below 70 % of COPY, or fewer than "
    "1,000\n"
    "follows a second are counted.\n";

constexpr double scale_min = 0.001;
constexpr double scale_max = 10;

template <typename T>
bool read_number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool set_value(DatabaseOptions& out, std::string_view name, const std::string& value) {
  if (name == "--scale")
    return read_number(value, out.scale) && out.scale >= scale_min && out.scale <= scale_max;
  if (name == "--rounds") return read_number(value, out.rounds) && out.rounds > 0;
  if (name == "--json") return !(out.json_file = value).empty();
  if (name == "--results") return !(out.results_dir = value).empty();
  if (name == "--work") return !(out.work_dir = value).empty();
  return false;
}

}  // namespace

std::expected<DatabaseOptions, DatabaseUsage> read_database_options(int argc, char** argv) {
  DatabaseOptions out;
  out.results_dir = SOURCE_DIR "/bench/results";
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") return std::unexpected(DatabaseUsage{help_text, true});
    if (name == "--unjudged") {
      out.judged = false;
    } else if (name == "--no-results") {
      out.results_dir.clear();
    } else if (i + 1 == argc) {
      return std::unexpected(DatabaseUsage{name + ": unknown, or its value is missing\n"});
    } else if (const std::string value = argv[++i]; !set_value(out, name, value)) {
      return std::unexpected(
          DatabaseUsage{name + " " + value + ": not understood; --help says what is allowed\n"});
    }
  }
  return out;
}

}  // namespace oneclick::bench
