// Runs of Lloyd's K-Means from centroids of their own: the tasks of a job with
// `model.restarts` (docs/decisions/0029-other-workloads.md).
#ifndef EBB_WORKLOADS_KMEANS_WORKER_LLOYD_RUNS_H_
#define EBB_WORKLOADS_KMEANS_WORKER_LLOYD_RUNS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/index.h"
#include "ebb/v1/job.pb.h"
#include "models/backend.h"
#include "workloads/seam/worker/worker.h"

namespace ebb::workloads {

// The memory that a run takes beside the data.
int64_t LloydRunBytes(const v1::Job& job, const data::Index& train);

// A task's result is the bytes of a LloydResult, and its loss the inertia. The
// same rounds as of many workers
// (workloads/kmeans/server/lloyd.h), but for the order in which floats are
// added, and for the examples that clusters without any get. Run 0 begins as
// the job would without restarts.
//
// Arguments are not owned. `backend` computes in ordinary memory, or else one
// of the maker's own does.
absl::StatusOr<std::unique_ptr<TaskMaker>> CreateLloydRuns(
    const v1::Job& job, const data::Dataset& train,
    models::ComputeBackend* backend);

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_KMEANS_WORKER_LLOYD_RUNS_H_
