#include "job/job_facts.h"

#include <limits>

namespace ebb::job {

std::optional<int64_t> ElementsOf(const std::vector<int64_t>& dims) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 8;
  int64_t elements = 1;
  for (const int64_t dim : dims) {
    if (dim < 0 || (dim > 0 && elements > kMost / dim)) return std::nullopt;
    elements *= dim;
  }
  return elements;
}

}  // namespace ebb::job
