#include "server/pull_encoding.h"

#include "common/filters/codec.h"
#include "protocol/pull_noise.h"

namespace ebb::server {

PullEncoding::PullEncoding(const JobPlan& plan, const PullRequest& pull)
    // A sparse one of weights would only be longer.
    : encoding(pull.encoding == Encoding::kSparse ? Encoding::kFloat32
                                                  : pull.encoding),
      seed(plan.seed),
      round(pull.round) {}

Traffic TrafficOf(const PullEncoding& encoding, const PullReply& reply) {
  Traffic traffic;
  for (const PullSegment& segment : reply.segments) {
    const int64_t bytes = segment.values.size();
    const int64_t floats = bytes / static_cast<int64_t>(sizeof(float));
    const int64_t rows = ValueBytes(segment) - bytes;
    traffic.pulled += EncodedBytes(encoding.encoding, floats) + rows;
    traffic.pulled_as_floats += bytes + rows;
  }
  return traffic;
}

void Encode(const PullEncoding& encoding, PullReply* reply) {
  if (encoding.encoding == Encoding::kFloat32) return;
  for (PullSegment& segment : reply->segments) {
    // The updates that a round's value is answered after may differ.
    const int64_t at = encoding.round >= 0 ? encoding.round : segment.updates;
    segment.values =
        ebb::Encode(encoding.encoding, segment.values,
                    PullNoise(encoding.seed, segment.partition, at));
    segment.encoding = encoding.encoding;
  }
}

}  // namespace ebb::server
