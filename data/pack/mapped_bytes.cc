#include "data/pack/mapped_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ebb::data::pack {
namespace {

// The handler knows this of a mapping. It takes no lock.
struct Region {
  std::atomic<bool> taken = false;
  std::atomic<uintptr_t> begin = 0;
  std::atomic<uintptr_t> end = 0;  // 0: there is none.
  std::atomic<bool> lost = false;
};
static_assert(std::atomic<uintptr_t>::is_always_lock_free);

// A job reads two windows of its training data and two of its test data, or
// maps a part of each file that it reads at once.
constexpr int kRegions = 256;
std::array<Region, kRegions> regions;
struct sigaction handler_before;
uintptr_t page_bytes = 0;

// True if the address is in the region. Another thread may give the region to
// another mapping meanwhile: an end that is as before belongs to the beginning.
bool Has(const Region& region, uintptr_t at) {
  const uintptr_t end = region.end.load();
  return at < end && at >= region.begin.load() && region.end.load() == end;
}

// Puts zeros into the page if it is one of a mapping. Returns whether it did.
bool PutZeros(uintptr_t at) {
  for (Region& region : regions) {
    if (!Has(region, at)) continue;
    void* const page = reinterpret_cast<void*>(at & ~(page_bytes - 1));
    // First: another thread may read the zeros as soon as they are there.
    region.lost.store(true, std::memory_order_release);
    if (mmap(page, page_bytes, PROT_READ,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
      return false;
    }
    return true;
  }
  return false;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool ours = PutZeros(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = error;
  if (ours) return;
  if ((handler_before.sa_flags & SA_SIGINFO) != 0) {
    handler_before.sa_sigaction(signal, info, context);
  } else if (handler_before.sa_handler != SIG_DFL &&
             handler_before.sa_handler != SIG_IGN) {
    handler_before.sa_handler(signal);
  } else {
    // The instruction is tried again, and ends the process.
    struct sigaction plain = {};
    plain.sa_handler = SIG_DFL;
    sigaction(SIGBUS, &plain, nullptr);
  }
}

bool InstallHandler() {
  page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  struct sigaction handler = {};
  handler.sa_sigaction = OnBusError;
  handler.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigemptyset(&handler.sa_mask);
  return sigaction(SIGBUS, &handler, &handler_before) == 0;
}

// -1: all are taken.
int TakeRegion() {
  for (int i = 0; i < kRegions; ++i) {
    if (!regions[i].taken.exchange(true)) return i;
  }
  return -1;
}

void ReturnRegion(int number) {
  Region& region = regions[number];
  region.end.store(0);
  region.taken.store(false, std::memory_order_release);
}

// Returns whether all pages are in the page cache.
bool AllCached(void* at, int64_t bytes) {
  const auto size = static_cast<uintptr_t>(bytes);
  std::vector<unsigned char> there((size + page_bytes - 1) / page_bytes);
  return mincore(at, size, there.data()) == 0 &&
         std::ranges::all_of(
             there, [](unsigned char page) { return (page & 1) != 0; });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const MappedBytes>> MappedBytes::Map(
    const Fd& file, const FileState& state, int64_t offset, int64_t bytes,
    const std::string& path) {
  static const bool installed = InstallHandler();
  Fd own(fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  const int number = installed && own ? TakeRegion() : -1;
  if (number < 0) {
    return absl::FailedPreconditionError("no further file can be mapped");
  }
  const int64_t skipped = offset % static_cast<int64_t>(page_bytes);
  const int64_t mapped = skipped + bytes;
  void* const at = mmap(nullptr, static_cast<size_t>(mapped), PROT_READ,
                        MAP_SHARED, file.get(), offset - skipped);
  if (at == MAP_FAILED) {
    ReturnRegion(number);
    return absl::FailedPreconditionError(
        absl::StrCat(path, " cannot be mapped: ", strerror(errno)));
  }
  Region& region = regions[number];
  region.lost.store(false, std::memory_order_relaxed);
  region.begin.store(reinterpret_cast<uintptr_t>(at));
  region.end.store(reinterpret_cast<uintptr_t>(at) + mapped);
  char* const pages = static_cast<char*>(at);
  const bool cached = AllCached(at, mapped);
  std::shared_ptr<const MappedBytes> map(new MappedBytes(
      std::move(own), state, pages, mapped,
      absl::string_view(pages + skipped, static_cast<size_t>(bytes)), cached,
      number, path));
  // The system reads ahead for reads, and hardly for mapped pages. This asks
  // the disk for all of them at once, and does not wait.
  if (!cached) {
    madvise(at, static_cast<size_t>(mapped), MADV_WILLNEED);
  }
  return map;
}

absl::Status MappedBytes::Load() const {
#ifdef MADV_POPULATE_READ
  // Older systems do not know it, and read each page when it is used.
  while (madvise(pages_, static_cast<size_t>(mapped_), MADV_POPULATE_READ) !=
         0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == EINVAL) break;
    return absl::UnavailableError(
        absl::StrCat(path_, " cannot be read: ", strerror(errno)));
  }
#endif
  return absl::OkStatus();
}

MappedBytes::~MappedBytes() {
  // First, so that its addresses are not those of another mapping yet.
  ReturnRegion(region_);
  munmap(pages_, static_cast<size_t>(mapped_));
}

bool MappedBytes::lost() const {
  const auto now = FileState::Of(file_, "");
  return !now.ok() || !now->SameContent(state_) ||
         regions[region_].lost.load(std::memory_order_acquire);
}

}  // namespace ebb::data::pack
