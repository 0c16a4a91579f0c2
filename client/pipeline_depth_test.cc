#include "client/pipeline_depth.h"

#include <gtest/gtest.h>

namespace ebb::client {
namespace {

void Fill(PipelineDepth* depth, absl::Duration pull, absl::Duration batch) {
  for (int i = 0; i < 9; ++i) {
    depth->Pulled(pull);
    depth->Computed(batch);
  }
}

TEST(PipelineDepthTest, IsOneWherePullsEndInTime) {
  PipelineDepth depth(8);
  EXPECT_EQ(depth.batches(), 1);
  Fill(&depth, absl::Milliseconds(29), absl::Milliseconds(10));
  EXPECT_EQ(depth.batches(), 1);
}

TEST(PipelineDepthTest, FillsTheTimeThatAPullTakes) {
  PipelineDepth depth(8);
  Fill(&depth, absl::Milliseconds(45), absl::Milliseconds(10));
  EXPECT_EQ(depth.batches(), 4);
  Fill(&depth, absl::Milliseconds(500), absl::Milliseconds(10));
  EXPECT_EQ(depth.batches(), 8);
  Fill(&depth, absl::Milliseconds(5), absl::Milliseconds(10));
  EXPECT_EQ(depth.batches(), 1);
}

TEST(PipelineDepthTest, OnePullThatIsHeldUpSaysNothing) {
  PipelineDepth depth(8);
  Fill(&depth, absl::Milliseconds(10), absl::Milliseconds(10));
  depth.Pulled(absl::Seconds(10));
  EXPECT_EQ(depth.batches(), 1);
}

TEST(PipelineDepthTest, MayAlwaysBeOne) {
  PipelineDepth depth(1);
  Fill(&depth, absl::Seconds(1), absl::Milliseconds(1));
  EXPECT_EQ(depth.batches(), 1);
}

}  // namespace
}  // namespace ebb::client
