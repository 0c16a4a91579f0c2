#include "data/sample.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "common/example_hash.h"

namespace ebb::data {

// Floyd 1987.
std::vector<int64_t> DrawSample(int64_t all, int64_t count, uint64_t seed) {
  std::vector<int64_t> numbers(std::min(all, count));
  if (count >= all) {
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }
  std::set<int64_t> taken;
  for (int64_t most = all - count; most < all; ++most) {
    const auto number =
        static_cast<int64_t>(HashAppend(seed, static_cast<uint64_t>(most)) %
                             (static_cast<uint64_t>(most) + 1));
    if (!taken.insert(number).second) taken.insert(most);
  }
  return {taken.begin(), taken.end()};
}

}  // namespace ebb::data
