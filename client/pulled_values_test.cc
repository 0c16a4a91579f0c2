#include "client/pulled_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/filters/codec.h"
#include "protocol/pull_noise.h"

namespace ebb::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JobPlan Plan() {
  JobPlan plan;
  plan.block_floats = 2;
  plan.parameters = 5;
  plan.partitions = 3;
  return plan;
}

Payload Floats(std::vector<float> values) {
  return Payload::Of(std::move(values));
}

TEST(AssembleTest, EachPartitionMayHaveAnEncodingOfItsOwn) {
  PulledValues values;
  values.partitions = {Floats({1, 2}),
                       Encode(Encoding::kFloat16, Floats({3, 4}), {}),
                       Encode(Encoding::kBfloat16, Floats({5}), {})};
  values.encodings = {Encoding::kFloat32, Encoding::kFloat16,
                      Encoding::kBfloat16};
  std::vector<float> out(5);

  ASSERT_TRUE(Assemble(Plan(), values, out).ok());

  EXPECT_THAT(out, ElementsAre(1, 2, 3, 4, 5));
}

TEST(AssembleTest, WithoutEncodingsAllAreFloats) {
  PulledValues values;
  values.partitions = {Floats({1, 2}), Floats({3, 4}), Floats({5})};
  std::vector<float> out(5);
  ASSERT_TRUE(Assemble(Plan(), values, out).ok());
  EXPECT_THAT(out, ElementsAre(1, 2, 3, 4, 5));
}

// Bug: values that came over shared memory were not rounded, so a job in rounds
// depended on which workers were on a server's machine.
TEST(AssembleTest, ValuesOfARoundAreTheSameWhicheverWayTheyCame) {
  for (const FilterKind kind : {FilterKind::kBfloat16, FilterKind::kInt8}) {
    JobPlan plan = Plan();
    plan.seed = 7;
    plan.filters.pull = {kind};
    const Encoding encoding = EncodingOf(plan.filters.pull);
    const std::vector<float> exact = {1.001f, 2.3456f, 3.14159f, 4.4f, 5.1f};
    const std::vector<Payload> floats = {Floats({exact[0], exact[1]}),
                                         Floats({exact[2], exact[3]}),
                                         Floats({exact[4]})};
    const auto assembled = [&](bool encoded, int64_t round, bool local) {
      PulledValues values;
      values.round = round;
      for (int32_t p = 0; p < 3; ++p) {
        const Noise noise = PullNoise(plan.seed, PartitionId(p), round);
        values.partitions.push_back(encoded ? Encode(encoding, floats[p], noise)
                                            : floats[p]);
        if (!local) {
          values.encodings.push_back(encoded ? encoding : Encoding::kFloat32);
        }
      }
      std::vector<float> out(5);
      EXPECT_TRUE(Assemble(plan, values, out).ok());
      return out;
    };
    EXPECT_EQ(assembled(false, 4, false), assembled(true, 4, false));
    EXPECT_NE(assembled(false, 4, false), exact);
    EXPECT_EQ(assembled(false, -1, false), exact);
    EXPECT_EQ(assembled(false, 4, /*local=*/true), exact);
  }
}

TEST(AssembleTest, RefusesWhatIsNoSuchEncoding) {
  PulledValues values;
  values.partitions = {Floats({1, 2}), Floats({3, 4}), Floats({5})};
  values.encodings = {Encoding::kFloat32, Encoding::kInt8, Encoding::kFloat32};
  std::vector<float> out(5);
  const absl::Status status = Assemble(Plan(), values, out);
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("partition 1 was pulled wrong: 2 values as int8 have 6 "
                        "bytes, not 8"));
}

}  // namespace
}  // namespace ebb::client
