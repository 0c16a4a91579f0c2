// Tells the owner of a job what to know before it is trained.
#ifndef EBB_TOOLS_EBB_JOB_DRAFT_NOTES_H_
#define EBB_TOOLS_EBB_JOB_DRAFT_NOTES_H_

#include "job/specification.h"
#include "protocol/plan.h"
#include "tools/ebb/job/draft.h"
#include "tools/ebb/model/initial_values.h"

namespace ebb::tools {

// Adds to the draft's notes what is frozen, begins at random, is asked for and
// not made, or is mostly meant otherwise. `initial` is what the job begins
// with; null: its rules say it, or it goes on.
void NoteJob(const job::JobFacts& facts, const JobRecord& record,
             const InitialValues* initial, Draft* draft);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DRAFT_NOTES_H_
