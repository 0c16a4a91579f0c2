#include "algorithms/coordinator.h"

#include "absl/strings/str_cat.h"

namespace ebb {

absl::Status CheckRoundBefore(const RoundPlace& place, int64_t round) {
  if (round == place.round - 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the operation of round ", place.round - 1,
                   " says that it is of round ", round));
}

absl::StatusOr<std::vector<double>> SumFigures(
    const std::vector<std::vector<double>>& figures, size_t count,
    size_t whole) {
  std::vector<double> sums(count);
  for (size_t p = 0; p < figures.size(); ++p) {
    if (figures[p].size() != count) {
      return absl::InvalidArgumentError(
          absl::StrCat("partition ", p, " measured ", figures[p].size(),
                       " figures instead of ", count));
    }
    for (size_t i = 0; i < count; ++i) sums[i] += figures[p][i];
  }
  if (!figures.empty()) sums[whole] = figures[0][whole];
  return sums;
}

}  // namespace ebb
