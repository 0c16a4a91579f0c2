// The tables of a model that programs compute.
#ifndef EBB_JOB_PROGRAM_TABLES_H_
#define EBB_JOB_PROGRAM_TABLES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "ebb/v1/job.pb.h"
#include "job/specification.h"

namespace ebb::job {

// Returns the tables that the job file names, in the order of the vector of
// parameters: by the bytes of their names. The model has its defaults.
// InvalidArgument, naming the key: a table is not possible.
absl::StatusOr<std::vector<DenseTable>> ProgramTablesOf(const v1::Model& model);

// Its sparse tables, in the same order.
std::vector<SparseTable> ProgramSparseTablesOf(const v1::Model& model);

}  // namespace ebb::job

#endif  // EBB_JOB_PROGRAM_TABLES_H_
