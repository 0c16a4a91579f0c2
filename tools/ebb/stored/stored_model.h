// A trained model outside of a cluster: all that is needed to use it again.
#ifndef EBB_TOOLS_EBB_STORED_STORED_MODEL_H_
#define EBB_TOOLS_EBB_STORED_STORED_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/initializer.h"
#include "data/index.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"
#include "models/backend.h"
#include "models/model.h"
#include "models/registry.h"
#include "tools/ebb/stored/checkpoint_source.h"
#include "tools/ebb/stored/row_runs.h"
#include "tools/ebb/stored/stored_forest.h"
#include "tools/ebb/stored/stored_restarts.h"
#include "tools/files/mapped_file.h"
#include "tools/tensors/tensor_files.h"
#include "tools/text/json.h"

namespace ebb::tools {

// The rows of a sparse table, in a file that is mapped. Thread-safe.
class StoredRows {
 public:
  // Views of the file. DataLoss: the keys do not ascend.
  static absl::StatusOr<StoredRows> Create(job::SparseTable table,
                                           uint64_t seed,
                                           absl::string_view keys,
                                           absl::string_view values);

  // Writes the row under `key` to `out`, or the initial values of such a row if
  // there is none. Returns whether there is one.
  bool Get(uint64_t key, std::span<float> out) const;
  int64_t rows() const {
    return static_cast<int64_t>(keys_.size() / sizeof(uint64_t));
  }

 private:
  StoredRows(const job::SparseTable& table, uint64_t seed)
      : initial_(table.init, seed, table.name) {}
  uint64_t KeyAt(int64_t row) const;

  RowInitializer initial_;
  absl::string_view keys_;  // uint64, ascending, not aligned.
  absl::string_view values_;
};

struct StoredModel {
  v1::Job job;        // All defaults filled in.
  data::Index index;  // Index of the training data.
  // Its columns, where they have names.
  std::optional<data::ColumnNames> columns;
  std::vector<float> parameters;
  // States of the optimizers: arrays as long as the parameters. Empty where
  // they were not asked for.
  std::vector<std::vector<float>> slots;
  // By dense table, what is in them: "adam/first_moment". A table may have less
  // than there are.
  std::vector<std::vector<std::string>> slot_names;
  // With slots: by dense table, the steps that its rule made in all.
  std::vector<int64_t> steps;

  // The trees, for such models; their table then has no rows here.
  ForestPtr forest;
  // Restarts of K-Means, likewise. The best one's values are `parameters`, and
  // the model computes as one without restarts. Absent: there are none, or it
  // was exported.
  std::optional<StoredRestarts> restarts;
  std::vector<job::SparseTable> sparse_tables;
  // For each of these tables there are values and slots as read from versions,
  // with their names beside; or, for an exported file, the means to find them.
  std::vector<RowRuns> runs;
  std::vector<std::vector<std::string>> run_slots;
  std::vector<StoredRows> rows;
  MappedFile file;  // In which `rows` are.
};

// Which parts of a stored model are read beside its parameters.
struct StoredParts {
  bool slots = false;
  bool rows = true;  // Those of sparse tables.
};
// The newest stored state of a job. Rows of sparse tables are kept in files in
// `folder` that have no names. InvalidArgument: the model is all rows, which
// are not asked for. NotFound: no restart is done yet.
absl::StatusOr<StoredModel> LoadStoredModel(CheckpointSource* source,
                                            const std::string& folder,
                                            const StoredParts& parts = {});

// The metadata that other programs read: ModelExport::model on one line.
inline constexpr char kModelKey[] = "ebb.model";

// The content of an exported file. It refers to the model.
struct ModelExport {
  std::vector<TensorStream> tensors;
  std::map<std::string, std::string> metadata;
  Json model;  // What the tensors mean (docs/export.md).
};

// The tensors by name. Beside them are their meaning for other programs, and
// the job and the index for ebb. A sparse table has "TABLE/keys", ascending,
// and "TABLE/rows" in their order: counts are int64. Rows that are written once
// are uint8, filled up with zeros, with "TABLE/lengths". A slot's tensors are
// called "slots/OPTIMIZER/SLOT/TENSOR"; in the place of SLOT, "step" is the
// number of steps behind them, int64. Word vectors are two dense tensors
// instead, without slots (word_export.h).
ModelExport ExportModel(const StoredModel& stored,
                        const models::ModelDescription& description);
// Back again, without slots; of rows only those are in memory that are asked
// for. DataLoss: the file is damaged, or was not exported by ebb.
absl::StatusOr<StoredModel> LoadExportedModel(const std::string& path);

// Makes a model from versions one whose rows can be found, by an exported file
// in `folder`, which only this process sees.
absl::Status MakeRowsFindable(const models::ModelDescription& description,
                              const std::string& folder, StoredModel* stored);

// A model that computes, with what it needs to live.
struct LoadedModel {
  models::Registry registry;
  std::unique_ptr<models::ComputeBackend> backend;
  std::unique_ptr<models::Model> model;
};
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
