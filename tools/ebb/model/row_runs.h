// The rows of a sparse table, brought from its partitions into one order.
//
//   EBB_ASSIGN_OR_RETURN(RowRuns runs, RowRuns::Create("out", {2, 2}));
//   EBB_RETURN_IF_ERROR(runs.Add(keys, {weights, slot}));   // Each partition.
//   EBB_RETURN_IF_ERROR(runs.Merge([&](uint64_t key, const float* floats) {
//     ...
//   }));
#ifndef EBB_TOOLS_EBB_MODEL_ROW_RUNS_H_
#define EBB_TOOLS_EBB_MODEL_ROW_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// Rows lie in a file without a name, which vanishes with this; memory does not
// grow with them. Thread-compatible.
class RowRuns {
 public:
  // The file is in `folder`. Rows have floats in arrays of these widths, one
  // after the other; the first array is what the model computes with.
  static absl::StatusOr<RowRuns> Create(const std::string& folder,
                                        std::vector<int64_t> widths);

  // Rows with `keys`, which ascend; of each array as many rows (checked).
  absl::Status Add(std::span<const uint64_t> keys,
                   const std::vector<std::span<const float>>& arrays);

  // Calls `visit` for each row that was added since, in the order of the keys.
  // Stops at its first error. DataLoss: a key was added twice.
  absl::Status Merge(absl::FunctionRef<
                     absl::Status(uint64_t key, std::span<const float> floats)>
                         visit) const;

  int64_t rows() const { return rows_; }
  // How many of the floats of the first arrays are exactly 0, and in how many
  // rows all of them are.
  int64_t zero_floats() const { return zero_floats_; }
  int64_t zero_rows() const { return zero_rows_; }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Run {
    int64_t first = 0;  // Its rows, in the file.
    int64_t last = 0;
  };

  RowRuns() = default;
  size_t record_bytes() const;
  absl::Status CannotWrite() const;

  std::string folder_;
  std::vector<int64_t> widths_;
  int64_t floats_ = 0;  // Floats in a row.
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::vector<Run> runs_;
  int64_t rows_ = 0;
  int64_t zero_floats_ = 0;
  int64_t zero_rows_ = 0;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_ROW_RUNS_H_
