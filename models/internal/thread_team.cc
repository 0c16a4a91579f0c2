#include "models/internal/thread_team.h"

#include "glog/logging.h"

namespace ebb::models::internal {
namespace {

// Looks before a thread sleeps, some 200 microseconds in all, and those between
// which it lets others have its processor. It does not pause in the way that
// processors know: a host may stop a virtual machine that does.
constexpr int kLooks = 1 << 17;
constexpr int kLooksOfATurn = 1 << 11;
constexpr uint64_t kPartBits = 9;
constexpr uint64_t kParts = (uint64_t{1} << kPartBits) - 1;
static_assert(ThreadTeam::kMost <= kParts);
// Orders that no Run gives: before the first, and to end.
constexpr uint64_t kNone = 1, kEnd = 0;

// Returns a value other than `old`.
template <typename T>
T AwaitChange(const std::atomic<T>& word, T old) {
  for (int look = 0; look < kLooks; ++look) {
    const T now = word.load(std::memory_order_acquire);
    if (now != old) return now;
    if (look % kLooksOfATurn == kLooksOfATurn - 1) std::this_thread::yield();
  }
  word.wait(old, std::memory_order_acquire);
  return word.load(std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(int threads) {
  CHECK(threads >= 1 && threads <= kMost) << threads;
  order_.store(kNone, std::memory_order_relaxed);
  for (int part = 1; part < threads; ++part) {
    others_.emplace_back([this, part] { Serve(part); });
  }
}

ThreadTeam::~ThreadTeam() {
  order_.store(kEnd, std::memory_order_release);
  order_.notify_all();
  for (std::thread& thread : others_) thread.join();
}

void ThreadTeam::Run(int parts, absl::FunctionRef<void(int)> compute) {
  DCHECK(parts >= 1 && parts <= size()) << parts;
  if (parts == 1) {
    compute(0);
    return;
  }
  compute_ = &compute;
  unfinished_.store(parts - 1, std::memory_order_relaxed);
  const uint64_t number =
      (order_.load(std::memory_order_relaxed) >> kPartBits) + 1;
  order_.store((number << kPartBits) | static_cast<uint64_t>(parts),
               std::memory_order_release);
  order_.notify_all();
  compute(0);
  for (uint32_t left = unfinished_.load(std::memory_order_acquire); left > 0;) {
    left = AwaitChange(unfinished_, left);
  }
}

void ThreadTeam::Serve(int part) {
  // An order that came before this thread began is another one, too.
  for (uint64_t order = kNone;;) {
    order = AwaitChange(order_, order);
    if (order == kEnd) return;
    if (static_cast<uint64_t>(part) >= (order & kParts)) continue;
    (*compute_)(part);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      unfinished_.notify_one();
    }
  }
}

}  // namespace ebb::models::internal
