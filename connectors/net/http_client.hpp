// HTTPS (and plain HTTP) requests over kept-alive connections. Lives on its reactor's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "connectors/net/reactor.hpp"
#include "connectors/net/tls.hpp"

namespace oneclick::net {

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // path and query
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::int64_t timeout_ns = 10'000'000'000;
};

struct HttpResponse {
  // Empty when a whole response was read. Else why not; `maybe_delivered` says whether any byte of
  // the request may have reached the server.
  std::string error;
  bool maybe_delivered = false;
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  [[nodiscard]] std::string_view header(
      std::string_view name) const;  // lower-case name; "" when absent
};

class HttpClient {
 public:
  struct Options {
    std::string local_address;
    std::string connect_to;  // as in WsClientOptions
    std::size_t connections_max = 4;
    std::size_t queue_max = 100'000;  // beyond: answered at once with error "queue full"
  };
  [[nodiscard]] static std::unique_ptr<HttpClient> make(Reactor& reactor,
                                                        std::shared_ptr<TlsClient> tls,
                                                        const Url& base, Options options);
  virtual ~HttpClient() = default;  // pending handlers are dropped, not called
  virtual void send(HttpRequest request, std::function<void(HttpResponse)> on_done) = 0;
};

}  // namespace oneclick::net
