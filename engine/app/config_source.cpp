#include "engine/app/config_source.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace oneclick {

namespace {

constexpr std::uintmax_t file_bytes_max = 64 << 20;
constexpr std::string_view variable_prefix = "ONECLICK__";
// Names below this section are assets, which are upper-case.
constexpr std::string_view upper_case_section = "USD_PEGS__";

std::string place(const std::filesystem::path& file, const toml::source_region& region) {
  return fmt::format("{}:{}:{}", file.string(), region.begin.line, region.begin.column);
}

class Flatten {
 public:
  explicit Flatten(const std::filesystem::path& file) : file_(file) {}

  void table(const toml::table& from, const std::string& prefix, ConfigTable& out) const {
    for (const auto& [name, node] : from) {
      const std::string key = prefix + std::string(name.str());
      if (const toml::table* inner = node.as_table()) {
        out.sections[key] = place(file_, inner->source());
        table(*inner, key + ".", out);
      } else if (const toml::array* list = tables_of(node)) {
        tables(*list, key, out);
      } else {
        out.values[key] = value(node);
      }
    }
  }

 private:
  static const toml::array* tables_of(const toml::node& node) {
    const toml::array* list = node.as_array();
    const bool tables = list != nullptr && !list->empty() && list->is_homogeneous<toml::table>();
    return tables ? list : nullptr;
  }
  void tables(const toml::array& from, const std::string& key, ConfigTable& out) const {
    for (const toml::node& node : from) {
      ConfigTable& one = out.lists[key].emplace_back();
      one.sections[""] = place(file_, node.source());
      table(*node.as_table(), "", one);
    }
  }
  [[nodiscard]] ConfigValue value(const toml::node& node) const {
    ConfigValue out{};
    out.where = place(file_, node.source());
    if (const auto* text = node.as_string()) {
      out.kind = ConfigValue::Kind::text;
      out.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
      out.kind = ConfigValue::Kind::integer;
      out.integer = integer->get();
      out.text = std::to_string(out.integer);
    } else if (const auto* boolean = node.as_boolean()) {
      out.kind = ConfigValue::Kind::boolean;
      out.boolean = boolean->get();
      out.text = out.boolean ? "true" : "false";
    } else if (const toml::array* list = node.as_array()) {
      out.kind = ConfigValue::Kind::list;
      for (const toml::node& item : *list) out.items.push_back(value(item));
    }
    if (out.kind == ConfigValue::Kind::other || out.kind == ConfigValue::Kind::list) {
      std::ostringstream written;
      node.visit([&written](const auto& n) { written << n; });
      out.text = written.str();
    }
    return out;
  }

  const std::filesystem::path& file_;
};

// The whole file or why not. Only plain files: a directory or a device is not a configuration.
bool read_whole(const std::filesystem::path& file, std::string& out, std::string& problem) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) {
    problem = "does not exist";
  } else if (!std::filesystem::is_regular_file(status)) {
    problem = "is not a plain file";
  } else if (std::filesystem::file_size(file, error) > file_bytes_max) {
    problem = "is larger than 64 MiB";
  } else {
    std::ifstream in(file, std::ios::binary);
    out.assign(std::istreambuf_iterator<char>(in), {});
    if (!in.is_open() || in.bad())
      problem = fmt::format("cannot be read: {}", std::strerror(errno));
  }
  if (problem.empty() && out.find_first_not_of(" \t\r\n") == std::string::npos)
    problem = "is empty";
  return problem.empty();
}

std::string key_of_variable(std::string_view name) {
  const bool keeps_case = name.starts_with(upper_case_section);
  std::string out;
  int section = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("__")) {
      out += '.';
      ++section;
      ++i;
      continue;
    }
    const bool asset = keeps_case && section == 1;
    out += asset ? name[i] : static_cast<char>(std::tolower(static_cast<unsigned char>(name[i])));
  }
  return out;
}

ConfigValue plain_value(const std::string& text, std::string where) {
  ConfigValue value{};
  value.kind = ConfigValue::Kind::text;
  value.text = text;
  value.where = std::move(where);
  value.plain = true;
  return value;
}

}  // namespace

ConfigTable read_toml(const std::filesystem::path& file) {
  ConfigTable table;
  std::string text, problem;
  if (!read_whole(file, text, problem)) {
    table.errors.push_back(fmt::format("{}: {}", file.string(), problem));
    return table;
  }
  try {
    const toml::table parsed = toml::parse(text, file.string());
    Flatten(file).table(parsed, "", table);
  } catch (const toml::parse_error& e) {
    table.errors.push_back(
        fmt::format("{}: not TOML: {}", place(file, e.source()), e.description()));
  }
  return table;
}

void add_environment(ConfigTable& table, const std::map<std::string, std::string>& environment) {
  for (const auto& [name, value] : environment)
    if (name.starts_with(variable_prefix))
      table.values[key_of_variable(std::string_view(name).substr(variable_prefix.size()))] =
          plain_value(value, "environment " + name);
}

void add_overrides(ConfigTable& table, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      table.errors.push_back(fmt::format("command line: --set {}: allowed: section.key=value",
                                         text.substr(0, equals)));
      continue;
    }
    table.values[text.substr(0, equals)] = plain_value(text.substr(equals + 1), "command line");
  }
}

}  // namespace oneclick
