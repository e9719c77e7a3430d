// `oneclick search-index`: a process of its own, so that nothing it does is near an order.
#include <csignal>

#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "engine/app/commands.hpp"
#include "engine/app/json_text.hpp"
#include "engine/app/sd_notify.hpp"
#include "engine/app/search_indexer.hpp"
#include "engine/app/secret_file.hpp"
#include "engine/base/crypto.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::int64_t give_up_ns = 60'000'000'000;
constexpr auto database_pause = std::chrono::seconds(2);

std::atomic<bool> stopping = false;

void on_signal(int) {
  stopping = true;
}

bool is_index_prefix(const std::string& text) {
  // Elasticsearch reference 8.x, "Create index API": lower case, no \ / * ? " < > | space , #, not
  // beginning with - _ +.
  constexpr std::size_t longest = 200;
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  const auto begins = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= longest && begins(text.front()) &&
         std::ranges::all_of(text, allowed);
}

// The header's value; empty without a secret.
std::expected<std::string, std::string> authorization(const SearchIndexArguments& a) {
  if (!a.api_key_file.empty()) {
    const auto key = read_secret_line(a.api_key_file);
    if (!key)
      return std::unexpected(fmt::format("--api-key-file {}: {}", a.api_key_file, key.error()));
    return "ApiKey " + *key;
  }
  if (a.basic_file.empty()) return std::string();
  const auto pair = read_secret_line(a.basic_file);
  if (!pair) return std::unexpected(fmt::format("--basic-file {}: {}", a.basic_file, pair.error()));
  if (pair->find(':') == std::string::npos)
    return std::unexpected(fmt::format("--basic-file {}: allowed: user:password", a.basic_file));
  return "Basic " + to_base64({reinterpret_cast<const std::uint8_t*>(pair->data()), pair->size()});
}

int fail_source(const SearchSource::Error& error) {
  return fail(
      error.kind == SearchSourceError::locked ? exit_codes::locked : exit_codes::unavailable,
      "search-index: " + error.text);
}

void report(const SearchIndexArguments& a, const SearchIndexerCounts& c) {
  if (a.json)
    print_line(JsonObject()
                   .number("told", c.told)
                   .number("refused", c.refused)
                   .number("requests", c.requests)
                   .number("failures", c.failures)
                   .str());
  else
    print_line(fmt::format("told {} documents, {} refused, {} requests, {} made again", c.told,
                           c.refused, c.requests, c.failures));
}

// A database that is away is waited for.
int follow(const SearchIndexArguments& a, SearchIndexer& indexer, SearchSource first) {
  std::optional<SearchSource> source = std::move(first);
  sd_notify("READY=1");
  while (!stopping) {
    if (!source) {
      std::this_thread::sleep_for(database_pause);
      auto again = SearchSource::open(a.database_url);
      if (!again) continue;
      source = std::move(*again);
    }
    if (const auto done = indexer.run(*source, false, 0, stopping); !done) {
      log_warning("the search index waits", {{"problem", done.error()}});
      source.reset();
    }
  }
  report(a, indexer.counts());
  return exit_codes::fine;
}

}  // namespace

int command_search_index(const SearchIndexArguments& a) {
  if (!a.forget && a.url.empty())
    return fail(exit_codes::usage,
                "search-index: --url is required (or ONECLICK_SEARCH_URL): http://host:9200");
  if (!is_index_prefix(a.index_prefix))
    return fail(exit_codes::usage,
                fmt::format("search-index: --index-prefix {}: allowed: lower-case letters, digits, "
                            "- _ . behind a letter or digit, at most 200",
                            a.index_prefix));
  auto header = authorization(a);
  if (!header) return fail(exit_codes::config, "search-index: " + header.error());
  std::unique_ptr<SearchIndexer> indexer;
  if (!a.forget) {
    auto made = SearchIndexer::make({.url = a.url,
                                     .ca_file = a.ca_file,
                                     .authorization = *header,
                                     .index_prefix = a.index_prefix});
    if (!made) return fail(exit_codes::usage, "search-index: " + made.error());
    indexer = std::move(*made);
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  auto source = SearchSource::open(a.database_url);
  if (!source) return fail_source(source.error());
  if (a.forget) {
    if (const auto done = source->forget(); !done) return fail_source(done.error());
    print_line("changes are not noted any more");
    return exit_codes::fine;
  }
  if (const auto done = source->follow(a.rebuild); !done) return fail_source(done.error());
  if (!a.once) return follow(a, *indexer, std::move(*source));
  constexpr std::uint64_t progress_documents = 50'000;
  indexer->on_progress = [next = progress_documents](const SearchIndexerCounts& c) mutable {
    if (c.told < next) return;
    next = c.told + progress_documents;
    fmt::print(stderr, "oneclick: search-index: {} documents told\n", c.told);
  };
  const auto done = indexer->run(*source, true, give_up_ns, stopping);
  report(a, indexer->counts());
  if (!done) return fail(exit_codes::unavailable, "search-index: " + done.error());
  return exit_codes::fine;
}

}  // namespace oneclick
