// Chooses the device on which a worker computes a job.
#ifndef EBB_WORKER_DEVICE_CHOICE_H_
#define EBB_WORKER_DEVICE_CHOICE_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "models/backend.h"
#include "models/backends.h"
#include "models/gpu/gpu_backend.h"

namespace ebb::worker {

struct DeviceOptions {
  // The back end for the processor.
  models::BackendOptions cpu;
  // Gives a GPU to jobs that ask for one. Default: yes.
  bool use_gpu = true;
  // The number of the GPU among those that CUDA shows. Default 0, the first;
  // workers of one machine give different ones.
  int gpu = 0;
  // Gives it steps that come again as graphs. Default: yes.
  bool gpu_graphs = true;
  // Makes its back end. Default: models::gpu::MakeGpuBackend; tests have
  // devices of their own.
  std::function<absl::StatusOr<std::unique_ptr<models::ComputeBackend>>(
      const models::gpu::GpuOptions&)>
      make_gpu = models::gpu::MakeGpuBackend;
  // Called with what the back end said when a device is lost: nothing can be
  // computed on it in this process. Default: the batch has failed, as by any
  // other error.
  std::function<void(const absl::Status&)> on_device_lost;
};

// Makes the back end that `device` of the job asks for. kFailedPrecondition: it
// must be a GPU, and there is none for it here; otherwise the errors of making
// the back end.
absl::StatusOr<std::unique_ptr<models::ComputeBackend>> BackendOf(
    const v1::Job& job, const DeviceOptions& options);

}  // namespace ebb::worker

#endif  // EBB_WORKER_DEVICE_CHOICE_H_
