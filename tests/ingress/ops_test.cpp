#include "connectors/ingress/ops.hpp"

#include <gtest/gtest.h>

#include "connectors/net/http_client.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::ingress {
namespace {

class OperationsTest : public ::testing::Test {
 protected:
  net::HttpResponse get(const std::string& target, const std::string& method = "GET") {
    const auto client = net::HttpClient::make(reactor, nullptr,
                                              {.scheme = "http",
                                               .host = "127.0.0.1",
                                               .port = std::to_string(operations->port()),
                                               .target = "/"},
                                              {});
    net::HttpResponse got;
    bool done = false;
    net::HttpRequest request;
    request.method = method;
    request.target = target;
    client->send(std::move(request), [&](net::HttpResponse response) {
      got = std::move(response);
      done = true;
    });
    const std::int64_t end = steady_now_ns() + 20'000'000'000;
    while (!done && steady_now_ns() < end) reactor.wait(5'000'000);
    EXPECT_TRUE(done);
    return got;
  }

  bool ready = false;
  bool alive = true;
  net::Reactor reactor;
  std::unique_ptr<Operations> operations =
      Operations::listen(
          reactor, {.address = "127.0.0.1", .port = 0},
          {.ready =
               [this](bool& out) {
                 out = ready;
                 return std::string(ready ? R"({"ready":true})" : R"({"reasons":["<sink>"]})");
               },
           .metrics = [] { return std::string("oneclick_build_info 1\n"); },
           .alive = [this] { return alive; }})
          .value();
};

TEST_F(OperationsTest, TellsHealthReadinessAndMetrics) {
  EXPECT_EQ(get("/healthz").status, 200);
  alive = false;
  EXPECT_EQ(get("/healthz").status, 503);
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").body, R"({"reasons":["<sink>"]})");
  EXPECT_EQ(get("/readyz").header("content-type"), "application/json");
  ready = true;
  EXPECT_EQ(get("/readyz").status, 200);
  const auto metrics = get("/metrics");
  EXPECT_EQ(metrics.body, "oneclick_build_info 1\n");
  EXPECT_TRUE(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
}

TEST_F(OperationsTest, ThePageEscapesWhatItShows) {
  const auto page = get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("&lt;sink&gt;"), std::string::npos);
  EXPECT_EQ(page.body.find("<sink>"), std::string::npos);
  EXPECT_NE(page.body.find("not ready"), std::string::npos);
}

TEST_F(OperationsTest, OtherPathsAndMethodsAreRefused) {
  EXPECT_EQ(get("/nowhere").status, 404);
  EXPECT_EQ(get("/metrics", "POST").status, 405);
  EXPECT_EQ(get("/healthz", "HEAD").status, 200);
}

}  // namespace
}  // namespace oneclick::ingress
