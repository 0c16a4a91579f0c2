// Which jobs can keep averages of their weights.
#ifndef EBB_JOB_AVERAGE_RULES_H_
#define EBB_JOB_AVERAGE_RULES_H_

#include <cstdint>
#include <string>

#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"

namespace ebb::job {

// Returns whether a table with this rule has an average of its weights.
bool HasAverage(const v1::Optimizer& optimizer);
// Returns whether the rule of the job, or that of a table, has one.
bool HasAverages(const v1::Job& job);

// Checks optimizer.ema and optimizer.swa, of the job and of tables.
// MakeJobRecord refuses them for sparse tables that only the model knows, and
// where tables are frozen.
void CheckAverageRules(const v1::Job& job, Complaints* found);

// Returns a line for each average for which the job makes too few updates,
// `updates` at most; empty: none. A job that begins with trained values may
// mean it so.
std::string AverageNotes(const v1::Job& job, int64_t updates);

}  // namespace ebb::job

#endif  // EBB_JOB_AVERAGE_RULES_H_
