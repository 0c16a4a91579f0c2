// The values that a job begins with if it takes tables of another model
// (`start:`, docs/transfer-learning.md).
#ifndef EBB_TOOLS_EBB_JOB_START_VALUES_H_
#define EBB_TOOLS_EBB_JOB_START_VALUES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/mapped_file.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"
#include "tools/ebb/model/initial_rows.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {

// "job:NAME@VERSION" in its parts.
struct StartJob {
  // A job of the cluster; with `stored`, a path or a place of shared
  // checkpoints.
  std::string name;
  // A time, as people write it: the newest versions stored by then. Empty: the
  // newest ones.
  std::string version;
  bool stored = false;
  friend bool operator==(const StartJob&, const StartJob&) = default;
};
// Absent: `from` is a file or a folder.
std::optional<StartJob> StartJobOf(absl::string_view from);

// The model of a job.
struct OtherModel {
  std::vector<Tensor> tables;  // The dense ones.
  // A safetensors file with the rows of the sparse ones, as an export has them.
  // Empty: there are none, or they were not asked for.
  MappedFile rows;
  // Doubts that its user should know, for example that the job goes on.
  std::vector<std::string> doubts;
};

// Reads a job's stored model; with `rows` also those of sparse tables.
using ModelOpener =
    std::function<absl::StatusOr<OtherModel>(const StartJob& job, bool rows)>;

struct StartValues {
  // The first values of the dense tables.
  std::shared_ptr<const InitialValues> values;
  // Makes the values anew with the rows that are taken behind them: only the
  // plan of the job says where each of them lies. Empty: none are taken.
  // InvalidArgument: as of InitialValues::Of.
  std::function<absl::StatusOr<std::shared_ptr<const InitialValues>>(
      InitialRows::Tables tables)>
      with_rows;
  // For people: what of the other model is not taken.
  std::vector<std::string> notes;
};

// The tables of a job, as its model has them.
struct StartTables {
  std::vector<job::DenseTable> dense;
  std::vector<job::SparseTable> sparse = {};
};

// How the dense tables begin that are not taken. Sparse ones begin without
// rows.
struct StartOtherwise {
  uint64_t seed = 0;
  // All tables, one after the other, as a module says; empty: the rules of the
  // tables say it.
  std::vector<float> values;
};

// Reads `start.from`, once, and compares it with the tables of the job. All
// that differs is in the message, in a line each: InvalidArgument. Or the
// errors of opening it. Without `open`, `from` must be a file or a folder of
// .npy files.
absl::StatusOr<StartValues> ReadStart(const v1::Start& start,
                                      const StartTables& tables,
                                      const StartOtherwise& otherwise,
                                      const ModelOpener& open);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_START_VALUES_H_
