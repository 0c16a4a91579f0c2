// Refusals that the rules of several workloads share.
#ifndef EBB_JOB_BASE_REFUSALS_H_
#define EBB_JOB_BASE_REFUSALS_H_

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/base/data_facts.h"

namespace ebb::job {

// Refuses the keys that are about steps along a gradient.
void RefuseSteps(const v1::Job& job, absl::string_view why, Complaints* found);

// Refuses filters, of pushes and of pulls.
void RefuseFilters(const v1::Job& job, absl::string_view why,
                   Complaints* found);

// Checks a job whose items are numbers of parts of its model. `table` says why
// it takes no key of a table.
void CheckTasks(const v1::Job& job, absl::string_view table, Complaints* found);

// Checks whether the data has examples enough for two leaves of a tree, and
// labels whose squares are floats.
void CheckLeaves(const v1::Job& job, const SourceFacts& train,
                 Complaints* found);

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_REFUSALS_H_
