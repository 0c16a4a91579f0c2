#include "job/frozen_rows.h"

#include <algorithm>

namespace ebb::job {

std::vector<bool> FrozenRowsOf(const v1::Specification& specification) {
  const auto& names = specification.job().freeze();
  std::vector<bool> frozen;
  for (const v1::SparseTable& table : specification.sparse_tables()) {
    frozen.push_back(std::ranges::count(names, table.name()) > 0);
  }
  if (std::ranges::count(frozen, true) == 0) frozen.clear();
  return frozen;
}

}  // namespace ebb::job
