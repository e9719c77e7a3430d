// bench_fanout: the engine, the floor and a plain sender in turn against one receiver. See
// README.md.
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/common/machine.hpp"
#include "bench/fanout/engine_run.hpp"
#include "bench/fanout/options.hpp"
#include "bench/fanout/receiver.hpp"
#include "bench/fanout/report.hpp"
#include "bench/fanout/senders.hpp"
#include "connectors/net/tls.hpp"
#include "engine/app/version.hpp"
#include "engine/base/clock.hpp"

namespace oneclick::bench {
namespace {

constexpr int sender_core = 0;
constexpr int receiver_core = 1;
constexpr std::int64_t burst_timeout_ns = 20'000'000'000;
constexpr std::int64_t noise_ns = 500'000'000;
constexpr std::size_t warm_up_rounds = 3;

template <typename T>
T must(std::expected<T, std::string> result, const std::string& what) {
  if (!result) throw std::runtime_error(what + ": " + result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(options),
        work_("fanout", options.work_dir),
        parties_(make_parties(party_count())) {}

  Report run() {
    begin_report();
    if (const std::string error = net::write_test_certificates(work_.path(), "localhost,127.0.0.1");
        !error.empty())
      throw std::runtime_error("certificates: " + error);
    Receiver receiver = must(
        Receiver::start({.dir = work_.path(), .parties = parties_.size(), .core = receiver_core}),
        "receiver");
    receiver_ = &receiver;
    // Children started later may use every core: the engine run comes before this thread is pinned.
    if (options_.engine) start_engine();
    pin_to_core(sender_core);
    Line line(work_.path() + "/ca.pem", receiver.port(), "/ws-api/v3");
    floor_ = make_floor(line, parties_);
    if (options_.plain) plain_ = make_plain(line, parties_);
    for (std::size_t i = 0; i < options_.followers.size(); ++i) measure(i);
    if (engine_) finish_engine();
    end_report();
    return std::move(report_);
  }

 private:
  [[nodiscard]] std::size_t party_count() const {
    std::size_t sum = 0;
    for (const std::size_t n : options_.followers) sum += n;
    return sum;
  }

  void begin_report() {
    report_.commit = std::string(commit());
    report_.machine = machine_text();
    report_.started = utc_text();
    report_.lost_share_before = lost_share(noise_ns);
    steal_ = read_steal();
  }

  void end_report() {
    const StealTicks now = read_steal();
    if (now.total > steal_.total)
      report_.stolen_share = static_cast<double>(now.stolen - steal_.stolen) /
                             static_cast<double>(now.total - steal_.total);
    engine_.reset();  // it spins
    report_.lost_share_after = lost_share(noise_ns);
  }

  void start_engine() {
    fmt::print(stderr, "starting PostgreSQL and the daemon with {} followers\n", parties_.size());
    const std::int64_t start = monotonic_now_ns();
    engine_ = must(EngineRun::start({.program = options_.program,
                                     .dir = work_.path(),
                                     .receiver_port = receiver_->port(),
                                     .sizes = options_.followers,
                                     .mode = options_.mode},
                                    *receiver_),
                   "engine");
    report_.notes.push_back(fmt::format("daemon in {} mode, {} followers, ready after {:.1f} s",
                                        options_.mode, parties_.size(),
                                        static_cast<double>(monotonic_now_ns() - start) / 1e9));
    fmt::print(stderr, "{}\n", report_.notes.back());
  }

  void finish_engine() {
    report_.notes.push_back(must(engine_->check_books(), "books"));
    report_.notes.push_back(
        fmt::format("daemon's memory at most {} MiB", engine_->memory_bytes_max() >> 20));
  }

  void measure(std::size_t size_index) {
    const std::size_t followers = options_.followers[size_index];
    const std::size_t rounds = rounds_for(options_, followers);
    fmt::print(stderr, "{} followers, {} rounds\n", followers, rounds);
    Rounds out{followers, {}};
    const auto keep = [&](const char* sender, std::size_t round, const Sample& sample) {
      if (round >= warm_up_rounds) out.by_sender[sender].push_back(sample);
    };
    for (std::size_t round = 0; round < rounds + warm_up_rounds; ++round) {
      if (engine_) engine_->halt();
      keep("floor", round, send_round(*floor_, followers));
      if (plain_) keep("plain", round, send_round(*plain_, followers));
      if (!engine_) continue;
      engine_->go_on();
      keep("engine", round, engine_round(size_index, followers));
    }
    report_.sizes.push_back(std::move(out));
  }

  Sample send_round(Sender& sender, std::size_t followers) {
    must(receiver_->arm({static_cast<std::uint32_t>(followers), 0, burst_timeout_ns}), "receiver");
    settle();
    const std::int64_t trigger = monotonic_now_ns();
    sender.send(followers, ++round_);
    return sample_of(trigger, followers);
  }

  Sample engine_round(std::size_t size_index, std::size_t followers) {
    must(engine_->wait_quiet(), "engine before a round");
    must(receiver_->arm({static_cast<std::uint32_t>(followers), 1, burst_timeout_ns}), "receiver");
    settle();
    const std::int64_t trigger = must(engine_->trade(size_index), "leader trade");
    try {
      return sample_of(trigger, followers);
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(std::string("engine: ") + error.what() + engine_->explain());
    }
  }

  // The receiver has said that it is armed; give it the moment to get back to its loop.
  static void settle() {
    const timespec pause{0, 500'000};
    nanosleep(&pause, nullptr);
  }

  // A fast wrong answer is a failure: every order there, every signature good.
  Sample sample_of(std::int64_t trigger, std::size_t followers) {
    const BurstResult result = must(receiver_->result(), "receiver");
    if (result.orders != followers || result.good != followers)
      throw std::runtime_error(fmt::format("{} of {} orders arrived, {} of them good; {}",
                                           result.orders, followers, result.good,
                                           static_cast<const char*>(result.problem)));
    return {result.first_ns - trigger, result.median_ns - trigger, result.last_ns - trigger,
            result.lost_ns};
  }

  const Options& options_;
  WorkDir work_;
  std::vector<Party> parties_;
  Report report_;
  StealTicks steal_;
  Receiver* receiver_ = nullptr;
  std::unique_ptr<EngineRun> engine_;
  std::unique_ptr<Sender> floor_, plain_;
  std::uint32_t round_ = 0;
};

void keep_results(const Options& options, const Report& report) {
  if (!options.json_file.empty()) write_text(options.json_file, to_json(report));
  if (options.results_dir.empty()) return;
  keep_result(options.results_dir, {.benchmark = "fanout",
                                    .started = report.started,
                                    .commit = report.commit,
                                    .json = to_json(report),
                                    .table = to_table(report)});
}

int run(int argc, char** argv) {
  if (argc == 6 && std::string_view(argv[1]) == "--receiver")
    return run_receiver(
        {.dir = argv[3], .parties = std::strtoul(argv[4], nullptr, 10), .core = std::atoi(argv[5])},
        std::atoi(argv[2]));
  const auto options = read_options(argc, argv);
  if (!options) {
    fmt::print(options.error().help ? stdout : stderr, "{}", options.error().text);
    return options.error().help ? 0 : 64;
  }
  try {
    const Report report = Bench(*options).run();
    fmt::print("{}", to_table(report));
    keep_results(*options, report);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_fanout: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace oneclick::bench

int main(int argc, char** argv) {
  return oneclick::bench::run(argc, argv);
}
