// How kernels are written, so that the same template runs on a device and, for
// tests of its index arithmetic, on the host.
//
// A kernel is a copyable struct; equal ones do the same:
//
//   struct Double {
//     static constexpr int kThreads = 256;  // Of a block; a multiple of 32.
//     struct Shared {};  // For all threads of a block.
//     template <typename Team>
//     EBB_DEVICE_CODE void operator()(const Team& team) const {
//       team.Each([&](int thread) { ... });  // All threads, then a barrier.
//       team.Each([&](int thread) { ... });
//     }
//     float* x;
//     bool operator==(const Double&) const = default;
//   };
//
// Results of one step for the next lie in team.shared() or in memory: a thread
// has no state of its own from step to step. All threads of a block come to the
// same steps. A kernel takes whatever number of blocks it is given.
#ifndef EBB_MODELS_GPU_KERNEL_H_
#define EBB_MODELS_GPU_KERNEL_H_

#include <algorithm>
#include <cstdint>

#if defined(__CUDACC__)
#define EBB_DEVICE_CODE __host__ __device__
#else
#define EBB_DEVICE_CODE
#endif

namespace ebb::models::gpu {

// Threads that work on one row of a matrix; also those of a warp.
inline constexpr int kLanes = 32;

// Blocks for this many independent pieces of work; a block does one or more.
// None if there is no work.
constexpr int64_t BlocksFor(int64_t pieces) {
  constexpr int64_t kMostBlocks = 65535;
  return std::min(pieces, kMostBlocks);
}

constexpr int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// For a kernel whose threads share no memory.
struct NothingShared {};

// One block on the host: its threads one after the other.
template <typename Kernel>
class HostTeam {
 public:
  HostTeam(int64_t block, int64_t blocks, typename Kernel::Shared* shared)
      : block_(block), blocks_(blocks), shared_(shared) {}

  int64_t block() const { return block_; }
  int64_t blocks() const { return blocks_; }
  typename Kernel::Shared& shared() const { return *shared_; }
  template <typename Step>
  void Each(const Step& step) const {
    for (int thread = 0; thread < Kernel::kThreads; ++thread) step(thread);
  }

 private:
  const int64_t block_;
  const int64_t blocks_;
  typename Kernel::Shared* const shared_;
};

#if defined(__CUDACC__)
// One block on the device.
template <typename Kernel>
class DeviceTeam {
 public:
  __device__ explicit DeviceTeam(typename Kernel::Shared* shared)
      : shared_(shared) {}

  __device__ int64_t block() const { return blockIdx.x; }
  __device__ int64_t blocks() const { return gridDim.x; }
  __device__ typename Kernel::Shared& shared() const { return *shared_; }
  template <typename Step>
  __device__ void Each(const Step& step) const {
    step(static_cast<int>(threadIdx.x));
    __syncthreads();
  }

 private:
  typename Kernel::Shared* const shared_;
};
#endif

// Adds up v[0, threads) within each run of `lanes` threads, a power of two;
// the first of the run has the sum.
template <typename Team, typename T>
EBB_DEVICE_CODE void TreeSum(const Team& team, int lanes, T* v) {
  for (int step = lanes / 2; step > 0; step /= 2) {
    team.Each([&](int thread) {
      if (thread % lanes < step) v[thread] += v[thread + step];
    });
  }
}

// *at += value, while other threads may do the same.
EBB_DEVICE_CODE inline void AddAtomically(float* at, float value) {
#if defined(__CUDA_ARCH__)
  atomicAdd(at, value);
#else
  *at += value;
#endif
}

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_KERNEL_H_
