// Who may feed events in: API keys as the database last told them, the channels' creators, and the
// budget of every key. Lives on ingress' thread.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string_view>
#include <unordered_map>

#include "connectors/ingress/ingress.hpp"
#include "connectors/ingress/problem.hpp"

namespace oneclick::ingress {

template <typename Tag>
struct IdHash {
  std::size_t operator()(const Id<Tag>& id) const { return hash_of(id); }
};

class KeyStore {
 public:
  KeyStore(const IngressOptions& options, std::function<void(const Refusal&)> on_refused);

  void update(const ApiKey& key);
  void remove(ApiKeyId id);
  void update_channel(ChannelId id, UserId creator, bool active);

  // The key of "oc_<key id>_<secret>", or null: refused. As long for an unknown id as for a wrong
  // secret. Refusals are reported.
  [[nodiscard]] const ApiKey* authenticate(std::string_view token, std::string_view address,
                                           std::int64_t now_ns);
  // The key if it is still good for anything.
  [[nodiscard]] const ApiKey* find(ApiKeyId id, std::int64_t now_ns) const;
  // Takes one request from the key's budget; else after how many seconds to try again.
  [[nodiscard]] std::expected<void, int> take_budget(ApiKeyId id, std::int64_t now_ns);
  void report(Refusal refusal, std::int64_t now_ns);

  struct Channel {
    UserId creator;
    bool active;
  };
  [[nodiscard]] const Channel* channel(ChannelId id) const;

 private:
  struct Budget {
    double tokens;
    std::int64_t at_ns;
  };
  struct Entry {
    ApiKey key;
    Budget budget;
  };
  const std::uint32_t rate_per_second_;
  const std::uint32_t rate_burst_;
  const std::function<void(const Refusal&)> on_refused_;
  std::unordered_map<ApiKeyId, Entry, IdHash<oneclick::ApiKeyTag>> keys_;
  std::unordered_map<ChannelId, Channel, IdHash<oneclick::ChannelTag>> channels_;
  std::unordered_map<std::string, std::int64_t> reported_;  // key id or address -> when
};

[[nodiscard]] inline bool has_scope(const ApiKey& key, std::uint32_t scope) {
  return (key.scopes & (scope | scope_admin)) != 0;
}
[[nodiscard]] inline bool is_admin(const ApiKey& key) {
  return (key.scopes & scope_admin) != 0;
}

}  // namespace oneclick::ingress
