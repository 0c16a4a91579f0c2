#include "server/pushed_shape.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace ebb::server {

namespace {

std::vector<FloatRange> PartsOf(const JobPlan& plan, PartitionId id,
                                const TrainedRanges* trained) {
  if (trained != nullptr) {
    const auto parts = trained->PartsOf(id);
    return {parts.begin(), parts.end()};
  }
  const auto [first, last] = plan.ParameterRange(id);
  if (first == last) return {};
  return {{first, last}};
}

}  // namespace

PushedShape::PushedShape(const JobPlan& plan, PartitionId id,
                         const TrainedRanges* trained,
                         std::shared_ptr<BlockPool> pool)
    : shape_(plan.block_floats, PushedRun(plan, trained, id), std::move(pool)) {
  const int64_t of_a_block = plan.block_floats;
  // Not a structured binding: a lambda may not name one in each compiler.
  const int64_t first = plan.ParameterRange(id).first;
  const int64_t last = plan.ParameterRange(id).second;
  int64_t pushed = 0;
  int64_t at = first;  // The next frozen run may begin here.
  const auto keep = [&](int64_t end) {
    while (at < end) {
      const int64_t within = (at - first) % of_a_block;
      const int64_t size = std::min(end - at, of_a_block - within);
      kept_.push_back({(at - first) / of_a_block, static_cast<size_t>(within),
                       static_cast<size_t>(size)});
      at += size;
    }
  };
  for (const FloatRange& part : PartsOf(plan, id, trained)) {
    keep(part.first);
    while (at < part.last) {
      const int64_t place = at - first;
      const int64_t size =
          std::min({part.last - at, of_a_block - place % of_a_block,
                    of_a_block - pushed % of_a_block});
      pieces_.push_back(
          {at, place / of_a_block, static_cast<size_t>(place % of_a_block),
           pushed / of_a_block, static_cast<size_t>(pushed % of_a_block),
           static_cast<size_t>(size)});
      if (stepped_.empty() || stepped_.back() != place / of_a_block) {
        stepped_.push_back(place / of_a_block);
      }
      at += size;
      pushed += size;
    }
  }
  keep(last);
  std::erase_if(kept_, [&](const Kept& kept) {
    return !std::ranges::binary_search(stepped_, kept.block);
  });
}

bool IsPushedArray(absl::string_view name) {
  return name == "sum" || absl::StartsWith(name, "slot:") ||
         absl::StartsWith(name, "item:");
}

std::vector<float> AtPlacesOfValues(const JobPlan& plan, PartitionId id,
                                    const TrainedRanges& trained,
                                    const CutArray& array) {
  std::vector<float> pushed;
  for (size_t i = 0; i < array.blocks.size(); ++i) {
    const std::span<const float> floats = array.UsedFloats(i);
    pushed.insert(pushed.end(), floats.begin(), floats.end());
  }
  const auto [first, last] = plan.ParameterRange(id);
  std::vector<float> values(last - first);
  std::span<const float> rest = pushed;
  for (const FloatRange& part : trained.PartsOf(id)) {
    // A damaged version may have fewer.
    const auto size = std::min<size_t>(part.size(), rest.size());
    std::ranges::copy(rest.first(size), values.begin() + (part.first - first));
    rest = rest.subspan(size);
  }
  return values;
}

}  // namespace ebb::server
