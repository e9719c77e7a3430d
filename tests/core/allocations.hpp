// Counts every allocation of this test program.
#pragma once

#include <cstddef>

namespace oneclick::test {

extern std::size_t allocations;

}  // namespace oneclick::test
