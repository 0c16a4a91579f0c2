#include "tools/ebb/run/resumed_job.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ebb/v1/specification.pb.h"

namespace ebb::tools {

absl::StatusOr<PreparedJob> KeepEpochsOfRun(const JobChoice& choice,
                                            absl::string_view stored,
                                            PreparedJob prepared) {
  constexpr char kEpochs[] = "train.epochs";
  const bool chosen = std::ranges::any_of(
      prepared.choices,
      [&](const job::Choice& one) { return one.key == kEpochs; });
  v1::Specification before;
  if (!chosen ||
      !before.ParseFromArray(stored.data(), static_cast<int>(stored.size()))) {
    return prepared;
  }
  const int64_t epochs = before.job().train().epochs();
  if (epochs < 1 || epochs == prepared.job.train().epochs()) return prepared;
  JobChoice again = choice;
  again.overrides.push_back(absl::StrCat(kEpochs, "=", epochs));
  return PrepareJob(again);
}

}  // namespace ebb::tools
