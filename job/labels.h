// The labels of a job's examples.
#ifndef EBB_JOB_LABELS_H_
#define EBB_JOB_LABELS_H_

#include "ebb/v1/job.pb.h"

namespace ebb::job {

// Returns whether the job's examples have labels. If its model looks at none,
// arrays may name none, and the label of a table may be "none".
bool HasLabels(const v1::Job& job);

}  // namespace ebb::job

#endif  // EBB_JOB_LABELS_H_
