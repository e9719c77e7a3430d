#include "connectors/ingress/key_store.hpp"

#include <algorithm>
#include <cmath>

#include "engine/base/crypto.hpp"
#include "engine/base/hash.hpp"

namespace oneclick::ingress {
namespace {

constexpr std::string_view token_prefix = "oc_";
constexpr std::size_t uuid_size = 36;
constexpr std::int64_t report_interval_ns = 60'000'000'000;
constexpr std::size_t reported_max = 10'000;  // then forgotten all at once: some rows more

struct Token {
  std::optional<ApiKeyId> id;
  std::string_view secret;
};

Token split(std::string_view text) {
  Token token{.id = std::nullopt, .secret = text};
  if (!text.starts_with(token_prefix)) return token;
  const std::string_view rest = text.substr(token_prefix.size());
  if (rest.size() <= uuid_size || rest[uuid_size] != '_') return token;
  const auto id = Uuid::parse(rest.substr(0, uuid_size));
  if (!id) return token;
  return {.id = ApiKeyId{*id}, .secret = rest.substr(uuid_size + 1)};
}

std::string_view view_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

KeyStore::KeyStore(const IngressOptions& options, std::function<void(const Refusal&)> on_refused)
    : rate_per_second_(options.rate_per_second),
      rate_burst_(options.rate_burst),
      on_refused_(std::move(on_refused)) {}

void KeyStore::update(const ApiKey& key) {
  const auto [at, added] = keys_.try_emplace(key.id, Entry{.key = key, .budget = {}});
  at->second.key = key;
  if (added) at->second.budget = {.tokens = static_cast<double>(rate_burst_), .at_ns = 0};
}

void KeyStore::remove(ApiKeyId id) {
  keys_.erase(id);
}

void KeyStore::update_channel(ChannelId id, UserId creator, bool active) {
  channels_[id] = {.creator = creator, .active = active};
}

const KeyStore::Channel* KeyStore::channel(ChannelId id) const {
  const auto at = channels_.find(id);
  return at == channels_.end() ? nullptr : &at->second;
}

const ApiKey* KeyStore::find(ApiKeyId id, std::int64_t now_ns) const {
  const auto at = keys_.find(id);
  if (at == keys_.end()) return nullptr;
  const ApiKey& key = at->second.key;
  const bool expired = key.expires_ns != 0 && now_ns >= key.expires_ns;
  return expired || !key.user_active ? nullptr : &key;
}

const ApiKey* KeyStore::authenticate(std::string_view text, std::string_view address,
                                     std::int64_t now_ns) {
  const Token token = split(text);
  const Digest digest = sha256(token.secret);
  static const Digest nobody{};
  const auto at = keys_.find(token.id.value_or(ApiKeyId{}));
  const bool known = at != keys_.end();
  const bool right =
      equal_constant_time(view_of(digest), view_of(known ? at->second.key.key_hash : nobody));
  const ApiKey* key = known && right ? find(*token.id, now_ns) : nullptr;
  if (key == nullptr) {
    report({.key = token.id,
            .user = known ? std::optional(at->second.key.user) : std::nullopt,
            .address = std::string(address),
            .what = !token.id ? "no_key"
                    : !known  ? "unknown_key"
                    : !right  ? "wrong_secret"
                              : "expired_key"},
           now_ns);
  }
  return key;
}

std::expected<void, int> KeyStore::take_budget(ApiKeyId id, std::int64_t now_ns) {
  const auto at = keys_.find(id);
  if (at == keys_.end() || rate_per_second_ == 0) return {};
  Budget& budget = at->second.budget;
  const double passed_s =
      static_cast<double>(std::max<std::int64_t>(now_ns - budget.at_ns, 0)) / 1e9;
  budget.tokens = std::min<double>(rate_burst_, budget.tokens + passed_s * rate_per_second_);
  budget.at_ns = now_ns;
  if (budget.tokens < 1) {
    return std::unexpected(
        std::max(1, static_cast<int>(std::ceil((1 - budget.tokens) / rate_per_second_))));
  }
  budget.tokens -= 1;
  return {};
}

void KeyStore::report(Refusal refusal, std::int64_t now_ns) {
  if (!on_refused_) return;
  const bool known = refusal.key.has_value() && refusal.user.has_value();
  // Made-up key ids share their address's entry: an attacker chooses ids, not addresses.
  const std::string who = known ? refusal.key->to_text() : refusal.address;
  if (reported_.size() >= reported_max) reported_.clear();
  const auto [at, added] = reported_.try_emplace(who, now_ns);
  if (!added && now_ns - at->second < report_interval_ns) return;
  at->second = now_ns;
  on_refused_(refusal);
}

}  // namespace oneclick::ingress
