#ifndef EBB_PROTOCOL_PULL_NOISE_H_
#define EBB_PROTOCOL_PULL_NOISE_H_

#include <cstdint>

#include "common/example_hash.h"
#include "common/filters/noise.h"
#include "protocol/messages.h"

namespace ebb {

// Returns the noise that rounds pulled values: all pulls of a round
// get the same, on servers and on workers. `job_seed` is that of the plan, and
// `at` the round, or without rounds the number of updates in the values.
inline Noise PullNoise(uint64_t job_seed, PartitionId partition, int64_t at) {
  constexpr uint64_t kPulls = 2;  // Tells it from that of pushes.
  const uint64_t of_job = HashAppend(HashAppend(0, job_seed), kPulls);
  return {HashAppend(HashAppend(of_job, partition.value()), at)};
}

}  // namespace ebb

#endif  // EBB_PROTOCOL_PULL_NOISE_H_
