// What a request asks for, from its parameters (web-socket-api.md, order.place and
// orderList.place.oco).
#pragma once

#include <expected>
#include <string>

#include "connectors/paper/api.hpp"

namespace oneclick::paper {

[[nodiscard]] std::string text_of(const Params& params, const std::string& name);
// Zero when it was not given.
[[nodiscard]] std::expected<Decimal, ApiError> decimal_of(const Params& params,
                                                          const std::string& name);
[[nodiscard]] std::int64_t integer_of(const Params& params, const std::string& name,
                                      std::int64_t otherwise);
[[nodiscard]] std::expected<Placement, ApiError> placement_of(const Params& params,
                                                              Account& account);
[[nodiscard]] std::expected<PairPlacement, ApiError> pair_of(const Params& params,
                                                             Account& account);

}  // namespace oneclick::paper
