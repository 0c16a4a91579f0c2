#include "scheduler/job/share_out.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace ebb::scheduler {

namespace {

// Raises the shares of `group`, none beyond what it can use, to one level: as
// high as `left` suffices for. Returns what is left then.
int64_t ShareEvenly(const std::vector<WorkerClaim>& claims,
                    const std::vector<size_t>& group, int64_t left,
                    std::vector<int64_t>* shares) {
  const auto raised = [&](size_t i, int64_t level) {
    return std::max((*shares)[i], std::min(level, claims[i].most));
  };
  const auto cost = [&](int64_t level) {
    int64_t sum = 0;
    for (const size_t i : group) sum += raised(i, level) - (*shares)[i];
    return sum;
  };
  int64_t level = 0, too_high = 1;
  for (const size_t i : group) {
    too_high = std::max(too_high, claims[i].most + 1);
  }
  while (level + 1 < too_high) {
    const int64_t middle = level + (too_high - level) / 2;
    (cost(middle) <= left ? level : too_high) = middle;
  }
  left -= cost(level);
  for (const size_t i : group) (*shares)[i] = raised(i, level);
  for (const size_t i : group) {
    if (left > 0 && (*shares)[i] == level && claims[i].most > level) {
      ++(*shares)[i];
      --left;
    }
  }
  return left;
}

}  // namespace

std::vector<int64_t> ShareOut(const std::vector<WorkerClaim>& claims,
                              int64_t workers) {
  std::vector<size_t> order(claims.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return claims[a].priority > claims[b].priority;
  });
  std::vector<int64_t> shares(claims.size());
  std::vector<size_t> sharing;
  int64_t left = workers;
  for (const size_t i : order) {
    const WorkerClaim& claim = claims[i];
    const int64_t least = std::min(claim.min, claim.most);
    if (!claim.begun && (claim.most < claim.min || left < claim.min)) continue;
    shares[i] = std::min(least, left);
    left -= shares[i];
    sharing.push_back(i);
  }
  for (size_t first = 0; first < sharing.size();) {
    size_t last = first;
    while (last < sharing.size() &&
           claims[sharing[last]].priority == claims[sharing[first]].priority) {
      ++last;
    }
    left = ShareEvenly(claims,
                       {sharing.begin() + static_cast<std::ptrdiff_t>(first),
                        sharing.begin() + static_cast<std::ptrdiff_t>(last)},
                       left, &shares);
    first = last;
  }
  return shares;
}

}  // namespace ebb::scheduler
