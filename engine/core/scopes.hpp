// Limits over more than one link: over all links of an account, and over all of this shard's
// followers of a leader or channel.
#pragma once

#include "engine/core/emit.hpp"

namespace oneclick::core {

[[nodiscard]] bool risk_limits_differ(const Tables& t, const RiskLimits& limits);
void on_risk_limits(Step& s, const RiskLimits& limits);
[[nodiscard]] RiskLimits limits_of(const ScopeTerms& scope);

}  // namespace oneclick::core
