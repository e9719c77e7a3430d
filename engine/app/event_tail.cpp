#include "engine/app/event_tail.hpp"

#include <time.h>

#include <optional>

#include <fmt/format.h>

#include "engine/app/json_text.hpp"
#include "engine/core/core.hpp"
#include "persistence/journal_files.hpp"

namespace oneclick {

namespace {

std::string time_text(std::int64_t ns) {
  const time_t seconds = ns / 1'000'000'000;
  tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     ns % 1'000'000'000 / 1'000);
}

// The members of one line, said once for people and once for programs.
class Line {
 public:
  explicit Line(bool json) : json_(json) {}
  Line& text(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    if (json_) {
      object_.text(name, value);
    } else {
      text_ += fmt::format(" {}={}", name, value);
    }
    return *this;
  }
  Line& number(std::string_view name, std::integral auto value) {
    if (json_) {
      object_.number(name, value);
    } else {
      text_ += fmt::format(" {}={}", name, value);
    }
    return *this;
  }
  template <typename Tag>
  Line& id(std::string_view name, Id<Tag> value) {
    return value.is_nil() ? *this : text(name, value.to_text());
  }
  Line& decimal(std::string_view name, Decimal value) {
    return value.is_zero() ? *this : text(name, value.to_text());
  }
  // "none" says nothing.
  Line& word(std::string_view name, std::string_view value) {
    return value == "none" ? *this : text(name, value);
  }
  [[nodiscard]] std::string str(std::string_view head) const {
    return json_ ? object_.str() : std::string(head) + text_;
  }

 private:
  bool json_;
  JsonObject object_;
  std::string text_;
};

void describe(Line& line, const LeaderEventRecord& r) {
  const LeaderEvent& e = r.event;
  line.id("event", e.id)
      .word("kind", to_text(e.kind))
      .word("source", to_text(e.source))
      .id("leader", e.leader)
      .id("channel", e.channel)
      .id("signal", e.signal)
      .id("target", e.target);
  if (e.side == Side::buy || e.side == Side::sell) line.text("side", to_text(e.side));
  line.text("symbol", e.symbol.view())
      .decimal("quantity", e.quantity)
      .decimal("price", e.price)
      .decimal("bid", e.touch.bid)
      .decimal("ask", e.touch.ask)
      .number("links_matched", r.links_matched);
}

void describe(Line& line, const OutcomeRecord& o, UserId user) {
  line.id("event", o.event)
      .id("link", o.link)
      .id("user", user)
      .text("outcome", to_text(o.outcome))
      .word("reason", to_text(o.reason))
      .word("cap", to_text(o.cap))
      .decimal("wanted", o.wanted_quantity)
      .decimal("sent", o.sent_quantity)
      .decimal("residual", o.residual_quantity)
      .id("order", o.order);
  if (o.ingest_to_wire_ns != 0) line.number("ingest_to_wire_us", o.ingest_to_wire_ns / 1'000);
}

void describe(Line& line, const OrderRecord& o) {
  line.id("order", o.key)
      .id("event", o.event)
      .id("link", o.link)
      .id("user", o.user)
      .text("status", o.unknown ? "unknown" : to_text(o.status))
      .word("reason", to_text(o.reason))
      .text("side", to_text(o.side))
      .text("symbol", o.symbol.view())
      .decimal("quantity", o.quantity)
      .decimal("limit", o.price)
      .decimal("filled", o.filled_quantity)
      .text("venue_order", o.venue_order_id.view())
      .text("message", o.message.view());
}

void describe(Line& line, const FillRecord& f, EventId event) {
  line.id("order", f.order)
      .id("event", event)
      .id("link", f.link)
      .id("user", f.user)
      .text("side", to_text(f.side))
      .text("symbol", f.symbol.view())
      .decimal("quantity", f.quantity)
      .decimal("price", f.price)
      .decimal("fee", f.fee)
      .text("fee_asset", f.fee.is_zero() ? std::string_view() : f.fee_asset.view())
      .text("trade", f.trade_id.view());
}

void describe(Line& line, const LinkHaltRecord& h) {
  line.id("link", h.link)
      .id("user", h.follower)
      .text("halted", h.halted ? "true" : "false")
      .word("reason", to_text(h.reason))
      .decimal("limit_usd", h.limit_usd)
      .decimal("profit_usd", h.profit_usd);
}

void describe(Line& line, const ScopeHaltRecord& h) {
  line.text("scope", to_text(h.scope))
      .text("id", h.id.to_text())
      .id("user", h.user)
      .text("halted", h.halted ? "true" : "false")
      .word("reason", to_text(h.reason))
      .decimal("limit_usd", h.limit_usd)
      .decimal("profit_usd", h.profit_usd);
}

void describe(Line& line, const QuarantineRecord& q) {
  line.id("link", q.link)
      .id("user", q.follower)
      .text("symbol", q.symbol.view())
      .text("active", q.active ? "true" : "false")
      .word("reason", to_text(q.reason))
      .decimal("expected", q.expected)
      .decimal("found", q.found);
}

bool has_ended(OrderStatus status) {
  switch (status) {
    case OrderStatus::pending:
    case OrderStatus::partially_filled:
      return false;
    case OrderStatus::filled:
    case OrderStatus::cancelled:
    case OrderStatus::failed:
      return true;
  }
  return true;
}

}  // namespace

std::expected<EventTail, JournalError> EventTail::open(const std::filesystem::path& dir,
                                                       std::uint16_t shard, bool from_start,
                                                       const TailFilter& filter, bool json) {
  EventTail tail(shard, filter, json);
  const auto segments = journal::list_segments(journal::shard_dir(dir, shard), shard);
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty())
    return std::unexpected(JournalError{JournalError::Kind::io,
                                        fmt::format("there is no journal in {}", dir.string())});
  const JournalPosition first = segments->front().header.first;
  // Links that were told before the newest snapshot are in it; those after it are read here.
  JournalPosition from = first;
  const auto snapshot = load_snapshot(dir, shard);
  if (!snapshot) return std::unexpected(snapshot.error());
  if (snapshot->has_value()) {
    const auto core = Core::load((*snapshot)->state);
    if (!core)
      return std::unexpected(
          JournalError{JournalError::Kind::newer_format, "snapshot: " + core.error()});
    for (const LinkId id : core->link_ids())
      if (const auto link = core->link(id)) tail.followers_[id] = link->follower;
    from = std::max(from, (*snapshot)->position + 1);
  }
  auto reader = JournalReader::open(dir, shard, from_start ? first : from);
  if (!reader) return std::unexpected(reader.error());
  tail.reader_ = std::move(*reader);
  if (from_start) return tail;
  for (;;) {
    const auto entry = tail.reader_->next();
    if (!entry) return std::unexpected(entry.error());
    if (!entry->has_value()) return tail;
    tail.learn(**entry);
  }
}

