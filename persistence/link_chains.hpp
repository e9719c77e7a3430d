// Chains of copying: links with `chain` copy what the engine made for their leader, which another
// such link may have caused. Knows those that are in force and refuses one that would close a ring
// or make a chain too long. The loader's thread; touches no database.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/domain/link.hpp"

namespace oneclick {

inline constexpr std::size_t chain_links_max = 4;

class LinkChains {
 public:
  void clear();
  // Why the link cannot be in force: column, value, what is allowed. Nothing: it is, in place of
  // what it was before.
  [[nodiscard]] std::optional<std::string> take(const CopyLink& link);
  void remove(LinkId id);
  // Refused links that may be possible now, since others went: each is to be read again.
  [[nodiscard]] std::vector<LinkId> take_freed();

 private:
  struct Chained {
    UserId leader;
    UserId follower;
  };
  using Path = std::vector<LinkId>;
  // The longest way on from here: of those who follow this user, or of whom this user follows.
  [[nodiscard]] Path longest_from(UserId user, bool to_followers) const;
  // The way over links in force on which what `from` is copied reaches `to`; empty: none.
  [[nodiscard]] Path way(UserId from, UserId to) const;

  using ByUser = std::map<UserId, std::set<LinkId>>;

  std::map<LinkId, Chained> links_;
  ByUser by_leader_, by_follower_;
  std::set<LinkId> refused_;
  bool freed_ = false;
};

}  // namespace oneclick
