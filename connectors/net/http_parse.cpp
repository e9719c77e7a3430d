#include "connectors/net/http_parse.hpp"

#include <optional>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "connectors/net/http_text.hpp"

namespace oneclick::net {
namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::system::error_code;

constexpr std::size_t response_header_bytes_max = 64 * 1024;

template <typename Fields>
HeaderList copy_headers(const Fields& fields) {
  HeaderList headers;
  for (const auto& field : fields) {
    const auto name = field.name_string();
    const auto value = field.value();
    headers.emplace_back(lower_case({name.data(), name.size()}),
                         std::string(value.data(), value.size()));
  }
  return headers;
}

}  // namespace

struct RequestParser::Impl {
  http::request_parser<http::string_body> parser;
};

RequestParser::RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max)
    : header_bytes_max_(header_bytes_max), body_bytes_max_(body_bytes_max) {}
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  impl_ = std::make_unique<Impl>();
  impl_->parser.header_limit(static_cast<std::uint32_t>(header_bytes_max_));
  impl_->parser.body_limit(body_bytes_max_);
  impl_->parser.eager(true);
  continue_told_ = false;
  expects_continue_ = false;
}

RequestParser::Step RequestParser::fail(int status, const char* problem) {
  status_ = status;
  problem_ = problem;
  return Step::failed;
}

RequestParser::Step RequestParser::next(Buffer& in) {
  if (!impl_) reset();
  auto& parser = impl_->parser;
  while (!in.empty()) {
    ErrorCode error;
    const std::string_view bytes = in.view();
    const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    in.consume(used);
    if (error == http::error::header_limit) return fail(431, "header too large");
    if (error == http::error::body_limit) return fail(413, "body too large");
    if (error && error != http::error::need_more) return fail(400, "malformed HTTP request");
    if (parser.is_done()) return complete();
    // Beast looks at the limit only when it has parsed; what does not end must not grow either.
    if (!parser.is_header_done() && in.size() > header_bytes_max_) {
      return fail(431, "header too large");
    }
    if (error == http::error::need_more || used == 0) break;
  }
  if (parser.is_header_done() && !continue_told_) {
    const auto expect = parser.get()[http::field::expect];
    expects_continue_ = equal_no_case({expect.data(), expect.size()}, "100-continue");
  }
  return Step::incomplete;
}

bool RequestParser::take_expects_continue() {
  if (!expects_continue_ || continue_told_) return false;
  continue_told_ = true;
  return true;
}

RequestParser::Step RequestParser::complete() {
  auto message = impl_->parser.release();
  keep_alive_ = message.keep_alive();
  const auto method = message.method_string();
  const auto target = message.target();
  request_ = {};
  request_.method.assign(method.data(), method.size());
  request_.target.assign(target.data(), target.size());
  const std::size_t question = request_.target.find('?');
  request_.path = request_.target.substr(0, question);
  if (question != std::string::npos) request_.query = request_.target.substr(question + 1);
  request_.headers = copy_headers(message);
  request_.body = std::move(message.body());
  const unsigned version = message.version();
  impl_.reset();
  if (version != 10 && version != 11) return fail(400, "HTTP version not supported");
  if (version == 11 && request_.header_count("host") != 1) {
    return fail(400, "exactly one Host header is needed");
  }
  return Step::done;
}

ServerRequest RequestParser::take_request() {
  return std::move(request_);
}

struct ResponseParser::Impl {
  http::response_parser<http::string_body> parser;
};

ResponseParser::ResponseParser(bool head, std::size_t body_bytes_max)
    : head_(head), body_bytes_max_(body_bytes_max) {
  reset();
}
ResponseParser::~ResponseParser() = default;

void ResponseParser::reset() {
  impl_ = std::make_unique<Impl>();
  impl_->parser.header_limit(response_header_bytes_max);
  impl_->parser.body_limit(body_bytes_max_);
  impl_->parser.eager(true);
  impl_->parser.skip(head_);
}

ResponseParser::Step ResponseParser::next(Buffer& in) {
  while (!in.empty()) {
    any_ = true;
    auto& parser = impl_->parser;
    ErrorCode error;
    const std::string_view bytes = in.view();
    const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    in.consume(used);
    if (error && error != http::error::need_more) {
      problem_ = "unreadable answer: " + error.message();
      return Step::failed;
    }
    if (parser.is_done()) {
      const unsigned status = parser.get().result_int();
      if (status < 100 || status >= 200) return complete();
      reset();  // an interim response; the real one follows
      continue;
    }
    if (error == http::error::need_more || used == 0) break;
  }
  return Step::incomplete;
}

ResponseParser::Step ResponseParser::end() {
  ErrorCode error;
  if (any_ && impl_->parser.is_header_done()) impl_->parser.put_eof(error);
  if (any_ && !error && impl_->parser.is_done()) return complete();
  problem_ = any_ ? "connection closed within the answer" : "connection closed without an answer";
  return Step::failed;
}

ResponseParser::Step ResponseParser::complete() {
  auto message = impl_->parser.release();
  keep_alive_ = message.keep_alive() && !message.need_eof();
  response_ = {};
  response_.status = static_cast<int>(message.result_int());
  response_.headers = copy_headers(message);
  response_.body = std::move(message.body());
  return Step::done;
}

HttpResponse ResponseParser::take_response() {
  return std::move(response_);
}

}  // namespace oneclick::net
