// Real clients, written by others, trade on the paper exchange: ccxt, and Binance's official
// connector.
#include <fstream>

#include "tests/system/rig.hpp"

namespace oneclick {
namespace {

constexpr const char* api_key = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
constexpr const char* api_secret = "ssssssssssssssssssssssssssssssss";

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Runs a shell command; its exit code, or -1 when it did not end in time.
int run(const std::string& command, const std::filesystem::path& log, std::int64_t timeout_ns) {
  auto child = ChildProcess::start(
      {.arguments = {"/bin/sh", "-c", command}, .environment = {}, .output_file = log.string()});
  return child ? child->wait(timeout_ns).value_or(-1) : -1;
}

class ClientsTest : public testing::Test {
 protected:
  // The packages are installed once, beside the build, and used again.
  static void SetUpTestSuite() {
    std::filesystem::create_directories(folder());
    for (const char* file : {"package.json", "ccxt.mjs", "binance.mjs"})
      std::filesystem::copy_file(std::filesystem::path(SOURCE_DIR) / "tests/clients" / file,
                                 folder() / file,
                                 std::filesystem::copy_options::overwrite_existing);
    if (run("command -v node && command -v npm", folder() / "which.log", 10 * second_ns) != 0) {
      missing = "node or npm is not installed";
    } else if (run("cd '" + folder().string() +
                       "' && npm install --no-audit --no-fund --no-package-lock",
                   folder() / "npm.log", 300 * second_ns) != 0) {
      missing = "npm cannot install the clients (see " + (folder() / "npm.log").string() + ")";
    }
  }
  void SetUp() override {
    if (!missing.empty()) GTEST_SKIP() << "real clients not tried: " << missing;
    char name[] = "/tmp/oneclick-clients-XXXXXX";
    dir = mkdtemp(name);
    port = free_port();
    std::ofstream(dir / "paper.toml")
        << "[exchange]\nlisten = \"127.0.0.1:" << port << "\"\ncertificate_folder = \""
        << dir.string()
        << "\"\nadmin_token = \"unused\"\n[limits]\n[[symbols]]\nsymbol = \"BTC/USDT\"\ntick = "
           "\"0.01\"\n"
        << "step = \"0.00001\"\nnotional_min = \"5\"\nfigures_file = \"" << SOURCE_DIR
        << "/configs/market/btcusdt_1s.csv\"\n[[accounts]]\nid = \"client\"\napi_key = \""
        << api_key << "\"\napi_secret = \"" << api_secret
        << "\"\nbalances = { USDT = \"100000\" }\n";
    auto started = ChildProcess::start(
        {.arguments = {ONECLICK_BINARY, "paper", "--config", (dir / "paper.toml").string()},
         .environment = {},
         .output_file = (dir / "paper.log").string()});
    ASSERT_TRUE(started.has_value()) << started.error();
    exchange.emplace(std::move(*started));
    const std::int64_t until = monotonic_now_ns() + 20 * second_ns;
    net::Reactor reactor;
    while (text_of(dir / "paper.log").find("paper exchange on") == std::string::npos &&
           monotonic_now_ns() < until)
      reactor.wait(20'000'000);
  }
  void TearDown() override {
    exchange.reset();
    std::error_code ignored;
    if (!HasFailure()) std::filesystem::remove_all(dir, ignored);
  }
  void drive(const std::string& script) {
    const int code =
        run("cd '" + folder().string() + "' && NODE_EXTRA_CA_CERTS='" + (dir / "ca.pem").string() +
                "' node " + script + " localhost:" + std::to_string(port) + " " + api_key + " " +
                api_secret + " '" + (dir / "ca.pem").string() + "'",
            dir / "client.log", 120 * second_ns);
    EXPECT_EQ(code, 0) << text_of(dir / "client.log");
    EXPECT_NE(text_of(dir / "client.log").find("ok"), std::string::npos);
  }
  static std::filesystem::path folder() { return std::filesystem::current_path() / "clients"; }

  static inline std::string missing;
  std::filesystem::path dir;
  std::uint16_t port = 0;
  std::optional<ChildProcess> exchange;
};

TEST_F(ClientsTest, CcxtTradesAndWatches) {
  drive("ccxt.mjs");
}

TEST_F(ClientsTest, BinancesOwnConnectorTrades) {
  drive("binance.mjs");
}

}  // namespace
}  // namespace oneclick
