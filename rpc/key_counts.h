// How the keys of pushes travel, as one process sees it: for its metrics.
#ifndef EBB_RPC_KEY_COUNTS_H_
#define EBB_RPC_KEY_COUNTS_H_

#include <atomic>
#include <cstdint>

namespace ebb::rpc {

// Counts pushes over the network that the process sent, or took. Thread-safe.
class KeyCounts {
 public:
  // A push has bytes of keys; as many more are of lists that it names.
  void Count(int64_t bytes, int64_t named_bytes) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    named_bytes_.fetch_add(named_bytes, std::memory_order_relaxed);
  }
  // A push named what the server has not, or no longer.
  void CountUnknown() { unknown_.fetch_add(1, std::memory_order_relaxed); }

  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  int64_t named_bytes() const {
    return named_bytes_.load(std::memory_order_relaxed);
  }
  int64_t unknown() const { return unknown_.load(std::memory_order_relaxed); }

 private:
  // Each for itself; nothing else goes by them.
  std::atomic<int64_t> bytes_ = 0;
  std::atomic<int64_t> named_bytes_ = 0;
  std::atomic<int64_t> unknown_ = 0;
};

}  // namespace ebb::rpc

#endif  // EBB_RPC_KEY_COUNTS_H_
