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
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/specification.pb.h"
#include "job/job_facts.h"
#include "job/job_plan.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"

namespace ebb::job {

// Makes the record of a job in which ValidateJob found no mistake, with all
// defaults. (The caller calls FitToData, as it knows the data.) The scheduler
// sets `id`. InvalidArgument, naming the key: the job is not possible.
absl::StatusOr<JobRecord> MakeJobRecord(const v1::Job& job,
                                        const JobFacts& facts);

// The same job with that end: it ended before the epochs behind it began.
// DataLoss, FailedPrecondition: the specification cannot be read, or its data
// is in an order that this ebb does not know.
absl::StatusOr<JobRecord> WithEnd(const JobRecord& record, const JobEnd& end);

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

// Returns the values of its tables that are trained; null: all of them.
// InvalidArgument: see TablesOf.
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
