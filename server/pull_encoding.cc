#include "server/pull_encoding.h"

#include "common/example_hash.h"
#include "common/filters/codec.h"

namespace ebb::server {

namespace {

// Tells the noise of pulls from that of pushes.
constexpr uint64_t kPulls = 2;

}  // namespace

PullEncoding::PullEncoding(const JobPlan& plan, const PullRequest& pull)
    // A sparse one of weights would only be longer.
    : encoding(pull.encoding == Encoding::kSparse ? Encoding::kFloat32
                                                  : pull.encoding),
      seed(HashAppend(HashAppend(0, plan.seed), kPulls)),
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
    uint64_t seed = HashAppend(encoding.seed, segment.partition.value());
    // The updates that a round's value is answered after may differ.
    seed = HashAppend(seed,
                      encoding.round >= 0 ? encoding.round : segment.updates);
    segment.values = ebb::Encode(encoding.encoding, segment.values, {seed});
    segment.encoding = encoding.encoding;
  }
}

}  // namespace ebb::server
