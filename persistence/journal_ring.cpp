#include "persistence/journal_ring.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "engine/base/check.hpp"
#include "engine/base/limits.hpp"

namespace oneclick::journal {

namespace fs = std::filesystem;

namespace {

constexpr char ring_magic[8] = {'O', 'C', 'R', 'I', 'N', 'G', '1', '\n'};
// Frames are counted in bytes of entries by the caller; headers and padding are at most as much
// again.
constexpr std::size_t room_reserve = 4096;
constexpr std::size_t frame_bytes_prefetched = 512;

std::byte* map_at(std::byte* where, std::size_t size, int protection, int flags, int fd,
                  off_t offset) {
  void* data = ::mmap(where, size, protection, flags, fd, offset);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

bool is_same(const RingControl& control, const Uuid& journal, std::uint16_t shard) {
  return std::memcmp(control.magic, ring_magic, sizeof(ring_magic)) == 0 &&
         control.format <= limits::journal_format && control.journal == journal &&
         control.shard == shard;
}

// A ring that stands in the journal's name and cannot be read may hold entries that exist nowhere
// else.
std::expected<void, JournalError> check_left(const RingControl& control, const fs::path& path,
                                             const RingIdentity& identity, std::size_t ring_bytes) {
  if (std::memcmp(control.magic, ring_magic, sizeof(ring_magic)) == 0 &&
      control.format > limits::journal_format)
    return std::unexpected(JournalError{
        .kind = JournalError::Kind::newer_format,
        .message = fmt::format("{} has journal format {}, this build reads up to {}", path.string(),
                               control.format, limits::journal_format)});
  const std::uint64_t head = control.head.load();
  const std::uint64_t tail = control.tail.load();
  if (!is_same(control, identity.journal, identity.shard) || control.ring_bytes != ring_bytes ||
      tail > head || head - tail > ring_bytes)
    return damaged(path, 0, "its figures make no sense");
  return {};
}

}  // namespace

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}
Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

fs::path ring_path(const fs::path& ring_dir, const Uuid& journal, std::uint16_t shard) {
  return ring_dir / fmt::format("oneclick-{}-{:02}.ring", journal.to_text(), shard);
}

std::expected<Ring, JournalError> Ring::map(File file, const fs::path& path,
                                            std::size_t ring_bytes) {
  constexpr int both = PROT_READ | PROT_WRITE;
  Ring ring;
  std::byte* page = map_at(nullptr, block_bytes, both, MAP_SHARED | MAP_POPULATE, file.fd(), 0);
  if (page == nullptr) return io_error("map", path);
  ring.control_page_ = Mapping(page, block_bytes);
  std::byte* place = map_at(nullptr, 2 * ring_bytes, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == nullptr) return io_error("map", path);
  ring.mirror_ = Mapping(place, 2 * ring_bytes);
  // Present from the start: no page fault on the order path.
  constexpr int flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
  for (std::byte* half : {place, place + ring_bytes})
    if (map_at(half, ring_bytes, both, flags, file.fd(), block_bytes) == nullptr)
      return io_error("map", path);
  ring.path_ = path;
  ring.file_ = std::move(file);
  ring.control_ = std::launder(reinterpret_cast<RingControl*>(page));
  ring.data_ = place;
  ring.capacity_ = ring_bytes;
  return ring;
}

std::expected<Ring, JournalError> Ring::create(const fs::path& path, const RingIdentity& identity,
                                               std::size_t ring_bytes, JournalPosition next) {
  const fs::path temporary = path.string() + ".tmp";
  ::unlink(temporary.c_str());
  File file(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return io_error("make the ring", temporary);
  // Reserved now: a full /dev/shm is an error here and not a SIGBUS while trading.
  if (const int error =
          ::posix_fallocate(file.fd(), 0, static_cast<off_t>(block_bytes + ring_bytes));
      error != 0) {
    ::unlink(temporary.c_str());
    errno = error;
    return io_error(fmt::format("reserve {} bytes for the ring", block_bytes + ring_bytes),
                    temporary);
  }
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) return io_error("lock", temporary);
  auto ring = map(std::move(file), path, ring_bytes);
  if (!ring) return ring;
  RingControl* control = new (ring->control_) RingControl{};
  control->format = limits::journal_format;
  control->shard = identity.shard;
  control->journal = identity.journal;
  control->ring_bytes = ring_bytes;
  control->dir_inode = identity.dir_inode;
  control->appended.store(next - 1, std::memory_order_relaxed);
  control->synced.store(next - 1, std::memory_order_relaxed);
  std::memcpy(control->magic, ring_magic, sizeof(ring_magic));
  ring->control_ = control;
  ring->next_ = next;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return io_error("rename", temporary);
  return ring;
}

std::expected<std::optional<Ring>, JournalError> Ring::adopt(const fs::path& path,
                                                             const RingIdentity& identity) {
  File file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.is_open()) {
    if (errno == ENOENT) return std::nullopt;
    return io_error("open the ring", path);
  }
  struct stat status;
  if (::fstat(file.fd(), &status) != 0) return io_error("stat", path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size <= block_bytes || !std::has_single_bit(size - block_bytes))
    return damaged(path, 0, "its size makes no sense");
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0)
    return std::unexpected(JournalError{
        .kind = JournalError::Kind::locked,
        .message =
            fmt::format("another instance uses {}: is this folder the copy of a journal in use?",
                        path.string())});
  auto ring = map(std::move(file), path, size - block_bytes);
  if (!ring) return std::unexpected(ring.error());
  if (auto checked = check_left(ring->control(), path, identity, size - block_bytes); !checked)
    return std::unexpected(checked.error());
  if (ring->control().closed.load() != 0) return std::nullopt;
  return std::optional<Ring>(std::move(*ring));
}

