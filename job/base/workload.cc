#include "job/base/workload.h"

#include "job/base/traits.h"

namespace ebb::job {

std::string WorkloadOf(const v1::Model& model) {
  const std::string& named = TraitsOf(model).workload();
  return named.empty() ? kGradients : named;
}

}  // namespace ebb::job
