// Data wherever the user says that it is.
#ifndef EBB_TOOLS_EBB_JOB_OPEN_ANYWHERE_H_
#define EBB_TOOLS_EBB_JOB_OPEN_ANYWHERE_H_

#include "data/byte_source.h"
#include "data/remote_files.h"

namespace ebb::tools {

// Opens buckets and files of web servers, by the rights of the user, and all
// other paths by `files`. If a server does not answer, people read on the
// standard error what the command waits for, after a second.
data::OpenBytes OpenAnywhere(data::OpenBytes files,
                             data::RemoteFilesOptions options = {});

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_JOB_OPEN_ANYWHERE_H_
