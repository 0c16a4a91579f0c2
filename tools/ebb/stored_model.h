// A trained model outside of a cluster: what is needed to use it again.
#ifndef EBB_TOOLS_EBB_STORED_MODEL_H_
#define EBB_TOOLS_EBB_STORED_MODEL_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "data/index.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"
#include "models/backend.h"
#include "models/model.h"
#include "models/registry.h"
#include "tools/ebb/checkpoint_source.h"
#include "tools/ebb/tensor_files.h"

namespace ebb::tools {

struct StoredModel {
  v1::Job job;        // All defaults filled in.
  data::Index index;  // Of the training data.
  // Its columns, where they have names.
  std::optional<data::ColumnNames> columns;
  std::vector<float> parameters;
  // State of the optimizer, by name ("first_moment"), as long as the
  // parameters; empty where it was not asked for.
  std::map<std::string, std::vector<float>> slots;
};

// The newest stored state of a job.
absl::StatusOr<StoredModel> LoadStoredModel(CheckpointSource* source,
                                            bool with_slots = false);

// As an exported file holds it: the tensors by name, and beside them the job
// and the index. A slot's are called "slots/OPTIMIZER/SLOT/TENSOR".
TensorFile ExportModel(const StoredModel& stored,
                       const models::ModelDescription& description);
// Back again, without slots. DataLoss: the file was not exported by ebb.
absl::StatusOr<StoredModel> ImportModel(const TensorFile& file);

// A model that computes, with what it needs to live.
struct LoadedModel {
  models::Registry registry;
  std::unique_ptr<models::ComputeBackend> backend;
  std::unique_ptr<models::Model> model;
};
// The errors of worker::CreateModel.
absl::StatusOr<std::unique_ptr<LoadedModel>> CreateStoredModel(
    const StoredModel& stored, const std::vector<std::string>& plugin_folders);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_MODEL_H_
