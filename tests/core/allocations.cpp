// In a file of its own: where new and delete are seen together with their callers, GCC takes the
// pair for a mismatch.
#include "tests/core/allocations.hpp"

#include <cstdlib>
#include <new>

namespace oneclick::test {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++oneclick::test::allocations;
  if (void* const p = std::malloc(size != 0 ? size : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}
