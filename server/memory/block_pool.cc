#include "server/memory/block_pool.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "common/mutex.h"
#include "common/status_macros.h"

// AddressSanitizer treats the payload of a free block as freed memory.
#if defined(__SANITIZE_ADDRESS__)
#define EBB_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EBB_HAS_ASAN 1
#endif
#endif
#ifdef EBB_HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)0)
#endif

// Younger than some C libraries' headers.
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010  // Linux 5.1
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // Linux 6.1
#endif

namespace ebb::server {
namespace {

constexpr int64_t kAlignment = 64;

// The system's huge pages, if it has them, are of this size.
constexpr int64_t kHugePage = int64_t{2} << 20;

// Content ids are drawn from the pool in ranges of this size, so that writers
// on many threads do not meet at one counter for every change.
constexpr uint64_t kIdRange = uint64_t{1} << 16;

struct alignas(kAlignment) CacheLine {
  std::byte bytes[kAlignment];
};

}  // namespace

namespace internal {

// The pool proper. Lock order: grow_mu_ before mu_.
class BlockPoolCore : public std::enable_shared_from_this<BlockPoolCore> {
 public:
  explicit BlockPoolCore(BlockPoolOptions options)
      : options_(std::move(options)),
        max_blocks_(options_.max_bytes / options_.block_bytes),
        slab_blocks_(std::min(max_blocks_,
                              (options_.slab_bytes + options_.block_bytes - 1) /
                                  options_.block_bytes)) {}

  ~BlockPoolCore() {
    if (mapping_ != nullptr) {
      ASAN_UNPOISON_MEMORY_REGION(mapping_, file_bytes());
      munmap(mapping_, file_bytes());
    }
    for (const Slab& slab : slabs_) {
      if (slab.memory != nullptr) {
        ASAN_UNPOISON_MEMORY_REGION(slab.memory.get(),
                                    slab.blocks * options_.block_bytes);
      }
    }
    if (fd_ >= 0) close(fd_);
  }

  // Makes the memory file; called once, before any other call.
  absl::Status Map() {
    const std::string name = absl::StrCat("ebb-", options_.name);
    fd_ = memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd_ < 0) return SystemError("memfd_create");
    if (ftruncate(fd_, file_bytes()) != 0) return SystemError("ftruncate");
    // It begins where a huge page can, within a place that is reserved first.
    const int64_t reserved_bytes = file_bytes() + kHugePage;
    void* const reserved =
        mmap(nullptr, reserved_bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, 0);
    if (reserved == MAP_FAILED) return SystemError("mmap");
    auto* const begin = static_cast<std::byte*>(reserved);
    const int64_t before =
        static_cast<int64_t>(-reinterpret_cast<uintptr_t>(begin)) &
        (kHugePage - 1);
    void* const mapping =
        mmap(begin + before, file_bytes(), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd_, /*offset=*/0);
    if (mapping == MAP_FAILED) {
      absl::Status error = SystemError("mmap");
      munmap(reserved, reserved_bytes);
      return error;
    }
    if (before > 0) munmap(begin, before);
    const int64_t page = sysconf(_SC_PAGESIZE);
    const int64_t end = (before + file_bytes() + page - 1) / page * page;
    if (end < reserved_bytes) munmap(begin + end, reserved_bytes - end);
    mapping_ = static_cast<std::byte*>(mapping);
    madvise(mapping, file_bytes(), MADV_HUGEPAGE);
    // An improvement, not a need, so a refusal does not matter: no process
    // that is handed the file can write to it or cut it short under us.
    fcntl(fd_, F_ADD_SEALS,
          F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
    return absl::OkStatus();
  }

  absl::Status Allocate(std::span<BlockRef> blocks) {
    while (!TakeFree(blocks)) {
      EBB_RETURN_IF_ERROR(Grow(static_cast<int64_t>(blocks.size())));
    }
    for (BlockRef& ref : blocks) {
      ASAN_UNPOISON_MEMORY_REGION(ref.block_->data, options_.block_bytes);
      DrawContentId(ref.block_);
    }
    return absl::OkStatus();
  }

