// What one egress may still send: windows that must be taken together.
#include <gtest/gtest.h>

#include "connectors/binance/binance.hpp"

namespace oneclick::binance {
namespace {

constexpr std::int64_t second = 1'000'000'000;
constexpr std::int64_t minute = 60 * second;
constexpr std::int64_t now = 1'700'000'100 * second;  // a five-minute window begins here
constexpr int many = 10'000;                          // tries, more than any window allows

TEST(EgressBudget, TryingToConnectDuringAPauseUsesUpNoConnections) {
  EgressBudget budget("", 0.1);
  budget.pause_until(now + minute);
  for (int n = 0; n < many; ++n) ASSERT_FALSE(budget.try_connect(now));
  EXPECT_TRUE(budget.try_connect(now + 2 * minute));
}

TEST(EgressBudget, TryingToConnectWithoutWeightUsesUpNoConnections) {
  EgressBudget budget("", 0.1);
  budget.weight.observe_used(6'000, now);
  for (int n = 0; n < many; ++n) ASSERT_FALSE(budget.try_connect(now));
  EXPECT_TRUE(budget.try_connect(now + minute));
}

TEST(EgressBudget, TryingToConnectWithoutConnectionsUsesUpNoWeight) {
  EgressBudget budget("", 0.1);
  budget.connections.observe_used(300, now);
  for (int n = 0; n < many; ++n) ASSERT_FALSE(budget.try_connect(now));
  EXPECT_EQ(budget.weight.remaining_ratio(now), 1);
}

TEST(EgressBudget, AskingWithoutRawRequestsUsesUpNoWeight) {
  EgressBudget budget("", 0);
  budget.raw.observe_used(300'000, now);
  for (int n = 0; n < many; ++n) ASSERT_FALSE(budget.try_take(20, false, now));
  EXPECT_EQ(budget.weight.remaining_ratio(now), 1);
}

}  // namespace
}  // namespace oneclick::binance
