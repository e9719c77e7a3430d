// Six columns of areas with gutters between them. Every foreign key runs in a gutter; those to the
// same table share a line there. Lines to columns that are not next door go along the top.
#include "tests/schema/picture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include <fmt/format.h>

namespace oneclick::test {

namespace {

constexpr int column_width = 236, gutter_width = 66, columns = 6;
constexpr int row_height = 15, head_height = 21, card_gap = 12;
constexpr int area_head = 30, area_pad = 10, area_gap = 24;
constexpr int lane_width = 8, top = 112;
constexpr int text_limit = 24;  // letters of a name beside its type

struct Area {
  const char* title;
  const char* dark;
  const char* light;
  int column;
  std::vector<std::string> tables;
};

const std::vector<Area>& areas() {
  static const std::vector<Area> all = {
      {"Users", "#1f4e79", "#e8f0f8", 0, {"users", "user_profiles", "user_settings"}},
      {"Authentication and security",
       "#4a5568",
       "#edf0f4",
       0,
       {"user_sessions", "password_resets", "two_factor_auth", "api_keys"}},
      {"Exchanges", "#7a4b12", "#f8f0e4", 1, {"user_exchanges", "supported_exchanges"}},
      {"Portfolios and trades",
       "#9b2c2c",
       "#fbecec",
       1,
       {"portfolios", "portfolio_positions", "trades", "trade_history"}},
      {"Signals",
       "#6b2f8a",
       "#f4ebf9",
       2,
       {"trading_signals", "signal_updates", "signal_followers", "signal_performance"}},
      {"Community",
       "#2c6e49",
       "#e8f5ed",
       2,
       {"community_posts", "post_likes", "post_comments", "comment_likes", "user_follows"}},
      {"Channels and subscriptions",
       "#0b6e75",
       "#e4f5f6",
       3,
       {"premium_channels", "channel_statistics", "subscriptions", "subscription_history"}},
      {"Market data: time series",
       "#5f6b0e",
       "#f5f6e2",
       3,
       {"market_data", "price_history", "market_sentiment"}},
      {"Payments", "#8a3b5c", "#faebf1", 4, {"payment_methods", "payments", "invoices"}},
      {"Notifications",
       "#3d5a98",
       "#eaeffa",
       4,
       {"notifications", "notification_preferences", "price_alerts"}},
      {"Analytics",
       "#4f5d2f",
       "#f0f3e6",
       5,
       {"user_analytics", "platform_analytics", "channel_analytics"}},
      {"Logs", "#5a5a5a", "#f0f0f0", 5, {"audit_logs", "system_logs", "security_events"}}};
  return all;
}
constexpr const char* engine_dark = "#222222";
constexpr const char* engine_light = "#f4f4f4";

struct Column {
  std::string name, type, references;
  bool key = false;
};
struct Table {
  std::vector<Column> columns;
  const Area* area = nullptr;
  int y = 0;  // of its head's middle
};
using Tables = std::map<std::string, Table>;

constexpr const char* columns_sql = R"(
SELECT c.relname, a.attname,
  CASE WHEN t.typtype = 'e' THEN 'enum' ELSE replace(replace(replace(format_type(a.atttypid,
    a.atttypmod), 'character varying', 'varchar'), 'timestamp without time zone', 'timestamp'),
    'timestamp with time zone', 'timestamptz') END,
  EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p'
          AND a.attnum = ANY (p.conkey)),
  (SELECT f.confrelid::regclass::text FROM pg_constraint f WHERE f.conrelid = c.oid
     AND f.contype = 'f' AND f.conkey[cardinality(f.conkey)] = a.attnum ORDER BY f.conname LIMIT 1)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY c.relname, a.attnum)";

constexpr const char* engine_sql = R"(
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'engine'::regnamespace
AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname)";

std::vector<PgRow> ask(PgQuery& database, const char* sql) {
  const auto rows = database.rows(sql);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  return rows.value_or(std::vector<PgRow>());
}

Tables read_tables(PgQuery& database) {
  Tables tables;
  for (const PgRow& row : ask(database, columns_sql))
    tables[*row[0]].columns.push_back({.name = *row[1],
                                       .type = *row[2],
                                       .references = row[4].value_or(""),
                                       .key = *row[3] == "t"});
  for (const Area& area : areas())
    for (const std::string& name : area.tables)
      if (const auto found = tables.find(name); found != tables.end()) found->second.area = &area;
  return tables;
}

int left_of(int column) {
  return gutter_width + column * (column_width + gutter_width);
}
int card_height(const Table& table) {
  return head_height + static_cast<int>(table.columns.size()) * row_height + 5;
}

