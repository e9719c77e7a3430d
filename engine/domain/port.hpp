// Where the parts of the engine meet. Implemented on one side, called from the other, connected in
// engine/app; neither side knows the other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/crypto.hpp"
#include "engine/domain/event.hpp"
#include "engine/domain/intent.hpp"
#include "engine/domain/record.hpp"

namespace oneclick {

// Takes events on their way to the shards. Thread-safe. False: the queue is full, nothing was
// taken; feeds hold and try again (they never drop), ingress refuses by name.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // To every shard (leader events, instruments, feeds, switches) or to the one that owns the
  // account.
  [[nodiscard]] virtual bool try_push(const Event& event) = 0;
};

// The journal as a shard sees it: append on the shard's thread, figures from any thread.
class JournalPort {
 public:
  virtual ~JournalPort() = default;
  // Returns the entry's position, counted from 1. Room was asked for before.
  virtual std::uint64_t append(const Event& event) = 0;
  virtual std::uint64_t append(const Record& record) = 0;
  [[nodiscard]] virtual bool has_room(std::size_t bytes) const = 0;
  [[nodiscard]] virtual std::uint64_t appended() const = 0;  // survives the end of this process
  [[nodiscard]] virtual std::uint64_t synced() const = 0;    // survives power loss
  // A write or sync failed: nothing more becomes durable.
  [[nodiscard]] virtual bool failed() const = 0;
};

enum class KeyType : std::uint8_t { hmac = 1, ed25519 = 2 };
struct Credentials {
  std::string api_key;
  Secret secret;      // HMAC secret, or Ed25519 private key in PEM
  Secret passphrase;  // where the venue wants one
  KeyType key_type;
};

enum class SubmitResult : std::uint8_t {
  queued,       // will leave with the next flush, or with the session's own
  rate_budget,  // the venue's budget (or what is left of it for entries) is spent; nothing was
                // taken
  down,         // no connection; nothing was taken
  no_account,   // this account was never attached; nothing was taken
};

// Order traffic of one shard to one venue. Called and calling back on the shard's thread only.
// What happens to a submitted order comes back as OrderUpdate events into the sink given at
// creation.
class OrderSession {
 public:
  virtual ~OrderSession() = default;
  virtual void attach(AccountSlot slot, const Account& account, const Credentials& credentials) = 0;
  virtual void detach(AccountSlot slot) = 0;
  // Hot path: encodes and signs into the outgoing buffer. No allocation, no system call.
  [[nodiscard]] virtual SubmitResult submit(const Intent& intent) = 0;
  // A hint, given twice: an order of this account will be submitted in a few moments (first), very
  // soon.
  virtual void prefetch(AccountSlot, bool /*first*/) const {}
  // Hands what was submitted to the network.
  virtual void flush() = 0;
  [[nodiscard]] virtual bool up() const = 0;
  // Bytes submitted and not yet handed to the kernel.
  [[nodiscard]] virtual std::size_t backlog_bytes() const = 0;
};

// The thread's event loop, as the shard sees it.
class Poller {
 public:
  virtual ~Poller() = default;
  // Runs what is ready, without waiting. Returns how much it did.
  virtual std::size_t poll() = 0;
  // Waits until something is ready, wake() is called or the time is over, then runs what is ready.
  virtual std::size_t wait(std::int64_t timeout_ns) = 0;
  // Ends a wait. Any thread; async-signal-safe.
  virtual void wake() = 0;
};

// Best bid and ask by venue and symbol, written by market data, read by shards. Any thread.
class TouchSink {
 public:
  virtual ~TouchSink() = default;
  virtual void on_touch(Venue venue, const Symbol& symbol, const Touch& touch) = 0;
  // The venue's average price over minutes, however the touch moves.
  virtual void on_reference(Venue venue, const Symbol& symbol, const Reference& reference) = 0;
};

// One api_keys row as ingress needs it.
struct ApiKey {
  ApiKeyId id;
  UserId user;
  Digest key_hash;          // SHA-256 of the secret
  std::uint32_t scopes;     // bit set of ApiScope
  std::int64_t expires_ns;  // 0: never
  bool user_active;
};
enum ApiScope : std::uint32_t {
  scope_signals_write = 1,
  scope_trades_write = 2,
  scope_stream_read = 4,
  scope_admin = 8,
};

// What the loader reads from the database, at start and whenever it changes. Called on the loader's
// thread. Values are validated; a row that is not valid is reported through on_invalid and left
// out.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  virtual void on_account(const Account& account, const Credentials& credentials) = 0;
  virtual void on_account_removed(AccountId id) = 0;
  virtual void on_link(const CopyLink& link) = 0;
  virtual void on_link_removed(LinkId id) = 0;
  virtual void on_feed(const LeaderFeed& feed) = 0;
  virtual void on_feed_removed(AccountId id) = 0;
  virtual void on_api_key(const ApiKey& key) = 0;
  virtual void on_api_key_removed(ApiKeyId id) = 0;
  virtual void on_channel(ChannelId id, UserId creator, bool active) = 0;
  virtual void on_kill_switch(const KillSwitch& kill_switch) = 0;
  virtual void on_symbol_mapping(const SymbolMapping& mapping) = 0;
  virtual void on_risk_limits(const RiskLimits& limits) = 0;
  virtual void on_quarantine_release(const QuarantineRelease& release) = 0;
  // Signals, updates and one-click copies written by the platform. False: full, ask again.
  [[nodiscard]] virtual bool on_leader_event(const LeaderEvent& event) = 0;
  // Everything that was in the database when the loader started (or started over) has been told;
  // what was not told is gone.
  virtual void on_snapshot_begin() = 0;
  virtual void on_snapshot_end() = 0;
  virtual void on_invalid(std::string_view table, std::string_view row,
                          std::string_view problem) = 0;
};

}  // namespace oneclick
