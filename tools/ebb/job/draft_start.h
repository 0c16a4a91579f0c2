// Finds what the tables of a draft begin with.
#ifndef EBB_TOOLS_EBB_JOB_DRAFT_START_H_
#define EBB_TOOLS_EBB_JOB_DRAFT_START_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "data/dataset.h"
#include "job/specification.h"
#include "protocol/plan.h"
#include "tools/ebb/job/draft.h"
#include "tools/ebb/job/start_values.h"
#include "tools/ebb/model/initial_values.h"

namespace ebb::tools {

// Lets the workload choose from the data what the job begins with. Most models
// do not need the data for it.
void ChooseStart(const data::Dataset& train, Draft* draft,
                 job::JobFacts* facts);

// Says how many rounds servers keep of a job of runs with so many parameters,
// unless the job does.
void KeepRoundsOfRuns(int64_t parameters, Draft* draft);

// Makes the first values: those that were chosen, `start`, or `model.initial`.
// A run that goes on begins with what it began with. `initial` is left as it is
// where there is nothing to push. `open` reads the model of another job.
absl::Status MakeStart(const ModelOpener& open, Draft* draft,
                       job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial);

// Makes the record anew with the state of the optimizer and the rows that the
// file of initial values has: what servers keep of each table, the first record
// says.
absl::Status ReadState(const v1::Job& job, job::JobFacts* facts,
                       std::shared_ptr<const InitialValues>* initial,
                       JobRecord* record);

// Makes the record anew with the rows that the job takes of another model
// (Draft::with_rows).
absl::Status AddStartRows(const Draft& draft, job::JobFacts* facts,
                          std::shared_ptr<const InitialValues>* initial,
                          JobRecord* record);

// True if `start` says what the table begins with.
bool Starts(const v1::Job& job, const std::string& table);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DRAFT_START_H_
