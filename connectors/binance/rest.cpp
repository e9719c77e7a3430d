#include "connectors/binance/rest.hpp"

#include <charconv>

#include "connectors/binance/decode.hpp"

namespace oneclick::binance {

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t pause_without_advice_ns = 60 * second_ns;

std::uint32_t number_of(std::string_view text) {
  std::uint32_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::string target_of(const std::string& base, std::string_view path, const std::string& query) {
  std::string out = base;
  out += path;
  if (!query.empty()) out += "?" + query;
  return out;
}

}  // namespace

Rest::Rest(net::Reactor& reactor, std::shared_ptr<VenueShared> shared, std::uint8_t egress)
    : shared_(std::move(shared)), budget_(shared_->egress(egress)) {
  const net::Url url = net::parse_url(shared_->config().rest_url).value();
  if (url.target.size() > 1) base_path_ = url.target;
  net::HttpClient::Options options;
  options.local_address = budget_.local_address;
  options.connect_to = shared_->config().rest_connect_to;
  options.connections_max = 2;
  client_ = net::HttpClient::make(reactor, shared_->tls(), url, std::move(options));
}

bool Rest::get(std::string_view path, const Params& params, std::uint32_t weight,
               OnRestReply on_reply) {
  net::HttpRequest request;
  request.target = target_of(base_path_, path, encode_public_query(params));
  return send(std::move(request), weight, std::move(on_reply));
}

bool Rest::get_signed(std::string_view path, const Params& params, const RequestTemplate& account,
                      std::uint32_t weight, OnRestReply on_reply) {
  net::HttpRequest request;
  request.target = target_of(
      base_path_, path, encode_rest_query(params, account, shared_->venue_now_ns() / 1'000'000));
  request.headers = {{"X-MBX-APIKEY", std::string(account.signer().api_key())}};
  return send(std::move(request), weight, std::move(on_reply));
}

bool Rest::send(net::HttpRequest request, std::uint32_t weight, OnRestReply on_reply) {
  if (!budget_.try_take(weight, false, shared_->venue_now_ns())) return false;
  const std::int64_t sent_ns = shared_->now_ns();
  client_->send(std::move(request),
                [this, sent_ns, handler = std::move(on_reply)](const net::HttpResponse& response) {
                  RestReply reply = read(response);
                  reply.sent_ns = sent_ns;
                  reply.received_ns = shared_->now_ns();
                  handler(reply);
                });
  return true;
}

RestReply Rest::read(const net::HttpResponse& response) {
  RestReply out;
  out.status = response.error.empty() ? response.status : 0;
  if (out.status == 200) {
    out.ok = true;
    out.body = response.body;
  } else if (out.status == 0) {
    out.problem = response.error;
    out.judged = {Verdict::unknown, Reason::none, Remedy::none};
  } else {
    ErrorRow row{};
    Decoder decoder;
    if (!decoder.error(PaddedText(response.body).view(), row)) row = {};
    out.judged = judge(out.status, row.code, row.message);
    out.problem = "status " + std::to_string(out.status) + " code " + std::to_string(row.code) +
                  " " + row.message;
  }
  observe(response, out);
  return out;
}

void Rest::observe(const net::HttpResponse& response, const RestReply& reply) {
  const std::int64_t venue_now = shared_->venue_now_ns();
  if (const auto used = response.header("x-mbx-used-weight-1m"); !used.empty())
    budget_.weight.observe_used(number_of(used), venue_now);
  if (reply.ok) return;
  if (reply.judged.remedy == Remedy::resync_clock) shared_->offset.distrust(shared_->now_ns());
  if (reply.judged.remedy != Remedy::pause_egress) return;
  const auto advice = response.header("retry-after");
  const std::int64_t pause =
      advice.empty() ? pause_without_advice_ns : std::int64_t{number_of(advice)} * second_ns;
  budget_.pause_until(venue_now + pause);
}

}  // namespace oneclick::binance
