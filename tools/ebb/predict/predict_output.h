// The one file, or object, that `ebb predict -o` writes.
#ifndef EBB_TOOLS_EBB_PREDICT_PREDICT_OUTPUT_H_
#define EBB_TOOLS_EBB_PREDICT_PREDICT_OUTPUT_H_

#include <ostream>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace ebb::tools {

// Checks that WriteOutput could write there now: what cannot be written is not
// computed first. An empty `output` is none.
absl::Status CheckOutput(const std::string& output);

// Replaces the output at once, which is not empty. Cancelled: a signal came
// while it was put into a bucket.
absl::Status WriteOutput(
    const std::string& output,
    absl::FunctionRef<absl::Status(std::ostream& out)> write);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_PREDICT_PREDICT_OUTPUT_H_
