#include "tests/schema/facts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>

namespace oneclick::test {

namespace {

constexpr const char* columns_sql = R"(
SELECT c.relname, a.attname || ' ' ||
  CASE WHEN t.typtype = 'e' THEN 'enum(' || (SELECT string_agg(e.enumlabel, ', '
         ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid) || ')'
       WHEN t.typname = 'jsonb' THEN 'json' || coalesce((SELECT ' ' || (regexp_match(
         pg_get_constraintdef(k.oid), 'jsonb_typeof\(' || a.attname || '\) = ''(\w+)''::text'))[1]
         FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.convalidated
         AND k.conkey = ARRAY[a.attnum] LIMIT 1), '')
       ELSE replace(replace(replace(format_type(a.atttypid, a.atttypmod), 'character varying',
         'varchar'), 'timestamp without time zone', 'timestamp'), 'timestamp with time zone',
         'timestamptz') END ||
  CASE WHEN p.conkey = ARRAY[a.attnum] AND c.relname <> ALL ($1::text[])
       THEN ' primary key' ELSE '' END ||
  CASE WHEN EXISTS (SELECT FROM pg_constraint u WHERE u.conrelid = c.oid AND u.contype = 'u'
         AND u.conkey = ARRAY[a.attnum]) THEN ' unique' ELSE '' END ||
  CASE WHEN a.attnotnull AND a.attnum <> ALL (coalesce(p.conkey, '{}'))
       THEN ' not null' ELSE '' END ||
  coalesce(' default ' || CASE pg_get_expr(d.adbin, d.adrelid)
         WHEN '(now() AT TIME ZONE ''UTC''::text)' THEN 'now'
         -- Keys make themselves where the structure says no more than that they are keys.
         WHEN CASE WHEN p.conkey = ARRAY[a.attnum] THEN 'gen_random_uuid()' END THEN NULL
         ELSE replace(pg_get_expr(d.adbin, d.adrelid), '::character varying', '') END, '') ||
  coalesce((SELECT ' references ' || f.confrelid::regclass || '.' || fa.attname
     FROM pg_constraint f JOIN pg_attribute fa ON fa.attrelid = f.confrelid
      AND fa.attnum = f.confkey[cardinality(f.confkey)]
     WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.convalidated
      AND f.conkey[cardinality(f.conkey)] = a.attnum), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition
ORDER BY c.relname, a.attnum)";

// In the order of the index. With $1: also those of one column, which the lines above say already
// unless the table is named.
constexpr const char* keys_sql = R"(
SELECT c.relname, 'primary key (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n)
   FROM unnest(p.conkey) WITH ORDINALITY AS k (num, n) JOIN pg_attribute a
   ON a.attrelid = c.oid AND a.attnum = k.num) || ')'
FROM pg_constraint p JOIN pg_class c ON c.oid = p.conrelid
WHERE p.contype = 'p' AND (cardinality(p.conkey) > 1 OR c.relname = ANY ($1::text[]))
  AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition)";

constexpr const char* indexes_sql = R"(
SELECT c.relname || ' (' || (SELECT string_agg(
     replace(pg_get_indexdef(i.indexrelid, n, true), '"', '') ||
     CASE WHEN i.indoption[n - 1] & 1 = 1 THEN ' desc' ELSE '' END, ', ' ORDER BY n)
   FROM generate_series(1, i.indnkeyatts) AS n) || ')' ||
  CASE WHEN i.indisunique THEN ' unique' ELSE '' END
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND NOT i.indisprimary
  AND i.indisvalid AND i.indpred IS NULL)";

// One row per user: the key is an addition, so it is told in a line of its own.
constexpr const char* keyed_by_user = "{user_profiles,user_settings,two_factor_auth}";

