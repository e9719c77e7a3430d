// Posts notifications to one receiver, a few at a time, each until it was taken or has to be given
// up. The receiver may be away, slow or refuse; what is not taken stays in the database. A request
// whose answer was lost is made again with the same id: at least once, never less.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "connectors/net/http_client.hpp"
#include "engine/base/crypto.hpp"
#include "engine/base/metrics.hpp"
#include "persistence/notification_source.hpp"

namespace oneclick {

struct NotifierOptions {
  std::string url;
  std::string ca_file;               // of https; empty: the system's store
  std::vector<std::string> secrets;  // each signs; never logged
  std::size_t concurrency = 8;
  std::int64_t timeout_ns = 10'000'000'000;
  int attempts_max = 36;
  std::int64_t pause_first_ns = 1'000'000'000;  // of one notification; doubled up to the last
  std::int64_t pause_last_ns = 3'600'000'000'000;
};

struct NotifierCounts {
  std::uint64_t delivered = 0;
  std::uint64_t failures = 0;  // requests that were not answered with a success
  std::uint64_t dead = 0;
};

// What an answer means for the notification and for the receiver.
enum class Delivery : std::uint8_t {
  taken,
  refused,  // for what it says: again would change nothing
  failed,   // the receiver is there
  away      // nothing, or nothing of use, came back
};
[[nodiscard]] Delivery delivery_of(const net::HttpResponse& answer);

// "v1=<hex>" for each secret, joined by ',': HMAC-SHA256 over "<timestamp>.<body>".
[[nodiscard]] std::string notification_signature(const std::vector<std::string>& secrets,
                                                 const std::string& timestamp,
                                                 const std::string& body);

class Notifier {
 public:
  // Error: what of the options cannot be used.
  [[nodiscard]] static std::expected<std::unique_ptr<Notifier>, std::string> make(
      net::Reactor& reactor, NotifierOptions options, Metrics& metrics);

  // Until nothing is due (once), or until stop; requests under way are waited for. Error: the
  // database; nothing is lost, call it again.
  [[nodiscard]] std::expected<void, std::string> run(NotificationSource& source, bool once,
                                                     const std::atomic<bool>& stop);
  [[nodiscard]] const NotifierCounts& counts() const { return counts_; }
  [[nodiscard]] std::int64_t pending() const { return pending_; }
  [[nodiscard]] bool is_receiver_away() const { return is_away_; }
  // The database is away: what metrics say is old.
  void database_lost() { database_up_.set(0); }

 private:
  Notifier(net::Reactor& reactor, NotifierOptions options, Metrics& metrics,
           std::shared_ptr<net::TlsClient> tls, const net::Url& url);
  using Done = std::expected<void, std::string>;
  [[nodiscard]] Done turn(NotificationSource& source, bool may_send);
  [[nodiscard]] Done refill(NotificationSource& source);
  [[nodiscard]] Done settle(NotificationSource& source);
  [[nodiscard]] Done look_at_counts(NotificationSource& source);
  [[nodiscard]] bool may_start(std::int64_t now_ns) const;
  void start(DueNotification due);
  void on_answer(const std::string& id, int attempts, std::int64_t begun_ns,
                 const net::HttpResponse& answer);
  void note_receiver(Delivery delivery, bool is_evidence, const std::string& why);
  [[nodiscard]] double jittered_seconds(std::int64_t pause_ns);

  net::Reactor& reactor_;
  NotifierOptions options_;
  std::string target_;
  std::unique_ptr<net::HttpClient> client_;
  Gauge &up_, &database_up_, &pending_gauge_, &oldest_, &dead_gauge_;
  Counter &delivered_total_, &no_answer_total_, &status_total_, &dead_total_;
  Histogram& request_seconds_;

  std::deque<DueNotification> ready_;
  std::set<std::string> under_way_;
  std::vector<SettledNotification> done_;
  NotifierCounts counts_;
  std::int64_t pending_ = 0;
  std::int64_t looked_ns_ = 0, counted_ns_ = 0, settled_ns_ = 0;
  bool was_empty_ = false;  // the last look found nothing that was due
  // The receiver: after some failures in a row it is away, and asked by one request at a time.
  bool is_away_ = false, is_back_ = false;
  int failures_in_row_ = 0;
  std::int64_t probe_ns_ = 0, probe_pause_ns_ = 0;
  std::mt19937_64 chance_{std::random_device{}()};
};

}  // namespace oneclick
