// Pulled values as a model takes them.
#ifndef EBB_CLIENT_PULLED_VALUES_H_
#define EBB_CLIENT_PULLED_VALUES_H_

#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "client/actions.h"
#include "protocol/plan.h"

namespace ebb::client {

// Decodes the values of all partitions into the flat vector, `out`, of
// plan.parameters floats. Those of a round are rounded as the job's filter
// says, also where they came as floats. Internal: they are not of this job, or
// a server's answer cannot be decoded. `out` has the values of the partitions
// that are `there`: they are not written. `decoded` is called for each of the
// others, while its values are in the cache.
absl::Status Assemble(const JobPlan& plan, const PulledValues& values,
                      std::span<float> out, const std::vector<bool>& there = {},
                      const std::function<void(PartitionId)>& decoded = {});

}  // namespace ebb::client

#endif  // EBB_CLIENT_PULLED_VALUES_H_
