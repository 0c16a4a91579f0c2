#include "workloads/seam/worker/worker.h"

#include <memory>

#include "job/base/workload.h"

namespace ebb::workloads {

// Generated: adds all of them.
void RegisterWorkerSides(WorkerSides* sides);

namespace {

// The class itself is the gradients' side.
void RegisterAll(WorkerSides* sides) {
  sides->Add(job::kGradients, std::make_unique<WorkerSide>());
  RegisterWorkerSides(sides);
}

}  // namespace

const WorkerSide& WorkerSideOf(const v1::Model& model) {
  static const auto* const sides = new WorkerSides(RegisterAll);
  return *sides->Of(model);
}

}  // namespace ebb::workloads