class Drawing {
 public:
  explicit Drawing(Tables tables) : tables_(std::move(tables)) {}

  std::string draw(const std::vector<std::string>& engine_tables) {
    std::vector<int> bottom(columns, top);
    for (const Area& area : areas())
      bottom[static_cast<std::size_t>(area.column)] =
          place_area(area, bottom[static_cast<std::size_t>(area.column)]) + area_gap;
    engine(engine_tables, bottom[columns - 1]);
    bottom[columns - 1] += area_head + area_pad + row_height * lines(engine_tables) + area_gap;
    place_lines();
    const int height = *std::ranges::max_element(bottom) + 4;
    return page(height);
  }

 private:
  template <typename... Args>
  void put(std::string& out, fmt::format_string<Args...> text, Args&&... args) {
    fmt::format_to(std::back_inserter(out), text, std::forward<Args>(args)...);
    out += '\n';
  }
  static int lines(const std::vector<std::string>& names) {
    return static_cast<int>(names.size() + 1) / 2;
  }

  void panel(const char* title, const char* dark, const char* light, int x, int y, int height) {
    put(panels_,
        R"(<rect x="{}" y="{}" width="{}" height="{}" rx="9" fill="{}" stroke="{}" stroke-opacity=".35"/>)",
        x - area_pad, y, column_width + 2 * area_pad, height, light, dark);
    put(cards_, R"(<text x="{}" y="{}" class="area" fill="{}">{}</text>)", x, y + 20, dark, title);
  }

  int place_area(const Area& area, int y) {
    const int x = left_of(area.column);
    int at = y + area_head;
    for (const std::string& name : area.tables) {
      const auto found = tables_.find(name);
      if (found == tables_.end()) continue;
      card(name, found->second, x, at);
      at += card_height(found->second) + card_gap;
    }
    at += area_pad - card_gap;
    panel(area.title, area.dark, area.light, x, y, at - y);
    return at;
  }

  void card(const std::string& name, Table& table, int x, int y) {
    table.y = y + head_height / 2;
    put(cards_, R"(<rect x="{}" y="{}" width="{}" height="{}" rx="4" fill="#fff" stroke="{}"/>)", x,
        y, column_width, card_height(table), table.area->dark);
    put(cards_, R"(<path d="M{} {}v-{}q0 -4 4 -4h{}q4 0 4 4v{}z" fill="{}"/>)", x, y + head_height,
        head_height - 4, column_width - 8, head_height - 4, table.area->dark);
    put(cards_, R"(<text x="{}" y="{}" class="name">{}</text>)", x + 8, y + 15, name);
    int at = y + head_height;
    for (const Column& column : table.columns) {
      row(column, x, at);
      if (!column.references.empty()) keys_.push_back({name, column.references, at + 8});
      at += row_height;
    }
  }

  void row(const Column& column, int x, int y) {
    const auto target = tables_.find(column.references);
    const char* color = target != tables_.end() && target->second.area != nullptr
                            ? target->second.area->dark
                            : "#222";
    const std::string& type = column.type;
    const bool tight = column.name.size() > text_limit && type.size() > 9;
    put(cards_, R"(<text x="{}" y="{}" class="{}" fill="{}">{}</text>)", x + 8, y + 12,
        column.key ? "key" : "column", color, column.name);
    put(cards_, R"(<text x="{}" y="{}" class="type">{}</text>)", x + column_width - 7, y + 12,
        tight ? type.substr(0, type.find('(')) : type);
  }

  void engine(const std::vector<std::string>& names, int y) {
    const int x = left_of(columns - 1);
    panel("Of the engine: schema engine", engine_dark, engine_light, x, y,
          area_head + area_pad + row_height * lines(names));
    for (std::size_t i = 0; i < names.size(); ++i)
      put(cards_, R"(<text x="{}" y="{}" class="column" fill="#222">{}</text>)",
          x + (static_cast<int>(i) < lines(names) ? 0 : column_width / 2),
          y + area_head + 12 + row_height * (static_cast<int>(i) % lines(names)), names[i]);
  }

  struct Key {
    std::string from, to;
    int y;
  };

  // Gutter g is left of column g. A lane per gutter and table pointed to.
  int lane(int gutter, const std::string& to) {
    auto& taken = lanes_[gutter];
    const auto at = std::ranges::find(taken, to);
    const auto index = static_cast<int>(at - taken.begin());
    if (at == taken.end()) taken.push_back(to);
    return left_of(gutter) - gutter_width / 2 - 14 + lane_width * index;
  }
  // A height per table pointed to from further away, above everything.
  int level(const std::string& to) {
    const auto at = std::ranges::find(levels_, to);
    const auto index = static_cast<int>(at - levels_.begin());
    if (at == levels_.end()) levels_.push_back(to);
    return top - 14 - lane_width * index;
  }

