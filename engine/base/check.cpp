#include "engine/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace oneclick {

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "level=critical msg=\"check failed\" condition=\"%s\" at=%s:%d\n", condition,
               file, line);
  std::abort();
}

}  // namespace oneclick
