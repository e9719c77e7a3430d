// A configuration is taken whole or not at all, and what is wrong with it is said by name and
// place.
#include "engine/app/config.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/app/temporary_folder.hpp"

namespace oneclick {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* good = R"([engine]
data_dir = "/var/lib/oneclick"
shards = 4
mode = "block"
durability = "power"
pin_cores = [0, 1, 2, 3]
event_notional_max = "250000.5"
quote_equal = ["USDT USDC", "EUR EURI"]

[journal]
ring_mib = 64

[database]
url_file = ""

[vault]
master_key_file = "/etc/oneclick/master.key"

[ingress]
listen = "127.0.0.1:8443"

[operations]
listen = "[::1]:9464"

[venues.binance]
rest_url = "https://api.binance.com"
ws_api_url = "wss://ws-api.binance.com:443/ws-api/v3"
stream_url = "wss://stream.binance.com:9443"
symbols = ["BTC/USDT", "ETH/USDT"]
egress = [""]

[usd_pegs.USDT]
rate = "0.9998"
as_of = "2025-01-31"

[log]
level = "info"
)";

// A day the good file's peg is young enough on is always near: its age is judged against the real
// clock.
const std::vector<std::string> any_peg_age = {"engine.usd_peg_age_max_days=3650"};
const Environment environment = {{"ONECLICK_DATABASE_URL", "postgresql://engine:hush@db/oneclick"}};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& l : lines) out += l + "\n";
  return out;
}

class ConfigFile : public testing::Test {
 protected:
  using Loaded = std::expected<Config, std::vector<std::string>>;
  Loaded load(const std::string& text, const Environment& env = environment,
              const std::vector<std::string>& overrides = any_peg_age) {
    return load_config(folder_.file("oneclick.toml", text), overrides, env);
  }
  test::TemporaryFolder folder_;
};

