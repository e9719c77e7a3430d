// A server that takes what Elasticsearch's Bulk API takes and nothing else (Elasticsearch reference
// 8.x, "Bulk API", "Index API: versioning"): every request is checked against the documented form,
// and what was wrong with it is kept. Its indices are maps. It misbehaves as told.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <regex>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <simdjson.h>

#include "connectors/net/server.hpp"

namespace oneclick::test {

class StrictSearchServer {
 public:
  enum class Fault : std::uint8_t {
    unavailable,    // 503
    too_many,       // 429
    items_busy,     // 200, every item 429
    cut_before,     // the connection drops, nothing done
    cut_after,      // the connection drops, everything done
    unreadable,     // 200 with something else
    half_the_items  // 200, every other item 503
  };
  struct Stored {
    std::int64_t version;
    std::string document;  // empty: deleted
  };

  explicit StrictSearchServer(std::string authorization, std::uint16_t port = 0)
      : authorization_(std::move(authorization)) {
    net::ServerOptions options;
    options.port = port;
    options.body_bytes_max = 16 << 20;
    auto listening = net::Server::listen(
        reactor_, nullptr, options,
        {.on_request = [this](const net::ServerRequest& r,
                              const net::Respond& respond) { respond(answer(r)); },
         .on_upgrade = nullptr});
    if (!listening) throw std::runtime_error(listening.error());
    server_ = std::move(*listening);
    port_ = server_->port();
    thread_ = std::thread([this] { reactor_.run(); });
  }
  ~StrictSearchServer() {
    reactor_.stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

  void misbehave(std::deque<Fault> faults) {
    const std::lock_guard lock(mutex_);
    faults_ = std::move(faults);
  }
  void set_body_max(std::size_t bytes) { body_max_ = bytes; }
  [[nodiscard]] std::size_t faults_left() {
    const std::lock_guard lock(mutex_);
    return faults_.size();
  }
  [[nodiscard]] std::vector<std::string> complaints() {
    const std::lock_guard lock(mutex_);
    return complaints_;
  }
  // Ids in an index that were not deleted, with their documents.
  [[nodiscard]] std::map<std::string, std::string> documents(const std::string& index) {
    const std::lock_guard lock(mutex_);
    std::map<std::string, std::string> out;
    for (const auto& [id, stored] : indices_[index])
      if (!stored.document.empty()) out[id] = stored.document;
    return out;
  }
  [[nodiscard]] std::size_t requests() const { return requests_; }

 private:
  static net::ServerResponse reply(int status, std::string body) {
    net::ServerResponse response;
    response.status = status;
    response.body = std::move(body);
    return response;
  }
  static net::ServerResponse dropped() {
    net::ServerResponse response;
    response.status = 0;
    response.close = true;
    return response;
  }
  net::ServerResponse complain(const std::string& what) {
    complaints_.push_back(what);
    return reply(400, R"({"error":{"type":"illegal_argument_exception","reason":")" + what +
                          R"("},"status":400})");
  }
  static std::string failure(int status) {
    return fmt::format(R"({{"error":{{"type":"t","reason":"r"}},"status":{}}})", status);
  }

  net::ServerResponse answer(const net::ServerRequest& r) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    std::optional<Fault> fault;
    if (!faults_.empty()) {
      fault = faults_.front();
      faults_.pop_front();
    }
    if (r.method != "POST" && r.method != "PUT") return complain("method " + r.method);
    if (r.path != "/_bulk") return complain("path " + r.path);
    if (r.header("content-type") != "application/x-ndjson") return complain("content type");
    if (!authorization_.empty() && r.header("authorization") != authorization_)
      return reply(401, failure(401));
    if (body_max_ != 0 && r.body.size() > body_max_) return reply(413, "");
    if (r.body.empty() || r.body.back() != '\n')
      return complain("the bulk request must be terminated by a newline");
    if (fault == Fault::unavailable) return reply(503, failure(503));
    if (fault == Fault::too_many) return reply(429, failure(429));
    if (fault == Fault::unreadable) return reply(200, "<html>proxy</html>");
    if (fault == Fault::cut_before) return dropped();
    net::ServerResponse done = take(r.body, fault);
    if (fault == Fault::cut_after) return dropped();
    return done;
  }

  net::ServerResponse take(const std::string& body, std::optional<Fault> fault) {
    static const std::regex action(
        R"re(^\{"(index|delete)":\{"_index":"([a-z0-9][a-z0-9._-]*)","_id":"([^"]{1,512})",)re"
        R"re("version":([0-9]{1,19}),"version_type":"external"\}\}$)re");
    std::istringstream lines(body);
    std::string line, items;
    bool errors = false;
    for (std::size_t n = 0; std::getline(lines, line); ++n) {
      std::smatch parts;
      if (!std::regex_match(line, parts, action)) return complain("action line: " + line);
      const bool is_delete = parts[1] == "delete";
      std::string document;
      if (!is_delete) {
        if (!std::getline(lines, document)) return complain("an index action without a source");
        simdjson::dom::parser parser;
        simdjson::dom::object object;
        if (parser.parse(document).get(object) != simdjson::SUCCESS)
          return complain("source line: " + document);
      }
      const bool busy =
          fault == Fault::items_busy || (fault == Fault::half_the_items && n % 2 == 0);
      int status = busy ? (fault == Fault::items_busy ? 429 : 503) : 200;
      Stored& stored = indices_[parts[2]][parts[3]];
      const std::int64_t version = std::stoll(parts[4]);
      if (!busy && document.find("poison") != std::string::npos) {
        status = 400;
      } else if (!busy && version <= stored.version) {
        status = 409;
      } else if (!busy) {
        status = is_delete && stored.document.empty() ? 404 : 200;
        stored = {version, document};
      }
      errors = errors || status >= 300;
      items += fmt::format(R"({}{{"{}":{{"_index":"{}","_id":"{}","status":{}{}}}}})",
                           items.empty() ? "" : ",", parts[1].str(), parts[2].str(), parts[3].str(),
                           status,
                           status >= 400 && status != 404
                               ? R"(,"error":{"type":"document_parsing_exception","reason":"no"})"
                               : "");
    }
    return reply(200, fmt::format(R"({{"took":1,"errors":{},"items":[{}]}})",
                                  errors ? "true" : "false", items));
  }

  const std::string authorization_;
  net::Reactor reactor_;
  std::unique_ptr<net::Server> server_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::deque<Fault> faults_;
  std::vector<std::string> complaints_;
  std::map<std::string, std::map<std::string, Stored>> indices_;
  std::atomic<std::size_t> requests_ = 0;
  std::atomic<std::size_t> body_max_ = 0;
  std::thread thread_;
};

}  // namespace oneclick::test
