// In which form the values of a pull are answered, and doing so: apart from
// the core, because it goes through all of them.
#ifndef EBB_SERVER_PULL_ENCODING_H_
#define EBB_SERVER_PULL_ENCODING_H_

#include <cstdint>

#include "common/filters/encoding.h"
#include "protocol/messages.h"
#include "protocol/plan.h"

namespace ebb::server {

struct PullEncoding {
  Encoding encoding = Encoding::kFloat32;
  uint64_t seed = 0;  // The job has it (protocol/pull_noise.h).
  int64_t round = -1;

  PullEncoding() = default;
  PullEncoding(const JobPlan& plan, const PullRequest& pull);
};

// Bytes of the values in the reply: as they will travel, and as floats.
Traffic TrafficOf(const PullEncoding& encoding, const PullReply& reply);

// Encodes the float32 values of the reply. Thread-safe.
void Encode(const PullEncoding& encoding, PullReply* reply);

}  // namespace ebb::server

#endif  // EBB_SERVER_PULL_ENCODING_H_
