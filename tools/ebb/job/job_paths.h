// The paths in a job.
#ifndef EBB_TOOLS_EBB_JOB_JOB_PATHS_H_
#define EBB_TOOLS_EBB_JOB_JOB_PATHS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"

namespace ebb::tools {

// `path`, which may be relative to `folder`.
std::string PathFrom(const std::string& folder, const std::string& path);

// Makes the paths of the job's data and initial values start at `folder`, where
// they are relative; those of data sets (ebb://NAME/PATH) stay. The path of a
// plugin is left: it is looked for in folders.
void MakePathsAbsolute(absl::string_view folder, v1::Job* job);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_JOB_PATHS_H_
