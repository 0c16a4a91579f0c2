#include "algorithms/operated.h"

namespace ebb {

namespace {

class Operated final : public Algorithm {
 public:
  AlgorithmPlan Plan() const override { return {.operated = true}; }
};

}  // namespace

std::unique_ptr<const Algorithm> MakeOperated() {
  return std::make_unique<Operated>();
}

}  // namespace ebb
