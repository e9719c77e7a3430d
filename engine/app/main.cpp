#include <cstdio>
#include <exception>

#include "engine/app/cli.hpp"

int main(int argc, char** argv) {
  try {
    return oneclick::run_command_line(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "oneclick: %s\n", e.what());
    return 1;
  }
}
