#include "server/memory_budget.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ebb::server {

namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
// Code, threads, connections: measured with a small job, and rounded up.
constexpr int64_t kProgram = 64 * kMiB;

}  // namespace

absl::StatusOr<MemoryBudget> DivideMemory(int64_t bytes) {
  if (bytes < kLeastMemory) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--memory is ", bytes, " bytes; a server needs at least ",
        kLeastMemory / kMiB, "MiB, and the values of its jobs beside"));
  }
  MemoryBudget budget;
  budget.push_bytes = std::clamp(bytes / 8, kMiB, 1024 * kMiB);
  budget.received_bytes = 2 * budget.push_bytes;
  budget.write_buffer_bytes = std::clamp(bytes / 32, kMiB, 32 * kMiB);
  const int64_t left =
      bytes - kProgram - budget.received_bytes - 3 * budget.write_buffer_bytes;
  budget.value_bytes = left / 10 * 9;
  return budget;
}

int64_t CopiesOfWeights(const JobPlan& plan, int slots) {
  const int64_t decoded = plan.filters.push.kind != FilterKind::kNone ? 1 : 0;
  const int64_t step = 2 + slots + decoded;
  if (!plan.rounds()) return step;
  // The sum of the round, and that of an item which waits for one before it;
  // and the whole sum, while it waits for its operation.
  const int64_t whole = plan.algorithm.operated ? 1 : 0;
  return step + plan.consistency.rounds_in_memory + 1 + 2 + whole;
}

int64_t BlocksOf(const JobPlan& plan, int slots, const TrainedRanges* trained,
                 PartitionId partition) {
  const auto [first, last] = plan.ParameterRange(partition);
  const int64_t size = plan.block_floats;
  const int64_t blocks = (last - first + size - 1) / size;
  if (trained == nullptr) return CopiesOfWeights(plan, slots) * blocks;
  // A step copies each block that has a trained value.
  int64_t stepped = 0;
  int64_t next = 0;
  for (const FloatRange& part : trained->PartsOf(partition)) {
    const int64_t begin = std::max(next, (part.first - first) / size);
    const int64_t end = (part.last - first + size - 1) / size;
    stepped += std::max<int64_t>(0, end - begin);
    next = std::max(next, end);
  }
  return blocks + (CopiesOfWeights(plan, slots) - 1) * stepped;
}

}  // namespace ebb::server
