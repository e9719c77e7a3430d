#include "engine/app/notifier.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"

namespace oneclick {

namespace {

constexpr std::size_t batch_max = 256;
constexpr std::size_t settle_at_once = 64;
constexpr std::int64_t settle_ns = 20'000'000;
constexpr std::int64_t idle_ns = 250'000'000;  // between two looks that find nothing
constexpr std::int64_t count_ns = 1'000'000'000;
constexpr int failures_until_away = 5;
constexpr std::int64_t probe_pause_ns_min = 250'000'000, probe_pause_ns_max = 10'000'000'000;
constexpr std::int64_t retry_after_s_max = 3'600;

// What the receiver said, so that it can be kept and logged: plain characters, cut.
std::string shown(const net::HttpResponse& answer) {
  constexpr std::size_t shown_max = 300;
  std::string text = answer.error.empty() ? fmt::format("status {}: {}", answer.status, answer.body)
                                          : answer.error;
  text.resize(std::min(text.size(), shown_max));
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::int64_t retry_after_ns(const net::HttpResponse& answer) {
  const std::string_view text = answer.header("retry-after");
  std::int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::clamp<std::int64_t>(seconds, 0, retry_after_s_max) * 1'000'000'000;
}

}  // namespace

Delivery delivery_of(const net::HttpResponse& answer) {
  if (!answer.error.empty()) return Delivery::away;
  if (answer.status >= 200 && answer.status < 300) return Delivery::taken;
  if (answer.status == 400 || answer.status == 413 || answer.status == 422)
    return Delivery::refused;
  if (answer.status == 429 || answer.status >= 500) return Delivery::away;
  return Delivery::failed;
}

std::string notification_signature(const std::vector<std::string>& secrets,
                                   const std::string& timestamp, const std::string& body) {
  std::string out;
  const std::string text = timestamp + "." + body;
  for (const std::string& secret : secrets)
    out += fmt::format("{}v1={}", out.empty() ? "" : ",", to_hex(HmacKey(secret).sign(text)));
  return out;
}

std::expected<std::unique_ptr<Notifier>, std::string> Notifier::make(net::Reactor& reactor,
                                                                     NotifierOptions options,
                                                                     Metrics& metrics) {
  const auto url = net::parse_url(options.url);
  if (!url) return std::unexpected("notify.url: " + url.error());
  auto tls = net::TlsClient::make(options.ca_file);
  if (!tls)
    return std::unexpected(fmt::format("notify.ca_file = {}: {}", options.ca_file, tls.error()));
  return std::unique_ptr<Notifier>(
      new Notifier(reactor, std::move(options), metrics, std::move(*tls), *url));
}

Notifier::Notifier(net::Reactor& reactor, NotifierOptions options, Metrics& metrics,
                   std::shared_ptr<net::TlsClient> tls, const net::Url& url)
    : reactor_(reactor),
      options_(std::move(options)),
      target_(url.target),
      client_(net::HttpClient::make(
          reactor, std::move(tls), url,
          {.local_address = {}, .connect_to = {}, .connections_max = options_.concurrency})),
      up_(metrics.gauge("notify_up", "1 while the receiver takes notifications.")),
      database_up_(metrics.gauge("notify_database_up", "1 while the database answers.")),
      pending_gauge_(metrics.gauge("notify_pending", "Notifications not yet delivered.")),
      oldest_(metrics.gauge("notify_oldest_seconds", "Age of the oldest of these.")),
      dead_gauge_(metrics.gauge("notify_dead_letters", "Notifications that were given up.")),
      delivered_total_(
          metrics.counter("notify_delivered_total", "Notifications that the receiver took.")),
      no_answer_total_(metrics.counter("notify_failures_total",
                                       "Requests that were not answered with a success.",
                                       {{"kind", "no_answer"}})),
      status_total_(metrics.counter("notify_failures_total",
                                    "Requests that were not answered with a success.",
                                    {{"kind", "status"}})),
      dead_total_(metrics.counter("notify_dead_total", "Notifications given up.")),
      request_seconds_(
          metrics.histogram("notify_request_seconds", "From sending a request to its answer.")) {
  up_.set(1);
}

std::expected<void, std::string> Notifier::run(NotificationSource& source, bool once,
                                               const std::atomic<bool>& stop) {
  database_up_.set(1);
  while (true) {
    const bool ends = stop;
    if (auto done = turn(source, !ends); !done) return done;
    const bool is_idle = under_way_.empty() && done_.empty();
    if (ends && is_idle) return {};
    if (once && is_idle && (is_away_ || (ready_.empty() && was_empty_)))
      return look_at_counts(source);
    constexpr std::int64_t step_ns = 10'000'000;
    reactor_.wait(step_ns);
  }
}

Notifier::Done Notifier::turn(NotificationSource& source, bool may_send) {
  const std::int64_t now = monotonic_now_ns();
  if (!done_.empty() &&
      (done_.size() >= settle_at_once || under_way_.empty() || now - settled_ns_ >= settle_ns))
    if (auto done = settle(source); !done) return done;
  if (!may_send) return {};
  if (is_back_) {
    if (auto done = source.hasten(); !done) return std::unexpected(done.error().text);
    is_back_ = false;
    was_empty_ = false;
  }
  if (now - counted_ns_ >= count_ns)
    if (auto done = look_at_counts(source); !done) return done;
  if (ready_.size() < options_.concurrency && (!was_empty_ || now - looked_ns_ >= idle_ns))
    if (auto done = refill(source); !done) return done;
  while (!ready_.empty() && may_start(monotonic_now_ns())) {
    DueNotification due = std::move(ready_.front());
    ready_.pop_front();
    start(std::move(due));
  }
  return {};
}

bool Notifier::may_start(std::int64_t now_ns) const {
  if (is_away_) return under_way_.empty() && now_ns >= probe_ns_;
  return under_way_.size() < options_.concurrency;
}

Notifier::Done Notifier::refill(NotificationSource& source) {
  std::vector<std::string> busy(under_way_.begin(), under_way_.end());
  for (const DueNotification& due : ready_) busy.push_back(due.id);
  for (const SettledNotification& done : done_) busy.push_back(done.id);
  auto due = source.next(batch_max, busy);
  looked_ns_ = monotonic_now_ns();
  if (!due) return std::unexpected(due.error().text);
  was_empty_ = due->empty();
  std::ranges::move(*due, std::back_inserter(ready_));
  return {};
}

Notifier::Done Notifier::settle(NotificationSource& source) {
  settled_ns_ = monotonic_now_ns();
  if (auto done = source.settle(done_); !done) return std::unexpected(done.error().text);
  done_.clear();
  return {};
}

Notifier::Done Notifier::look_at_counts(NotificationSource& source) {
  counted_ns_ = monotonic_now_ns();
  const auto counts = source.counts();
  if (!counts) return std::unexpected(counts.error().text);
  pending_ = counts->pending;
  pending_gauge_.set(static_cast<double>(counts->pending));
  oldest_.set(counts->oldest_seconds);
  dead_gauge_.set(static_cast<double>(counts->dead));
  return {};
}

void Notifier::start(DueNotification due) {
  const std::string timestamp = fmt::format("{}", wall_now_ns() / 1'000'000'000);
  net::HttpRequest request{
      .method = "POST",
      .target = target_,
      .headers = {{"Content-Type", "application/json"},
                  {"OneClick-Notification-Id", due.id},
                  {"OneClick-Attempt", fmt::format("{}", due.attempts + 1)},
                  {"OneClick-Timestamp", timestamp},
                  {"OneClick-Signature",
                   notification_signature(options_.secrets, timestamp, due.body)}},
      .body = std::move(due.body),
      .timeout_ns = options_.timeout_ns};
  under_way_.insert(due.id);
  client_->send(std::move(request),
                [this, id = due.id, attempts = due.attempts, begun = monotonic_now_ns()](
                    const net::HttpResponse& answer) { on_answer(id, attempts, begun, answer); });
}

void Notifier::on_answer(const std::string& id, int attempts, std::int64_t begun_ns,
                         const net::HttpResponse& answer) {
  under_way_.erase(id);
  request_seconds_.record(monotonic_now_ns() - begun_ns);
  const Delivery delivery = delivery_of(answer);
  const std::string why = delivery == Delivery::taken ? "" : shown(answer);
  // One that fails again and again says little about the receiver: it may be the notification.
  note_receiver(delivery, !answer.error.empty() || attempts == 0, why);
  if (delivery == Delivery::taken) {
    ++counts_.delivered;
    delivered_total_.add();
    done_.push_back({.id = id, .error = {}, .pause = {}});
    return;
  }
  ++counts_.failures;
  (answer.error.empty() ? status_total_ : no_answer_total_).add();
  if (delivery == Delivery::refused || attempts + 1 >= options_.attempts_max) {
    ++counts_.dead;
    dead_total_.add();
    log_error("a notification is given up",
              {{"id", id}, {"attempts", attempts + 1}, {"problem", why}});
    done_.push_back({.id = id, .error = why, .pause = {}});
    return;
  }
  constexpr int doublings_max = 30;
  const std::int64_t doubled =
      options_.pause_first_ns > (options_.pause_last_ns >> std::min(attempts, doublings_max))
          ? options_.pause_last_ns
          : options_.pause_first_ns << attempts;
  const double pause =
      std::max(jittered_seconds(doubled), static_cast<double>(retry_after_ns(answer)) * 1e-9);
  done_.push_back({.id = id, .error = why, .pause = pause});
}

// Between half and the whole of it, so that many do not come back together.
double Notifier::jittered_seconds(std::int64_t pause_ns) {
  std::uniform_int_distribution<std::int64_t> between(pause_ns / 2, pause_ns);
  return static_cast<double>(between(chance_)) * 1e-9;
}

void Notifier::note_receiver(Delivery delivery, bool is_evidence, const std::string& why) {
  if (delivery != Delivery::away) {
    failures_in_row_ = 0;
    if (!is_away_) return;
    is_away_ = false;
    is_back_ = true;
    up_.set(1);
    log_info("the receiver of notifications is back", {});
    return;
  }
  if (!is_away_) {
    if (!is_evidence || ++failures_in_row_ < failures_until_away) return;
    log_warning("the receiver of notifications is away; they wait", {{"problem", why}});
    is_away_ = true;
    up_.set(0);
    probe_pause_ns_ = probe_pause_ns_min;
  } else if (is_evidence) {
    probe_pause_ns_ = std::min(probe_pause_ns_ * 2, probe_pause_ns_max);
  }
  probe_ns_ =
      monotonic_now_ns() + static_cast<std::int64_t>(jittered_seconds(probe_pause_ns_) * 1e9);
}

}  // namespace oneclick
