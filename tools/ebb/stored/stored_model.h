// A trained model outside of a cluster: all that is needed to use it again.
#ifndef EBB_TOOLS_EBB_STORED_STORED_MODEL_H_
#define EBB_TOOLS_EBB_STORED_STORED_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/model.h"
#include "tools/ebb/stored/row_runs.h"
#include "tools/ebb/stored/stored_forest.h"
#include "tools/ebb/stored/stored_restarts.h"
#include "tools/ebb/versions/checkpoint_source.h"
#include "tools/tensors/tensor_files.h"
#include "tools/text/json.h"
#include "worker/predict/exported_model.h"

namespace ebb::tools {

using worker::ForestPtr;
using worker::LoadedModel;
using worker::StoredRows;

// A forest's table, and the restarts' table, have no rows here.
struct StoredModel : worker::ExportedModel {
  // States of the optimizers: arrays as long as the parameters. Empty where
  // they were not asked for.
  std::vector<std::vector<float>> slots;
  // By dense table, what is in them: "adam/first_moment". A table may have less
  // than there are.
  std::vector<std::vector<std::string>> slot_names;
  // Averages of the weights, as long as the parameters: those of tables that
  // have some, else the parameters. Empty: not asked for, or no table has some.
  std::vector<float> averages;
  std::vector<bool> has_average;  // By dense table, with averages.
  // Averages stand in the place of the parameters (TakeAverages).
  bool is_average = false;
  // With slots: by dense table, the steps that its rule made in all.
  std::vector<int64_t> steps;

  // Restarts of K-Means. The best one's values are `parameters`, and
  // the model computes as one without restarts. Absent: there are none, or it
  // was exported.
  std::optional<StoredRestarts> restarts;
  // For each sparse table there are values and slots as read from versions,
  // with their names beside; or, for an exported file, the means to find them.
  std::vector<RowRuns> runs;
  std::vector<std::vector<std::string>> run_slots;
  std::vector<int64_t> run_steps;  // With slots: as `steps`, by sparse table.
};

// Which parts of a stored model are read beside its parameters.
struct StoredParts {
  bool slots = false;  // All, also averages.
  bool averages = false;
  bool rows = true;  // Rows of sparse tables.
  // Only the model of a complete job.
  bool only_complete = false;
};

// The newest stored state of a job. Rows of sparse tables are kept in files in
// `folder` that have no names. InvalidArgument: the model is all rows, which
// are not asked for. NotFound: no restart is done yet. FailedPrecondition: the
// job is not complete, and its model is not asked for.
absl::StatusOr<StoredModel> LoadStoredModel(CheckpointSource* source,
                                            const std::string& folder,
                                            const StoredParts& parts = {});

// Puts the averages in the place of the parameters. FailedPrecondition: the job
// keeps none.
absl::Status TakeAverages(StoredModel* stored);

// The metadata that other programs read: ModelExport::model on one line.
using worker::kModelKey;

// The content of an exported file. It refers to the model.
struct ModelExport {
  std::vector<TensorStream> tensors;
  std::map<std::string, std::string> metadata;
  Json model;  // Says what the tensors mean (docs/export.md).
};

// The tensors by name. Beside them are their meaning for other programs, and
// the job and the index for ebb. A sparse table has "TABLE/keys", ascending,
// and "TABLE/rows" in their order: counts are int64. Rows that are written once
// are uint8, filled up with zeros, with "TABLE/lengths". A slot's tensors are
// called "slots/OPTIMIZER/SLOT/TENSOR"; in the place of SLOT, "step" is the
// number of steps behind them, int64. Averages of the weights are called
// "averages/TENSOR". Word vectors are two dense tensors
// instead, without slots (word_export.h).
ModelExport ExportModel(const StoredModel& stored,
                        const models::ModelDescription& description);
// Back again, without slots and averages; of rows only those are in memory that
// are asked for. DataLoss: the file is damaged, or was not exported by ebb.
absl::StatusOr<StoredModel> LoadExportedModel(const std::string& path);

// Makes a model from versions one whose rows can be found, by an exported file
// in `folder`, which only this process sees.
absl::Status MakeRowsFindable(const models::ModelDescription& description,
                              const std::string& folder, StoredModel* stored);

// The errors of worker::CreateModel.
absl::StatusOr<std::unique_ptr<LoadedModel>> CreateStoredModel(
    const StoredModel& stored, const std::vector<std::string>& plugin_folders);

// The tables of the model, and of one that ebb computes by itself also the
// rest. The
// errors of CreateStoredModel.
absl::StatusOr<models::ModelDescription> DescriptionOf(
    const StoredModel& stored, const std::vector<std::string>& plugin_folders);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_STORED_STORED_MODEL_H_
