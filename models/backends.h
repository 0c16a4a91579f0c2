// Choosing a back end by its name.
#ifndef EBB_MODELS_BACKENDS_H_
#define EBB_MODELS_BACKENDS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "models/backend.h"

namespace ebb::models {

struct BackendOptions {
  // eigen: fast. reference: plain loops, to compare with. Default: eigen.
  std::string kind = "eigen";
  // The instructions that eigen uses: baseline (whatever the build is for),
  // avx2, avx512, or auto: the widest that this machine has. Default: auto;
  // change it to compare, or to repeat the figures of another machine.
  std::string isa = "auto";
  // Threads of eigen, its caller among them: 1 to kMostThreads. They share
  // dense products, the forward pass of sparse ones, and K-Means' search.
  int threads = 1;
};
inline constexpr int kMostThreads = 256;

// kInvalidArgument: no such kind or instructions, or threads without eigen.
// kFailedPrecondition: this machine, or this build, does not have the
// instructions.
absl::StatusOr<std::unique_ptr<ComputeBackend>> CreateBackend(
    const BackendOptions& options);

}  // namespace ebb::models

#endif  // EBB_MODELS_BACKENDS_H_
