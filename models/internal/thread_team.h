// Threads that compute one operation together.
#ifndef EBB_MODELS_INTERNAL_THREAD_TEAM_H_
#define EBB_MODELS_INTERNAL_THREAD_TEAM_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace ebb::models::internal {

// Operations follow each other sooner than a thread is woken. So the threads
// look for the next one for some 200 microseconds before they sleep.
//
// One thread calls Run at a time. Part 0 is its own.
class ThreadTeam {
 public:
  static constexpr int kMost = 511;

  // `threads`, 1 to kMost, counts the one that calls Run: of 1 none is started.
  explicit ThreadTeam(int threads);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(others_.size()) + 1; }

  // Calls compute(0) ... compute(parts - 1), each on a thread of its own, and
  // waits until all have returned. `parts` is 1 to size().
  void Run(int parts, absl::FunctionRef<void(int)> compute);

 private:
  void Serve(int part);

  // The number of the last Run, and in the low bits its parts. They are one
  // word, because a thread without a part may miss a Run.
  std::atomic<uint64_t> order_;
  std::atomic<uint32_t> unfinished_ = 0;
  const absl::FunctionRef<void(int)>* compute_ = nullptr;
  std::vector<std::thread> others_;
};

}  // namespace ebb::models::internal

#endif  // EBB_MODELS_INTERNAL_THREAD_TEAM_H_