JournalPosition Ring::append(FrameType type, const void* entry, std::size_t size) {
  const std::size_t bytes = frame_bytes(size);
  if (head_ + bytes - tail_seen_ > capacity_) {
    tail_seen_ = control_->tail.load(std::memory_order_acquire);
    CHECK(head_ + bytes - tail_seen_ <= capacity_);  // the caller asks has_room() first
  }
  const JournalPosition position = next_++;
  head_ += write_frame(at(head_), type, position, entry, size);
  control_->head.store(head_, std::memory_order_release);
  control_->appended.store(position, std::memory_order_release);
  // The ring is larger than any cache: have the next frame's lines come while the core works.
  for (std::size_t ahead = 0; ahead < frame_bytes_prefetched; ahead += 64)
    __builtin_prefetch(at(head_) + ahead, 1);
  return position;
}

bool Ring::has_room(std::size_t bytes) const {
  const std::size_t wanted = 2 * bytes + room_reserve;
  if (head_ + wanted - tail_seen_ <= capacity_) return true;
  tail_seen_ = control_->tail.load(std::memory_order_acquire);
  return head_ + wanted - tail_seen_ <= capacity_;
}

std::span<const std::byte> Ring::unsynced(std::size_t bytes_max) const {
  const std::uint64_t tail = control_->tail.load(std::memory_order_relaxed);
  const std::uint64_t head = control_->head.load(std::memory_order_acquire);
  return {at(tail), std::min<std::size_t>(head - tail, bytes_max)};
}

bool Ring::visit_unsynced(
    const std::function<bool(std::span<const std::byte>, JournalPosition)>& visit) const {
  auto rest = unsynced(capacity_);
  FrameHeader first;
  if (rest.size() < sizeof(first)) return rest.empty();
  std::memcpy(&first, rest.data(), sizeof(first));
  for (JournalPosition position = first.position; !rest.empty(); ++position) {
    const auto frame = parse_frame(rest, position);
    if (!frame) return false;
    if (!visit(rest.first(frame->bytes), position)) return true;
    rest = rest.subspan(frame->bytes);
  }
  return true;
}

void Ring::publish_synced(std::size_t bytes, JournalPosition synced) {
  // Position first: a frame that is taken over twice is recognised by its position, one that is
  // forgotten is not.
  control_->synced.store(synced, std::memory_order_release);
  control_->tail.fetch_add(bytes, std::memory_order_release);
}

void Ring::retire() {
  control_->closed.store(1, std::memory_order_release);
  ::unlink(path_.c_str());
}

std::optional<RingView> RingView::find(const fs::path& shard_dir, const Uuid& journal,
                                       std::uint16_t shard) {
  const fs::path path = read_lock_text(shard_dir).ring;
  if (path.empty()) return std::nullopt;
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!file.is_open() || ::fstat(file.fd(), &status) != 0) return std::nullopt;
  if (static_cast<std::size_t>(status.st_size) < block_bytes) return std::nullopt;
  std::byte* page = map_at(nullptr, block_bytes, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (page == nullptr) return std::nullopt;
  RingView view{Mapping(page, block_bytes)};
  const RingControl& control = view.control();
  if (!is_same(control, journal, shard) || control.dir_inode != inode_of(shard_dir))
    return std::nullopt;
  if (view.closed()) return std::nullopt;
  return view;
}

const RingControl& RingView::control() const {
  return *std::launder(reinterpret_cast<const RingControl*>(page_.data()));
}

}  // namespace oneclick::journal