  void place_lines() {
    for (const Key& key : keys_) {
      const Table& from = tables_.at(key.from);
      const auto target = tables_.find(key.to);
      if (target == tables_.end() || target->second.area == nullptr) continue;
      line(key, from, target->second);
    }
  }

  void line(const Key& key, const Table& from, const Table& to) {
    const int here = from.area->column, there = to.area->column;
    const bool to_right = there > here;
    const int leave = to_right ? left_of(here) + column_width : left_of(here);
    const int gutter = to_right ? here + 1 : here;
    const int x = lane(gutter, key.to);
    const bool next_door = there == here || there == here + 1 || there == here - 1;
    const bool enter_left = there >= here;
    const int enter = enter_left ? left_of(there) : left_of(there) + column_width;
    put(lines_, R"(<path d="M{} {}H{}" stroke="{}"/>)", leave, key.y, x, to.area->dark);
    put(ends_, R"(<circle cx="{}" cy="{}" r="1.9" fill="{}"/>)", x, key.y, to.area->dark);
    if (next_door) {
      trunk(x, key.y, to.y, to.area->dark);
      reach(x, enter, to);
      return;
    }
    const int over = level(key.to);
    const int down = lane(enter_left ? there : there + 1, key.to);
    trunk(x, key.y, over, to.area->dark);
    put(lines_, R"(<path d="M{} {}H{}" stroke="{}"/>)", x, over, down, to.area->dark);
    trunk(down, over, to.y, to.area->dark);
    reach(down, enter, to);
  }
  void trunk(int x, int from, int to, const char* color) {
    put(lines_, R"(<path d="M{} {}V{}" stroke="{}"/>)", x, from, to, color);
  }
  void reach(int x, int enter, const Table& to) {
    put(lines_, R"(<path d="M{} {}H{}" stroke="{}"/>)", x, to.y, enter, to.area->dark);
    const int tip = enter > x ? -7 : 7;
    put(ends_, R"(<path d="M{} {}l{} -4v8z" fill="{}"/>)", enter, to.y, tip, to.area->dark);
  }

  // The same stretch of a shared line is drawn once.
  static std::string once(const std::string& drawn) {
    std::set<std::string> seen;
    std::string out;
    for (std::size_t at = 0; at < drawn.size();) {
      const std::size_t end = drawn.find('\n', at) + 1;
      std::string text = drawn.substr(at, end - at);
      if (seen.insert(text).second) out += text;
      at = end;
    }
    return out;
  }

  std::string page(int height) {
    const int width = left_of(columns);
    std::string out;
    put(out,
        R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}">)",
        width, height);
    out += R"(<!-- Drawn by tests/schema/picture.cpp from the catalogue; do not edit. -->
<style>
text { font-family: "DejaVu Sans", Verdana, sans-serif; font-size: 10px }
.title { font-size: 22px; font-weight: bold; fill: #222 }
.legend { font-size: 12px; fill: #444 }
.area { font-size: 14px; font-weight: bold }
.name { font-size: 11.5px; font-weight: bold; fill: #fff }
.key { font-weight: bold }
.type { fill: #777; font-size: 9px; text-anchor: end }
</style>
)";
    put(out, R"(<rect width="{}" height="{}" fill="#fff"/>)", width, height);
    put(out, R"(<text x="{}" y="40" class="title">The platform's tables</text>)", gutter_width);
    put(out,
        R"(<text x="{}" y="62" class="legend">Bold: primary key. Coloured: foreign key, whose line )"
        R"(ends at the table it points to; lines to the same table meet.</text>)",
        gutter_width);
    out += panels_;
    out += R"(<g fill="none" stroke-width="1.3" stroke-opacity=".75">)";
    out += '\n' + once(lines_) + "</g>\n" + once(ends_) + cards_ + "</svg>\n";
    return out;
  }

  Tables tables_;
  std::vector<Key> keys_;
  std::map<int, std::vector<std::string>> lanes_;
  std::vector<std::string> levels_;
  std::string panels_, lines_, ends_, cards_;
};

}  // namespace

Picture draw_tables(PgQuery& database) {
  Tables tables = read_tables(database);
  Picture picture;
  for (const auto& [name, table] : tables)
    if (table.area == nullptr) picture.without_area.push_back(name);
  std::vector<std::string> engine_tables;
  for (const PgRow& row : ask(database, engine_sql)) engine_tables.push_back(*row[0]);
  picture.svg = Drawing(std::move(tables)).draw(engine_tables);
  return picture;
}

}  // namespace oneclick::test
