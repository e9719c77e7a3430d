#include "engine/app/config_reader.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/app/json_text.hpp"

namespace oneclick {

namespace {

constexpr std::size_t shown_max = 80;

std::optional<std::int64_t> integer_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> integer_of(const ConfigValue& value) {
  if (value.kind == ConfigValue::Kind::integer) return value.integer;
  return value.plain ? integer_of(std::string_view(value.text)) : std::nullopt;
}

// What stands before the @ of a URL is a password as likely as not.
std::string shown(const ConfigValue& value) {
  if (value.text.find('@') != std::string::npos) return "(not shown: it holds an @)";
  std::string text = value.text.substr(0, shown_max);
  if (value.text.size() > shown_max) text += "...";
  return value.kind == ConfigValue::Kind::text ? toml_text(text) : text;
}

std::string quoted_list(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& item : items) out += (out.empty() ? "" : ", ") + toml_text(item);
  return "[" + out + "]";
}

std::string json_list(const std::vector<std::string>& items) {
  JsonList out;
  for (const std::string& item : items) out.text(item);
  return out.str();
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  std::size_t at = 0;
  for (;;) {
    const std::size_t comma = text.find(',', at);
    out.push_back(text.substr(at, comma == std::string::npos ? comma : comma - at));
    if (comma == std::string::npos) return out;
    at = comma + 1;
  }
}

}  // namespace

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

const ConfigValue* ConfigReader::take(const std::string& key) {
  known_.insert(key);
  const auto found = table_.values.find(key);
  return found == table_.values.end() ? nullptr : &found->second;
}

std::string ConfigReader::where(const std::string& key) const {
  const auto found = table_.values.find(key);
  return found == table_.values.end() ? "default" : found->second.where;
}

void ConfigReader::remember(const std::string& key, std::string toml, std::string json) {
  effective_.push_back(
      {.key = key, .value = std::move(toml), .json = std::move(json), .source = where(key)});
}

void ConfigReader::refuse(const std::string& key, const std::string& allowed) {
  refused_.insert(key);
  const auto found = table_.values.find(key);
  if (found == table_.values.end()) {
    errors_.push_back(fmt::format("{}{}: not set; allowed: {}", label_, key, allowed));
  } else {
    errors_.push_back(fmt::format("{}: {} = {}: allowed: {}", found->second.where, key,
                                  shown(found->second), allowed));
  }
}

void ConfigReader::read_integer(const std::string& key, std::int64_t min, std::int64_t max,
                                std::int64_t& out) {
  if (const ConfigValue* value = take(key)) {
    const auto number = integer_of(*value);
    if (!number || *number < min || *number > max)
      return refuse(key, fmt::format("a whole number from {} to {}", min, max));
    out = *number;
  }
  remember(key, std::to_string(out), std::to_string(out));
}

void ConfigReader::decimal(const std::string& key, std::string_view min, std::string_view max,
                           Decimal& out) {
  if (const ConfigValue* value = take(key)) {
    const bool exact =
        value->kind == ConfigValue::Kind::text || value->kind == ConfigValue::Kind::integer;
    const auto number = Decimal::parse(exact ? std::string_view(value->text) : "");
    if (!number || *number < Decimal::of(min) || *number > Decimal::of(max))
      return refuse(key, fmt::format("a decimal number in quotes from {} to {}", min, max));
    out = *number;
  }
  remember(key, toml_text(out.to_text()), json_text(out.to_text()));
}

void ConfigReader::ratio(const std::string& key, double min, double max, double& out) {
  Decimal exact = Decimal::parse_rounded(fmt::format("{:.8f}", out), Round::nearest).value();
  const std::size_t before = errors_.size();
  decimal(key, fmt::format("{}", min), fmt::format("{}", max), exact);
  if (errors_.size() != before) return;
  const std::string text = exact.to_text();
  std::from_chars(text.data(), text.data() + text.size(), out);
}

void ConfigReader::text(const std::string& key, std::string& out) {
  if (const ConfigValue* value = take(key)) {
    const bool clean =
        value->text.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos;
    if (value->kind != ConfigValue::Kind::text || !clean) return refuse(key, "a text of one line");
    out = value->text;
  }
  remember(key, toml_text(out), json_text(out));
}

void ConfigReader::refuse_unseen(const std::string& key, const std::string& allowed) {
  if (!has(key)) return refuse(key, allowed);
  refused_.insert(key);
  errors_.push_back(fmt::format("{}: {}: allowed: {}", where(key), key, allowed));
}

void ConfigReader::secret(const std::string& key, std::string& out) {
  const ConfigValue* value = take(key);
  if (value == nullptr) return;
  if (value->kind != ConfigValue::Kind::text) return refuse_unseen(key, "a text");
  out = value->text;
}

void ConfigReader::listen(const std::string& key, ListenAddress& out) {
  std::string value = fmt::format("{}:{}", out.address, out.port);
  text(key, value);
  const std::size_t colon = value.rfind(':');
  std::string address = value.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']'))
    address = address.substr(1, address.size() - 2);
  const auto port = integer_of(
      std::string_view(value).substr(colon == std::string::npos ? value.size() : colon + 1));
  if (!port || *port < 0 || *port > 65'535 || !is_ip_address(address))
    return refuse(key, "an IP address and a port of 0 to 65535, as in 127.0.0.1:8443");
  out = {address, static_cast<std::uint16_t>(*port)};
}

