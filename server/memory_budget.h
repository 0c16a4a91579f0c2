// How a parameter server divides the memory that it may take (--memory).
#ifndef EBB_SERVER_MEMORY_BUDGET_H_
#define EBB_SERVER_MEMORY_BUDGET_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "protocol/plan.h"
#include "protocol/trained_ranges.h"

namespace ebb::server {

// Less is not enough for the program itself.
inline constexpr int64_t kLeastMemory = int64_t{128} << 20;

//   memory = program + received messages + the store's buffers + values
//
// The rest is for memory that no part counts: the allocator's gaps, messages on
// their way out, marks and ledgers.
struct MemoryBudget {
  // Blocks of all jobs, with those that pulls, cuts and snapshots hold: of
  // dense values, and of rows with their indexes and counters.
  int64_t value_bytes = 0;
  // Pushes that are not answered yet, and what applying their rows takes; more
  // are refused.
  int64_t push_bytes = 0;
  // All that workers are sending or have sent, those pushes included; beyond
  // it their calls are ended.
  int64_t received_bytes = 0;
  // A write buffer of the store, which has up to three.
  int64_t write_buffer_bytes = 0;
};

// InvalidArgument, saying what to do: less than kLeastMemory.
absl::StatusOr<MemoryBudget> DivideMemory(int64_t bytes);

// Returns how many times its weights a partition may have to hold so that
// training goes on. It counts the weights and the optimizer's slots; the new
// ones of a step while a pull or a snapshot keeps the old; a decoded gradient;
// and in rounds the kept values and sums.
int64_t CopiesOfWeights(const JobPlan& plan, int slots);
// The blocks of memory that a partition takes with these slots. `trained`: null
// if no table is frozen. A partition keeps one copy of frozen values.
int64_t BlocksOf(const JobPlan& plan, int slots, const TrainedRanges* trained,
                 PartitionId partition);

}  // namespace ebb::server

#endif  // EBB_SERVER_MEMORY_BUDGET_H_
