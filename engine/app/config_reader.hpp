// Takes keys out of a table of values one by one, checks each against what is allowed, and collects
// everything that is wrong. What nobody asked for is unknown, and an error too.
#pragma once

#include <concepts>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/app/config.hpp"
#include "engine/app/config_source.hpp"
#include "engine/base/decimal.hpp"

namespace oneclick {

class ConfigReader {
 public:
  explicit ConfigReader(ConfigTable table) : table_(std::move(table)) {}
  // `label` stands before errors about what is not there.
  ConfigReader(ConfigTable table, std::string label)
      : label_(std::move(label)), table_(std::move(table)) {}

  // Each leaves `out` as it is where the key is absent or wrong.
  template <std::integral T>
  void integer(const std::string& key, std::int64_t min, std::int64_t max, T& out) {
    std::int64_t value = static_cast<std::int64_t>(out);
    read_integer(key, min, max, value);
    out = static_cast<T>(value);
  }
  void decimal(const std::string& key, std::string_view min, std::string_view max, Decimal& out);
  void ratio(const std::string& key, double min, double max, double& out);
  void text(const std::string& key, std::string& out);
  // A text of any number of lines that no error shows.
  void secret(const std::string& key, std::string& out);
  // An IP address and a port: "127.0.0.1:8443", "[::1]:8443".
  void listen(const std::string& key, ListenAddress& out);
  void texts(const std::string& key, std::vector<std::string>& out);
  void integers(const std::string& key, std::int64_t min, std::int64_t max, std::vector<int>& out);
  template <typename Enum>
  void choice(const std::string& key,
              std::initializer_list<std::pair<std::string_view, Enum>> allowed, Enum& out) {
    std::vector<std::string_view> names;
    std::size_t now = 0;
    for (const auto& [name, value] : allowed) {
      if (value == out) now = names.size();
      names.push_back(name);
    }
    read_choice(key, names, now);
    out = (allowed.begin() + now)->second;
  }
  // The key must have a text that is not empty.
  void required(const std::string& key, std::string& out);
  // The file must have the section.
  void section(const std::string& name);
  // A section that may be there without a key.
  void allow_section(const std::string& name) { known_sections_.insert(name); }
  // Names of the tables below a section, in order: usd_pegs -> USDT, USDC.
  [[nodiscard]] std::vector<std::string> names_below(const std::string& section) const;
  // Names of the keys directly below a section.
  [[nodiscard]] std::vector<std::string> keys_below(const std::string& section) const;

  [[nodiscard]] bool has(const std::string& key) const { return table_.values.contains(key); }
  // As refuse(), without the value.
  void refuse_unseen(const std::string& key, const std::string& allowed);
  [[nodiscard]] bool was_refused(const std::string& key) const { return refused_.contains(key); }
  // The value of the key is not allowed, for a reason this class does not know.
  void refuse(const std::string& key, const std::string& allowed);
  void error(std::string text) { errors_.push_back(std::move(text)); }
  // To be called last: everything nobody asked for.
  void refuse_unknown();

  [[nodiscard]] const std::vector<std::string>& errors() const { return errors_; }
  [[nodiscard]] std::vector<Config::Line> take_effective() { return std::move(effective_); }
  // A list of tables, each a reader of its own; their errors are to be taken over with adopt().
  [[nodiscard]] std::vector<ConfigReader> tables(const std::string& name);
  void adopt(ConfigReader& other);
  [[nodiscard]] std::string where(const std::string& key) const;

 private:
  void read_integer(const std::string& key, std::int64_t min, std::int64_t max, std::int64_t& out);
  void read_choice(const std::string& key, const std::vector<std::string_view>& names,
                   std::size_t& index);
  [[nodiscard]] const ConfigValue* take(const std::string& key);
  [[nodiscard]] std::optional<std::vector<std::string>> items_of(const ConfigValue& value) const;
  void remember(const std::string& key, std::string toml, std::string json);

  std::string label_;
  ConfigTable table_;
  std::set<std::string> known_, known_lists_, known_sections_, refused_;
  std::vector<std::string> errors_;
  std::vector<Config::Line> effective_;
};

// As TOML writes it.
[[nodiscard]] std::string toml_text(std::string_view text);

}  // namespace oneclick
