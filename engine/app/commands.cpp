#include "engine/app/commands.hpp"

#include <cstdio>

namespace oneclick {

int fail(int exit_code, std::string_view message) {
  std::fflush(stdout);  // in the order things were said, also where both go to one file
  std::fprintf(stderr, "oneclick: %.*s\n", static_cast<int>(message.size()), message.data());
  return exit_code;
}

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

}  // namespace oneclick
