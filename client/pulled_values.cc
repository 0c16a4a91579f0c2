#include "client/pulled_values.h"

#include "absl/strings/str_cat.h"
#include "common/filters/codec.h"
#include "protocol/pull_noise.h"

namespace ebb::client {

namespace {

// Servers encode a round's values for all workers alike, but over shared memory
// they come as floats. They are rounded here, so that values do not depend on
// which way they took.
void Round(const JobPlan& plan, int64_t round, PartitionId partition,
           const Payload& floats, std::span<float> out) {
  const Encoding wanted = EncodingOf(plan.filters.pull);
  const Noise noise = PullNoise(plan.seed, partition, round);
  Decode(wanted, Encode(wanted, floats, noise), out);
}

}  // namespace

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
    const std::span<float> part = out.subspan(first, last - first);
    const bool as_floats =
        !values.encodings.empty() && encoding == Encoding::kFloat32;
    if (as_floats && values.round >= 0 &&
        EncodingOf(plan.filters.pull) != Encoding::kFloat32) {
      Round(plan, values.round, PartitionId(p), bytes, part);
    } else {
      Decode(encoding, bytes, part);
    }
    if (decoded) decoded(PartitionId(p));
  }
  return absl::OkStatus();
}

}  // namespace ebb::client
