// The kernels, compiled for devices.
#include <cuda_runtime_api.h>

#include "models/gpu/kernel.h"
#include "models/gpu/kernels.h"
#include "models/gpu/launch.h"

namespace ebb::models::gpu {
namespace {

template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads) Run(Kernel kernel) {
  __shared__ typename Kernel::Shared shared;
  kernel(DeviceTeam<Kernel>(&shared));
}

}  // namespace

template <typename Kernel>
int LaunchOnDevice(void* stream, int64_t blocks, const Kernel& kernel) {
  Run<<<static_cast<unsigned>(blocks), Kernel::kThreads, 0,
        static_cast<cudaStream_t>(stream)>>>(kernel);
  return static_cast<int>(cudaGetLastError());
}

// For each kernel; one that is not here is missed by the linker.
#define EBB_LAUNCHES(...) \
  template int LaunchOnDevice(void*, int64_t, const __VA_ARGS__&)
EBB_LAUNCHES(ForEachElement<ActivateElement>);
EBB_LAUNCHES(ForEachElement<BiasElement>);
EBB_LAUNCHES(ForEachElement<ActivateBackwardElement>);
EBB_LAUNCHES(ForEachElement<StoreDropoutBatch>);
EBB_LAUNCHES(ForEachElement<DropoutPair>);
EBB_LAUNCHES(ForEachElement<MultiplyElement>);
EBB_LAUNCHES(ForEachElement<AddScaledElement>);
EBB_LAUNCHES(ForEachElement<AddScaledRowElement>);
EBB_LAUNCHES(ForEachElement<ScaleElement>);
EBB_LAUNCHES(ForEachElement<ClipFactor>);
EBB_LAUNCHES(ForEachElement<ScaleByElement>);
EBB_LAUNCHES(ForEachElement<ProbabilityElement>);
EBB_LAUNCHES(SquareSums);
EBB_LAUNCHES(SumParts<double>);
EBB_LAUNCHES(SumParts<LossPart>);
EBB_LAUNCHES(ColumnParts);
EBB_LAUNCHES(ForEachElement<ColumnSumElement>);
EBB_LAUNCHES(PointLosses);
EBB_LAUNCHES(SoftmaxRows);
EBB_LAUNCHES(ForEachElement<SparseProductElement>);
EBB_LAUNCHES(SparseProductRows);
EBB_LAUNCHES(ForEachEntry<SparseTransposeTerm>);
EBB_LAUNCHES(ForEachEntry<FactorGradientTerm>);
EBB_LAUNCHES(ForEachEntry<FieldSumsTerm>);
EBB_LAUNCHES(ForEachElement<FactorSumElement>);
EBB_LAUNCHES(ForEachElement<AddPairsElement>);
EBB_LAUNCHES(FieldFactorRows);
EBB_LAUNCHES(ForEachEntry<FieldFactorTerm>);
EBB_LAUNCHES(ForEachElement<FieldSumElement>);

}  // namespace ebb::models::gpu
