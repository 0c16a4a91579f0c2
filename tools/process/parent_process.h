// Which process started another one.
#ifndef EBB_TOOLS_PROCESS_PARENT_PROCESS_H_
#define EBB_TOOLS_PROCESS_PARENT_PROCESS_H_

#include <sys/types.h>

namespace ebb::tools {

// Returns the parent of a process; 0: it is not known, or there is no such
// process.
pid_t ParentOf(pid_t process);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_PROCESS_PARENT_PROCESS_H_
