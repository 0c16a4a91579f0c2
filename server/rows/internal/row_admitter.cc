#include "server/rows/internal/row_admitter.h"

#include <cstddef>

#include "common/example_hash.h"
#include "common/status_macros.h"
#include "server/rows/internal/row_draws.h"

namespace ebb::server::internal {

RowAdmitter::RowAdmitter(const RowTableOptions& options)
    : admission_(options.admission),
      counter_count_(admission_.kind == RowAdmission::Kind::kCount
                         ? admission_.counters
                         : 0),
      draws_(DrawsOf(options)) {}

absl::Status RowAdmitter::MakeCounters(BlockPool* pool) {
  if (counter_count_ == 0) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(
      counters_,
      BlockArray<uint8_t>::Make(pool, static_cast<size_t>(counter_count_), 0));
  return absl::OkStatus();
}

bool RowAdmitter::Admits(uint64_t key, int64_t pushes, RowPush* push) const {
  switch (admission_.kind) {
    case RowAdmission::Kind::kAlways:
      return true;
    case RowAdmission::Kind::kCount: {
      const auto counter = static_cast<uint32_t>(Spread(
          HashAppend(draws_, key), static_cast<uint64_t>(counter_count_)));
      push->counters.push_back(counter);
      return counters_[counter] + 1 >= admission_.count;
    }
    case RowAdmission::Kind::kProbability: {
      const uint64_t draw =
          HashAppend(HashAppend(draws_, key), static_cast<uint64_t>(pushes));
      return UnitOf(draw) < admission_.probability;
    }
  }
  return true;
}

void RowAdmitter::Raise(const RowPush& push, RowSet* changed) {
  for (const uint32_t counter : push.counters) {
    if (counters_[counter] == 0xff) continue;
    ++counters_[counter];
    changed->Add(counter);
  }
}

void RowAdmitter::Load(std::span<const uint8_t> counters) {
  for (size_t i = 0; i < counters.size(); ++i) counters_[i] = counters[i];
}

}  // namespace ebb::server::internal
