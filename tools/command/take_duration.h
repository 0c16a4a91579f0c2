// The value of a flag that is a duration.
#ifndef EBB_TOOLS_COMMAND_TAKE_DURATION_H_
#define EBB_TOOLS_COMMAND_TAKE_DURATION_H_

#include <string>

#include "absl/time/time.h"

namespace ebb::tools {

// Takes "500ms", or a bare number of seconds, for `flag`. Throws
// CLI::ValidationError if it is neither, not more than nothing, or infinite.
void TakeDuration(const std::string& flag, const std::string& text,
                  absl::Duration* value);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_COMMAND_TAKE_DURATION_H_
