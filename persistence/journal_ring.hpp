// The ring between the shard's thread and the journal's: frames in shared memory, so that they
// outlive the process. Its first page also tells readers, in this process or another, how far the
// file is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "engine/base/uuid.hpp"
#include "persistence/journal.hpp"
#include "persistence/journal_files.hpp"
#include "persistence/journal_format.hpp"

namespace oneclick::journal {

// Lies in shared memory: nothing but trivial members and lock-free atomics.
struct RingControl {
  char magic[8];
  std::uint32_t format;
  std::uint16_t shard;
  Uuid journal;
  std::uint64_t ring_bytes;
  std::uint64_t dir_inode;  // of the shard's folder: a copied folder has another
  // Written by the shard's thread. `head` first, so that every position of `appended` is below it.
  alignas(64) std::atomic<std::uint64_t> head;  // bytes ever appended
  std::atomic<JournalPosition> appended;
  // Written by the journal's thread.
  alignas(64) std::atomic<std::uint64_t> tail;  // bytes that are in the file and synced
  std::atomic<JournalPosition> synced;
  std::atomic<std::uint32_t> failed;
  std::atomic<std::uint32_t>
      closed;  // a writer went on elsewhere or ended: look again for its ring
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(sizeof(RingControl) <= block_bytes);

// Memory that unmaps itself.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();
  [[nodiscard]] std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

struct RingIdentity {
  Uuid journal;
  std::uint16_t shard;
  std::uint64_t dir_inode;
};
[[nodiscard]] std::filesystem::path ring_path(const std::filesystem::path& ring_dir,
                                              const Uuid& journal, std::uint16_t shard);

class Ring {
 public:
  // A new one, all its memory present, in the place of any earlier one at `path`. The next entry
  // appended is `next`.
  [[nodiscard]] static std::expected<Ring, JournalError> create(const std::filesystem::path& path,
                                                                const RingIdentity& identity,
                                                                std::size_t ring_bytes,
                                                                JournalPosition next);
  // One that a predecessor left; nullopt when there is none, or an emptied one. Refused while its
  // writer lives, and when it cannot be read.
  [[nodiscard]] static std::expected<std::optional<Ring>, JournalError> adopt(
      const std::filesystem::path& path, const RingIdentity& identity);

  // Shard's thread.
  JournalPosition append(FrameType type, const void* entry, std::size_t size);
  [[nodiscard]] bool has_room(std::size_t bytes) const;

  // Journal's thread. Visits whole frames in order from the first that is not synced, as long as
  // visit(frame bytes, position) returns true. False when a frame below the head does not check.
  [[nodiscard]] bool visit_unsynced(
      const std::function<bool(std::span<const std::byte>, JournalPosition)>& visit) const;
  // What lies from tail to head, at most `bytes_max` bytes, in one piece.
  [[nodiscard]] std::span<const std::byte> unsynced(std::size_t bytes_max) const;
  void publish_synced(std::size_t bytes, JournalPosition synced);

  [[nodiscard]] RingControl& control() const { return *control_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  // Ends its use: readers look elsewhere, the file is removed.
  void retire();

 private:
  [[nodiscard]] static std::expected<Ring, JournalError> map(File file,
                                                             const std::filesystem::path& path,
                                                             std::size_t ring_bytes);
  [[nodiscard]] std::byte* at(std::uint64_t offset) const {
    return data_ + (offset & (capacity_ - 1));
  }

  std::filesystem::path path_;
  File file_;
  Mapping control_page_;
  Mapping mirror_;  // the ring twice in a row: no frame is ever split
  RingControl* control_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  // Of the shard's thread.
  std::uint64_t head_ = 0;
  JournalPosition next_ = 1;
  mutable std::uint64_t tail_seen_ = 0;
};

// Only the first page of the ring of a writer that is alive or was killed: how far the file is.
class RingView {
 public:
  // Looks for the ring named in the lock file of this folder.
  [[nodiscard]] static std::optional<RingView> find(const std::filesystem::path& shard_dir,
                                                    const Uuid& journal, std::uint16_t shard);
  [[nodiscard]] JournalPosition synced() const {
    return control().synced.load(std::memory_order_acquire);
  }
  [[nodiscard]] JournalPosition appended() const {
    return control().appended.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool failed() const {
    return control().failed.load(std::memory_order_acquire) != 0;
  }
  [[nodiscard]] bool closed() const {
    return control().closed.load(std::memory_order_acquire) != 0;
  }

 private:
  explicit RingView(Mapping page) : page_(std::move(page)) {}
  [[nodiscard]] const RingControl& control() const;
  Mapping page_;
};

}  // namespace oneclick::journal
