#include "models/non_finite.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/status/status.h"
#include "common/status_macros.h"

namespace ebb::models {

absl::StatusOr<NonFinite> FindNonFinite(std::span<const float> params,
                                        const BatchView& batch,
                                        std::span<float> grad, Model* model,
                                        absl::FunctionRef<bool()> stop) {
  if (!std::ranges::all_of(params, [](float x) { return std::isfinite(x); })) {
    return NonFinite{Fault::kValues};
  }
  std::vector<int64_t> offsets;
  const auto is_finite = [&](int64_t begin,
                             int64_t end) -> absl::StatusOr<bool> {
    if (stop()) return absl::CancelledError("told to stop");
    BatchStats stats;
    const absl::Status status = model->Gradient(
        params, PartOf(batch, begin, end, &offsets), grad, &stats);
    if (!status.ok() && !absl::IsOutOfRange(status)) return status;
    return status.ok();
  };
  if (batch.rows > 1) {
    EBB_ASSIGN_OR_RETURN(const bool first, is_finite(0, 1));
    EBB_ASSIGN_OR_RETURN(const bool last,
                         is_finite(batch.rows - 1, batch.rows));
    if (!first && !last) return NonFinite{Fault::kFirstAndLast};
  }
  // [begin, end) has no finite gradient.
  int64_t begin = 0, end = batch.rows;
  while (end - begin > 1) {
    const int64_t middle = begin + (end - begin) / 2;
    EBB_ASSIGN_OR_RETURN(const bool left, is_finite(begin, middle));
    if (!left) {
      end = middle;
      continue;
    }
    EBB_ASSIGN_OR_RETURN(const bool right, is_finite(middle, end));
    if (right) return NonFinite{Fault::kSum};
    begin = middle;
  }
  return NonFinite{Fault::kExample, begin};
}

}  // namespace ebb::models
