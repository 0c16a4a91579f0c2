// The rows that sparse tables begin with, from a file of tensors, with the
// state of their optimizers if the file has it.
#ifndef EBB_TOOLS_EBB_MODEL_INITIAL_ROWS_H_
#define EBB_TOOLS_EBB_MODEL_INITIAL_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "job/specification.h"
#include "protocol/initial_rows.h"
#include "protocol/plan.h"
#include "server/job_rule.h"
#include "tools/ebb/model/initial_tensors.h"

namespace ebb::tools {

// Table NAME has the tensors "NAME/keys" and "NAME/rows", as `ebb checkpoint
// export` writes them, and for each slot of its optimizer
// "slots/OPTIMIZER/SLOT/NAME/rows". It borrows the data of the tensors, and
// keeps some 8 bytes for each row. Immutable, thread-safe.
class InitialRows {
 public:
  // The tables as servers have them, in the order of the plan.
  struct Tables {
    JobPlan plan;
    std::vector<job::SparseTable> tables;
    std::vector<server::JobRule::TableState> states;
  };

  // Takes the rows out of the tensors of a file. What is wrong with them is
  // added to `mistakes`; the result is then of no use. Null: the file has no
  // row of these tables.
  static std::unique_ptr<const InitialRows> Take(
      const std::string& path, const Tables& tables, InitialTensors* tensors,
      std::vector<std::string>* mistakes);

  // True if the table with this number begins with a row.
  bool HasRows(size_t table) const { return !tables_[table].keys.empty(); }
  // True if some table has slots; and then, by table, the steps that made them.
  bool has_state() const { return has_state_; }
  const std::vector<int64_t>& steps() const { return steps_; }

  // The form of docs/formats/initial-rows.md: its length, and a part of it.
  int64_t bytes() const { return directory_->bytes(); }
  void Append(int64_t first, int64_t size, std::string* out) const;

 private:
  struct Table {
    // The data of the tensors; empty: it begins without rows.
    absl::string_view keys, rows;
    std::vector<absl::string_view> slots;  // All that there are, or none.
    // The places of its rows in the tensors: by partition, and then by key.
    std::vector<int64_t> order;
    std::vector<int64_t> begins;  // By partition, where it begins in `order`.
  };

  // Parts of Take, which has the names of these.
  class Reader;

  InitialRows() = default;

  void AppendRow(const Table& table, const InitialRowRun& run, int64_t place,
                 std::string* out) const;

  std::vector<Table> tables_;
  std::vector<int64_t> steps_;
  bool has_state_ = false;
  std::optional<InitialRowsDirectory> directory_;
  std::vector<int64_t> partitions_;  // The begin of each, and the end.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_MODEL_INITIAL_ROWS_H_
