// The facts about a job's data and model that are known when it is submitted.
#ifndef EBB_JOB_JOB_FACTS_H_
#define EBB_JOB_JOB_FACTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/algorithm.h"
#include "common/initializer.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "protocol/plan.h"

namespace ebb::job {

// A dense table of the model.
struct DenseTable {
  std::string name;
  int64_t size = 0;
  InitRule init;
  // The lengths of its dimensions, in the order of C. Empty: not known.
  std::vector<int64_t> dims = {};
  // The job's, unless the job gives the table one of its own.
  std::optional<v1::Optimizer> optimizer = std::nullopt;
  // It keeps the values with which it begins. The job says so (`freeze`).
  bool frozen = false;
};

// How many elements a table of these dimensions has. Absent: one is negative,
// or they are too many for any table.
std::optional<int64_t> ElementsOf(const std::vector<int64_t>& dims);

// A sparse table of the model, and what the job says of it.
struct SparseTable {
  std::string name;
  int32_t width = 1;  // Elements per row; of bytes, at most.
  RowKind kind = RowKind::kTrained;
  InitRule init;
  // The job's, unless it gives the table one of its own.
  std::optional<v1::Optimizer> optimizer;
  v1::SparseTable::Admission admission;
  int64_t expire_after_examples = 0;
  int64_t max_rows = 0;
  bool evict = false;
  // SparseTablePlan::clock_bound; only in the plan.
  int64_t clock_bound = SparseTablePlan::kBoundOfJob;
  // Also only in the plan.
  int64_t cache_rows = 0;
  int64_t cache_batches = 0;
};

// The facts about a job's data and model when it is submitted.
struct JobFacts {
  // In the order of the model, and as it has them: what the job file says of
  // its sparse tables is added by MakeJobRecord.
  std::vector<DenseTable> tables;
  std::vector<SparseTable> sparse_tables;

  int64_t examples = 0;  // Examples of the training data.
  // The encoded indexes; without test data the second is empty.
  std::string train_index;
  std::string test_index;
  // data::Index::Hash() of the training data, and the version of its order.
  uint64_t train_index_hash = 0;
  // Columns of the training data, if its header names them.
  std::optional<v1::Columns> columns;
  int order_version = 0;
  // Examples of each window of packed training data, which items do not cross;
  // 0: it is in memory as a whole.
  int64_t window = 0;

  // The loss, as in the specification; of ebb's own models.
  bool squared_loss = false;
  double guess_loss = 0;
  // The name of the positive class, as in the specification.
  std::string positive_class;

  // The content of the file that the job names for it; absent: it names none.
  std::optional<v1::InitialValues> initial;

  // The job's plugin; null: the job has none.
  std::shared_ptr<const Algorithm> algorithm;

  // Measured speed of one worker; 0: it is guessed from the number of
  // parameters. Only the size of items follows from it.
  double examples_per_second = 0;
  // The text of the job file, kept for people.
  std::string source;
};

}  // namespace ebb::job

#endif  // EBB_JOB_JOB_FACTS_H_