TEST_F(ConfigFile, IsReadWhole) {
  const auto config = load(good);
  ASSERT_TRUE(config) << joined(config.error());
  EXPECT_EQ(config->engine.shards, 4);
  EXPECT_EQ(config->engine.durability, Durability::power);
  EXPECT_EQ(config->engine.pin_cores, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(config->engine.event_notional_max, Decimal::of("250000.5"));
  EXPECT_EQ(config->engine.quote_equal[0][1].view(), "USDC");
  EXPECT_EQ(config->engine.quote_equal[1][0].view(), "EUR");
  EXPECT_TRUE(config->engine.quote_equal[2][0].empty());
  EXPECT_EQ(config->engine.control_socket, "/var/lib/oneclick/control.sock");
  EXPECT_EQ(config->engine.ack_timeout_ms, 3'000) << "not in the file: the default";
  EXPECT_EQ(config->operations.listen.address, "::1");
  EXPECT_EQ(config->operations.listen.port, 9464);
  EXPECT_EQ(config->binance.connector.symbols, (std::vector<std::string>{"BTC/USDT", "ETH/USDT"}));
  EXPECT_EQ(config->binance.connector.egress_addresses, (std::vector<std::string>{""}));
  ASSERT_EQ(config->usd_pegs.size(), 1u);
  EXPECT_EQ(config->usd_pegs[0].asset, "USDT");
  EXPECT_EQ(config->usd_pegs[0].rate, Decimal::of("0.9998"));
  EXPECT_EQ(config->database_url, "postgresql://engine:hush@db/oneclick");
}

struct Bad {
  const char* name;
  const char* from;
  const char* to;  // nothing: the line `from` stands at is where the error is
  const char* key;
  const char* allowed;
};

const Bad bad_files[] = {
    {"ShardsTooMany", "shards = 4", "shards = 65", "engine.shards = 65", "1 to 64"},
    {"ShardsNone", "shards = 4", "shards = 0", "engine.shards = 0", "1 to 64"},
    {"ShardsText", "shards = 4", "shards = \"4\"", "engine.shards = \"4\"", "1 to 64"},
    {"ShardsFloat", "shards = 4", "shards = 4.0", "engine.shards = 4.0", "1 to 64"},
    {"ShardsHuge", "shards = 4", "shards = 9223372036854775807", "engine.shards", "1 to 64"},
    {"ShardsList", "shards = 4", "shards = [4]", "engine.shards", "1 to 64"},
    {"ShardsTable", "shards = 4", "shards = {count = 4}", "engine.shards", "a value"},
    {"ModeUnknown", "mode = \"block\"", "mode = \"fast\"", "engine.mode = \"fast\"", "spin, block"},
    {"ModeNumber", "mode = \"block\"", "mode = 1", "engine.mode = 1", "spin, block"},
    {"DurabilityUnknown", "durability = \"power\"", "durability = \"none\"",
     "engine.durability = \"none\"", "process, power"},
    {"CoresTooFew", "pin_cores = [0, 1, 2, 3]", "pin_cores = [0, 1]", "engine.pin_cores",
     "4 shards"},
    {"CoresNegative", "pin_cores = [0, 1, 2, 3]", "pin_cores = [0, 1, 2, -3]", "engine.pin_cores",
     "0 to 1023"},
    {"CoresText", "pin_cores = [0, 1, 2, 3]", "pin_cores = \"0-3\"", "engine.pin_cores", "a list"},
    {"QuoteAlone", "quote_equal = [\"USDT USDC\"", "quote_equal = [\"USDT\"", "engine.quote_equal",
     "2 to 4 assets"},
    {"QuoteTwice", "quote_equal = [\"USDT USDC\"", "quote_equal = [\"USDT USDC EUR\"",
     "engine.quote_equal", "none twice"},
    {"QuoteTooMany", "quote_equal = [\"USDT USDC\"", "quote_equal = [\"A B C D E\"",
     "engine.quote_equal", "2 to 4 assets"},
    {"NotionalFloat", "event_notional_max = \"250000.5\"", "event_notional_max = 250000.5",
     "engine.event_notional_max", "in quotes"},
    {"NotionalNegative", "event_notional_max = \"250000.5\"", "event_notional_max = \"-1\"",
     "engine.event_notional_max = \"-1\"", "from 0"},
    {"NotionalTooFine", "event_notional_max = \"250000.5\"", "event_notional_max = \"0.000000001\"",
     "engine.event_notional_max", "from 0"},
    {"NotionalInfinite", "event_notional_max = \"250000.5\"", "event_notional_max = \"inf\"",
     "engine.event_notional_max", "from 0"},
    {"DataDirEmpty", "data_dir = \"/var/lib/oneclick\"", "data_dir = \"\"", "engine.data_dir",
     "not empty"},
    {"DataDirNumber", "data_dir = \"/var/lib/oneclick\"", "data_dir = 7", "engine.data_dir",
     "a text"},
    {"KeyUnknown", "shards = 4", "shard = 4", "engine.shard", "unknown key"},
    {"KeyOfAnotherSection", "ring_mib = 64", "shards = 64", "journal.shards", "unknown key"},
    {"SectionUnknown", "[usd_pegs.USDT]\nrate = \"0.9998\"\nas_of = \"2025-01-31\"",
     "[venues.kraken]\n", "venues.kraken", "unknown section"},
    {"RingNoPowerOfTwo", "ring_mib = 64", "ring_mib = 48", "journal.ring_mib = 48", "power of two"},
    {"RingTooLarge", "ring_mib = 64", "ring_mib = 8192", "journal.ring_mib = 8192", "1 to 4096"},
    {"MasterKeyEmpty", "master_key_file = \"/etc/oneclick/master.key\"", "master_key_file = \"\"",
     "vault.master_key_file", "key file"},
    {"IngressOpenWithoutTls", "listen = \"127.0.0.1:8443\"", "listen = \"0.0.0.0:8443\"",
     "ingress.listen = \"0.0.0.0:8443\"", "without TLS"},
    {"IngressNoPort", "listen = \"127.0.0.1:8443\"", "listen = \"127.0.0.1\"", "ingress.listen",
     "an IP address and a port"},
    {"IngressPortTooLarge", "listen = \"127.0.0.1:8443\"", "listen = \"127.0.0.1:65536\"",
     "ingress.listen", "0 to 65535"},
    {"IngressName", "listen = \"127.0.0.1:8443\"", "listen = \"example.org:8443\"",
     "ingress.listen", "an IP address"},
    {"IngressCertificateAlone", "listen = \"127.0.0.1:8443\"",
     "tls_certificate_file = \"/etc/passwd\"", "ingress.tls_key_file", "both files"},
    {"RestPlain", "rest_url = \"https://api.binance.com\"", "rest_url = \"http://api.binance.com\"",
     "venues.binance.rest_url = \"http://api.binance.com\"", "https://"},
    {"StreamPlain", "stream_url = \"wss://stream.binance.com:9443\"",
     "stream_url = \"ws://stream.binance.com:9443\"", "venues.binance.stream_url", "wss://"},
    {"RestNoUrl", "rest_url = \"https://api.binance.com\"", "rest_url = \"https://:443\"",
     "venues.binance.rest_url", "a URL"},
    {"LiveAndTestMixed", "rest_url = \"https://api.binance.com\"",
     "rest_url = \"https://testnet.binance.vision\"", "venues.binance", "one mixed set"},
    {"ProofTooHastyForTheLiveExchange", "egress = [\"\"]", "absence_proof_ms = 2000",
     "venues.binance.absence_proof_ms = 2000", "10000 to"},
    {"CaFileMissing", "egress = [\"\"]", "ca_file = \"/nonexistent/ca.pem\"",
     "venues.binance.ca_file", "can be read"},
    {"SymbolVenueStyle", "\"ETH/USDT\"", "\"ETHUSDT\"", "venues.binance.symbols", "BASE/QUOTE"},
    {"SymbolNumber", "\"ETH/USDT\"", "5", "venues.binance.symbols", "a list of texts"},
    {"EgressNoAddress", "egress = [\"\"]", "egress = [\"eth0\"]", "venues.binance.egress",
     "local IP addresses"},
    {"EgressTwice", "egress = [\"\"]", "egress = [\"10.0.0.1\", \"10.0.0.1\"]",
     "venues.binance.egress", "different"},
    {"ReserveTooLarge", "egress = [\"\"]", "exit_reserve_ratio = \"0.95\"",
     "venues.binance.exit_reserve_ratio", "0 to 0.9"},
    {"PegZero", "rate = \"0.9998\"", "rate = \"0\"", "usd_pegs.USDT.rate", "0.00000001"},
    {"PegUndated", "as_of = \"2025-01-31\"", "", "usd_pegs.USDT.as_of", "not empty"},
    {"PegNoDay", "as_of = \"2025-01-31\"", "as_of = \"2025-02-30\"", "usd_pegs.USDT.as_of",
     "a day"},
    {"PegFromTheFuture", "as_of = \"2025-01-31\"", "as_of = \"2999-01-01\"", "usd_pegs.USDT.as_of",
     "has come"},
    {"LevelUnknown", "level = \"info\"", "level = \"loud\"", "log.level = \"loud\"", "debug, info"},
    {"TextOfTwoLines", "level = \"info\"", "level = \"info\\ninfo\"", "log.level", "debug, info"},
    {"MarketTooOften", "[log]", "[market]\nstore_interval_ms = 500\n\n[log]",
     "market.store_interval_ms", "0 (off) or from 1000"},
    {"MarketNever", "[log]", "[market]\nstore_interval_ms = -1\n\n[log]",
     "market.store_interval_ms", "0 to 86400000"},
    {"SecretInTheFile", "url_file = \"\"", "url = \"postgresql://engine:hush@db/oneclick\"",
     "database.url", "does not belong here"},
};

std::size_t line_of(const std::string& text, std::size_t at) {
  return static_cast<std::size_t>(
             std::count(text.begin(), text.begin() + static_cast<long>(at), '\n')) +
         1;
}

class BadConfigFile : public ConfigFile, public testing::WithParamInterface<Bad> {};

TEST_P(BadConfigFile, IsRefusedByNameAndPlace) {
  const Bad& bad = GetParam();
  const std::string original = good;
  const std::string text = replaced(original, bad.from, bad.to);
  const auto config = load(text);
  ASSERT_FALSE(config);
  const std::string all = joined(config.error());
  EXPECT_THAT(all, AllOf(HasSubstr(bad.key), HasSubstr(bad.allowed), Not(HasSubstr("hush"))));
  if (std::string(bad.key).find('=') != std::string::npos) {
    const std::string place = fmt::format("{}:{}:", folder_.path("oneclick.toml"),
                                          line_of(original, original.find(bad.from)));
    EXPECT_THAT(all, HasSubstr(place));
    EXPECT_EQ(config.error().size(), 1u) << all;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadConfigFile, testing::ValuesIn(bad_files),
                         [](const auto& each) { return std::string(each.param.name); });

TEST_F(ConfigFile, CutAnywhereIsRefused) {
  const std::string text = good;
  const std::size_t last_section = text.find("[log]");
  for (std::size_t size = 0; size < last_section + 5; ++size) {
    const auto config = load(text.substr(0, size));
    ASSERT_FALSE(config) << "cut at byte " << size;
    ASSERT_FALSE(config.error().empty());
  }
}

TEST_F(ConfigFile, ThatCannotBeReadIsRefused) {
  const auto problem_of = [](const std::string& path) {
    const auto config = load_config(path, {}, environment);
    EXPECT_FALSE(config);
    return config ? std::string() : joined(config.error());
  };
  EXPECT_THAT(problem_of(folder_.path("none.toml")), HasSubstr("none.toml: does not exist"));
  EXPECT_THAT(problem_of(folder_.path("")), HasSubstr("is not a plain file"));
  EXPECT_THAT(problem_of("/dev/null"), HasSubstr("is not a plain file"));
  EXPECT_THAT(problem_of(folder_.file("empty.toml", "")), HasSubstr("empty.toml: is empty"));
  EXPECT_THAT(problem_of(folder_.file("blank.toml", " \n\t\n")), HasSubstr("is empty"));
  EXPECT_THAT(problem_of(folder_.file("binary.toml", std::string("\x7f"
                                                                 "ELF\0\1\2",
                                                                 7))),
              HasSubstr("binary.toml:1:"));
  EXPECT_THAT(problem_of(folder_.file("latin1.toml", std::string(good) + "# \xe4\n")),
              HasSubstr("not TOML"));
  EXPECT_THAT(problem_of(folder_.file("twice.toml", std::string(good) + "level = \"info\"\n")),
              HasSubstr("twice.toml:38:"));
  EXPECT_THAT(problem_of(folder_.file("open.toml", "[engine]\ndata_dir = \"/var\n")),
              HasSubstr("open.toml:2:"));
}

TEST_F(ConfigFile, GivesAllErrorsAtOnce) {
  std::string text = replaced(good, "shards = 4", "shards = 99");
  text = replaced(text, "mode = \"block\"", "mode = \"idle\"");
  text = replaced(text, "level = \"info\"", "level = \"loud\"\ncolour = true");
  const auto config = load(text);
  ASSERT_FALSE(config);
  const std::string all = joined(config.error());
  EXPECT_THAT(all, AllOf(HasSubstr("engine.shards = 99"), HasSubstr("engine.mode = \"idle\""),
                         HasSubstr("log.level = \"loud\""), HasSubstr("log.colour: unknown key")));
}

TEST_F(ConfigFile, IsOverruledByEnvironmentAndThatByTheCommandLine) {
  Environment env = environment;
  env["ONECLICK__JOURNAL__RING_MIB"] = "128";
  env["ONECLICK__ENGINE__SHARDS"] = "8";
  env["ONECLICK__ENGINE__PIN_CORES"] = "";
  env["ONECLICK__VENUES__BINANCE__SYMBOLS"] = "BTC/USDT,SOL/USDT,XRP/USDT";
  env["ONECLICK__USD_PEGS__USDT__RATE"] = "0.5";
  const auto config = load(good, env, {"engine.shards=16", "engine.usd_peg_age_max_days=3650"});
  ASSERT_TRUE(config) << joined(config.error());
  EXPECT_EQ(config->journal.ring_mib, 128);
  EXPECT_EQ(config->engine.shards, 16);
  EXPECT_TRUE(config->engine.pin_cores.empty());
  EXPECT_EQ(config->binance.connector.symbols.size(), 3u);
  ASSERT_EQ(config->usd_pegs.size(), 1u);
  EXPECT_EQ(config->usd_pegs[0].rate, Decimal::of("0.5"));
}

TEST_F(ConfigFile, NamesTheSourceOfABadOverride) {
  Environment env = environment;
  env["ONECLICK__JOURNAL__RING_MIB"] = "many";
  env["ONECLICK__JOURNAL__SIZE"] = "1";
  const auto config = load(good, env, {"engine.shards=0x10", "nothing", "log.colour=1"});
  ASSERT_FALSE(config);
  const std::string all = joined(config.error());
  EXPECT_THAT(all,
              HasSubstr("environment ONECLICK__JOURNAL__RING_MIB: journal.ring_mib = \"many\""));
  EXPECT_THAT(all, HasSubstr("environment ONECLICK__JOURNAL__SIZE: journal.size: unknown key"));
  EXPECT_THAT(all, HasSubstr("command line: engine.shards = \"0x10\""));
  EXPECT_THAT(all, HasSubstr("--set nothing: allowed: section.key=value"));
  EXPECT_THAT(all, HasSubstr("command line: log.colour: unknown key"));
}

TEST_F(ConfigFile, NeedsADatabaseFromEnvironmentOrFile) {
  const auto none = load(good, {});
  ASSERT_FALSE(none);
  EXPECT_THAT(joined(none.error()), HasSubstr("ONECLICK_DATABASE_URL"));

  const auto nonsense = load(good, {{"ONECLICK_DATABASE_URL", "hush"}});
  ASSERT_FALSE(nonsense);
  EXPECT_THAT(joined(nonsense.error()), Not(HasSubstr("hush")));

  const auto with_file = [&](mode_t mode, const std::string& content) {
    const std::string file = folder_.file("url", content, mode);
    return load(replaced(good, "url_file = \"\"", fmt::format("url_file = \"{}\"", file)), {});
  };
  const auto from_file = with_file(0600, "postgresql:///from_file\n");
  ASSERT_TRUE(from_file) << joined(from_file.error());
  EXPECT_EQ(from_file->database_url, "postgresql:///from_file");
  const auto open_to_all = with_file(0604, "postgresql://u:hush@h/d\n");
  ASSERT_FALSE(open_to_all);
  EXPECT_THAT(joined(open_to_all.error()),
              AllOf(HasSubstr("everyone can read it"), Not(HasSubstr("hush"))));
  EXPECT_FALSE(with_file(0600, ""));
  EXPECT_FALSE(with_file(0600, "hush\n"));
}

TEST_F(ConfigFile, LeavesOldPegsOutAndSaysSo) {
  const auto config = load(good, environment, {"engine.usd_peg_age_max_days=1"});
  ASSERT_TRUE(config) << joined(config.error());
  EXPECT_TRUE(config->usd_pegs.empty());
  ASSERT_EQ(config->warnings.size(), 1u);
  EXPECT_THAT(config->warnings[0], HasSubstr("usd_pegs.USDT.as_of"));
}

TEST_F(ConfigFile, PrintedIsACompleteFileWithoutSecrets) {
  const auto config = load(good);
  ASSERT_TRUE(config) << joined(config.error());
  const std::string text = config_toml(*config);
  EXPECT_THAT(text, Not(HasSubstr("hush")));
  EXPECT_THAT(config_json(*config), Not(HasSubstr("hush")));
  EXPECT_THAT(text, HasSubstr("ack_timeout_ms = 3000"));
  const auto again = load(text);
  ASSERT_TRUE(again) << joined(again.error());
  ASSERT_EQ(again->effective.size(), config->effective.size());
  for (std::size_t i = 0; i < again->effective.size(); ++i) {
    EXPECT_EQ(again->effective[i].key, config->effective[i].key);
    EXPECT_EQ(again->effective[i].value, config->effective[i].value);
  }
}

TEST_F(ConfigFile, TellsWhereTheDaemonListensWithoutAnySecret) {
  const auto path = control_socket_path(folder_.file("oneclick.toml", good), {}, {});
  ASSERT_TRUE(path) << joined(path.error());
  EXPECT_EQ(*path, "/var/lib/oneclick/control.sock");
}

TEST_F(ConfigFile, RedisIsOffWithoutAnAddress) {
  const auto config = load(good);
  ASSERT_TRUE(config) << joined(config.error());
  EXPECT_FALSE(config->redis.is_on());
}

TEST_F(ConfigFile, RedisHasItsPasswordFromAFileAndNeverShowsIt) {
  const std::string file = folder_.file("redis.password", "hush-hush\n");
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  const auto config =
      load(std::string(good) + "\n[redis]\nurl = \"redis://web@cache:6380/2\"\npassword_file = \"" +
           file + "\"\n");
  ASSERT_TRUE(config) << joined(config.error());
  EXPECT_TRUE(config->redis.is_on());
  EXPECT_EQ(config->redis.address.host, "cache");
  EXPECT_EQ(config->redis.address.port, 6380);
  EXPECT_EQ(config->redis.address.database, 2);
  EXPECT_EQ(config->redis.address.user, "web");
  EXPECT_EQ(config->redis.address.password, "hush-hush");
  EXPECT_EQ((config_toml(*config) + config_json(*config)).find("hush-hush"), std::string::npos);
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  const auto open = load(std::string(good) +
                         "\n[redis]\nurl = \"redis://cache\"\npassword_file = \"" + file + "\"\n");
  ASSERT_FALSE(open);
  EXPECT_NE(joined(open.error()).find("redis.password_file"), std::string::npos);
}

TEST_F(ConfigFile, WhatIsWrongAboutRedisIsSaidWithoutASecret) {
  const struct {
    const char* lines;
    const char* said;
  } cases[] = {
      {"url = \"http://cache\"", "redis.url = \"http://cache\": allowed: redis://"},
      {"url = \"redis://cache:0\"", ":port, 1 to 65535"},
      {"url = \"redis://cache/x\"", "number of a database"},
      {"url = \"redis://web@cache\"", "redis.password_file"},
      {"url = \"redis://web:hush-hush@cache\"", "redis.url: allowed: no password here"},
      {"url = \"rediss://web:hush-hush@cache\"", "redis.url: allowed: no password here"},
      {"url = \"redis://cache\"\npassword_file = \"/nowhere\"",
       "redis.password_file = \"/nowhere\""},
      {"lag_entries_max = 10", "1000 to 1000000000"},
      {"stream_entries_max = 0", "1 to 1000000"},
      {"price_interval_ms = 1", "10 to 60000"},
      {"adress = \"x\"", "redis.adress: unknown key"},
  };
  for (const auto& c : cases) {
    const auto config = load(std::string(good) + "\n[redis]\n" + c.lines + "\n");
    ASSERT_FALSE(config) << c.lines;
    EXPECT_NE(joined(config.error()).find(c.said), std::string::npos) << joined(config.error());
    EXPECT_EQ(joined(config.error()).find("hush-hush"), std::string::npos);
  }
}

// The presets are complete: whoever compares two of them sees every difference.
TEST(Preset, EveryOneIsValidAndNamesEveryKey) {
  std::size_t presets = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(SOURCE_DIR) + "/configs")) {
    if (entry.path().extension() != ".toml" || entry.path().filename() == "paper-exchange.toml")
      continue;
    ++presets;
    const auto config = load_config(entry.path(), {"venues.binance.ca_file="}, environment);
    ASSERT_TRUE(config) << entry.path() << "\n" << joined(config.error());
    for (const Config::Line& line : config->effective)
      EXPECT_NE(line.source, "default")
          << entry.path() << ": " << line.key << " is not written out";
  }
  EXPECT_EQ(presets, 2u);
}

}  // namespace
}  // namespace oneclick
