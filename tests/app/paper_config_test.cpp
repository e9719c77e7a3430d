// The paper exchange's configuration is checked as strictly as the daemon's.
#include "engine/app/paper_config.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/app/temporary_folder.hpp"

namespace oneclick {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* good = R"([exchange]
listen = "127.0.0.1:0"
certificate_folder = "FOLDER"
replay_speed = "2.5"
admin_token = "hush"

[limits]
orders_per_ten_seconds = 7

[[symbols]]
symbol = "BTC/USDT"
tick = "0.01"
step = "0.00001"
notional_min = "5"
bid = "60000"
bid_quantity = "1"
ask = "60000.01"
ask_quantity = "1"

[[accounts]]
id = "one"
api_key = "key"
api_secret = "hush"
balances = { USDT = "1000.5", BTC = 2 }

[[faults]]
kind = "reject"
account = "one"
count = 3
)";

class PaperConfigFile : public testing::Test {
 protected:
  auto load(std::string text) {
    if (const std::size_t at = text.find("FOLDER"); at != std::string::npos)
      text.replace(at, 6, folder_.path("certificates"));
    return load_paper_config(folder_.file("paper.toml", text));
  }
  test::TemporaryFolder folder_;
};

TEST_F(PaperConfigFile, IsReadWholeAndGetsItsCertificates) {
  const auto config = load(good);
  ASSERT_TRUE(config) << config.error().front();
  EXPECT_EQ(config->port, 0);
  EXPECT_EQ(config->replay_speed, 2.5);
  EXPECT_EQ(config->limits.orders_per_ten_seconds, 7u);
  EXPECT_EQ(config->limits.weight_per_minute, 6'000u) << "not in the file: the default";
  ASSERT_EQ(config->symbols.size(), 1u);
  EXPECT_EQ(config->symbols[0].tick, Decimal::of("0.01"));
  EXPECT_EQ(config->symbols[0].quantity_min, Decimal::of("0.00001")) << "the step, when not said";
  ASSERT_EQ(config->accounts.size(), 1u);
  const std::vector<std::pair<std::string, Decimal>> balances = {{"BTC", Decimal::of("2")},
                                                                 {"USDT", Decimal::of("1000.5")}};
  EXPECT_EQ(config->accounts[0].balances, balances);
  ASSERT_EQ(config->faults.size(), 1u);
  EXPECT_EQ(config->faults[0].kind, paper::FaultKind::reject);
  EXPECT_EQ(config->faults[0].count, 3);

  const std::string certificate = folder_.path("certificates/cert.pem");
  EXPECT_EQ(config->certificate_file, certificate);
  const auto written = std::filesystem::last_write_time(certificate);
  ASSERT_TRUE(load(good));
  EXPECT_EQ(std::filesystem::last_write_time(certificate), written)
      << "clients that trust it must be able to go on";
}

struct Bad {
  const char* from;
  const char* to;
  const char* says;
};

const Bad bad_files[] = {
    {"tick = \"0.01\"", "tick = 0.01", "paper.toml:12:8: tick = 0.01"},
    {"tick = \"0.01\"", "tick = \"0\"", "paper.toml:12:8: tick = \"0\""},
    {"tick = \"0.01\"\n", "", "[[symbols]]: tick: not set"},
    {"symbol = \"BTC/USDT\"", "symbol = \"BTCUSDT\"", "BASE/QUOTE"},
    {"symbol = \"BTC/USDT\"", "sybmol = \"BTC/USDT\"", "sybmol: unknown key"},
    {"bid = \"60000\"", "bid = \"70000\"", "bid below ask"},
    {"bid = \"60000\"", "figures_file = \"a\"\nrecording_file = \"b\"", "one of"},
    {"api_key = \"key\"\n", "", "[[accounts]]: api_key: not set"},
    {"api_secret = \"hush\"\n", "", "either api_secret or public_key"},
    {"api_secret = \"hush\"", "api_secret = \"hush\"\npublic_key = \"hush\"", "either"},
    {"api_secret = \"hush\"", "api_secret = [\"hush\"]", "api_secret"},
    {"USDT = \"1000.5\"", "USDT = \"-1\"", "balances.USDT = \"-1\""},
    {"USDT = \"1000.5\"", "USDT = 1000.5", "balances.USDT = 1000.5"},
    {"kind = \"reject\"", "kind = \"sulk\"", "kind = \"sulk\": allowed: lost_ack"},
    {"count = 3", "count = -2", "count = -2"},
    {"count = 3", "probability = \"1.5\"", "probability = \"1.5\""},
    {"replay_speed = \"2.5\"", "replay_speed = \"-1\"", "exchange.replay_speed"},
    {"listen = \"127.0.0.1:0\"", "listen = \"localhost\"", "exchange.listen"},
    {"certificate_folder = \"FOLDER\"", "", "exchange.certificate_folder"},
    {"certificate_folder = \"FOLDER\"", "key_file = \"key.pem\"", "both files"},
    {"orders_per_ten_seconds = 7", "orders_per_ten_seconds = 0",
     "limits.orders_per_ten_seconds = 0"},
    {"[limits]", "[limit]", "limit.orders_per_ten_seconds: unknown key"},
    {"[[faults]]", "[[troubles]]", "troubles: unknown key"},
    {"[exchange]", "[exchanges]", "[exchange]: the file has no such section"},
};

TEST_F(PaperConfigFile, IsRefusedByNameAndPlace) {
  for (const Bad& bad : bad_files) {
    std::string text = good;
    const std::size_t at = text.find(bad.from);
    ASSERT_NE(at, std::string::npos) << bad.from;
    text.replace(at, std::string(bad.from).size(), bad.to);
    const auto config = load(text);
    ASSERT_FALSE(config) << bad.to;
    std::string all;
    for (const std::string& e : config.error()) all += e + "\n";
    EXPECT_THAT(all, AllOf(HasSubstr(bad.says), Not(HasSubstr("hush"))));
  }
}

}  // namespace
}  // namespace oneclick
