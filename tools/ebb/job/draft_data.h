// Reads the data of a draft.
#ifndef EBB_TOOLS_EBB_JOB_DRAFT_DATA_H_
#define EBB_TOOLS_EBB_JOB_DRAFT_DATA_H_

#include <string>
#include <vector>

#include "job/specification.h"
#include "tools/ebb/job/draft.h"

namespace ebb::tools {

// Reads the training and the test data, applies the rules of the job file to
// them, and chooses what follows from them. Modules come from `folders`.
// Mistakes are the draft's.
job::JobFacts ReadData(const std::vector<std::string>& folders, Draft* draft);

// Only opens the data, where it or the model that would read it is wrong.
void OpenData(Draft* draft);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DRAFT_DATA_H_
