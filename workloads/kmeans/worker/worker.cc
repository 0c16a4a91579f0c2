// The workers' side of K-Means: they look at no labels, and each restart is a
// task.
#include "workloads/seam/worker/worker.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "common/status_macros.h"
#include "workloads/kmeans/worker/lloyd_runs.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

class KMeansWorker final : public WorkerSide {
 public:
  void Read(const v1::Job& /*job*/, data::SourceSpec* spec) const override {
    spec->looks_at_labels = false;
  }

  void Configure(const v1::Job& job, const data::Index& /*train*/,
                 models::ModelConfig* config) const override {
    config->classes = 0;
    config->clusters = job.model().clusters();
    config->restarts = FactsOf(job).tasks;
    if (job.algorithm().kind() == v1::Algorithm::KIND_MINI_BATCH) {
      config->batches_at_once = std::max<int64_t>(1, job.workers().max());
    }
  }

  int64_t TaskBytes(const v1::Job& job,
                    const data::Index& train) const override {
    return LloydRunBytes(job, train);
  }

  absl::StatusOr<Work> Prepare(const WorkInput& input) const override {
    Work work;
    if (FactsOf(input.job).tasks == 0) return work;
    EBB_ASSIGN_OR_RETURN(
        work.tasks, CreateLloydRuns(input.job, input.train, input.backend));
    return work;
  }
};

}  // namespace

void RegisterKmeansWorker(WorkerSides* sides) {
  sides->Add("kmeans", std::make_unique<KMeansWorker>());
}

}  // namespace ebb::workloads
