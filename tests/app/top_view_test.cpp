// What top makes of two looks at /metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/app/top_view.hpp"
#include "persistence/metrics_text.hpp"

namespace oneclick {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TopLook look_of(const Metrics& metrics, bool ready = true) {
  return {.ready = ready,
          .ready_json = ready ? R"({"ready":true,"reasons":[]})"
                              : R"({"ready":false,"reasons":["recovering"]})",
          .metrics = MetricsLook::parse(metrics_text(metrics))};
}

class Top : public testing::Test {
 protected:
  Metrics metrics_;
  Counter& copied_ =
      metrics_.counter("copy_outcomes_total", "", {{"outcome", "copied"}, {"reason", "none"}});
  Counter& broke_ =
      metrics_.counter("copy_outcomes_total", "", {{"outcome", "skipped"}, {"reason", "balance"}});
  Counter& orders_ = metrics_.counter("orders_sent_total", "", {{"venue", "binance"}});
  Gauge& queue_ = metrics_.gauge("queue_depth", "", {{"queue", "shard \"0\""}});
  Gauge& session_ = metrics_.gauge("session_up", "", {{"venue", "binance"}, {"egress", ""}});
  Histogram& last_ = metrics_.histogram("fanout_last_seconds", "");
};

TEST_F(Top, RatesAreWhatGrewBetweenTwoLooks) {
  copied_.add(10);
  orders_.add(100);
  const TopLook before = look_of(metrics_);
  copied_.add(5);
  broke_.add(2);
  orders_.add(50);
  const std::string json = top_json(before, look_of(metrics_), 2);
  EXPECT_THAT(json, HasSubstr(R"x("copied":{"total":15,"per_second":2.5})x"));
  EXPECT_THAT(json, HasSubstr(R"x("skipped(balance)":{"total":2,"per_second":1})x"));
  EXPECT_THAT(json, HasSubstr(R"x("orders_sent":{"total":150,"per_second":25})x"));
  // A daemon that began anew has counted everything since.
  EXPECT_THAT(top_json(look_of(metrics_), before, 2),
              HasSubstr(R"x("orders_sent":{"total":100,"per_second":50})x"));
}

TEST_F(Top, LatenciesAreThoseOfTheInterval) {
  for (int i = 0; i < 1'000; ++i) last_.record(40'000'000);  // long ago
  const TopLook before = look_of(metrics_);
  EXPECT_EQ(quantile_between(before.metrics, before.metrics, "fanout_last_seconds", {}, 0.5),
            std::nullopt)
      << "nothing happened";
  for (int i = 0; i < 98; ++i) last_.record(90'000);
  for (int i = 0; i < 2; ++i) last_.record(900'000);
  const TopLook now = look_of(metrics_);
  EXPECT_EQ(quantile_between(before.metrics, now.metrics, "fanout_last_seconds", {}, 0.5), 1e-4);
  EXPECT_EQ(quantile_between(before.metrics, now.metrics, "fanout_last_seconds", {}, 0.98), 1e-4);
  EXPECT_EQ(quantile_between(before.metrics, now.metrics, "fanout_last_seconds", {}, 0.99), 1e-3);
  EXPECT_EQ(quantile_between({}, now.metrics, "fanout_last_seconds", {}, 0.5), 5e-2);
  EXPECT_EQ(quantile_between({}, now.metrics, "fanout_last_seconds", {{"stage", "queue"}}, 0.5),
            std::nullopt);
}

TEST_F(Top, SaysWhatIsDownAndWhy) {
  queue_.set(7);
  session_.set(0);
  const TopLook now = look_of(metrics_, false);
  const std::string text = top_text(now, now, 1);
  EXPECT_THAT(text, AllOf(HasSubstr("NOT READY"), HasSubstr("recovering"), HasSubstr("DOWN"),
                          HasSubstr("queue: shard \"0\"")));
  const std::string json = top_json(now, now, 1);
  EXPECT_THAT(json, AllOf(HasSubstr(R"("ready":false)"), HasSubstr(R"("shard \"0\"":7)"),
                          HasSubstr(R"("sessions":{"binance":0})"), Not(HasSubstr(":nan"))));
}

}  // namespace
}  // namespace oneclick
