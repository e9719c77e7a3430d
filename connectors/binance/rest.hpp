// REST requests within the egress's budget (Binance spot API docs, rest-api.md). Lives on its
// reactor's thread; handlers still pending when it is destroyed are dropped.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "connectors/binance/binance.hpp"
#include "connectors/binance/encode.hpp"
#include "connectors/binance/map.hpp"
#include "connectors/net/http_client.hpp"

namespace oneclick::binance {

struct RestReply {
  bool ok = false;      // status 200 and a whole body
  int status = 0;       // 0: no answer
  Judgement judged{};   // when not ok
  std::string problem;  // for logs, when not ok
  std::string body;
  std::int64_t sent_ns = 0;
  std::int64_t received_ns = 0;
};
using OnRestReply = std::function<void(const RestReply&)>;

class Rest {
 public:
  Rest(net::Reactor& reactor, std::shared_ptr<VenueShared> shared, std::uint8_t egress);
  // False: the budget is spent, nothing was sent.
  [[nodiscard]] bool get(std::string_view path, const Params& params, std::uint32_t weight,
                         OnRestReply on_reply);
  [[nodiscard]] bool get_signed(std::string_view path, const Params& params,
                                const RequestTemplate& account, std::uint32_t weight,
                                OnRestReply on_reply);

 private:
  bool send(net::HttpRequest request, std::uint32_t weight, OnRestReply on_reply);
  RestReply read(const net::HttpResponse& response);
  void observe(const net::HttpResponse& response, const RestReply& reply);
  std::shared_ptr<VenueShared> shared_;
  EgressBudget& budget_;
  std::string base_path_;
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace oneclick::binance