  // Adds slabs until `count` blocks are free. Another thread may take them
  // first: the caller looks again.
  absl::Status Grow(int64_t count) {
    MutexLock grow_lock(&grow_mu_);
    while (true) {
      const BlockPoolStats stats = Stats();
      if (stats.free_blocks >= count) return absl::OkStatus();
      const int64_t total = stats.live_blocks + stats.free_blocks;
      const int64_t room = max_blocks_ - total;
      if (stats.free_blocks + room < count) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "memory pool '", options_.name, "': ", count, " block(s) of ",
            options_.block_bytes, " bytes wanted, but ", stats.live_blocks,
            " of at most ", max_blocks_,
            " are in use; wait for pulls and checkpoints to let go of theirs, "
            "or raise the memory limit (--memory)"));
      }
      EBB_RETURN_IF_ERROR(AddSlab(total, std::min(slab_blocks_, room)));
    }
  }

  void Return(Block* block) {
    ASAN_POISON_MEMORY_REGION(block->data, options_.block_bytes);
    // Destroyed after the lock is gone: it may be the last to hold this.
    std::shared_ptr<BlockPoolCore> last;
    MutexLock lock(&mu_);
    block->next_free = std::exchange(free_, block);
    ++free_blocks_;
    if (--live_blocks_ == 0) last = std::move(orphan_);
  }

  // The pool's handle is gone: from now on the live blocks keep this alive.
  void Abandon() {
    MutexLock lock(&mu_);
    if (live_blocks_ > 0) orphan_ = shared_from_this();
  }

  // False: more than the bound would be promised.
  bool AddPromised(int64_t count) {
    MutexLock lock(&mu_);
    if (count > 0 && promised_blocks_ + count > max_blocks_) return false;
    promised_blocks_ += count;
    return true;
  }

  // Returns the first id of a range that no other caller gets.
  uint64_t DrawIds() {
    // Relaxed: only distinctness matters.
    return id_ranges_.fetch_add(1, std::memory_order_relaxed) * kIdRange;
  }

  BlockPoolStats Stats() const {
    MutexLock lock(&mu_);
    return {.block_bytes = options_.block_bytes,
            .live_blocks = live_blocks_,
            .free_blocks = free_blocks_,
            .peak_blocks = peak_blocks_,
            .promised_blocks = promised_blocks_,
            .max_blocks = max_blocks_};
  }

  int64_t block_bytes() const { return options_.block_bytes; }
  int fd() const { return fd_; }
  std::span<const std::byte> mapping() const {
    return {mapping_, static_cast<size_t>(file_bytes())};
  }
  int64_t file_bytes() const {
    return options_.shared ? max_blocks_ * options_.block_bytes : 0;
  }

 private:
  struct Slab {
    int64_t blocks = 0;
    std::unique_ptr<Block[]> headers;
    std::unique_ptr<CacheLine[]> memory;  // Null when in the memory file.
  };

  absl::Status SystemError(absl::string_view call) const {
    const int error = errno;
    return absl::ResourceExhaustedError(absl::StrCat(
        "memory pool '", options_.name, "': ", call, " for ",
        options_.max_bytes, " bytes failed: ", strerror(error),
        "; lower the memory limit, or use a pool that is not shared"));
  }

  // Fills `blocks` from the free list, or returns false and does nothing.
  bool TakeFree(std::span<BlockRef> blocks) {
    MutexLock lock(&mu_);
    const auto count = static_cast<int64_t>(blocks.size());
    if (free_blocks_ < count) return false;
    for (BlockRef& ref : blocks) {
      Block* const block = free_;
      free_ = block->next_free;
      // Relaxed: the lock orders this after the last holder's Return().
      block->references.store(1, std::memory_order_relaxed);
      ref = BlockRef(block);
    }
    free_blocks_ -= count;
    live_blocks_ += count;
    peak_blocks_ = std::max(peak_blocks_, live_blocks_);
    return true;
  }

  // Huge pages for a stretch of the file, also where the system gives none by
  // itself for memory that is shared: rows that lie all over it need fewer
  // address translations. It makes one of what has a page at least. Where it
  // refuses all is as well, but slower.
  void AskForHugePages(int64_t start, int64_t bytes) {
    const int64_t first = (start + kHugePage - 1) / kHugePage * kHugePage;
    const int64_t end = (start + bytes) / kHugePage * kHugePage;
    if (first >= end) return;
    for (int64_t at = first; at < end; at += kHugePage) {
      madvise(mapping_ + at, 1, MADV_POPULATE_WRITE);
    }
    madvise(mapping_ + first, end - first, MADV_COLLAPSE);
  }

  // Obtains a stretch of the file from the system now. A full machine is an
  // error here, not a SIGBUS at the first write, and later computing meets no
  // page fault.
  absl::Status Populate(int64_t start, int64_t bytes) {
    int result = 0;
    do {
      result = madvise(mapping_ + start, bytes, MADV_POPULATE_WRITE);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    // Unknown before Linux 5.14, or blocks smaller than pages.
    if (result != 0 && errno == EINVAL) {
      do {
        result = fallocate(fd_, /*mode=*/0, start, bytes);
      } while (result != 0 && errno == EINTR);
      // A system without that either gives pages at the first touch.
      if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = 0;
    }
    return result == 0 ? absl::OkStatus() : SystemError("getting pages");
  }

  absl::Status AddSlab(int64_t first, int64_t blocks)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(grow_mu_) {
    const int64_t start = first * options_.block_bytes;
    const int64_t bytes = blocks * options_.block_bytes;
    Slab slab{.blocks = blocks};
    std::byte* data = nullptr;
    if (options_.shared) {
      data = mapping_ + start;
      AskForHugePages(start, bytes);
      EBB_RETURN_IF_ERROR(Populate(start, bytes));
    } else {
      slab.memory = std::make_unique_for_overwrite<CacheLine[]>(
          static_cast<size_t>(bytes / kAlignment));
      data = slab.memory.get()->bytes;
    }
    slab.headers = std::make_unique<Block[]>(static_cast<size_t>(blocks));
    ASAN_POISON_MEMORY_REGION(data, bytes);
    for (int64_t i = 0; i < blocks; ++i) {
      Block& block = slab.headers[i];
      block.data = data + i * options_.block_bytes;
      block.pool = this;
      block.offset = start + i * options_.block_bytes;
      block.content_id = DrawIds();
      block.size = static_cast<uint32_t>(options_.block_bytes);
      if (i + 1 < blocks) block.next_free = &slab.headers[i + 1];
    }
    {
      // The lowest block comes out first.
      MutexLock lock(&mu_);
      slab.headers[blocks - 1].next_free =
          std::exchange(free_, slab.headers.get());
      free_blocks_ += blocks;
    }
    slabs_.push_back(std::move(slab));
    return absl::OkStatus();
  }

  // Constant once Map() has returned.
  const BlockPoolOptions options_;
  const int64_t max_blocks_;
  const int64_t slab_blocks_;
  int fd_ = -1;
  std::byte* mapping_ = nullptr;

  // The number of the next range of content ids. From 1: no id is 0.
  std::atomic<uint64_t> id_ranges_{1};

  Mutex grow_mu_ ABSL_ACQUIRED_BEFORE(mu_);
  std::vector<Slab> slabs_ ABSL_GUARDED_BY(grow_mu_);

  mutable Mutex mu_;
  Block* free_ ABSL_GUARDED_BY(mu_) = nullptr;
  int64_t free_blocks_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t live_blocks_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t peak_blocks_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t promised_blocks_ ABSL_GUARDED_BY(mu_) = 0;
  // This, while blocks live on after the pool's handle.
  std::shared_ptr<BlockPoolCore> orphan_ ABSL_GUARDED_BY(mu_);
};

