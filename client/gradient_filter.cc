#include "client/gradient_filter.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "common/example_hash.h"
#include "common/filters/codec.h"
#include "common/filters/select.h"
#include "protocol/trained_ranges.h"

namespace ebb::client {

namespace {

// Tells the noise of pushes from that of pulls.
constexpr uint64_t kPushes = 1;
// One that is computed, and the one before it, which may step back.
constexpr size_t kMostFilteredItems = 2;

// Returns where the push begins.
int64_t BeginOf(const ComputeTask& task) { return task.begin - task.gathered; }

// A function of the position in the data, so that every computation of the same
// batch from the same values pushes the same bytes.
uint64_t SeedOf(const ComputeTask& task) {
  uint64_t seed = HashAppend(HashAppend(0, task.record->plan.seed), kPushes);
  seed = HashAppend(seed, static_cast<uint64_t>(task.item.epoch));
  seed = HashAppend(seed, static_cast<uint64_t>(task.item.shard));
  return HashAppend(seed, static_cast<uint64_t>(BeginOf(task)));
}

// Keeps float32 if that is not larger.
FilteredGradient Sparse(const Payload& values) {
  Payload bytes = Encode(Encoding::kSparse, values, {});
  if (bytes.size() < values.size())
    return {Encoding::kSparse, std::move(bytes)};
  return {Encoding::kFloat32, values};
}

}  // namespace

GradientFilter::Item* GradientFilter::Find(const ComputeTask& task) {
  const auto it = std::ranges::find_if(items_, [&](const Item& item) {
    return item.job == task.record->id && item.generation == task.generation &&
           item.item == task.item;
  });
  if (it != items_.end()) {
    items_.splice(items_.begin(), items_, it);
    return &items_.front();
  }
  while (items_.size() >= kMostFilteredItems) items_.pop_back();
  Item& item = items_.emplace_front();
  item.job = task.record->id;
  item.generation = task.generation;
  item.item = task.item;
  item.by_partition.resize(task.record->plan.partitions);
  return &item;
}

FilteredGradient GradientFilter::Divide(const ComputeTask& task,
                                        const Payload& gradient, bool whole,
                                        std::deque<LeftOver>* left) {
  std::vector<float> waiting(gradient.size() / sizeof(float));
  gradient.CopyTo(std::as_writable_bytes(std::span(waiting)));
  // What was made of later batches is computed again.
  while (!left->empty() && left->back().position > BeginOf(task)) {
    left->pop_back();
  }
  if (!left->empty() && left->back().position == BeginOf(task)) {
    const std::vector<float>& before = left->back().values;
    for (size_t i = 0; i < before.size(); ++i) waiting[i] += before[i];
  } else {
    left->clear();
  }
  std::vector<float> sent(waiting.size());
  if (whole) {
    sent.swap(waiting);
    waiting.clear();
  } else {
    Select(task.record->plan.filters.push, waiting, sent);
  }
  left->push_back({task.end, std::move(waiting)});
  while (left->size() > positions_) left->pop_front();
  return Sparse(Payload::Of(std::move(sent)));
}

void GradientFilter::Apply(const ComputeTask& task, ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  const Encoding encoding = EncodingOf(plan.filters.push);
  if (encoding == Encoding::kFloat32 || result->gradient.empty()) return;
  const bool keeps = KeepsResiduals(plan.filters.push);
  const bool whole = task.end == plan.ItemSize(task.item) || flush_;
  Item* const item = keeps ? Find(task) : nullptr;
  result->leaves = result->leaves || (keeps && !whole);
  const uint64_t seed = SeedOf(task);
  result->filtered.resize(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const FloatRange run =
        PushedRun(plan, result->trained.get(), PartitionId(p));
    const Payload part = result->gradient.Sub(run.first * 4, run.size() * 4);
    std::optional<FilteredGradient>& filtered = result->filtered[p];
    if (!task.due.empty() && !task.due[p]) continue;
    if (result->trained != nullptr && part.empty()) {
      filtered = FilteredGradient();  // All of it is frozen.
    } else if (keeps) {
      filtered = Divide(task, part, whole, &item->by_partition[p]);
    } else if (encoding == Encoding::kSparse) {
      filtered = Sparse(part);
    } else {
      const Noise noise{HashAppend(seed, static_cast<uint64_t>(p))};
      filtered = FilteredGradient{encoding, Encode(encoding, part, noise)};
    }
  }
}

}  // namespace ebb::client
