// Tells systemd how the daemon is: sd_notify(3)'s protocol, one datagram to the socket it names.
#pragma once

#include <cstdint>
#include <string_view>

namespace oneclick {

// "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=...", lines separated by '\n'. False: nobody asked
// to be told (NOTIFY_SOCKET is not set), or the socket does not take it.
bool sd_notify(std::string_view state);
// How often WATCHDOG=1 is expected (WATCHDOG_USEC, for this process); 0: not at all.
[[nodiscard]] std::int64_t sd_watchdog_ns();

}  // namespace oneclick
