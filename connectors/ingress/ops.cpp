#include "connectors/ingress/ops.hpp"

#include <utility>

#include "connectors/net/server.hpp"

namespace oneclick::ingress {
namespace {

constexpr const char* page = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>OneClick</title>
<meta http-equiv="refresh" content="5">
<style>body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem}
pre{background:#f4f4f4;padding:1rem;overflow:auto}.yes{color:#060}.no{color:#900}</style></head>
<body><h1>OneClick</h1><p class="%CLASS%">%STATE%</p><pre>%REASONS%</pre>
<p><a href="/healthz">/healthz</a> &middot; <a href="/readyz">/readyz</a> &middot;
<a href="/metrics">/metrics</a></p></body></html>
)";

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void replace(std::string& text, const std::string& what, const std::string& by) {
  if (const std::size_t at = text.find(what); at != std::string::npos)
    text.replace(at, what.size(), by);
}

net::ServerResponse response_of(int status, const char* type, std::string body) {
  net::ServerResponse response;
  response.status = status;
  response.content_type = type;
  response.headers = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

class Listener final : public Operations {
 public:
  explicit Listener(OperationsDependencies dependencies) : dependencies_(std::move(dependencies)) {}

  std::string open(net::Reactor& reactor, const OperationsOptions& options) {
    net::ServerOptions server;
    server.address = options.address;
    server.port = options.port;
    server.body_bytes_max = 1024;
    server.connections_max = 256;
    auto opened = net::Server::listen(
        reactor, nullptr, server,
        {.on_request = [this](const net::ServerRequest& request,
                              const net::Respond& respond) { respond(answer(request)); },
         .on_upgrade = {}});
    if (!opened) return opened.error();
    server_ = std::move(*opened);
    return {};
  }

  [[nodiscard]] std::uint16_t port() const override { return server_->port(); }

 private:
  net::ServerResponse answer(const net::ServerRequest& request) {
    const bool known = request.path == "/healthz" || request.path == "/readyz" ||
                       request.path == "/metrics" || request.path == "/";
    if (!known) return response_of(404, "text/plain", "nothing here\n");
    if (request.method != "GET" && request.method != "HEAD") {
      auto response = response_of(405, "text/plain", "method not allowed\n");
      response.headers.emplace_back("Allow", "GET, HEAD");
      return response;
    }
    if (request.path == "/healthz") return health();
    if (request.path == "/readyz") return readiness();
    if (request.path == "/metrics") {
      return response_of(200, "text/plain; version=0.0.4; charset=utf-8", dependencies_.metrics());
    }
    return status_page();
  }

  net::ServerResponse health() {
    return dependencies_.alive() ? response_of(200, "text/plain", "alive\n")
                                 : response_of(503, "text/plain", "a loop does not turn\n");
  }

  net::ServerResponse readiness() {
    bool ready = false;
    std::string json = dependencies_.ready(ready);
    return response_of(ready ? 200 : 503, "application/json", std::move(json));
  }

  net::ServerResponse status_page() {
    bool ready = false;
    const std::string json = dependencies_.ready(ready);
    std::string html = page;
    replace(html, "%CLASS%", ready ? "yes" : "no");
    replace(html, "%STATE%", ready ? "ready" : "not ready");
    replace(html, "%REASONS%", escape_html(json));
    auto response = response_of(200, "text/html; charset=utf-8", std::move(html));
    response.headers.emplace_back("Content-Security-Policy",
                                  "default-src 'none'; style-src 'unsafe-inline'");
    return response;
  }

  const OperationsDependencies dependencies_;
  std::unique_ptr<net::Server> server_;
};

}  // namespace

std::expected<std::unique_ptr<Operations>, std::string> Operations::listen(
    net::Reactor& reactor, OperationsOptions options, OperationsDependencies dependencies) {
  auto listener = std::make_unique<Listener>(std::move(dependencies));
  if (std::string error = listener->open(reactor, options); !error.empty())
    return std::unexpected(error);
  return listener;
}

}  // namespace oneclick::ingress
