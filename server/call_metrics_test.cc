#include "server/call_metrics.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string TextOf(const CallMetrics& calls) {
  metrics::OpenMetrics text;
  calls.AddTo(&text);
  return std::move(text).Text();
}

TEST(CallMetricsTest, CountsPushesByVerdictOncePartitionsHaveAnswered) {
  CallMetrics calls;
  PushReply answered;

  const auto done =
      calls.Watch(88, [&](PushReply reply) { answered = std::move(reply); });
  EXPECT_THAT(TextOf(calls),
              AllOf(HasSubstr("ebb_server_push_bytes_total 88\n"),
                    HasSubstr("ebb_server_push_seconds_count 0\n")));
  PushReply reply;
  reply.sequence = 7;
  reply.segments.resize(3);
  reply.segments[0].verdict = Verdict::kApplied;
  reply.segments[1].verdict = Verdict::kApplied;
  reply.segments[2].verdict = Verdict::kNotOpen;
  done(reply);

  EXPECT_EQ(answered.sequence, 7);
  EXPECT_EQ(answered.segments.size(), 3);
  EXPECT_THAT(
      TextOf(calls),
      AllOf(
          HasSubstr("ebb_server_push_segments_total{verdict=\"applied\"} 2\n"),
          HasSubstr("ebb_server_push_segments_total{verdict=\"not_open\"} 1\n"),
          HasSubstr(
              "ebb_server_push_segments_total{verdict=\"duplicate\"} 0\n"),
          HasSubstr("ebb_server_push_seconds_count 1\n")));
}

TEST(CallMetricsTest, CountsPullsByTheirAnswer) {
  CallMetrics calls;
  bool answered = false;

  const auto done = calls.Watch([&](PullReply) { answered = true; });
  PullReply reply;
  reply.segments.resize(2);
  reply.segments[0].values = Payload::Of(std::vector<float>(5));
  reply.segments[0].rows.push_back(Payload::Of(std::vector<float>(2)));
  reply.segments[1].result = PullResult::kUnchanged;
  done(reply);

  EXPECT_TRUE(answered);
  EXPECT_THAT(
      TextOf(calls),
      AllOf(
          HasSubstr("ebb_server_pull_bytes_total 28\n"),
          HasSubstr("ebb_server_pull_segments_total{result=\"values\"} 1\n"),
          HasSubstr("ebb_server_pull_segments_total{result=\"unchanged\"} 1\n"),
          HasSubstr("ebb_server_pull_seconds_count 1\n")));
}

}  // namespace
}  // namespace ebb::server
