// Tells a search server what the database says, batch by batch, for as long as wanted. The server
// may be away, slow or refuse: a batch is forgotten by the database only when every document of it
// was taken or was refused for what it says.
#pragma once

#include <atomic>
#include <functional>
#include <random>
#include <string>

#include "connectors/net/http_client.hpp"
#include "engine/app/search_bulk.hpp"

namespace oneclick {

struct SearchIndexerOptions {
  std::string url;            // http or https; the path before /_bulk is kept
  std::string ca_file;        // of https; empty: the system's store
  std::string authorization;  // header value; empty: none. Never logged
  std::string index_prefix = "oneclick";
  std::size_t batch_documents = 500;
  std::size_t batch_bytes = 5 << 20;
  std::int64_t request_timeout_ns = 30'000'000'000;
  std::int64_t pause_first_ns = 250'000'000;  // after a failure; doubled up to the last
  std::int64_t pause_last_ns = 60'000'000'000;
  std::int64_t idle_ns = 500'000'000;  // between two looks when there is nothing to tell
};

struct SearchIndexerCounts {
  std::uint64_t told = 0;
  std::uint64_t refused = 0;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;  // requests that have to be made again
};

class SearchIndexer {
 public:
  // Error: what of the options cannot be used.
  [[nodiscard]] static std::expected<std::unique_ptr<SearchIndexer>, std::string> make(
      SearchIndexerOptions options);

  // Until everything was told (once), or until stop. Error: the database; or, with `once`, the
  // server after `give_up_ns` without a success.
  [[nodiscard]] std::expected<void, std::string> run(SearchSource& source, bool once,
                                                     std::int64_t give_up_ns,
                                                     const std::atomic<bool>& stop);
  [[nodiscard]] const SearchIndexerCounts& counts() const { return counts_; }
  // Told after each batch.
  std::function<void(const SearchIndexerCounts&)> on_progress;

 private:
  SearchIndexer(SearchIndexerOptions options, std::shared_ptr<net::TlsClient> tls,
                const net::Url& base);
  // Sends what is left of a batch; what was settled leaves it. Error: why nothing was settled.
  [[nodiscard]] std::expected<void, std::string> tell(std::vector<SearchDocument>& left,
                                                      std::vector<SearchReject>& rejects);
  [[nodiscard]] std::expected<void, std::string> settle(const net::HttpResponse& answer,
                                                        std::size_t sent,
                                                        std::vector<SearchDocument>& left,
                                                        std::vector<SearchReject>& rejects);
  [[nodiscard]] net::HttpResponse send(std::string body);
  [[nodiscard]] std::size_t fitting(const std::vector<SearchDocument>& documents) const;
  void wait(std::int64_t ns, const std::atomic<bool>& stop);

  SearchIndexerOptions options_;
  std::string target_;
  net::Reactor reactor_;
  std::unique_ptr<net::HttpClient> client_;
  std::size_t documents_max_;  // halved when the server finds a request too large
  SearchIndexerCounts counts_;
  std::mt19937_64 chance_{std::random_device{}()};
};

}  // namespace oneclick
