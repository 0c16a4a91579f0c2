#include "job/frozen_rows.h"

#include <algorithm>

namespace ebb::job {

bool IsFrozen(const v1::Job& job, absl::string_view table) {
  return std::ranges::count(job.freeze(), table) > 0;
}

std::vector<bool> FrozenRowsOf(const v1::Specification& specification) {
  std::vector<bool> frozen;
  for (const v1::SparseTable& table : specification.sparse_tables()) {
    frozen.push_back(IsFrozen(specification.job(), table.name()));
  }
  if (std::ranges::count(frozen, true) == 0) frozen.clear();
  return frozen;
}

}  // namespace ebb::job
