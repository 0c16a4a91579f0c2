#include "worker/device_choice.h"

#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace ebb::worker {
namespace {

using models::ComputeBackend;
using models::gpu::GpuOptions;
using models::gpu::Precision;

GpuOptions GpuOptionsOf(const v1::Device& device,
                        const DeviceOptions& of_worker) {
  GpuOptions options;
  options.device = of_worker.gpu;
  options.graphs = of_worker.gpu_graphs;
  switch (device.precision()) {
    case v1::Device::PRECISION_TF32:
      options.precision = Precision::kTf32;
      break;
    case v1::Device::PRECISION_BF16:
      options.precision = Precision::kBf16;
      break;
    default:
      break;
  }
  return options;
}

absl::StatusOr<std::unique_ptr<ComputeBackend>> GpuOf(
    const v1::Device& device, const DeviceOptions& options) {
  if (!options.use_gpu) {
    return absl::FailedPreconditionError("it was started with --device cpu");
  }
  return options.make_gpu(GpuOptionsOf(device, options));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ComputeBackend>> BackendOf(
    const v1::Job& job, const DeviceOptions& options) {
  const v1::Device::Kind kind = job.device().kind();
  if (kind != v1::Device::KIND_GPU && kind != v1::Device::KIND_AUTO) {
    return models::CreateBackend(options.cpu);
  }
  auto gpu = GpuOf(job.device(), options);
  if (gpu.ok() || !absl::IsFailedPrecondition(gpu.status())) return gpu;
  if (kind == v1::Device::KIND_GPU) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", job.name(), " wants a GPU (device: gpu), and this worker has ",
        "none: ", gpu.status().message(),
        ". Start workers where one is, or submit it with device: auto"));
  }
  LOG(INFO) << "job=" << job.name()
            << " device=auto computes on the processor: "
            << gpu.status().message();
  return models::CreateBackend(options.cpu);
}

}  // namespace ebb::worker
