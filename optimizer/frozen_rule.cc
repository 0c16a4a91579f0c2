#include "optimizer/frozen_rule.h"

#include <cstring>
#include <memory>
#include <span>

#include "absl/strings/string_view.h"
#include "common/plant.h"
#include "optimizer/internal/kernels.h"

namespace ebb {

namespace {

class Frozen final : public Optimizer {
 public:
  std::span<const absl::string_view> SlotNames() const override { return {}; }

 private:
  void StepRange(const StepContext& /*context*/,
                 const internal::KernelRange& range) const override {
    if (EBB_PLANTED(frozen_rows_take_a_step)) {
      internal::AdditiveKernel(range);
      return;
    }
    for (const RowStep& row : range.rows) {
      std::memmove(row.weights_out, row.weights_in,
                   range.width * sizeof(float));
    }
  }
};

}  // namespace

std::unique_ptr<Optimizer> MakeFrozenRule() {
  return std::make_unique<Frozen>();
}

}  // namespace ebb
