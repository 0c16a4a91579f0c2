#include "tools/chaos/link_table.h"

#include <algorithm>

namespace ebb::chaos {

namespace {

bool Means(absl::string_view end, absl::string_view daemon) {
  return end == "all" || end == daemon;
}

}  // namespace

bool IsBetween(const Link& link, absl::string_view a, absl::string_view b) {
  return (Means(link.a, a) && Means(link.b, b)) ||
         (Means(link.a, b) && Means(link.b, a));
}

void LinkTable::Apply(const Disturb& disturb) {
  std::erase_if(standing_,
                [&](const auto& one) { return one.first == disturb.link; });
  LinkState state;
  switch (disturb.op) {
    case Op::kSplit:
      state.split = true;
      break;
    case Op::kDelay:
      state.delay = disturb.delay;
      break;
    case Op::kLimit:
      state.bytes_per_second = disturb.bytes_per_second;
      break;
    default:  // Healed.
      return;
  }
  standing_.emplace_back(disturb.link, state);
}

LinkState LinkTable::StateOf(absl::string_view a, absl::string_view b) const {
  LinkState sum;
  for (const auto& [link, state] : standing_) {
    if (!IsBetween(link, a, b)) continue;
    sum.split = sum.split || state.split;
    sum.delay = std::max(sum.delay, state.delay);
    if (state.bytes_per_second > 0) {
      sum.bytes_per_second =
          sum.bytes_per_second > 0
              ? std::min(sum.bytes_per_second, state.bytes_per_second)
              : state.bytes_per_second;
    }
  }
  return sum;
}

}  // namespace ebb::chaos
