#include "worker/engine/look_ahead.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "client/pulled_values.h"
#include "common/filters/encoding.h"
#include "common/filters/filter.h"

namespace ebb::worker {

namespace {

// True if a push is a step of the servers, and its gradient comes late. Rounds
// have no late gradients. Where workers step by themselves, the difference of
// two pulls is not a step.
bool IsLate(const JobPlan& plan) {
  return !plan.rounds() && plan.algorithm == AlgorithmPlan{} &&
         plan.sparse_tables.empty();
}

// Compilers make vectors of the inner loop, whose length they know.
constexpr size_t kLanes = 32;

// Moves values on by the share of their last step, and notes what they were.
void Move(std::span<float> values, std::span<float> last, float share) {
  float* __restrict now = values.data();
  float* __restrict before = last.data();
  const auto move = [&](size_t i) {
    const float pulled = now[i];
    now[i] = pulled + share * (pulled - before[i]);
    before[i] = pulled;
  };
  size_t at = 0;
  for (; at + kLanes <= values.size(); at += kLanes) {
    for (size_t i = 0; i < kLanes; ++i) move(at + i);
  }
  for (; at < values.size(); ++at) move(at);
}

}  // namespace

LookAhead::LookAhead(const JobPlan& plan, std::vector<MomentumRun> runs)
    : plan_(plan), runs_(std::move(runs)) {
  // What rounding makes of two values is larger than a step.
  const bool rounded = EncodingOf(plan.filters.pull) != Encoding::kFloat32;
  if (!IsLate(plan) || rounded) runs_.clear();
  if (runs_.empty()) return;
  last_.resize(plan.parameters);
  seen_.resize(plan.partitions);
}

absl::Status LookAhead::Assemble(const client::PulledValues& values,
                                 std::span<float> out) {
  if (runs_.empty()) return client::Assemble(plan_, values, out);
  if (values.generation != generation_) {
    std::ranges::fill(seen_, Seen());
    generation_ = values.generation;
  }
  return client::Assemble(plan_, values, out, /*there=*/{},
                          [&](PartitionId p) { Advance(values, p, out); });
}

void LookAhead::Advance(const client::PulledValues& values,
                        PartitionId partition, std::span<float> out) {
  const float share = ShareOf(values, partition);
  const auto range = plan_.ParameterRange(partition);
  for (const MomentumRun& run : runs_) {
    const int64_t begin = std::max(range.first, run.begin);
    const int64_t end = std::min(range.second, run.end);
    if (begin >= end) continue;
    const auto part = out.subspan(begin, end - begin);
    const auto before = std::span(last_).subspan(begin, end - begin);
    if (share > 0) {
      Move(part, before, share * run.momentum);
    } else {
      std::ranges::copy(part, before.begin());
    }
  }
}

float LookAhead::ShareOf(const client::PulledValues& values,
                         PartitionId partition) {
  const auto place = static_cast<size_t>(partition.value());
  Seen& seen = seen_[place];
  const Seen before = seen;
  seen.term = values.terms[place];
  seen.updates = values.updates[place];
  const int64_t step = seen.updates - before.updates;
  if (before.updates < 0 || seen.term != before.term || step <= 0) return 0;
  // After a pause there are many more updates than those of a step. Two pauses
  // in a row do not make that usual.
  constexpr int64_t kMostGrowth = 2;
  seen.step =
      before.step == 0 ? step : std::min(step, kMostGrowth * before.step);
  if (!values.during_batch) return 0;
  // Any number of updates may lie between the first two pulls.
  if (before.step == 0) return 0;
  if (before.step >= step) return 1;
  return static_cast<float>(before.step) / static_cast<float>(step);
}

}  // namespace ebb::worker
