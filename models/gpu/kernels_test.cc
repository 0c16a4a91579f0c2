// The kernels' index arithmetic, run on the host. What only a device can show
// is in device_test.cc.
#include "models/gpu/kernels.h"

#include <cstdint>
#include <numeric>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/gpu/gemm.h"
#include "models/reference_backend.h"
#include "models/testing/emulated_gpu.h"
#include "models/testing/sums.h"

namespace ebb::models::gpu {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// Whatever the number of blocks, each piece of work is done once.
struct CountElement {
  void operator()(int64_t i) const { ++counts[i]; }
  int* counts;
};
struct CountEntry {
  void operator()(int64_t row, int64_t e, int64_t j) const {
    ++counts[e * 3 + j];
    rows[e] = row;
  }
  int* counts;
  int64_t* rows;
};

TEST(GpuKernelsTest, EveryElementIsDoneOnceByAnyNumberOfBlocks) {
  testing::EmulatedEngine engine;
  for (const int64_t count : {1, 255, 256, 257, 5000}) {
    for (const int64_t blocks : {1, 2, 7, 100}) {
      std::vector<int> counts(count);
      engine.Launch(blocks,
                    ForEachElement<CountElement>{count, {counts.data()}});
      EXPECT_THAT(counts, Each(1)) << count << " by " << blocks;
    }
  }
}

TEST(GpuKernelsTest, EveryEntryIsDoneOnceForEachNumberOfItsRow) {
  testing::EmulatedEngine engine;
  // Rows of 0, 1, ... 19 entries, which do not start at entry 0.
  std::vector<int64_t> offsets = {2};
  for (int64_t r = 0; r < 20; ++r) offsets.push_back(offsets.back() + r);
  const int64_t entries = offsets.back();
  for (const int64_t blocks : {1, 2, 3, 50}) {
    std::vector<int> counts(entries * 3);
    std::vector<int64_t> rows(entries, -1);
    engine.Launch(blocks,
                  ForEachEntry<CountEntry>{20,
                                           3,
                                           {offsets.data(), nullptr, nullptr},
                                           {counts.data(), rows.data()}});
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0),
              (entries - 2) * 3);
    EXPECT_EQ(rows[1], -1);
    for (int64_t r = 0; r < 20; ++r) {
      for (int64_t e = offsets[r]; e < offsets[r + 1]; ++e) {
        EXPECT_EQ(rows[e], r);
        EXPECT_EQ(counts[e * 3], 1);
        EXPECT_EQ(counts[e * 3 + 2], 1);
      }
    }
  }
}

TEST(GpuKernelsTest, BlocksAreBounded) {
  EXPECT_EQ(BlocksFor(0), 0);
  EXPECT_EQ(BlocksFor(10), 10);
  EXPECT_EQ(BlocksFor(int64_t{1} << 40), 65535);
}

// Fewer blocks than there are tiles, rows or slices give the same.
TEST(GpuKernelsTest, SumsDoNotDependOnTheBlocks) {
  testing::EmulatedEngine engine;
  constexpr int64_t kRows = 1000, kColumns = 70;
  std::vector<float> a(kRows * kColumns);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 7);
  const int64_t slices = ColumnParts::SlicesOf(kRows);
  EXPECT_EQ(slices, 4);
  std::vector<double> expected(slices * kColumns);
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < kColumns; ++j) {
      expected[i / 250 * kColumns + j] += a[i * kColumns + j];
    }
  }
  for (const int64_t blocks : {1, 5, 12, 100}) {
    std::vector<double> parts(slices * kColumns, -1);
    engine.Launch(blocks,
                  ColumnParts{kRows, kColumns, slices, a.data(), parts.data()});
    EXPECT_EQ(parts, expected) << blocks;
  }
  EXPECT_EQ(ColumnParts::SlicesOf(0), 1);
  EXPECT_EQ(ColumnParts::SlicesOf(1 << 30), 64);
}

