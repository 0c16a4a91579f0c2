// A device whose kernels run on the host, one thread after the other: the same
// templates, launched as they are on a device.
#ifndef EBB_MODELS_TESTING_EMULATED_GPU_H_
#define EBB_MODELS_TESTING_EMULATED_GPU_H_

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "models/gpu/gemm.h"
#include "models/gpu/kernel.h"
#include "models/gpu/kernel_backend.h"
#include "models/gpu/memory_pool.h"

namespace ebb::models::testing {

// Tests what is computed where: indices, shapes of launches, sizes of memory.
// Not what only a device shows: races of threads, barriers that are missing,
// rounding, and every call of CUDA.
class EmulatedEngine final : public gpu::BlockSource {
 public:
  EmulatedEngine() = default;
  ~EmulatedEngine() override;  // CHECK-fails if blocks were not deleted.

  // Bytes that blocks may have together. Default: any number.
  void set_memory_bytes(int64_t bytes) { memory_bytes_ = bytes; }
  // From now on nothing works, as after an error of the device.
  void Lose() { status_ = absl::UnavailableError("emulated: lost"); }
  int64_t launches() const { return launches_; }

  void* NewBlock(int64_t bytes) override;
  void DeleteBlock(void* block) override;
  absl::Status status() const { return status_; }
  void CopyIn(const void* host, int64_t bytes, void* memory) {
    std::memcpy(memory, host, bytes);
  }
  void CopyOut(const void* memory, int64_t bytes, void* host) {
    std::memcpy(host, memory, bytes);
  }
  void Zero(void* memory, int64_t bytes) { std::memset(memory, 0, bytes); }
  // As a BLAS defines it.
  void Multiply(const gpu::Gemm& gemm);
  template <typename Kernel>
  void Launch(int64_t blocks, const Kernel& kernel) {
    ++launches_;
    for (int64_t block = 0; block < blocks; ++block) {
      // Nobody may read what his block has not written.
      typename Kernel::Shared shared;
      std::memset(static_cast<void*>(&shared), 0xff, sizeof(shared));
      kernel(gpu::HostTeam<Kernel>(block, blocks, &shared));
    }
  }

 private:
  absl::Status status_;
  int64_t memory_bytes_ = std::numeric_limits<int64_t>::max();
  int64_t used_bytes_ = 0;
  int64_t launches_ = 0;
  std::map<void*, int64_t> blocks_;
};

using EmulatedGpu = gpu::KernelBackend<EmulatedEngine>;

std::unique_ptr<EmulatedGpu> MakeEmulatedGpu();

}  // namespace ebb::models::testing

#endif  // EBB_MODELS_TESTING_EMULATED_GPU_H_
