// Tells what examples that a job keeps back say of its trees
// (`model.patience`), for people and in JSON.
#ifndef EBB_TOOLS_TEXT_VALIDATION_H_
#define EBB_TOOLS_TEXT_VALIDATION_H_

#include <string>

#include "ebb/v1/scheduler.pb.h"
#include "tools/text/json.h"

namespace ebb::tools {

// "best 28 of 34 trees, validation loss 0.409"; empty: the job keeps no
// examples back, or the scheduler does not know.
std::string ValidationText(const v1::JobStatus& job);

// The job has a validation.
Json ValidationJson(const v1::JobStatus& job);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_TEXT_VALIDATION_H_