void ReturnBlock(Block* block) { block->pool->Return(block); }

void DrawContentId(Block* block) {
  if (++block->content_id % kIdRange == 0) {
    block->content_id = block->pool->DrawIds();
  }
}

}  // namespace internal

std::span<std::byte> BlockRef::mutable_bytes() {
  MarkChanged();
  return {block_->data, block_->size};
}

std::span<float> BlockRef::mutable_floats() {
  MarkChanged();
  return {reinterpret_cast<float*>(block_->data), block_->size / sizeof(float)};
}

void BlockRef::MarkChanged() {
  // A write to a block that others hold would tear a pull or a checkpoint.
  CHECK(Unique()) << "a block with several holders is immutable";
  internal::DrawContentId(block_);
}

absl::Status BlockPoolOptions::Validate() const {
  const auto error = [this](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory pool '", name, "': ", what));
  };
  if (block_bytes <= 0 || block_bytes % kAlignment != 0 ||
      block_bytes > std::numeric_limits<uint32_t>::max()) {
    return error(absl::StrCat("block_bytes is ", block_bytes,
                              "; it must be a positive multiple of ",
                              kAlignment, " below 4 GiB"));
  }
  if (max_bytes < block_bytes) {
    return error(absl::StrCat("max_bytes is ", max_bytes,
                              ", less than one block of ", block_bytes));
  }
  if (slab_bytes <= 0) {
    return error(
        absl::StrCat("slab_bytes is ", slab_bytes, "; it must be positive"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BlockPool>> BlockPool::Create(
    BlockPoolOptions options) {
  EBB_RETURN_IF_ERROR(options.Validate());
  auto core = std::make_shared<internal::BlockPoolCore>(options);
  if (options.shared) EBB_RETURN_IF_ERROR(core->Map());
  return std::make_unique<BlockPool>(std::move(core));
}

BlockPool::BlockPool(std::shared_ptr<internal::BlockPoolCore> core)
    : core_(std::move(core)) {}

BlockPool::~BlockPool() { core_->Abandon(); }

absl::StatusOr<BlockRef> BlockPool::Allocate() {
  BlockRef block;
  EBB_RETURN_IF_ERROR(core_->Allocate({&block, 1}));
  return block;
}

absl::StatusOr<std::vector<BlockRef>> BlockPool::AllocateMany(int64_t count) {
  CHECK_GE(count, 0);
  // Makes room first: an absurd count fails before it costs a vector.
  EBB_RETURN_IF_ERROR(core_->Grow(count));
  std::vector<BlockRef> blocks(static_cast<size_t>(count));
  EBB_RETURN_IF_ERROR(core_->Allocate(blocks));
  return blocks;
}

absl::StatusOr<BlockRef> BlockPool::CopyForWrite(const BlockRef& source) {
  CHECK_EQ(static_cast<int64_t>(source.size()), block_bytes());
  EBB_ASSIGN_OR_RETURN(BlockRef copy, Allocate());
  std::memcpy(copy.mutable_bytes().data(), source.bytes().data(),
              source.size());
  return copy;
}

PromisedBlocks BlockPool::Promise(int64_t count) {
  CHECK_GE(count, 0);
  if (!core_->AddPromised(count)) return {};
  return PromisedBlocks(core_, count);
}

bool PromisedBlocks::Resize(int64_t count) {
  CHECK(core_ != nullptr && count >= 0);
  if (!core_->AddPromised(count - count_)) return false;
  count_ = count;
  return true;
}

void PromisedBlocks::Drop() {
  if (core_ != nullptr) core_->AddPromised(-count_);
  core_.reset();
}

int64_t BlockPool::block_bytes() const { return core_->block_bytes(); }
BlockPoolStats BlockPool::Stats() const { return core_->Stats(); }
int BlockPool::fd() const { return core_->fd(); }
int64_t BlockPool::file_bytes() const { return core_->file_bytes(); }
std::span<const std::byte> BlockPool::mapping() const {
  return core_->mapping();
}

}  // namespace ebb::server
