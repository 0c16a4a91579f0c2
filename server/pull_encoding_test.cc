#include "server/pull_encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "common/filters/codec.h"

namespace ebb::server {
namespace {

PullRequest Request(Encoding encoding, int64_t round = -1) {
  PullRequest request;
  request.encoding = encoding;
  request.round = round;
  return request;
}

// Two partitions of 300 values each, after so many updates.
PullReply Reply(int64_t updates) {
  PullReply reply;
  for (int32_t p = 0; p < 2; ++p) {
    std::vector<float> values(300);
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = 0.01f * static_cast<float>(i);
    }
    reply.segments.push_back({PartitionId(p), PullResult::kValues, Term(1),
                              updates, Payload::Of(std::move(values))});
  }
  return reply;
}

std::string Bytes(const PullReply& reply, int p) {
  const Payload& payload = reply.segments[p].values;
  std::string bytes(payload.size(), '\0');
  payload.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return bytes;
}

PullReply Encoded(const PullRequest& request, int64_t updates,
                  uint64_t seed = 1) {
  JobPlan plan;
  plan.seed = seed;
  PullReply reply = Reply(updates);
  Encode(PullEncoding(plan, request), &reply);
  return reply;
}

TEST(PullEncodingTest, FloatsStayAsTheyAre) {
  const PullReply reply = Encoded(Request(Encoding::kFloat32), 3);
  EXPECT_EQ(Bytes(reply, 1), Bytes(Reply(3), 1));
  EXPECT_EQ(reply.segments[1].encoding, Encoding::kFloat32);
}

TEST(PullEncodingTest, EachSegmentSaysWhatItIs) {
  const PullReply reply = Encoded(Request(Encoding::kInt8), 3);
  for (const PullSegment& segment : reply.segments) {
    EXPECT_EQ(segment.encoding, Encoding::kInt8);
    EXPECT_TRUE(CheckEncoded(Encoding::kInt8, segment.values, 300).ok());
  }
}

TEST(PullEncodingTest, ASegmentWithoutValuesStaysEmpty) {
  PullReply reply = Reply(1);
  reply.segments[0].values = {};
  Encode(PullEncoding(JobPlan(), Request(Encoding::kInt8)), &reply);
  EXPECT_TRUE(reply.segments[0].values.empty());
}

TEST(PullEncodingTest, NobodyGetsWeightsSparse) {
  const PullReply reply = Encoded(Request(Encoding::kSparse), 3);
  EXPECT_EQ(reply.segments[0].encoding, Encoding::kFloat32);
}

TEST(PullEncodingTest, TheSameValuesAreRoundedInTheSameWay) {
  const PullRequest request = Request(Encoding::kInt8);
  const std::string bytes = Bytes(Encoded(request, 3), 0);
  EXPECT_EQ(Bytes(Encoded(request, 3), 0), bytes);
  EXPECT_NE(Bytes(Encoded(request, 4), 0), bytes);
  EXPECT_NE(Bytes(Encoded(request, 3, 2), 0), bytes);
  EXPECT_NE(Bytes(Encoded(request, 3), 1), bytes);
}

// Also from a server that came back and counts its updates otherwise.
TEST(PullEncodingTest, AllWhoPullARoundGetTheSame) {
  const std::string bytes = Bytes(Encoded(Request(Encoding::kInt8, 7), 3), 0);
  EXPECT_EQ(Bytes(Encoded(Request(Encoding::kInt8, 7), 4), 0), bytes);
  EXPECT_NE(Bytes(Encoded(Request(Encoding::kInt8, 8), 3), 0), bytes);
}

TEST(PullEncodingTest, CountsWhatWillTravel) {
  const PullReply reply = Reply(1);
  const Traffic traffic =
      TrafficOf(PullEncoding(JobPlan(), Request(Encoding::kInt8)), reply);
  EXPECT_EQ(traffic.pulled, 2 * (300 + 2 * 4));
  EXPECT_EQ(traffic.pulled_as_floats, 2 * 300 * 4);
}

}  // namespace
}  // namespace ebb::server
