// Makes of a job, and of the facts about its data and model, the record that
// all daemons share: its plan, and the specification (specification.proto) that
// the record carries.
//
//   JobFacts facts;   // From the opened data and the model.
//   EBB_ASSIGN_OR_RETURN(JobRecord record, MakeJobRecord(job, facts));
//   ... submit record.plan and record.specification ...
//   EBB_ASSIGN_OR_RETURN(v1::Specification specification,
//                        ReadSpecification(*record));
#ifndef EBB_JOB_SPECIFICATION_H_
#define EBB_JOB_SPECIFICATION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "algorithms/algorithm.h"
#include "common/initializer.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"

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
  // Likewise.
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

  // As in the specification; of ebb's own models.
  bool squared_loss = false;
  double guess_loss = 0;

  // What is in the file that the job names for it; absent: it names none.
  std::optional<v1::InitialValues> initial;

  // The job's plugin; null: the job has none.
  std::shared_ptr<const Algorithm> algorithm;

  // Measured speed of one worker; 0: it is guessed from the number of
  // parameters. Only the size of items follows from it.
  double examples_per_second = 0;
  // The text of the job file, kept for people.
  std::string source;
};

// Makes the record of a job in which ValidateJob found no mistake, with all
// defaults. (The caller calls FitToData, as it knows the data.) The scheduler
// sets `id`. InvalidArgument, naming the key: the job is not possible.
absl::StatusOr<JobRecord> MakeJobRecord(const v1::Job& job,
                                        const JobFacts& facts);

// Sparse tables of all partitions together, each some KiB where it is empty.
inline constexpr int64_t kMaxRowTables = int64_t{1} << 17;

// InvalidArgument where servers would have more of them. No part of
// JobPlan::Validate(): a job that was submitted before stays readable.
absl::Status CheckRowTables(const JobPlan& plan);

// JobPlan::layout_hash: a process with other data, another order or another
// grid gets another number. `plan` needs its data part only.
uint64_t LayoutHash(uint64_t index_hash, int order_version,
                    const JobPlan& plan);

// The same job with that many of its epochs: it ended before the others began.
// DataLoss, FailedPrecondition: the specification cannot be read, or its data
// is in an order that this ebb does not know.
absl::StatusOr<JobRecord> WithEpochs(const JobRecord& record, int32_t epochs);

// DataLoss when the record's specification cannot be read;
// FailedPrecondition when a newer ebb wrote it.
absl::StatusOr<v1::Specification> ReadSpecification(const JobRecord& record);

// ". If it is the data … pack it: `ebb data pack JOB.yaml FOLDER` …": how a
// worker could train the job whose memory is too small for it. Empty: its data
// cannot be packed.
std::string PackingAdvice(const JobRecord& record);

// Its tables. InvalidArgument unless they are the record's parameters.
absl::StatusOr<std::vector<DenseTable>> TablesOf(
    const v1::Specification& specification, const JobPlan& plan);

// An optimizer has fewer slots, and a job fewer steps.
inline constexpr int32_t kMostInitialSlots = 8;
inline constexpr int64_t kMostInitialSteps = int64_t{1} << 53;

// The file that its dense tables begin with; absent: they begin by their rules.
// InvalidArgument: it does not fit the plan, or the job names one that the
// specification has not.
absl::StatusOr<std::optional<v1::InitialValues>> InitialValuesOf(
    const v1::Specification& specification, const JobPlan& plan);

// What its tables leave to be trained; null: all of it. InvalidArgument: as of
// TablesOf.
absl::StatusOr<TrainedRangesPtr> TrainedRangesOf(
    const v1::Specification& specification, const JobPlan& plan);
// Reads the specification; the errors of ReadSpecification, too.
absl::StatusOr<TrainedRangesPtr> TrainedRangesOf(const JobRecord& record);

// Its sparse tables. InvalidArgument unless they are those of the plan.
absl::StatusOr<std::vector<SparseTable>> SparseTablesOf(
    const v1::Specification& specification, const JobPlan& plan);

// The table in a specification's form.
v1::SparseTable ToProto(const SparseTable& table);

}  // namespace ebb::job

#endif  // EBB_JOB_SPECIFICATION_H_
