// The windows of a packed set that are in memory: at most two of them. While
// one is used, a thread reads the next.
#ifndef EBB_DATA_DATASET_WINDOW_CACHE_H_
#define EBB_DATA_DATASET_WINDOW_CACHE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"

namespace ebb::data::internal {

// Thread-safe. `Held` is what a window is in memory.
template <typename Held>
class WindowCache {
 public:
  // `old` is a window that is no longer used, so its memory may be: it is
  // nothing, or gone before the new one is made.
  using Load = std::function<absl::StatusOr<Held>(int64_t window,
                                                  std::optional<Held> old)>;

  // `load` is called by any thread, for different windows at once.
  explicit WindowCache(Load load) : load_(std::move(load)) {}
  ~WindowCache() {
    {
      MutexLock lock(&mu_);
      stopped_ = true;
      changed_.SignalAll();
    }
    if (thread_.joinable()) thread_.join();
  }
  WindowCache(const WindowCache&) = delete;
  WindowCache& operator=(const WindowCache&) = delete;

  // Calls `use` with the window, which stays in memory meanwhile. Blocks until
  // it is read. `use` must not call the cache. The errors of `load` and `use`;
  // after one, the window is loaded anew when it is next used.
  absl::Status Use(int64_t window,
                   absl::FunctionRef<absl::Status(const Held& held)> use) {
    Slot* const slot = Take(window, /*ahead=*/false);
    if (slot->state == State::kLoading) {
      absl::Status status = Fill(slot, /*users=*/1);
      if (!status.ok()) return status;
    }
    absl::Status status = use(*slot->held);
    MutexLock lock(&mu_);
    --slot->users;
    slot->failed |= !status.ok();
    if (slot->failed && slot->users == 0) slot->state = State::kEmpty;
    changed_.SignalAll();
    return status;
  }

  // The window will be used next: the thread reads it, if it is not there. Does
  // not block. An error is met again when the window is used.
  void Expect(int64_t window) {
    MutexLock lock(&mu_);
    if (expected_ == window || FindLocked(window) != nullptr) return;
    expected_ = window;
    if (!thread_.joinable()) thread_ = std::thread([this] { ReadAhead(); });
    changed_.SignalAll();
  }

 private:
  enum class State { kEmpty, kLoading, kReady };
  // What is loading belongs to the thread that loads it, and what is used stays
  // as it is: both are looked at without the lock.
  struct Slot {
    State state = State::kEmpty;
    int64_t window = -1;
    int users = 0;
    bool failed = false;  // An error was met while it was used.
    int64_t used_last = 0;
    std::optional<Held> held;  // Also of an older window, until this is filled.
  };

  Slot* FindLocked(int64_t window) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    for (Slot& slot : slots_) {
      if (slot.state != State::kEmpty && slot.window == window) return &slot;
    }
    return nullptr;
  }

  // A slot with the window, counted as used: ready, or empty for the caller to
  // fill. Null only if it is ahead and another thread has it, or at the end.
  Slot* Take(int64_t window, bool ahead) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    for (;; changed_.Wait(&mu_)) {
      if (ahead && (stopped_ || expected_ != window)) return nullptr;
      if (Slot* const there = FindLocked(window)) {
        if (ahead) return nullptr;
        if (there->state == State::kLoading) continue;
        ++there->users;
        there->used_last = ++uses_;
        return there;
      }
      Slot* const oldest =
          slots_[0].used_last <= slots_[1].used_last ? &slots_[0] : &slots_[1];
      Slot* const other = oldest == &slots_[0] ? &slots_[1] : &slots_[0];
      Slot* slot = nullptr;
      if (oldest->users == 0) {
        slot = oldest;
      } else if (!ahead && other->users == 0) {
        slot = other;
      }
      if (slot == nullptr) continue;
      slot->state = State::kLoading;
      slot->window = window;
      slot->users = 1;
      slot->failed = false;
      // What is read ahead is no older than what is used now.
      slot->used_last = ++uses_;
      return slot;
    }
  }

  // Loads the window of a slot that Take() gave empty, which has so many users
  // then. After an error it has none.
  absl::Status Fill(Slot* slot, int users) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::StatusOr<Held> loaded =
        load_(slot->window, std::exchange(slot->held, std::nullopt));
    absl::Status status = loaded.status();
    MutexLock lock(&mu_);
    if (loaded.ok()) {
      slot->held.emplace(*std::move(loaded));
      slot->state = State::kReady;
      slot->users = users;
    } else {
      slot->state = State::kEmpty;
      slot->users = 0;
    }
    changed_.SignalAll();
    return status;
  }

  void ReadAhead() {
    for (;;) {
      int64_t window = -1;
      {
        MutexLock lock(&mu_);
        while (!stopped_ && expected_ < 0) changed_.Wait(&mu_);
        if (stopped_) return;
        window = expected_;
      }
      Slot* const slot = Take(window, /*ahead=*/true);
      // An error is met again by the caller that uses the window.
      if (slot != nullptr) Fill(slot, /*users=*/0).IgnoreError();
      MutexLock lock(&mu_);
      if (expected_ == window) expected_ = -1;
      changed_.SignalAll();
    }
  }

  const Load load_;
  Mutex mu_;
  CondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  int64_t expected_ ABSL_GUARDED_BY(mu_) = -1;
  int64_t uses_ ABSL_GUARDED_BY(mu_) = 0;
  std::array<Slot, 2> slots_;
  std::thread thread_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_DATASET_WINDOW_CACHE_H_
