#include "persistence/link_chains.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace oneclick {

namespace {

std::string names_of(const std::vector<LinkId>& links) {
  std::vector<std::string> names;
  for (const LinkId id : links) names.push_back(id.to_text());
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

void LinkChains::clear() {
  links_.clear();
  by_leader_.clear();
  by_follower_.clear();
  refused_.clear();
  freed_ = false;
}

void LinkChains::remove(LinkId id) {
  refused_.erase(id);
  const auto at = links_.find(id);
  if (at == links_.end()) return;
  const auto drop = [id](ByUser& index, UserId user) {
    const auto of_user = index.find(user);
    of_user->second.erase(id);
    if (of_user->second.empty()) index.erase(of_user);
  };
  drop(by_leader_, at->second.leader);
  drop(by_follower_, at->second.follower);
  links_.erase(at);
  freed_ = true;
}

// In force there is no ring and no way longer than chain_links_max: it ends.
LinkChains::Path LinkChains::longest_from(UserId user, bool to_followers) const {
  const ByUser& index = to_followers ? by_leader_ : by_follower_;
  const auto of_user = index.find(user);
  if (of_user == index.end()) return {};
  Path longest;
  for (const LinkId id : of_user->second) {
    const Chained& link = links_.at(id);
    Path path = longest_from(to_followers ? link.follower : link.leader, to_followers);
    path.insert(path.begin(), id);
    if (path.size() > longest.size()) longest = std::move(path);
  }
  return longest;
}

LinkChains::Path LinkChains::way(UserId from, UserId to) const {
  const auto followers = by_leader_.find(from);
  if (followers == by_leader_.end()) return {};
  for (const LinkId id : followers->second) {
    const Chained& link = links_.at(id);
    Path path = link.follower == to ? Path{} : way(link.follower, to);
    if (path.empty() && link.follower != to) continue;
    path.insert(path.begin(), id);
    return path;
  }
  return {};
}

std::optional<std::string> LinkChains::take(const CopyLink& link) {
  remove(link.id);
  if (!link.chain || link.leader.is_nil()) return std::nullopt;
  std::optional<std::string> problem;
  if (const Path back = way(link.follower, link.leader); !back.empty()) {
    problem = fmt::format(
        "chain: true, which leads back to leader {} over links {}; allowed: chains"
        " that do not come back",
        link.leader.to_text(), names_of(back));
  } else {
    Path whole = longest_from(link.leader, false);
    std::ranges::reverse(whole);
    whole.push_back(link.id);
    const Path after = longest_from(link.follower, true);
    whole.insert(whole.end(), after.begin(), after.end());
    if (whole.size() > chain_links_max)
      problem = fmt::format("chain: true, which makes a chain of {} links ({}); allowed: {} links",
                            whole.size(), names_of(whole), chain_links_max);
  }
  if (problem) {
    refused_.insert(link.id);
    return problem;
  }
  links_[link.id] = {.leader = link.leader, .follower = link.follower};
  by_leader_[link.leader].insert(link.id);
  by_follower_[link.follower].insert(link.id);
  return std::nullopt;
}

std::vector<LinkId> LinkChains::take_freed() {
  if (!std::exchange(freed_, false)) return {};
  return {refused_.begin(), refused_.end()};
}

}  // namespace oneclick
