#include "algorithms/adding.h"

namespace ebb {

namespace {

class Adding final : public Algorithm {
 public:
  PushKind Pushes() const override { return PushKind::kChanges; }
};

}  // namespace

std::unique_ptr<const Algorithm> MakeAdding() {
  return std::make_unique<Adding>();
}

}  // namespace ebb
