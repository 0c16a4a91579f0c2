#include "workloads/seam/tools/tools.h"

namespace ebb::workloads {

// Generated: adds all of them.
void RegisterToolsSides(ToolsSides* sides);

const ToolsSide& ToolsOf(const v1::Model& model) {
  static const auto* const sides = new ToolsSides(RegisterToolsSides);
  return *sides->Of(model);
}

}  // namespace ebb::workloads