std::expected<std::uint64_t, JournalError> EventTail::poll(std::uint64_t lines_max,
                                                           const Tell& tell) {
  std::uint64_t told = 0;
  while (told < lines_max) {
    const auto entry = reader_->next();
    if (!entry) return std::unexpected(entry.error());
    if (!entry->has_value()) break;
    if (const std::string line = line_of(**entry); !line.empty()) {
      tell(line);
      ++told;
    }
    learn(**entry);
  }
  return told;
}

void EventTail::learn(const JournalEntry& entry) {
  if (entry.event != nullptr && entry.event->kind == EventKind::link_upsert)
    followers_[entry.event->link.id] = entry.event->link.follower;
  if (entry.record == nullptr || entry.record->kind != RecordKind::order) return;
  const OrderRecord& o = entry.record->order;
  if (has_ended(o.status)) {
    events_.erase(o.key);
  } else {
    events_[o.key] = o.event;
  }
}

UserId EventTail::follower_of(LinkId link) const {
  const auto found = followers_.find(link);
  return found == followers_.end() ? UserId{} : found->second;
}

bool EventTail::wants(EventId event, LinkId link, UserId user) const {
  return (filter_.event.is_nil() || filter_.event == event) &&
         (filter_.link.is_nil() || filter_.link == link) &&
         (filter_.user.is_nil() || filter_.user == user);
}

std::string EventTail::line_of(const JournalEntry& entry) const {
  if (entry.record == nullptr) return {};
  const Record& r = *entry.record;
  Line line(json_);
  std::string_view type;
  const auto begin = [&](std::string_view name) {
    type = name;
    if (!json_) return;
    line.text("time", time_text(r.time_ns))
        .text("type", name)
        .number("shard", shard_)
        .number("position", entry.position);
  };
  switch (r.kind) {
    case RecordKind::leader_event: {
      const LeaderEvent& e = r.leader_event.event;
      const bool his = filter_.user == e.leader || filter_.user == e.target;
      if (!wants(e.id, LinkId{}, his ? filter_.user : UserId{})) return {};
      begin("event");
      describe(line, r.leader_event);
      break;
    }
    case RecordKind::outcome: {
      const UserId user = follower_of(r.outcome.link);
      if (!wants(r.outcome.event, r.outcome.link, user)) return {};
      begin("outcome");
      describe(line, r.outcome, user);
      break;
    }
    case RecordKind::order:
      if (!wants(r.order.event, r.order.link, r.order.user)) return {};
      begin("order");
      describe(line, r.order);
      break;
    case RecordKind::fill: {
      const auto found = events_.find(r.fill.order);
      const EventId event = found == events_.end() ? EventId{} : found->second;
      if (!wants(event, r.fill.link, r.fill.user)) return {};
      begin("fill");
      describe(line, r.fill, event);
      break;
    }
    case RecordKind::link_halt:
      if (!wants({}, r.link_halt.link, r.link_halt.follower)) return {};
      begin("halt");
      describe(line, r.link_halt);
      break;
    case RecordKind::quarantine:
      if (!wants({}, r.quarantine.link, r.quarantine.follower)) return {};
      begin("quarantine");
      describe(line, r.quarantine);
      break;
    case RecordKind::scope_halt:
      if (!wants({}, {}, r.scope_halt.user)) return {};
      begin("halt");
      describe(line, r.scope_halt);
      break;
    case RecordKind::external_fill:
    case RecordKind::instrument:
    case RecordKind::kill_switch:
    case RecordKind::account_state:
      return {};
  }
  return line.str(fmt::format("{} {:<7}", time_text(r.time_ns), type));
}

}  // namespace oneclick
