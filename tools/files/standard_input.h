// The standard input as a file, for what is read more than once.
#ifndef EBB_TOOLS_FILES_STANDARD_INPUT_H_
#define EBB_TOOLS_FILES_STANDARD_INPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// How a command line names the standard input.
inline constexpr absl::string_view kStandardInput = "-";

// Reads the standard input to its end, and keeps it as a file in memory, which
// ends with the process: a pipe can be read only once. Returns a path of it,
// which only this process can use. Blocks. Call it once. Errors:
// kResourceExhausted, kUnavailable.
absl::StatusOr<std::string> KeepStandardInput();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_FILES_STANDARD_INPUT_H_
