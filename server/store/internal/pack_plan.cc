#include "server/store/internal/pack_plan.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace ebb::server {

std::set<PackName> PacksToLeave(const std::map<PackName, PackUse>& packs) {
  std::set<PackName> leave;
  std::vector<std::pair<uint64_t, PackName>> stay;
  for (const auto& [name, use] : packs) {
    if (use.needed == 0) continue;
    if (use.needed < use.bytes / 3) {
      leave.insert(name);
    } else {
      stay.emplace_back(use.needed, name);
    }
  }
  if (stay.size() <= kMostPacks) return leave;
  std::sort(stay.begin(), stay.end());
  // The packs beyond `end` grow by doubling, so they are few.
  uint64_t smaller = 0;
  size_t end = 0;
  for (size_t i = 0; i < stay.size(); ++i) {
    if (stay[i].first <= smaller) end = i + 1;
    smaller += stay[i].first;
  }
  for (size_t i = 0; i < end; ++i) leave.insert(stay[i].second);
  return leave;
}

}  // namespace ebb::server
