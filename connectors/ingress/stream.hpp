// GET /v1/stream: the same messages over one WebSocket, acknowledged in the order they came, and
// for subscribers what became of their events. Lives on ingress' thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "connectors/ingress/intake.hpp"
#include "connectors/net/server.hpp"

namespace oneclick::ingress {

// What REST and streams share.
struct Parts {
  const IngressOptions& options;
  const IngressDependencies& dependencies;
  KeyStore& keys;
  Intake& intake;
  Decoder& decoder;
  std::int64_t clock_offset_ns;  // engine clock minus CLOCK_MONOTONIC
};

// One message of the given kind, from any way in.
void take_message(const Parts& parts, const Message& message, MessageKind kind,
                  const Caller& caller, Reply reply);

class Streams {
 public:
  explicit Streams(Parts parts) : parts_(parts) {}

  // An authenticated key opens one.
  [[nodiscard]] net::WsAccept accept(const ApiKey& key);
  // Closes those whose key is no longer good for what they were opened with.
  void check_keys();
  void on_record(const Record& record);

 private:
  struct Slot {
    std::string text;  // empty until answered
  };
  struct Peer {
    std::shared_ptr<net::WsPeer> socket;
    ApiKeyId key;
    UserId user;
    std::uint32_t scopes;  // at opening
    bool admin;
    bool subscribed;
    std::deque<std::shared_ptr<Slot>> slots;  // answers owed, in order
  };
  using PeerPtr = std::shared_ptr<Peer>;
  void on_message(const PeerPtr& peer, std::string_view text, std::int64_t received_ns);
  void dispatch(const PeerPtr& peer, const ApiKey& key, const Message& message,
                std::int64_t received_ns, const std::shared_ptr<Slot>& slot);
  [[nodiscard]] static Reply reply_to(const PeerPtr& peer, const std::shared_ptr<Slot>& slot,
                                      std::string id);
  static void answer(const PeerPtr& peer, const std::shared_ptr<Slot>& slot, std::string text);
  static void send_answers(const PeerPtr& peer);
  void count_subscribers(int change);
  void revoke(const PeerPtr& peer);
  [[nodiscard]] bool concerns(const Peer& peer, const Record& record);

  const Parts parts_;
  std::map<std::uint64_t, PeerPtr> peers_;
  int subscriber_count_ = 0;
};

}  // namespace oneclick::ingress
