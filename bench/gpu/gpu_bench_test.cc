#include "bench/gpu/gpu_bench.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/emulated_gpu.h"

namespace ebb::bench {
namespace {

using ::testing::HasSubstr;

GpuBenchOptions Small() {
  GpuBenchOptions options;
  options.layers = {6, 5, 3};
  options.rows = 8;
  options.pairs = 2;
  options.sample_seconds = 0;
  return options;
}

// Only checks what is measured; on the host the figures mean nothing.
TEST(GpuBenchTest, MeasuresEachProductAndTheStep) {
  const auto gpu = models::testing::MakeEmulatedGpu();
  int products = 0;
  const auto rows =
      MeasureBackend(Small(), gpu.get(), [&](const models::gpu::Gemm& gemm) {
        ++products;
        gpu->engine().Multiply(gemm);
      });
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 8u);
  EXPECT_EQ((*rows)[0].what, "8 x 6 x 5, layer, bias and ReLU");
  EXPECT_EQ((*rows)[5].what, "8 x 5 x 3, gradient of inputs");
  EXPECT_EQ((*rows)[6].what, "gradient of 6-5-3, 8 examples; products alone");
  EXPECT_FALSE((*rows)[6].bound.has_value());
  EXPECT_EQ((*rows)[7].what,
            "gradient of 6-5-3, 8 examples; products and copies");
  EXPECT_TRUE((*rows)[7].bound.has_value());
  EXPECT_EQ((*rows)[6].measure, "examples/s");
  for (const Row& row : *rows) {
    EXPECT_GT(row.ours, 0) << row.what;
    EXPECT_GT(row.limit, 0) << row.what;
    EXPECT_EQ(row.ratio.pairs, 2) << row.what;
  }
  // One to warm up and two pairs; of the step five products, twice.
  EXPECT_EQ(products, 6 * 3 + 2 * 3 * 5);
}

TEST(GpuBenchTest, GraphsAreComparedWithSingleCalls) {
  const auto with = models::testing::MakeEmulatedGpu();
  const auto without = models::testing::MakeEmulatedGpu({}, /*graphs=*/false);
  const auto row = MeasureGraphs(Small(), with.get(), without.get());
  ASSERT_TRUE(row.ok()) << row.status();
  EXPECT_EQ(row->what,
            "gradient of 64-64-64-10, 64 examples; with and without graphs");
  EXPECT_GT(row->ours, 0);
  EXPECT_GT(with->engine().replays(), 0);
  EXPECT_LT(with->engine().calls(), without->engine().calls());
}

TEST(GpuBenchTest, ADeviceThatIsLostEndsIt) {
  const auto gpu = models::testing::MakeEmulatedGpu();
  const auto rows =
      MeasureBackend(Small(), gpu.get(),
                     [&](const models::gpu::Gemm&) { gpu->engine().Lose(); });
  EXPECT_TRUE(absl::IsUnavailable(rows.status())) << rows.status();
}

TEST(GpuBenchTest, WhereThereIsNoneItSaysWhy) {
  GpuBenchOptions options = Small();
  options.gpu.device = 1000;
  EXPECT_TRUE(absl::IsFailedPrecondition(MeasureGpu(options).status()));
}

TEST(GpuBenchTest, ProductsMustReachNineteenTwentieths) {
  GpuReport report;
  report.gpu = "NVIDIA Something";
  report.rows = {MakeRow("product", "TFLOP/s", std::vector<double>{9},
                         std::vector<double>{10},
                         Bound{Bound::Kind::kAtLeast, 0.95})};
  report.notes = {"no PyTorch here"};
  EXPECT_THAT(GpuText(report), HasSubstr("gpu NVIDIA Something"));
  EXPECT_THAT(GpuText(report), HasSubstr("\nno PyTorch here\n"));
  tools::Json json = tools::Json::Object();
  AddGpu(report, &json);
  EXPECT_THAT(json.ToLine(), HasSubstr("\"all_hold\": false"));
  EXPECT_THAT(json.ToLine(), HasSubstr("\"notes\": [\"no PyTorch here\"]"));
}

}  // namespace
}  // namespace ebb::bench
