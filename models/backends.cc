#include "models/backends.h"

#include "absl/strings/str_cat.h"
#include "models/eigen_backend.h"
#include "models/reference_backend.h"

namespace ebb::models {

absl::StatusOr<std::unique_ptr<ComputeBackend>> CreateBackend(
    const BackendOptions& options) {
  if (options.kind == "eigen") return MakeEigenBackend(options.isa);
  if (options.kind == "reference") return MakeReferenceBackend();
  return absl::InvalidArgumentError(absl::StrCat(
      "back end \"", options.kind, "\": known are eigen, reference"));
}

}  // namespace ebb::models
