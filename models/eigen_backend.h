// The fast back end of processors: Eigen's kernels, on one thread.
#ifndef EBB_MODELS_EIGEN_BACKEND_H_
#define EBB_MODELS_EIGEN_BACKEND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "models/backend.h"

namespace ebb::models {

// The instruction sets that this build and this machine both have, the widest
// last; the first is "baseline".
std::vector<std::string> EigenInstructionSets();

// `isa` is one of EigenInstructionSets(), or "auto" for the widest. Errors as
// CreateBackend of backends.h.
absl::StatusOr<std::unique_ptr<ComputeBackend>> MakeEigenBackend(
    absl::string_view isa);

}  // namespace ebb::models

#endif  // EBB_MODELS_EIGEN_BACKEND_H_
