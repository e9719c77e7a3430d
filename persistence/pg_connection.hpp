// One connection to PostgreSQL that can always be stopped: every wait ends when the stop signal is
// given or the time is over, also when the server was frozen or the network eats packets. For the
// threads of this folder; each owns its connection.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct pg_conn;
struct pg_result;

namespace oneclick {

// Ends waits of one thread from another. Stays given.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  void give();
  void nudge();  // ends one wait without stopping
  [[nodiscard]] bool given() const { return given_.load(std::memory_order_acquire); }
  [[nodiscard]] int fd() const { return fd_; }
  // Waits at most that long; true when stopped.
  bool wait(std::int64_t timeout_ns);

 private:
  int fd_;
  std::atomic<bool> given_{false};
};

struct PgError {
  std::string message;   // without passwords
  std::string sqlstate;  // empty when the server did not answer
  bool lost;             // the connection is of no use any more
  // The data was refused (constraint, encoding, range): sending the same again cannot help.
  [[nodiscard]] bool is_data() const;
};

class PgAnswer {
 public:
  explicit PgAnswer(pg_result* result);
  [[nodiscard]] int rows() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  [[nodiscard]] std::string_view text(int row, int column) const;  // empty for NULL
  [[nodiscard]] std::int64_t integer(int row, int column) const;   // 0 for NULL
  [[nodiscard]] bool boolean(int row, int column) const;           // false for NULL
  [[nodiscard]] std::int64_t affected() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

struct PgSession {
  std::string application_name;
  std::int64_t statement_timeout_ms = 30'000;
  std::int64_t lock_timeout_ms = 5'000;
};

using PgParameters = std::span<const std::optional<std::string>>;

class PgConnection {
 public:
  // Of several hosts in the URL the first that answers and is what the URL asks for.
  [[nodiscard]] static std::expected<std::unique_ptr<PgConnection>, PgError> open(
      const std::string& database_url, const PgSession& session, StopSignal& stop);
  ~PgConnection();
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;

  // Statements without parameters, several allowed; the last one's answer.
  [[nodiscard]] std::expected<PgAnswer, PgError> run(const std::string& sql);
  // One statement with text parameters $1, $2, ...
  [[nodiscard]] std::expected<PgAnswer, PgError> run(const std::string& sql,
                                                     PgParameters parameters);
  // COPY ... FROM STDIN with these bytes.
  [[nodiscard]] std::expected<void, PgError> copy_in(const std::string& sql, std::string_view data);
  // Waits for a notification at most that long (0: only looks). False: nothing came, or stopped.
  [[nodiscard]] std::expected<bool, PgError> wait_notified(std::int64_t timeout_ns);

 private:
  // Empty host: as the URL says.
  [[nodiscard]] static std::expected<std::unique_ptr<PgConnection>, PgError> open_at(
      const std::string& database_url, const std::string& host, const std::string& port,
      const PgSession& session, StopSignal& stop);
  PgConnection(pg_conn* connection, std::string url, StopSignal& stop);
  [[nodiscard]] std::expected<void, PgError> finish_connect(std::int64_t limit_ns);
  // Waits for these poll events on the socket; false: stopped or out of time.
  [[nodiscard]] bool wait_socket(short events, std::int64_t until_ns);
  [[nodiscard]] std::expected<void, PgError> flush(std::int64_t until_ns);
  [[nodiscard]] std::expected<pg_result*, PgError> next_result(std::int64_t until_ns);
  [[nodiscard]] std::expected<PgAnswer, PgError> collect(std::int64_t until_ns);
  [[nodiscard]] PgError lost(std::string_view what);
  [[nodiscard]] PgError refused(pg_result* result);

  pg_conn* connection_;
  std::string url_;
  StopSignal& stop_;
  std::int64_t call_ns_max_ = 60'000'000'000;
};

}  // namespace oneclick
