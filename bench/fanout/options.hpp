#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

namespace oneclick::bench {

struct Options {
  std::vector<std::size_t> followers = {1, 10, 100, 1'000, 10'000};
  bool quick = false;  // few rounds: for continuous integration
  bool engine = true;
  bool plain = true;
  std::size_t rounds = 0;     // 0: by the number of followers
  std::string mode = "spin";  // of the daemon: spin | block
  std::string json_file;
  std::string results_dir;  // empty: results are not kept
  std::string work_dir;     // empty: a temporary folder, removed afterwards
  std::string program;      // the oneclick binary
};

// Error: what is wrong with the arguments, or the help text with `help` set.
struct UsageError {
  std::string text;
  bool help = false;
};
[[nodiscard]] std::expected<Options, UsageError> read_options(int argc, char** argv);

[[nodiscard]] std::size_t rounds_for(const Options& options, std::size_t followers);

}  // namespace oneclick::bench
