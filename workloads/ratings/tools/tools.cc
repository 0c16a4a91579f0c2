// How matrix factorisation is exported.
#include "workloads/gradients/tools/tools.h"

#include <memory>

#include "absl/strings/string_view.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::workloads {

namespace {

class RatingTools final : public GradientTools {
 protected:
  absl::string_view Score(absl::string_view /*kind*/) const override {
    return "bias + w(user) + w(item) + <v(user), v(item)>";
  }
};

}  // namespace

void RegisterRatingsTools(ToolsSides* sides) {
  sides->Add("ratings", std::make_unique<RatingTools>());
}

}  // namespace ebb::workloads