TEST(GpuKernelsTest, SoftmaxDoesNotDependOnTheBlocks) {
  testing::EmulatedEngine engine;
  constexpr int64_t kRows = 37, kColumns = 45;
  std::vector<float> scores(kRows * kColumns), labels(kRows);
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = static_cast<float>(i * 7 % 31) / 8;
  }
  for (int64_t r = 0; r < kRows; ++r) {
    labels[r] = static_cast<float>(r * 5 % kColumns);
  }
  const auto reference = MakeReferenceBackend();
  std::vector<float> expected(scores.size());
  const LossSums sums =
      testing::ComputeLoss(reference.get(), Loss::kSoftmax, kRows, kColumns,
                           labels.data(), scores.data(), expected.data());
  for (const int64_t blocks : {1, 2, 5, 9}) {
    std::vector<float> out(scores.size());
    std::vector<LossPart> parts(blocks);
    engine.Launch(blocks, SoftmaxRows{kRows, kColumns, labels.data(),
                                      scores.data(), out.data(), parts.data()});
    LossPart total = {0, 0};
    for (const LossPart& part : parts) total += part;
    EXPECT_NEAR(total.loss, sums.loss, 1e-4) << blocks;
    EXPECT_EQ(total.correct, sums.correct) << blocks;
    EXPECT_THAT(out,
                ::testing::Pointwise(::testing::FloatNear(1e-6f), expected));
  }
}

// Of equal scores the first counts, also where several threads look.
TEST(GpuKernelsTest, OfEqualScoresTheFirstIsTheLargest) {
  const auto gpu = testing::MakeEmulatedGpu();
  std::vector<float> scores(100, 1.0f);
  scores[40] = scores[33] = scores[71] = 2;
  BackendArray scores_in(gpu.get()), labels_in(gpu.get());
  const float* const s =
      scores_in.Import(std::span<const float>(scores)).data();
  for (const auto& [label, correct] :
       {std::tuple{33.0f, 1}, {40.0f, 0}, {0.0f, 0}}) {
    const float* const l =
        labels_in.Import(std::span<const float>(&label, 1)).data();
    EXPECT_EQ(
        testing::ComputeLoss(gpu.get(), Loss::kSoftmax, 1, 100, l, s, nullptr)
            .correct,
        correct);
  }
}

// In the words of the manual of BLAS: op(a) is (m, k), stored column after
// column with lda between columns, which is at least the rows that are stored.
TEST(GpuKernelsTest, ProductsAreSaidToABlasThatStoresColumns) {
  const float a = 0, b = 0;
  float c = 0;
  const int64_t m = 2, k = 3, n = 5;
  const auto check = [](const Gemm& gemm) {
    EXPECT_EQ(gemm.lda, gemm.transpose_a ? gemm.k : gemm.m);
    EXPECT_EQ(gemm.ldb, gemm.transpose_b ? gemm.n : gemm.k);
    EXPECT_EQ(gemm.ldc, gemm.m);
    return std::vector<int64_t>{gemm.m, gemm.n, gemm.k};
  };
  EXPECT_THAT(check(Gemm::MatMul(m, k, n, &a, &b, &c)), ElementsAre(n, m, k));
  EXPECT_THAT(check(Gemm::MatMulTransA(m, k, n, &a, &b, &c)),
              ElementsAre(n, k, m));
  EXPECT_THAT(check(Gemm::MatMulTransB(m, n, k, &a, &b, &c)),
              ElementsAre(k, m, n));
}

// Once a device has no memory, nothing is launched until that was asked for.
TEST(GpuKernelsTest, NothingIsDoneAfterAFailureUntilItIsTaken) {
  const auto gpu = testing::MakeEmulatedGpu();
  BackendArray x(gpu.get());
  x.Reserve<float>(10);
  gpu->engine().set_memory_bytes(1 << 20);
  EXPECT_EQ(gpu->Allocate(2 << 20), nullptr);
  gpu->Scale(10, 2, x.data<float>());
  EXPECT_EQ(gpu->Allocate(1), nullptr) << "not even what there is room for";
  EXPECT_EQ(gpu->engine().launches(), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(gpu->TakeError()));
  EXPECT_TRUE(gpu->TakeError().ok());
  gpu->Scale(10, 2, x.data<float>());
  EXPECT_EQ(gpu->engine().launches(), 1);
}

}  // namespace
}  // namespace ebb::models::gpu
