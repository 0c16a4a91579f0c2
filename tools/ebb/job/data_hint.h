// Reads what a job file says about the source of its data, for a user who lacks
// it: a comment "# data: COMMAND". There may also be "# stand-in: COMMAND",
// which makes other data of the same shape. A line that ends with a backslash
// continues in the next line of the comment.
#ifndef EBB_TOOLS_EBB_JOB_DATA_HINT_H_
#define EBB_TOOLS_EBB_JOB_DATA_HINT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// Returns both as a hint of one line, from the text of a job file; empty if it
// has neither.
std::string DataHint(absl::string_view job_file);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DATA_HINT_H_
