#include "engine/app/sd_notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "tests/app/temporary_folder.hpp"

namespace oneclick {
namespace {

// The receiving end, as systemd has it.
class Receiver {
 public:
  explicit Receiver(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    if (path[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0) << std::strerror(errno);
  }
  ~Receiver() { ::close(fd_); }
  [[nodiscard]] std::string next() const {
    char buffer[256];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    return n < 0 ? "" : std::string(buffer, static_cast<std::size_t>(n));
  }

 private:
  int fd_;
};

class SdNotify : public testing::Test {
 protected:
  ~SdNotify() override {
    for (const char* const name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
      ::unsetenv(name);
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  test::TemporaryFolder folder_;
};

TEST_F(SdNotify, ReachesASocketFile) {
  const Receiver receiver(folder_.path("notify"));
  set("NOTIFY_SOCKET", folder_.path("notify"));
  EXPECT_TRUE(sd_notify("READY=1\nSTATUS=trading"));
  EXPECT_EQ(receiver.next(), "READY=1\nSTATUS=trading");
}

TEST_F(SdNotify, ReachesAnAbstractSocket) {
  const std::string name = "@oneclick-test-" + std::to_string(::getpid());
  const Receiver receiver(name);
  set("NOTIFY_SOCKET", name);
  EXPECT_TRUE(sd_notify("WATCHDOG=1"));
  EXPECT_EQ(receiver.next(), "WATCHDOG=1");
}

TEST_F(SdNotify, IsSilentWhereNobodyListens) {
  EXPECT_FALSE(sd_notify("READY=1"));
  set("NOTIFY_SOCKET", folder_.path("nobody"));
  EXPECT_FALSE(sd_notify("READY=1"));
  set("NOTIFY_SOCKET", "relative");
  EXPECT_FALSE(sd_notify("READY=1"));
}

TEST_F(SdNotify, KnowsTheWatchdogsInterval) {
  EXPECT_EQ(sd_watchdog_ns(), 0);
  set("WATCHDOG_USEC", "30000000");
  EXPECT_EQ(sd_watchdog_ns(), 30'000'000'000);
  set("WATCHDOG_PID", std::to_string(::getpid()));
  EXPECT_EQ(sd_watchdog_ns(), 30'000'000'000);
  set("WATCHDOG_PID", "1");
  EXPECT_EQ(sd_watchdog_ns(), 0) << "meant for another process";
}

}  // namespace
}  // namespace oneclick
