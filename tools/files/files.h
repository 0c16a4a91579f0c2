// Small files, whole.
#ifndef EBB_TOOLS_FILES_FILES_H_
#define EBB_TOOLS_FILES_FILES_H_

#include <ostream>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ebb::tools {

// Errors name the file and what the system says.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Replaces the file at once: readers see the old content or the new one. A
// device, a pipe or a link is written to instead.
absl::Status WriteFile(const std::string& path, absl::string_view content);
// The same with content that `write` writes piece by piece. An error of its
// own leaves the old file.
absl::Status WriteFile(
    const std::string& path,
    absl::FunctionRef<absl::Status(std::ostream& out)> write);

// Checks that WriteFile could write there now: for what takes long to compute.
absl::Status CheckWritable(const std::string& path);

// The folder in which the running program lies.
std::string ProgramFolder();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_FILES_FILES_H_
