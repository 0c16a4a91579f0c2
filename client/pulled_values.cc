#include "client/pulled_values.h"

#include "absl/strings/str_cat.h"
#include "common/filters/codec.h"

namespace ebb::client {

absl::Status Assemble(const JobPlan& plan, const PulledValues& values,
                      std::span<float> out, const std::vector<bool>& there,
                      const std::function<void(PartitionId)>& decoded) {
  if (values.partitions.size() != static_cast<size_t>(plan.partitions)) {
    return absl::InternalError("the pulled values are not of this job");
  }
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = plan.ParameterRange(PartitionId(p));
    const Payload& bytes = values.partitions[p];
    const Encoding encoding =
        values.encodings.empty() ? Encoding::kFloat32 : values.encodings[p];
    const absl::Status status = CheckEncoded(encoding, bytes, last - first);
    if (!status.ok()) {
      return absl::InternalError(absl::StrCat(
          "partition ", p, " was pulled wrong: ", status.message()));
    }
    if (p < static_cast<int32_t>(there.size()) && there[p]) continue;
    Decode(encoding, bytes, out.subspan(first, last - first));
    if (decoded) decoded(PartitionId(p));
  }
  return absl::OkStatus();
}

}  // namespace ebb::client
