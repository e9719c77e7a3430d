// configs/SETTINGS.md says of each key what the program does with it.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "engine/app/config.hpp"
#include "tests/app/temporary_folder.hpp"
#include "tests/support/settings_page.hpp"

namespace oneclick {
namespace {

using test::Setting;

// As little as is taken: everything else is at its default.
constexpr const char* least = R"([engine]
data_dir = "/var/lib/oneclick/journal"
usd_peg_age_max_days = 3650
[journal]
[database]
[vault]
master_key_file = "/etc/oneclick/master.key"
[ingress]
[operations]
[venues.binance]
rest_url = "https://localhost:9443"
ws_api_url = "wss://localhost:9443/ws-api/v3"
stream_url = "wss://localhost:9443"
[usd_pegs.USDT]
rate = "1"
as_of = "2025-01-01"
[log]
)";

class SettingsPage : public testing::Test {
 protected:
  SettingsPage() {
    for (Setting& s : test::read_settings(std::string(SOURCE_DIR) + "/configs/SETTINGS.md"))
      if (s.name.find('.') != std::string::npos) settings_.push_back(std::move(s));
    file_ = folder_.file("least.toml", least);
  }
  std::expected<Config, std::vector<std::string>> with(const std::string& key,
                                                       const std::string& value) const {
    return load_config(
        file_,
        key.empty() ? std::vector<std::string>{} : std::vector<std::string>{key + "=" + value},
        {{"ONECLICK_DATABASE_URL", "postgresql://engine@db/oneclick"}});
  }
  // What is wrong with the key itself; empty: nothing.
  std::string problem(const std::string& key, const std::string& value) const {
    const auto config = with(key, value);
    if (config) return "";
    for (const std::string& error : config.error())
      if (error.find(key) != std::string::npos) return error;
    return "";
  }
  test::TemporaryFolder folder_;
  std::string file_;
  std::vector<Setting> settings_;
};

TEST_F(SettingsPage, HasEveryKeyAndNoOther) {
  const auto config = with("", "");
  ASSERT_TRUE(config) << config.error().front();
  std::set<std::string> keys, described;
  for (const auto& line : config->effective) keys.insert(line.key);
  for (const Setting& s : settings_)
    EXPECT_TRUE(described.insert(s.name).second) << s.name << " twice";
  EXPECT_EQ(keys, described);
}

TEST_F(SettingsPage, SaysWhatIsSoWhenNothingIsSaid) {
  const auto config = with("", "");
  ASSERT_TRUE(config) << config.error().front();
  for (const Setting& s : settings_) {
    const auto line = std::ranges::find(config->effective, s.name, &Config::Line::key);
    ASSERT_NE(line, config->effective.end()) << s.name;
    if (s.default_value == "none" || s.default_value.find(' ') != std::string::npos) continue;
    if (line->source != "default") continue;  // what the least file has to say
    std::string value = line->value;
    if (value.size() > 1 && value.front() == '"') value = value.substr(1, value.size() - 2);
    EXPECT_EQ(value.empty() ? "empty" : value, s.default_value) << s.name;
  }
}

TEST_F(SettingsPage, SaysWhatIsAllowed) {
  int bounds = 0, words = 0;
  for (const Setting& s : settings_) {
    if (!s.example.empty()) {
      EXPECT_EQ(problem(s.name, s.example), "") << s.name;
    }
    if (const auto b = s.bounds()) {
      ++bounds;
      EXPECT_EQ(problem(s.name, b->min), "") << s.name;
      EXPECT_NE(problem(s.name, test::moved(b->min, -1)), "") << s.name << " below " << b->min;
      if (!b->max.empty()) {
        EXPECT_EQ(problem(s.name, b->max), "") << s.name;
        EXPECT_NE(problem(s.name, test::moved(b->max, 1)), "") << s.name << " above " << b->max;
      }
    }
    for (const std::string& word : s.words()) {
      ++words;
      EXPECT_EQ(problem(s.name, word), "") << s.name;
    }
    if (!s.words().empty()) {
      EXPECT_NE(problem(s.name, "nonsense"), "") << s.name;
    }
  }
  EXPECT_GT(bounds, 25);
  EXPECT_GT(words, 8);
}

}  // namespace
}  // namespace oneclick
