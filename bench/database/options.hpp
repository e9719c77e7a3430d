#pragma once

#include <cstddef>
#include <expected>
#include <string>

namespace oneclick::bench {

struct DatabaseOptions {
  double scale = 1;        // of a million users, ten million trades, twenty million prices
  std::size_t rounds = 7;  // of the sink and of COPY, each
  bool judged = true;      // false: figures are told and held to nothing
  std::string json_file;
  std::string results_dir;  // empty: results are not kept
  std::string work_dir;     // empty: a temporary folder, removed afterwards
};

// Error: what is wrong with the arguments, or the help text with `help` set.
struct DatabaseUsage {
  std::string text;
  bool help = false;
};
[[nodiscard]] std::expected<DatabaseOptions, DatabaseUsage> read_database_options(int argc,
                                                                                  char** argv);

}  // namespace oneclick::bench
