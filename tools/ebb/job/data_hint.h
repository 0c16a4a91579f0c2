// What a job file says of where its data comes from, for whoever lacks it: a
// comment "# data: COMMAND", and perhaps "# stand-in: COMMAND", which makes
// other data of the same shape. A command goes on in the next line of the
// comment where a line ends with a backslash.
#ifndef EBB_TOOLS_EBB_JOB_DATA_HINT_H_
#define EBB_TOOLS_EBB_JOB_DATA_HINT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ebb::tools {

// Both as a hint of one line, from the text of a job file; empty where it says
// nothing of its data.
std::string DataHint(absl::string_view job_file);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_DATA_HINT_H_
