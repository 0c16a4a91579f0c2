// The one door between code that nvcc compiles and the rest.
#ifndef EBB_MODELS_GPU_LAUNCH_H_
#define EBB_MODELS_GPU_LAUNCH_H_

#include <cstdint>

namespace ebb::models::gpu {

// Launches at least one block on the device that the thread has set. `stream`
// is a cudaStream_t; returns a cudaError_t. kernels.cu has it for each kernel.
template <typename Kernel>
int LaunchOnDevice(void* stream, int64_t blocks, const Kernel& kernel);

}  // namespace ebb::models::gpu

#endif  // EBB_MODELS_GPU_LAUNCH_H_
