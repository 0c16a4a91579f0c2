#include "server/round_history.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/plant.h"

namespace ebb::server {

const Blocks* RoundHistory::ValuesOf(int64_t round) const {
  const auto it = values_.find(round);
  return it == values_.end() ? nullptr : &it->second;
}

std::vector<RoundOperation> RoundHistory::Operations() const {
  std::vector<RoundOperation> all;
  if (EBB_PLANTED(operations_not_registered)) return all;
  for (const auto& [round, operation] : operations_) {
    all.push_back({round, operation});
  }
  return all;
}

void RoundHistory::Close(Blocks values) {
  if (!EBB_PLANTED(rounds_keep_only_the_open_value)) {
    values_[open_] = std::move(values);
  }
  ++open_;
}

void RoundHistory::Close(Blocks values, std::string operation) {
  operations_[open_] = std::move(operation);
  Close(std::move(values));
}

void RoundHistory::Drop(int64_t round) {
  values_.erase(values_.begin(), values_.lower_bound(round));
  // The next one is made of the last.
  const int64_t needed = EBB_PLANTED(last_operation_is_dropped)
                             ? round
                             : std::min(round, open_ - 1);
  operations_.erase(operations_.begin(), operations_.lower_bound(needed));
}

void RoundHistory::AddTo(Cut* cut) const {
  cut->operations = operations_;
  for (const auto& [round, values] : values_) {
    cut->arrays[absl::StrCat("value:", round)] = shape_.CutOf(values);
  }
}

void RoundHistory::Restore(int64_t open,
                           std::map<int64_t, std::string> operations) {
  open_ = open;
  operations_ = std::move(operations);
}

bool RoundHistory::Restore(absl::string_view name, const CutArray& array) {
  int64_t round = 0;
  if (!absl::ConsumePrefix(&name, "value:") ||
      !absl::SimpleAtoi(name, &round)) {
    return false;
  }
  values_[round] = array.blocks;
  return true;
}

}  // namespace ebb::server
