#include "engine/app/search_indexer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::size_t documents_min = 1;

std::string shown(const net::HttpResponse& answer) {
  constexpr std::size_t shown_max = 300;
  if (!answer.error.empty()) return answer.error;
  return fmt::format("status {}: {}", answer.status, answer.body.substr(0, shown_max));
}

}  // namespace

std::expected<std::unique_ptr<SearchIndexer>, std::string> SearchIndexer::make(
    SearchIndexerOptions options) {
  const auto url = net::parse_url(options.url);
  if (!url || (url->scheme != "http" && url->scheme != "https"))
    return std::unexpected(
        fmt::format("--url {}: allowed: http://host:port or https://host:port", options.url));
  auto tls = net::TlsClient::make(options.ca_file);
  if (!tls) return std::unexpected(fmt::format("--ca-file {}: {}", options.ca_file, tls.error()));
  return std::unique_ptr<SearchIndexer>(new SearchIndexer(std::move(options), *tls, *url));
}

SearchIndexer::SearchIndexer(SearchIndexerOptions options, std::shared_ptr<net::TlsClient> tls,
                             const net::Url& base)
    : options_(std::move(options)),
      target_((base.target == "/" ? "" : base.target) + "/_bulk"),
      client_(net::HttpClient::make(reactor_, std::move(tls), base,
                                    {.local_address = {}, .connect_to = {}, .connections_max = 1})),
      documents_max_(options_.batch_documents) {}

net::HttpResponse SearchIndexer::send(std::string body) {
  net::HttpRequest request{
      .method = "POST",
      .target = target_,
      .headers = {{"Content-Type", std::string(bulk_content_type)}, {"Accept", "application/json"}},
      .body = std::move(body),
      .timeout_ns = options_.request_timeout_ns};
  if (!options_.authorization.empty())
    request.headers.emplace_back("Authorization", options_.authorization);
  std::optional<net::HttpResponse> answer;
  client_->send(std::move(request), [&answer](net::HttpResponse r) { answer = std::move(r); });
  // The client answers every request, in its timeout at the latest.
  while (!answer) reactor_.wait(100'000'000);
  ++counts_.requests;
  return std::move(*answer);
}

// How many of the first documents make one request.
std::size_t SearchIndexer::fitting(const std::vector<SearchDocument>& documents) const {
  constexpr std::size_t action_bytes = 200;
  std::size_t count = 0, bytes = 0;
  for (const SearchDocument& d : documents) {
    bytes += d.document.size() + action_bytes;
    if (count == documents_max_ || (count > 0 && bytes > options_.batch_bytes)) break;
    ++count;
  }
  return count;
}

std::expected<void, std::string> SearchIndexer::settle(const net::HttpResponse& answer,
                                                       std::size_t sent,
                                                       std::vector<SearchDocument>& left,
                                                       std::vector<SearchReject>& rejects) {
  if (answer.error.empty() && answer.status == 413 && sent > documents_min) {
    documents_max_ = std::max(documents_min, sent / 2);
    return {};
  }
  if (answer.error.empty() && answer.status == 413) {
    rejects.push_back({left[0].kind, left[0].id, 413, "larger than the server takes"});
    left.erase(left.begin());
    return {};
  }
  if (!answer.error.empty() || answer.status != 200) return std::unexpected(shown(answer));
  const auto items = parse_bulk_answer(answer.body);
  if (!items) return std::unexpected(items.error());
  if (items->size() != sent)
    return std::unexpected(fmt::format("{} items for {} documents", items->size(), sent));
  std::vector<SearchDocument> again;
  std::string reason;
  for (std::size_t i = 0; i < sent; ++i) {
    const BulkItem& item = (*items)[i];
    SearchDocument& d = left[i];
    switch (bulk_verdict(item.status, d.document.empty())) {
      case BulkVerdict::done:
        ++counts_.told;
        break;
      case BulkVerdict::refused:
        rejects.push_back({d.kind, d.id, item.status, item.reason});
        ++counts_.refused;
        break;
      case BulkVerdict::again:
        reason = fmt::format("status {}: {}", item.status, item.reason);
        again.push_back(std::move(d));
        break;
    }
  }
  const bool none_settled = again.size() == sent;
  left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(sent));
  left.insert(left.begin(), std::make_move_iterator(again.begin()),
              std::make_move_iterator(again.end()));
  if (none_settled) return std::unexpected(reason);
  return {};
}

std::expected<void, std::string> SearchIndexer::tell(std::vector<SearchDocument>& left,
                                                     std::vector<SearchReject>& rejects) {
  const std::size_t count = fitting(left);
  const std::vector<SearchDocument> part(left.begin(),
                                         left.begin() + static_cast<std::ptrdiff_t>(count));
  return settle(send(bulk_body(options_.index_prefix, part)), count, left, rejects);
}

void SearchIndexer::wait(std::int64_t ns, const std::atomic<bool>& stop) {
  constexpr std::int64_t step_ns = 50'000'000;
  const std::int64_t until = monotonic_now_ns() + ns;
  for (std::int64_t now = monotonic_now_ns(); now < until && !stop; now = monotonic_now_ns())
    reactor_.wait(std::min(step_ns, until - now));
}

std::expected<void, std::string> SearchIndexer::run(SearchSource& source, bool once,
                                                    std::int64_t give_up_ns,
                                                    const std::atomic<bool>& stop) {
  while (!stop) {
    const auto batch = source.next(options_.batch_documents);
    if (!batch) return std::unexpected("database: " + batch.error().text);
    if (batch->documents.empty()) {
      if (once) return {};
      wait(options_.idle_ns, stop);
      continue;
    }
    std::vector<SearchDocument> left = batch->documents;
    std::vector<SearchReject> rejects;
    std::int64_t pause_ns = options_.pause_first_ns;
    std::int64_t success_ns = monotonic_now_ns();
    while (!left.empty() && !stop) {
      const auto done = tell(left, rejects);
      if (done) {
        success_ns = monotonic_now_ns();
        pause_ns = options_.pause_first_ns;
        continue;
      }
      ++counts_.failures;
      if (once && monotonic_now_ns() - success_ns >= give_up_ns)
        return std::unexpected("search server: " + done.error());
      // Between half and the whole of it, so that many do not come back together.
      const std::int64_t half = pause_ns / 2;
      const auto jitter =
          static_cast<std::int64_t>(chance_() % static_cast<std::uint64_t>(half + 1));
      log_warning(
          "the search server did not take a request; it is made again",
          {{"problem", done.error()}, {"pause_ms", std::to_string((half + jitter) / 1'000'000)}});
      wait(half + jitter, stop);
      pause_ns = std::min(pause_ns * 2, options_.pause_last_ns);
    }
    // Broken off: what was taken is taken again later, and found to be there.
    if (!left.empty()) return {};
    for (const SearchReject& r : rejects)
      log_error("the search server refused a document for what it says",
                {{"kind", r.kind},
                 {"id", r.id},
                 {"status", std::to_string(r.status)},
                 {"reason", r.reason}});
    if (const auto done = source.told(*batch, rejects); !done)
      return std::unexpected("database: " + done.error().text);
    if (on_progress) on_progress(counts_);
  }
  return {};
}

}  // namespace oneclick
