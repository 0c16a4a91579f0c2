// Reads files of `ebb checkpoint export`, and makes models of them.
#ifndef EBB_WORKER_PREDICT_EXPORTED_MODEL_H_
#define EBB_WORKER_PREDICT_EXPORTED_MODEL_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/backend.h"
#include "models/model.h"
#include "models/registry.h"
#include "worker/base/exported_model.h"
#include "worker/job_data.h"

namespace ebb::worker {

// Reads the file. DataLoss: it is damaged, or was not exported by ebb.
absl::StatusOr<ExportedModel> LoadExport(const std::string& path);

// A model that computes, with what it needs to live.
struct LoadedModel {
  models::Registry registry;
  std::unique_ptr<models::ComputeBackend> backend;
  std::unique_ptr<models::Model> model;
};
// The errors of CreateModel.
absl::StatusOr<std::unique_ptr<LoadedModel>> CreateExported(
    const ExportedModel& stored, const UserCode& code);

// DataLoss: the model has another number of parameters.
absl::Status CheckParameters(const ExportedModel& stored,
                             const models::ModelDescription& description);

}  // namespace ebb::worker

#endif  // EBB_WORKER_PREDICT_EXPORTED_MODEL_H_
