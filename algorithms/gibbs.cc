// Gibbs sampling: workers draw, and push what examples contribute to counts.
// Servers count it in place of what the same examples contributed before.
#include <memory>

#include "algorithms/builtin.h"

namespace ebb {

namespace {

class Gibbs final : public Algorithm {
 public:
  bool Adds() const override { return true; }
};

}  // namespace

absl::Status RegisterGibbs(AlgorithmRegistry* registry) {
  return registry->Register(
      "gibbs", "draws the topic of each word, given those of all others",
      [](const AlgorithmConfig&)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        return std::make_unique<Gibbs>();
      });
}

}  // namespace ebb
