// Truths about our own code. CHECK stays on in production and ends the process: continuing with a
// broken promise could send a wrong order. What the outside world did is never a CHECK.
#pragma once

namespace oneclick {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace oneclick

#define CHECK(condition)                               \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::oneclick::check_failed(#condition, __FILE__, __LINE__))

// A costly truth, checked in debug builds and under sanitizers only.
#if !defined(NDEBUG) || defined(ONECLICK_SANITIZE)
#define VERIFY(condition) CHECK(condition)
#else
#define VERIFY(condition) static_cast<void>(0)
#endif
