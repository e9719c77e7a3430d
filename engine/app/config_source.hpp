// The keys and values of a TOML file, the environment and the command line, in one flat table, each
// with the place it came from. Says nothing about what they mean.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace oneclick {

struct ConfigValue {
  enum class Kind : std::uint8_t {
    text,
    integer,
    boolean,
    list,   // of texts or integers
    other,  // a float, a date, a table in a list: nothing here is one
  };
  Kind kind = Kind::other;
  std::string text;  // the text, or how the value is written
  std::int64_t integer = 0;
  bool boolean = false;
  std::vector<ConfigValue> items;
  std::string where;   // "FILE:LINE:COLUMN", "environment NAME", "command line"
  bool plain = false;  // from environment or command line: the key decides what it is
};

struct ConfigTable {
  std::map<std::string, ConfigValue> values;    // by "section.key"
  std::map<std::string, std::string> sections;  // that the file has, and where
  // Sections of [[name]] lists, one table each.
  std::map<std::string, std::vector<ConfigTable>> lists;
  std::vector<std::string> errors;
};

// Nothing but errors when the file cannot be read whole or is not TOML.
[[nodiscard]] ConfigTable read_toml(const std::filesystem::path& file);
// ONECLICK__SECTION__KEY variables. Keys are lower-case, but for the names below `kept_case`
// sections.
void add_environment(ConfigTable& table, const std::map<std::string, std::string>& environment);
// "section.key=value" texts.
void add_overrides(ConfigTable& table, const std::vector<std::string>& overrides);

}  // namespace oneclick
