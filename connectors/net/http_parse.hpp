// HTTP/1.1 parsing by Boost.Beast, kept out of headers so that only http_parse.cpp compiles it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "connectors/net/buffer.hpp"
#include "connectors/net/http_client.hpp"
#include "connectors/net/server.hpp"

namespace oneclick::net {

// Reads one request at a time from the front of a buffer.
class RequestParser {
 public:
  RequestParser(std::size_t header_bytes_max, std::size_t body_bytes_max);
  ~RequestParser();

  enum class Step { incomplete, done, failed };
  // `done`: request() has it and the parser is ready for the next. `failed`: status() says how to
  // answer; the connection cannot go on.
  [[nodiscard]] Step next(Buffer& in);
  [[nodiscard]] ServerRequest take_request();
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  // Once per request: the header is in, the body is not, and the client waits for a 100.
  [[nodiscard]] bool take_expects_continue();
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] const char* problem() const { return problem_; }

 private:
  struct Impl;
  void reset();
  [[nodiscard]] Step complete();
  [[nodiscard]] Step fail(int status, const char* problem);

  const std::size_t header_bytes_max_;
  const std::size_t body_bytes_max_;
  std::unique_ptr<Impl> impl_;
  ServerRequest request_{};
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool continue_told_ = false;
  int status_ = 0;
  const char* problem_ = "";
};

// Reads one response.
class ResponseParser {
 public:
  // head: the response to a HEAD request has no body whatever its headers say.
  ResponseParser(bool head, std::size_t body_bytes_max);
  ~ResponseParser();

  enum class Step { incomplete, done, failed };
  [[nodiscard]] Step next(Buffer& in);
  // The connection ended: done when the response is one that ends with the connection.
  [[nodiscard]] Step end();
  [[nodiscard]] bool any() const { return any_; }  // some byte of it was read
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] HttpResponse take_response();
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct Impl;
  void reset();
  [[nodiscard]] Step complete();

  const bool head_;
  const std::size_t body_bytes_max_;
  std::unique_ptr<Impl> impl_;
  HttpResponse response_{};
  bool any_ = false;
  bool keep_alive_ = false;
  std::string problem_;
};

}  // namespace oneclick::net
