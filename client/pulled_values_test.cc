#include "client/pulled_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/filters/codec.h"

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
