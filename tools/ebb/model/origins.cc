#include "tools/ebb/model/origins.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "data/index.h"

namespace ebb::tools {

std::vector<double> OriginsOf(const v1::Job& job, const job::JobFacts& facts) {
  if (job.data().standardise()) return {};
  const auto index = data::Index::Decode(facts.train_index);
  return index.ok() ? index->encoding.origins : std::vector<double>();
}

absl::Status CheckOrigins(const std::vector<double>& origins) {
  for (size_t i = 0; i < origins.size(); ++i) {
    if (origins[i] == 0) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "feature ", i + 1,
        " of data.train has numbers that float32 cannot tell apart, so ebb "
        "subtracts ",
        origins[i],
        " from them, which these values do not know; write "
        "`data.standardise: true`, or subtract a number from that column "
        "yourself"));
  }
  return absl::OkStatus();
}

}  // namespace ebb::tools
