// The command line.
#pragma once

namespace oneclick {

// Reads the arguments and runs the command they name. Returns the exit code.
[[nodiscard]] int run_command_line(int argc, char** argv);

}  // namespace oneclick
