#include "bench/dense/dense_bench.h"

#include <gtest/gtest.h>

namespace ebb::bench {
namespace {

constexpr int64_t kMiB = 1 << 20;

TEST(DenseBenchTest, LargeModelsMustComeNearTheSocket) {
  EXPECT_EQ(ThroughputBound(64 * kMiB, DataPlane::kGrpc)->value, 0.8);
  EXPECT_EQ(ThroughputBound(4 * kMiB, DataPlane::kGrpc)->value, 0.8);
  EXPECT_EQ(ThroughputBound(kMiB, DataPlane::kGrpc)->value, 0.5);
  EXPECT_FALSE(ThroughputBound(64 << 10, DataPlane::kGrpc).has_value());
  EXPECT_FALSE(CpuBound(kMiB).has_value());
  EXPECT_TRUE(CpuBound(4 * kMiB)->Allows(1.5));
  EXPECT_FALSE(CpuBound(4 * kMiB)->Allows(1.51));
  EXPECT_TRUE(CpuBound(4 * kMiB, /*tls=*/true)->Allows(1.4));
  EXPECT_FALSE(CpuBound(4 * kMiB, /*tls=*/true)->Allows(1.41));
}

TEST(DenseBenchTest, AMoveOverABulkStreamMustComeNearTheSocket) {
  EXPECT_TRUE(MoveBound(DataPlane::kBulk)->Allows(0.8));
  EXPECT_FALSE(MoveBound(DataPlane::kBulk)->Allows(0.79));
  EXPECT_FALSE(MoveBound(DataPlane::kGrpc).has_value());
}

TEST(DenseBenchTest, SmallPushesMustBeAnsweredSoon) {
  EXPECT_FALSE(LatencyBound(4 << 10, DataPlane::kGrpc)->Allows(9.1));
  EXPECT_FALSE(LatencyBound(64 << 10, DataPlane::kGrpc)->Allows(7.1));
  EXPECT_FALSE(LatencyBound(kMiB, DataPlane::kGrpc).has_value());
}

TEST(DenseBenchTest, SharedMemoryMustBeFasterThanTheSocket) {
  EXPECT_EQ(ThroughputBound(64 * kMiB, DataPlane::kShared)->value, 2);
  EXPECT_EQ(ThroughputBound(kMiB, DataPlane::kShared)->value, 2);
  EXPECT_EQ(ThroughputBound(64 << 10, DataPlane::kShared)->value, 1.3);
  EXPECT_FALSE(ThroughputBound(4 << 10, DataPlane::kShared).has_value());
  EXPECT_FALSE(LatencyBound(4 << 10, DataPlane::kShared)->Allows(1.21));
}

TEST(DenseBenchTest, ASampleKeepsAsManyInFlightAsItSays) {
  const DenseOptions options = {.sample_bytes = 64 * kMiB, .operations = 100};
  EXPECT_EQ(OperationsOf(options, 4 << 10, 1), 100);
  EXPECT_EQ(OperationsOf(options, 4 * kMiB, 1), 16);
  EXPECT_EQ(OperationsOf(options, 64 * kMiB, 1), 2);
  EXPECT_EQ(OperationsOf(options, 64 * kMiB, 8), 12);
}

TEST(DenseBenchTest, SizesAreReadable) {
  EXPECT_EQ(SizeText(4 << 10), "4 KiB");
  EXPECT_EQ(SizeText(16 * kMiB), "16 MiB");
}

}  // namespace
}  // namespace ebb::bench
