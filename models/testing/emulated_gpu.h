// A device whose kernels run on the host, one thread after the other: the same
// templates, launched as they are on a device, and done as late or as early as
// a device might.
#ifndef EBB_MODELS_TESTING_EMULATED_GPU_H_
#define EBB_MODELS_TESTING_EMULATED_GPU_H_

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "common/mutex.h"
#include "models/gpu/gemm.h"
#include "models/gpu/kernel.h"
#include "models/gpu/kernel_backend.h"
#include "models/gpu/lanes.h"
#include "models/gpu/memory_pool.h"

namespace ebb::models::testing {

// When the device does what it was given: as a device may, but never as it
// usually does.
struct Schedule {
  enum class Order {
    kAtOnce,       // Everything when it is called.
    kCopiesLate,   // Beside computing only what some lane waits for.
    kCopiesEarly,  // Copies as soon as they may be, and computing late.
    kRandom,
  };
  Order order = Order::kAtOnce;
  uint32_t seed = 1;  // For kRandom.
};

// Tests the organisation of computing: indices, shapes of launches, sizes of
// memory. By the schedule it tests whether the lanes and the host wait for each
// other where they must: data that was not waited for is not there yet, or
// gone. Graphs repeat the calls that were captured, wherever memory is by now.
// It does not test what only a device shows: races of threads, missing
// barriers, rounding, and every call of CUDA.
class EmulatedEngine final : public gpu::BlockSource {
 public:
  explicit EmulatedEngine(const Schedule& schedule = {});
  ~EmulatedEngine() override;  // CHECK-fails if blocks were not deleted.

  // Bytes that blocks may have together. Default: any number.
  void set_memory_bytes(int64_t bytes) { memory_bytes_ = bytes; }
  // From now on nothing works, as after an error of the device.
  void Lose() { status_ = absl::UnavailableError("emulated: lost"); }
  // Launches of kernels, in graphs and alone.
  int64_t launches() const { return launches_; }
  // Calls to the computing lane, as the host makes them: a graph is one,
  // however much is in it.
  int64_t calls() const { return calls_; }
  // Graphs that were captured, and launched.
  int64_t captures() const { return captures_; }
  int64_t replays() const { return replays_; }
  // From now on none can be captured, though it may be begun.
  void FailCaptures() { fail_captures_ = true; }
  // Default 0: all are worth it.
  void set_least_copy_bytes(int64_t bytes) { least_copy_bytes_ = bytes; }
  // Copies from and to pinned memory other than slots.
  int64_t direct_copies() const { return direct_copies_; }
  // Copies ahead that were done while there was something to compute.
  int64_t copies_beside() const { return copies_beside_; }
  // Bytes of memory that is pinned now.
  int64_t pinned_bytes() const;

  void* NewBlock(int64_t bytes) override;
  void DeleteBlock(void* block) override;
  absl::Status status() const { return status_; }

  void Zero(void* memory, int64_t bytes) {
    Compute([=] { std::memset(memory, 0, bytes); });
  }
  // Computes what a BLAS defines.
  void Multiply(const gpu::Gemm& gemm);
  // Identity and ReLU, of a bias that is aligned as a library may want it. The
  // first of each size is tried.
  bool HasFused(const gpu::Gemm& gemm, const float* bias, Activation f,
                absl::FunctionRef<void()> before);
  void MultiplyFused(const gpu::Gemm& gemm, const float* bias, Activation f);
  template <typename Kernel>
  void Launch(int64_t blocks, const Kernel& kernel) {
    ++(captured_ == nullptr ? launches_ : captured_->launches);
    Compute([blocks, kernel] {
      for (int64_t block = 0; block < blocks; ++block) {
        // A block may read only what it has written.
        typename Kernel::Shared shared;
        std::memset(static_cast<void*>(&shared), 0xff, sizeof(shared));
        kernel(gpu::HostTeam<Kernel>(block, blocks, &shared));
      }
    });
  }

