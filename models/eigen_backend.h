// The fast back end of processors: Eigen's kernels.
#ifndef EBB_MODELS_EIGEN_BACKEND_H_
#define EBB_MODELS_EIGEN_BACKEND_H_

#include <cstdint>
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

// The least that a thread computes, in multiply-adds: some microseconds, as it
// takes to share the work.
inline constexpr int64_t kLeastWorkOfThread = int64_t{1} << 19;

// `isa` is one of EigenInstructionSets(), or "auto" for the widest. The back
// end computes on its caller and `threads` - 1 more threads, at most as many as
// have least_work. With other threads the sums of products may be rounded
// otherwise. Errors as CreateBackend of backends.h.
absl::StatusOr<std::unique_ptr<ComputeBackend>> MakeEigenBackend(
    absl::string_view isa, int threads = 1,
    int64_t least_work = kLeastWorkOfThread);

}  // namespace ebb::models

#endif  // EBB_MODELS_EIGEN_BACKEND_H_