void ConfigReader::required(const std::string& key, std::string& out) {
  text(key, out);
  const ConfigValue* value = take(key);
  if (value == nullptr || (value->kind == ConfigValue::Kind::text && value->text.empty()))
    refuse(key, "a text that is not empty");
}

std::optional<std::vector<std::string>> ConfigReader::items_of(const ConfigValue& value) const {
  if (value.plain) return split_commas(value.text);
  if (value.kind != ConfigValue::Kind::list) return std::nullopt;
  std::vector<std::string> out;
  for (const ConfigValue& item : value.items) out.push_back(item.text);
  return out;
}

void ConfigReader::texts(const std::string& key, std::vector<std::string>& out) {
  if (const ConfigValue* value = take(key)) {
    const auto items = items_of(*value);
    const bool all_texts = std::ranges::all_of(
        value->items, [](const ConfigValue& v) { return v.kind == ConfigValue::Kind::text; });
    if (!items || !all_texts) return refuse(key, "a list of texts");
    out = *items;
  }
  remember(key, quoted_list(out), json_list(out));
}

void ConfigReader::integers(const std::string& key, std::int64_t min, std::int64_t max,
                            std::vector<int>& out) {
  if (const ConfigValue* value = take(key)) {
    const std::string allowed = fmt::format("a list of whole numbers from {} to {}", min, max);
    const auto items = items_of(*value);
    if (!items) return refuse(key, allowed);
    std::vector<int> numbers;
    for (const std::string& item : *items) {
      const auto number = integer_of(std::string_view(item));
      if (!number || *number < min || *number > max) return refuse(key, allowed);
      numbers.push_back(static_cast<int>(*number));
    }
    out = std::move(numbers);
  }
  const std::string list = fmt::format("[{}]", fmt::join(out, ", "));
  remember(key, list, list);
}

void ConfigReader::read_choice(const std::string& key, const std::vector<std::string_view>& names,
                               std::size_t& index) {
  if (const ConfigValue* value = take(key)) {
    const auto found = std::ranges::find(names, std::string_view(value->text));
    if (value->kind != ConfigValue::Kind::text || found == names.end())
      return refuse(key, fmt::format("{}", fmt::join(names, ", ")));
    index = static_cast<std::size_t>(found - names.begin());
  }
  remember(key, toml_text(names[index]), json_text(names[index]));
}

void ConfigReader::section(const std::string& name) {
  if (!table_.sections.contains(name))
    errors_.push_back(
        fmt::format("[{}]: the file has no such section; every section must be there, so "
                    "that half a file is not taken for a whole one",
                    name));
}

std::vector<std::string> ConfigReader::names_below(const std::string& section) const {
  std::vector<std::string> names;
  const auto add = [&](const std::string& key) {
    if (!key.starts_with(section + ".")) return;
    const std::string rest = key.substr(section.size() + 1);
    const std::string name = rest.substr(0, rest.find('.'));
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const auto& [key, place] : table_.sections) add(key);
  for (const auto& [key, value] : table_.values)
    if (key.find('.', section.size() + 1) != std::string::npos) add(key);
  return names;
}

std::vector<std::string> ConfigReader::keys_below(const std::string& section) const {
  std::vector<std::string> names;
  for (const auto& [key, value] : table_.values)
    if (key.starts_with(section + ".") && key.find('.', section.size() + 1) == std::string::npos)
      names.push_back(key.substr(section.size() + 1));
  return names;
}

std::vector<ConfigReader> ConfigReader::tables(const std::string& name) {
  known_lists_.insert(name);
  std::vector<ConfigReader> readers;
  if (const auto found = table_.lists.find(name); found != table_.lists.end())
    for (const ConfigTable& table : found->second)
      readers.emplace_back(table, fmt::format("{}: [[{}]]: ", table.sections.at(""), name));
  return readers;
}

void ConfigReader::adopt(ConfigReader& other) {
  errors_.insert(errors_.end(), other.errors_.begin(), other.errors_.end());
}

// The value of an unknown key is not shown: it may be a secret in the wrong place.
void ConfigReader::refuse_unknown() {
  const auto is_section = [this](const std::string& name) {
    return std::ranges::any_of(known_,
                               [&](const std::string& k) { return k.starts_with(name + "."); });
  };
  for (const auto& [key, value] : table_.values) {
    if (known_.contains(key) || refused_.contains(key)) continue;
    errors_.push_back(is_section(key)
                          ? fmt::format("{}: {}: must be a section, [{}]", value.where, key, key)
                          : fmt::format("{}: {}: unknown key", value.where, key));
  }
  for (const auto& [name, list] : table_.lists)
    if (!known_lists_.contains(name))
      errors_.push_back(fmt::format("{}: {}: unknown key", list.front().sections.at(""), name));
  for (const auto& [name, place] : table_.sections) {
    if (name.empty() || is_section(name) || known_sections_.contains(name)) continue;
    errors_.push_back(known_.contains(name)
                          ? fmt::format("{}: {}: must be a value, not a section", place, name)
                          : fmt::format("{}: [{}]: unknown section", place, name));
  }
}

}  // namespace oneclick
