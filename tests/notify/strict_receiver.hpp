// A receiver of notifications that trusts nobody: each request's signature, time, id and form are
// checked, and what was wrong is kept. It drops repeats by their id, and misbehaves as told.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <openssl/hmac.h>
#include <simdjson.h>

#include "connectors/net/server.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::test {

class StrictReceiver {
 public:
  enum class Fault : std::uint8_t {
    broken,      // 500
    busy,        // 429 with Retry-After: 0
    forbidden,   // 403
    cut_before,  // the connection drops, nothing taken
    cut_after,   // the connection drops, the notification taken
    hang         // no answer at all, nothing taken
  };

  explicit StrictReceiver(std::vector<std::string> secrets, std::uint16_t port = 0,
                          std::shared_ptr<net::TlsServer> tls = nullptr)
      : secrets_(std::move(secrets)), scheme_(tls ? "https" : "http") {
    net::ServerOptions options;
    options.port = port;
    auto listening = net::Server::listen(
        reactor_, std::move(tls), options,
        {.on_request = [this](const net::ServerRequest& r,
                              const net::Respond& respond) { take(r, respond); },
         .on_upgrade = nullptr});
    if (!listening) throw std::runtime_error(listening.error());
    server_ = std::move(*listening);
    port_ = server_->port();
    thread_ = std::thread([this] { reactor_.run(); });
  }
  ~StrictReceiver() {
    reactor_.stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url() const {
    return fmt::format("{}://127.0.0.1:{}/hook?a=b", scheme_, port_);
  }

  void misbehave(std::deque<Fault> faults) {
    const std::lock_guard lock(mutex_);
    faults_ = std::move(faults);
  }
  // From now on, whatever else.
  void always(std::optional<Fault> fault) {
    const std::lock_guard lock(mutex_);
    always_ = fault;
  }
  // What says this is refused with 422.
  void refuse(const std::string& text) {
    const std::lock_guard lock(mutex_);
    refused_ = text;
  }
  // What says this is answered with 500.
  void stumble_over(const std::string& text) {
    const std::lock_guard lock(mutex_);
    poison_ = text;
  }
  [[nodiscard]] std::vector<std::string> complaints() {
    const std::lock_guard lock(mutex_);
    return complaints_;
  }
  // Id to body of what was taken.
  [[nodiscard]] std::map<std::string, std::string> taken() {
    const std::lock_guard lock(mutex_);
    return taken_;
  }
  [[nodiscard]] std::size_t repeats() {
    const std::lock_guard lock(mutex_);
    return repeats_;
  }
  [[nodiscard]] std::size_t requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::size_t faults_left() {
    const std::lock_guard lock(mutex_);
    return faults_.size();
  }
  // Requests that were there at one time, at most.
  [[nodiscard]] std::size_t most_at_once() {
    const std::lock_guard lock(mutex_);
    return hanging_.size();
  }

 private:
  static net::ServerResponse reply(int status, std::string body = "{}") {
    net::ServerResponse response;
    response.status = status;
    response.body = std::move(body);
    response.close = status == 0;
    return response;
  }
  // As a receiver would do it, with a library's own function.
  static std::string hmac_hex(const std::string& secret, const std::string& text) {
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size);
    std::string hex;
    for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", out[i]);
    return hex;
  }
  std::string problem_of(const net::ServerRequest& r) {
    if (r.method != "POST" || r.target != "/hook?a=b") return r.method + " " + r.target;
    if (r.header("content-type") != "application/json") return "content type";
    const std::string timestamp(r.header("oneclick-timestamp"));
    const std::int64_t age = wall_now_ns() / 1'000'000'000 - std::atoll(timestamp.c_str());
    if (age < -5 || age > 60) return "timestamp " + timestamp;
    std::string expected;
    for (const std::string& secret : secrets_)
      expected += (expected.empty() ? "v1=" : ",v1=") + hmac_hex(secret, timestamp + "." + r.body);
    if (r.header("oneclick-signature") != expected) return "signature";
    simdjson::dom::parser parser;
    simdjson::dom::object body;
    if (parser.parse(r.body).get(body) != simdjson::SUCCESS) return "no JSON: " + r.body;
    for (const char* name :
         {"id", "user_id", "type", "topic", "title", "message", "priority", "created_at"})
      if (!body[name].is_string()) return std::string("no ") + name + ": " + r.body;
    if (!body["channels"].is_array() || !body["data"].is_object()) return "form: " + r.body;
    if (std::string_view(body["id"]) != r.header("oneclick-notification-id")) return "id";
    return "";
  }
  void take(const net::ServerRequest& r, const net::Respond& respond) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    if (const std::string problem = problem_of(r); !problem.empty()) {
      complaints_.push_back(problem);
      return respond(reply(400));
    }
    std::optional<Fault> fault = always_;
    if (!faults_.empty()) {
      fault = faults_.front();
      faults_.pop_front();
    }
    if (fault == Fault::broken) return respond(reply(500, "out \"of\" order\n\xff"));
    if (fault == Fault::busy) return respond(reply(429));
    if (fault == Fault::forbidden) return respond(reply(403));
    if (fault == Fault::cut_before) return respond(reply(0));
    if (fault == Fault::hang) {
      hanging_.push_back(respond);
      return;
    }
    if (!refused_.empty() && r.body.find(refused_) != std::string::npos)
      return respond(reply(422, "no such user"));
    if (!poison_.empty() && r.body.find(poison_) != std::string::npos) return respond(reply(500));
    const bool is_new =
        taken_.emplace(std::string(r.header("oneclick-notification-id")), r.body).second;
    if (!is_new) ++repeats_;
    respond(fault == Fault::cut_after ? reply(0) : reply(204, ""));
  }

  const std::vector<std::string> secrets_;
  const std::string scheme_;
  net::Reactor reactor_;
  std::unique_ptr<net::Server> server_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::deque<Fault> faults_;
  std::optional<Fault> always_;
  std::string refused_, poison_;
  std::vector<std::string> complaints_;
  std::map<std::string, std::string> taken_;
  std::vector<net::Respond> hanging_;
  std::size_t repeats_ = 0, requests_ = 0;
  std::thread thread_;
};

}  // namespace oneclick::test
