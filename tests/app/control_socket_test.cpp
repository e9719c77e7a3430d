#include "engine/app/control_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/app/temporary_folder.hpp"

namespace oneclick {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

class ControlSocketFile : public testing::Test {
 protected:
  std::unique_ptr<ControlSocket> start() {
    auto socket =
        ControlSocket::start(path_, [](const std::string& line) { return "heard " + line; });
    EXPECT_TRUE(socket) << socket.error();
    return socket ? std::move(*socket) : nullptr;
  }
  // A connection of one's own, for what ask_control never does.
  int raw() const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  test::TemporaryFolder folder_;
  const std::string path_ = folder_.path("control.sock");
};

TEST_F(ControlSocketFile, AnswersEachLine) {
  const auto socket = start();
  const auto answer = ask_control(path_, R"({"op":"status"})", second_ns);
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_EQ(*answer, R"(heard {"op":"status"})");
}

TEST_F(ControlSocketFile, AnswersManyAtOnce) {
  const auto socket = start();
  std::vector<std::thread> askers;
  std::atomic<int> answered{0};
  for (int i = 0; i < 8; ++i)
    askers.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k)
        if (ask_control(path_, std::to_string(i), 5 * second_ns) == "heard " + std::to_string(i))
          ++answered;
    });
  for (std::thread& t : askers) t.join();
  EXPECT_EQ(answered, 400);
}

TEST_F(ControlSocketFile, IsForItsOwnerAlone) {
  const auto socket = start();
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(ControlSocketFile, IsGoneWithItsOwner) {
  start().reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(ask_control(path_, "x", second_ns));
}

TEST_F(ControlSocketFile, TakesThePlaceOfOneLeftBehind) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(fd);  // as after kill -9: the file stays
  const auto socket = start();
  EXPECT_TRUE(ask_control(path_, "x", second_ns));
}

TEST_F(ControlSocketFile, LeavesAnotherDaemonAndOtherFilesAlone) {
  const auto first = start();
  EXPECT_FALSE(ControlSocket::start(path_, [](const std::string&) { return std::string(); }));
  EXPECT_TRUE(ask_control(path_, "x", second_ns)) << "the first still answers";
  const std::string file = folder_.file("precious", "text");
  EXPECT_FALSE(ControlSocket::start(file, [](const std::string&) { return std::string(); }));
  EXPECT_EQ(std::filesystem::file_size(file), 4u);
}

TEST_F(ControlSocketFile, AnswersOthersWhileOneSendsHalfALine) {
  const auto socket = start();
  const int slow = raw();
  ASSERT_EQ(::write(slow, "{\"op\":", 6), 6);
  EXPECT_TRUE(ask_control(path_, "x", second_ns));
  ASSERT_EQ(::write(slow, "1}\ny\n", 5), 5);
  std::string got;
  char buffer[256];
  while (got.find("heard y\n") == std::string::npos) {
    const ssize_t n = ::read(slow, buffer, sizeof buffer);
    ASSERT_GT(n, 0);
    got.append(buffer, static_cast<std::size_t>(n));
  }
  EXPECT_EQ(got, "heard {\"op\":1}\nheard y\n");
  ::close(slow);
}

TEST_F(ControlSocketFile, ClosesWhoeverSendsWithoutEnd) {
  const auto socket = start();
  const int fd = raw();
  const std::string chunk(16 * 1024, 'x');
  bool closed = false;
  for (int i = 0; i < 64 && !closed; ++i)
    closed = ::send(fd, chunk.data(), chunk.size(), MSG_NOSIGNAL) < 0;
  char byte = 0;
  EXPECT_TRUE(closed || ::recv(fd, &byte, 1, 0) <= 0);
  ::close(fd);
  EXPECT_TRUE(ask_control(path_, "x", second_ns));
}

TEST_F(ControlSocketFile, SaysWhenThePathCannotBe) {
  EXPECT_FALSE(ControlSocket::start("", {}));
  EXPECT_FALSE(ControlSocket::start(std::string(200, 'x'), {}));
  EXPECT_FALSE(ControlSocket::start(folder_.path("no/such/folder.sock"), {}));
}

}  // namespace
}  // namespace oneclick
