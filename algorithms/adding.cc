#include "algorithms/adding.h"

namespace ebb {

namespace {

class Adding final : public Algorithm {
 public:
  bool Adds() const override { return true; }
};

}  // namespace

std::unique_ptr<const Algorithm> MakeAdding() {
  return std::make_unique<Adding>();
}

}  // namespace ebb