  // The calls that were captured.
  struct Captured {
    std::vector<std::function<void()>> runs;
    int64_t launches = 0;
  };
  using Graph = std::unique_ptr<Captured>;
  Graph Capture(absl::FunctionRef<void()> issue);
  void Replay(const Graph& graph);

  // CHECK-fail where the host's side is neither a slot nor pinned.
  void CopyIn(gpu::Lane lane, const void* host, int64_t bytes, void* memory);
  void CopyOut(gpu::Lane lane, const void* memory, int64_t bytes, void* host);
  void Mark(gpu::Lane lane, int mark);
  void Await(gpu::Lane lane, int mark);
  void Sync(int mark);
  // The call gives the device the time for a step.
  bool Reached(int mark);

  int64_t least_copy_bytes() const { return least_copy_bytes_; }
  // Small, so that few copies are of one chunk only.
  static constexpr int64_t slot_bytes() { return 1000; }
  void* slot(int i) const { return slots_[i].get(); }
  std::shared_ptr<void> PinHost(void* memory, int64_t bytes);
  bool IsPinned(const void* memory, int64_t bytes) const;
  // A step takes a second.
  double TakeBusySeconds() { return std::exchange(busy_seconds_, 0); }

 private:
  // A place in a lane, by the number of steps before it.
  struct Place {
    gpu::Lane lane;
    int64_t steps;
  };
  struct Step {
    std::function<void()> run;
    Place after;
  };
  struct Queue {
    std::deque<Step> steps;  // Not done yet.
    int64_t called = 0;
    int64_t done = 0;
  };
  // Outlives the engine, as pinned memory may.
  struct Pins {
    mutable Mutex mu;
    std::map<uintptr_t, int64_t> ranges ABSL_GUARDED_BY(mu);
  };

  Queue& QueueOf(gpu::Lane lane) { return queues_[static_cast<int>(lane)]; }
  bool MayRun(gpu::Lane lane);
  // kCompute first.
  std::vector<gpu::Lane> Runnable();
  void RunFirst(gpu::Lane lane);
  void RunOne();  // CHECK-fails where nothing may run.
  bool Reached(const Place& place) {
    return QueueOf(place.lane).done >= place.steps;
  }
  // CHECK-fails while a graph is captured, but for what Compute is given.
  void Call(gpu::Lane lane, std::function<void()> run, Place after = {});
  void Compute(std::function<void()> run);
  void Drain();

  const Schedule schedule_;
  std::mt19937 random_;
  absl::Status status_;
  int64_t memory_bytes_ = std::numeric_limits<int64_t>::max();
  int64_t used_bytes_ = 0;
  int64_t launches_ = 0;
  int64_t calls_ = 0, captures_ = 0, replays_ = 0;
  bool fail_captures_ = false;
  Graph captured_;  // While there is a capture.
  std::set<std::tuple<int64_t, int64_t, int64_t, Activation, bool>> tried_;
  int64_t least_copy_bytes_ = 0;
  int64_t direct_copies_ = 0;
  int64_t copies_beside_ = 0;
  double busy_seconds_ = 0;
  std::map<void*, int64_t> blocks_;
  Queue queues_[gpu::kLaneCount];
  Place marks_[gpu::kMarks] = {};
  std::unique_ptr<char[]> slots_[2];
  const std::shared_ptr<Pins> pins_ = std::make_shared<Pins>();
};

using EmulatedGpu = gpu::KernelBackend<EmulatedEngine>;

// By default in a random order, which is always the same.
std::unique_ptr<EmulatedGpu> MakeEmulatedGpu(
    const Schedule& schedule = {.order = Schedule::Order::kRandom},
    bool graphs = true);

// At once, copies late, copies early, and `random` random ones.
std::vector<Schedule> ManySchedules(uint32_t random);
// "late", "random_7", ...
std::string NameOf(const Schedule& schedule);

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_EMULATED_GPU_H_
