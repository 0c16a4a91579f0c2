// Reads models that jobs stored, and exports them.
#ifndef EBB_TOOLS_EBB_TRAINED_STORED_MODEL_H_
#define EBB_TOOLS_EBB_TRAINED_STORED_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/model.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/model/model_export.h"
#include "tools/ebb/model/stored_model.h"
#include "worker/predict/exported_model.h"

namespace ebb::tools {

using worker::LoadedModel;

// The newest stored state of a job. Rows of sparse tables are kept in files in
// `folder` that have no names. InvalidArgument: the model lacks a part, or is
// all rows, which are not asked for. NotFound: there is too little for a model
// yet. FailedPrecondition: the job is not complete, and its model is not asked
// for.
absl::StatusOr<StoredModel> LoadStoredModel(CheckpointSource* source,
                                            const std::string& folder,
                                            const StoredParts& parts = {});

// Puts the averages in the place of the parameters. FailedPrecondition: the job
// keeps none.
absl::Status TakeAverages(StoredModel* stored);

// The tensors by name. Beside them are their meaning for other programs, and
// the job and the index for ebb. A sparse table has "TABLE/keys", ascending,
// and "TABLE/rows" in their order: counts are int64. Rows that are written once
// are uint8, filled up with zeros, with "TABLE/lengths". A slot's tensors are
// called "slots/OPTIMIZER/SLOT/TENSOR"; in the place of SLOT, "step" is the
// number of steps behind them, int64. Averages of the weights are called
// "averages/TENSOR". A workload may have tensors of its own instead.
ModelExport ExportModel(const StoredModel& stored,
                        const models::ModelDescription& description);
// Folds constants of the data into the layers of `*all`, which ExportModel made
// of the model: it takes the data's own numbers then, and gives labels in their
// units. Takes away what ebb predict would read, which would scale once more.
// InvalidArgument: the model has no layer that takes the features, or `*all`
// has slots, which belong to the layers as they were trained.
absl::Status FoldScaling(const StoredModel& stored,
                         const models::ModelDescription& description,
                         ModelExport* all);
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

#endif  // EBB_TOOLS_EBB_TRAINED_STORED_MODEL_H_
