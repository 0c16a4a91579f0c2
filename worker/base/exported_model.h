// The content of a file of `ebb checkpoint export`: a trained model, with all
// that is needed to predict with it.
#ifndef EBB_WORKER_BASE_EXPORTED_MODEL_H_
#define EBB_WORKER_BASE_EXPORTED_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/initializer.h"
#include "common/mapped_file.h"
#include "data/index.h"
#include "data/source.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"

namespace ebb::worker {

// The metadata of the file. Other programs read the first; the job is for ebb.
inline constexpr char kModelKey[] = "ebb.model";
inline constexpr char kExportJob[] = "ebb.job";
// Why the model is not the result of its job. Absent: it is.
inline constexpr char kExportIncomplete[] = "ebb.incomplete";
// Base64: an index, v1::Columns, and v1::Specification with its sparse tables
// only.
inline constexpr char kExportIndex[] = "ebb.index";
inline constexpr char kExportColumns[] = "ebb.columns";
inline constexpr char kExportTables[] = "ebb.sparse_tables";

// Names of tensors: those of a sparse table, and those of the optimizers'
// states.
std::string KeysName(absl::string_view table);
std::string RowsName(absl::string_view table);
std::string LengthsName(absl::string_view table);

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

// The object that a workload makes of a model's rows or tensors, if it computes
// with something else than a flat vector. Its sides know the class.
struct Assembled {
  virtual ~Assembled() = default;
};

struct ExportedModel {
  v1::Job job;  // All defaults filled in.
  // Why it is not the result of the job, as a sentence; empty: it is.
  std::string incomplete;
  data::Index index;  // Index of the training data.
  // Its columns, where they have names.
  std::optional<data::ColumnNames> columns;
  std::vector<float> parameters;
  std::shared_ptr<const Assembled> assembled;  // Null for most models.
  std::vector<job::SparseTable> sparse_tables;
  std::vector<StoredRows> rows;  // By table that is trained.
  MappedFile file;               // In which `rows` are.
};

}  // namespace ebb::worker

#endif  // EBB_WORKER_BASE_EXPORTED_MODEL_H_