std::vector<PgRow> ask(PgQuery& database, const std::string& sql,
                       const std::vector<std::optional<std::string>>& parameters = {}) {
  const auto rows = database.rows(sql, parameters);
  EXPECT_TRUE(rows.has_value()) << rows.error();
  return rows.value_or(std::vector<PgRow>());
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream in(path);
  EXPECT_TRUE(in.is_open()) << path;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

// A column of the key is not null whether the structure says so or not.
void leave_out_what_the_key_says(std::vector<std::string>& table) {
  const auto key = std::ranges::find_if(
      table, [](const std::string& line) { return line.starts_with("primary key ("); });
  if (key == table.end()) return;
  for (std::string& line : table) {
    const std::string name = line.substr(0, line.find(' '));
    const std::size_t at = line.find(" not null");
    const bool in_key = std::regex_search(*key, std::regex("[( ]" + name + "[,)]"));
    if (&line != &*key && in_key && at != std::string::npos) line.erase(at, 9);
  }
}

void add_line(Facts& facts, const std::string& line) {
  if (line.starts_with("index ")) {
    facts.indexes.insert(line.substr(6));
    return;
  }
  static const std::regex form(R"((\w+)(?:\.|: )(.+))");
  std::smatch part;
  ASSERT_TRUE(std::regex_match(line, part, form)) << line;
  facts.tables[part[1]].push_back(part[2]);
}

// "email (VARCHAR, Unique, Not Null)" -> "email varchar unique not null".
std::string column_of(const std::string& line) {
  static const std::regex form(R"(- (\w+) \((.*)\))");
  std::smatch part;
  EXPECT_TRUE(std::regex_match(line, part, form)) << line;
  std::string type = part[2];
  const auto has = [&](const char* word) { return type.find(word) != std::string::npos; };
  std::string words;
  if (has(", Primary Key")) words += " primary key";
  if (has(", Unique")) words += " unique";
  if (has(", Not Null")) words += " not null";
  std::smatch found;
  if (std::regex_search(type, found, std::regex("Default: ([^,]+)")))
    words += " default " + (found[1] == "NOW()" ? "now" : found[1].str());
  if (std::regex_search(type, found, std::regex("Foreign Key to ([^,]+)")))
    words += " references " + found[1].str();
  if (std::regex_match(type, found, std::regex("ENUM: (.*)"))) {
    type = "enum(" + found[1].str() + ")";
  } else {
    // Up to the first comma outside brackets.
    EXPECT_TRUE(std::regex_search(type, found, std::regex(R"(^[A-Za-z ]+(\(\d+,\d+\))?)")));
    type = found[0];
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return std::tolower(c); });
    if (type.starts_with("decimal")) type.replace(0, 7, "numeric");
  }
  return part[1].str() + " " + type + words;
}

}  // namespace

Facts read_facts(const std::string& path) {
  Facts facts;
  for (const std::string& line : lines_of(path))
    if (!line.empty() && line[0] != '#') add_line(facts, line);
  for (auto& [name, table] : facts.tables) leave_out_what_the_key_says(table);
  return facts;
}

Facts facts_of_document(const std::string& path) {
  Facts facts;
  std::string table;
  static const std::regex heading(R"(([A-Z_]+) TABLE:)");
  static const std::regex index_of(R"(- (\w+)(\([^)]*\))(?:, (\w+)(\([^)]*\)))? - (.*))");
  static const std::regex index_on(R"(- (\([^)]*\)) on (\w+))");
  for (const std::string& line : lines_of(path)) {
    std::smatch part;
    if (std::regex_match(line, part, heading)) {
      table = part[1];
      std::ranges::transform(table, table.begin(), [](unsigned char c) { return std::tolower(c); });
    } else if (std::regex_match(line, part, index_of)) {
      const std::string unique = part[5].str().starts_with("Unique") ? " unique" : "";
      facts.indexes.insert(part[1].str() + " " + part[2].str() + unique);
      if (part[3].matched) facts.indexes.insert(part[3].str() + " " + part[4].str() + unique);
    } else if (std::regex_match(line, part, index_on)) {
      facts.indexes.insert(part[2].str() + " " +
                           std::regex_replace(part[1].str(), std::regex("DESC"), "desc"));
    } else if (line.starts_with("- PRIMARY KEY ")) {
      facts.tables[table].push_back("primary key " + line.substr(14));
    } else if (line.starts_with("- ") && line.ends_with(')') && !table.empty()) {
      facts.tables[table].push_back(column_of(line));
    } else if (line.starts_with("====")) {
      table.clear();
    }
  }
  for (auto& [name, lines] : facts.tables) leave_out_what_the_key_says(lines);
  return facts;
}

Facts facts_of_database(PgQuery& database) {
  Facts facts;
  for (const char* sql : {columns_sql, keys_sql})
    for (const PgRow& row : ask(database, sql, {keyed_by_user}))
      facts.tables[row[0].value_or("")].push_back(row[1].value_or("NULL"));
  for (const PgRow& row : ask(database, indexes_sql)) facts.indexes.insert(row[0].value_or("NULL"));
  return facts;
}

Facts with_additions(Facts base, const std::string& path) {
  for (std::string line : lines_of(path)) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t reason = line.find(" -- ");
    EXPECT_NE(reason, std::string::npos) << "without a reason: " << line;
    line.resize(std::min(reason, line.size()));
    add_line(base, line);
  }
  for (auto& [name, table] : base.tables) {
    // Keys of several columns last, as the catalogue tells them.
    std::ranges::stable_partition(
        table, [](const std::string& line) { return !line.starts_with("primary key ("); });
    leave_out_what_the_key_says(table);
  }
  return base;
}

}  // namespace oneclick::test
