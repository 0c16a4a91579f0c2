// Tests that need a device: reported as skipped, with the reason, if there is
// none. The tests of all back ends (backend_test.cc and those of the models)
// have "gpu-0" among them if there is a device.
#include <cmath>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "glog/logging.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backend.h"
#include "models/eigen_backend.h"
#include "models/gpu/gpu_backend.h"
#include "models/registry.h"
#include "models/testing/small_batch.h"
#include "models/testing/sums.h"

namespace ebb::models::gpu {
namespace {

using ::testing::Each;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Pointwise;
using Floats = std::vector<float>;

Floats Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  Floats values(count);
  for (float& value : values) value = uniform(generator);
  return values;
}

class DeviceTest : public ::testing::Test {
 protected:
  static std::unique_ptr<ComputeBackend> Make(const GpuOptions& options = {}) {
    auto backend = MakeGpuBackend(options);
    EXPECT_TRUE(backend.ok()) << backend.status();
    return *std::move(backend);
  }
  const float* In(const Floats& values) {
    arrays_.push_back(std::make_unique<BackendArray>(gpu_.get()));
    return arrays_.back()->Import(std::span<const float>(values)).data();
  }
  float* Out(int64_t count) {
    arrays_.push_back(std::make_unique<BackendArray>(gpu_.get()));
    return arrays_.back()->Reserve<float>(count);
  }
  Floats Values(const float* memory, int64_t count) {
    Floats values(count);
    gpu_->CopyOut(memory, count * sizeof(float), values.data());
    EXPECT_TRUE(gpu_->TakeError().ok());
    return values;
  }

  std::unique_ptr<ComputeBackend> gpu_ = Make();
  std::unique_ptr<ComputeBackend> cpu_ = *MakeEigenBackend("auto");
  std::vector<std::unique_ptr<BackendArray>> arrays_;
};

// Of several chunks of staging, and beside them.
TEST_F(DeviceTest, WhatIsCopiedInComesOutAgain) {
  for (const int64_t count : {1, 1000, (2 << 20), (2 << 20) + 1, 10'000'019}) {
    const Floats values = Random(count, 1);
    EXPECT_EQ(Values(In(values), count), values) << count;
  }
}

// Many times over, so that a wait that is missing shows now and then: tables
// come in beside computing that uses them, and leave beside computing that
// follows. On the host copies_test.cc has all orders.
TEST_F(DeviceTest, CopiesBesideComputingWaitForItAndItForThem) {
  constexpr int64_t kCount = 1'300'000, kTables = 6;
  for (const bool pinned : {false, true}) {
    std::vector<Floats> in(kTables), out(kTables);
    for (int round = 0; round < 20; ++round) {
      std::vector<std::shared_ptr<void>> pins;
      std::vector<CopyTicket> tickets;
      std::vector<float*> memory;
      for (int64_t t = 0; t < kTables; ++t) {
        in[t].assign(kCount, static_cast<float>(t + round));
        out[t].assign(kCount, -1);
        for (Floats* floats : {&in[t], &out[t]}) {
          if (!pinned) break;
          pins.push_back(gpu_->PinHost(floats->data(), 4 * kCount));
        }
        memory.push_back(Out(kCount));
        tickets.push_back(
            gpu_->BeginCopyIn(in[t].data(), 4 * kCount, memory[t]));
      }
      for (int64_t t = kTables; t-- > 0;) {
        gpu_->AwaitCopyIn(tickets[t]);
        gpu_->Scale(kCount, 2, memory[t]);
        gpu_->Scale(kCount, 2, memory[t]);
        gpu_->BeginCopyOut(memory[t], 4 * kCount, out[t].data());
        // The next round's arrays get the same blocks.
        arrays_.pop_back();
      }
      gpu_->FinishCopies();
      for (int64_t t = 0; t < kTables; ++t) {
        ASSERT_THAT(out[t], Each(static_cast<float>(4 * (t + round))))
            << t << " in round " << round << (pinned ? ", pinned" : "");
      }
      pins.clear();
    }
    ASSERT_TRUE(gpu_->TakeError().ok());
  }
}

TEST_F(DeviceTest, PagesThatArePinnedAlreadyAreCopiedAllTheSame) {
  constexpr int64_t kCount = 1 << 20;
  Floats in = Random(kCount, 1), out(kCount);
  const auto pin = gpu_->PinHost(in.data(), 4 * kCount);
  EXPECT_NE(pin, nullptr);
  EXPECT_EQ(gpu_->PinHost(in.data(), 4 * kCount), nullptr);
  float* const x = Out(kCount);
  gpu_->AwaitCopyIn(gpu_->BeginCopyIn(in.data(), 4 * kCount, x));
  gpu_->BeginCopyOut(x, 4 * kCount, out.data());
  gpu_->FinishCopies();
  EXPECT_EQ(out, in);
  EXPECT_TRUE(gpu_->TakeError().ok());
}

TEST_F(DeviceTest, BusySecondsAreAtMostThoseThatPass) {
  constexpr int64_t kSize = 2048;
  const Floats values = Random(kSize * kSize, 1);
  const float* const a = In(values);
  float* const c = Out(kSize * kSize);
  Values(c, 1);
  gpu_->TakeBusySeconds();
  const absl::Time start = absl::Now();
  for (int i = 0; i < 20; ++i) {
    gpu_->MatMul(kSize, kSize, kSize, a, a, nullptr, c);
  }
  Values(c, 1);
  const double passed = absl::ToDoubleSeconds(absl::Now() - start);
  absl::SleepFor(absl::Milliseconds(50));
  const double busy = gpu_->TakeBusySeconds();
  EXPECT_GT(busy, passed / 10);
  EXPECT_LE(busy, passed);
  EXPECT_EQ(gpu_->TakeBusySeconds(), 0);
}

// Wherever it lies in memory, and of whatever size.
TEST_F(DeviceTest, LayersAgreeWithTheProcessorWhereverTheirBiasLies) {
  for (const auto& [m, k, n] : {std::tuple<int64_t, int64_t, int64_t>{1, 1, 1},
                                {257, 63, 130},
                                {1024, 512, 1000}}) {
    const Floats a = Random(m * k, 1), b = Random(k * n, 2);
    const Floats biases = Random(n + 4, 3);
    const float *a_in = In(a), *b_in = In(b), *biases_in = In(biases);
    for (const Activation f : {Activation::kIdentity, Activation::kRelu}) {
      for (const int64_t at : {0, 1, 2, 4}) {
        Floats expected(m * n);
        cpu_->MatMulActivate(f, m, k, n, a.data(), b.data(), &biases[at],
                             expected.data());
        float* const c = Out(m * n);
        gpu_->MatMulActivate(f, m, k, n, a_in, b_in, biases_in + at, c);
        EXPECT_THAT(
            Values(c, m * n),
            Pointwise(FloatNear(2e-7f * static_cast<float>(4 + k)), expected))
            << m << " x " << k << " x " << n << ", bias " << at;
      }
    }
  }
}

// cuBLASLt does not promise it; ebb finds diverged values by it.
TEST_F(DeviceTest, ReluLeavesNansInPlaceAtAllSizes) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [m, k, n] : {std::tuple<int64_t, int64_t, int64_t>{1, 4, 4},
                                {64, 64, 64},
                                {300, 70, 129},
                                {2048, 1024, 1024}}) {
    for (const Precision precision : {Precision::kFp32, Precision::kTf32}) {
      arrays_.clear();
      gpu_ = Make({.precision = precision});
      Floats a(m * k, -1);
      a[(m / 2) * k + k / 2] = kNan;
      float* const c = Out(m * n);
      gpu_->MatMulActivate(Activation::kRelu, m, k, n, In(a),
                           In(Floats(k * n, 1)), In(Floats(n, 0)), c);
      const Floats values = Values(c, m * n);
      for (int64_t i = 0; i < m * n; ++i) {
        if (i / n == m / 2) {
          ASSERT_TRUE(std::isnan(values[i])) << i;
        } else {
          ASSERT_EQ(values[i], 0) << i;
        }
      }
      arrays_.clear();
    }
  }
}

TEST_F(DeviceTest, ProductsAgreeWithTheProcessorAtAllSizes) {
  const std::tuple<int64_t, int64_t, int64_t> kSizes[] = {
      {1, 1, 1},      {1, 4097, 1},    {513, 1, 7},    {1000, 10, 1},
      {128, 784, 10}, {333, 257, 129}, {2048, 512, 1}, {1024, 1024, 1024}};
  for (const auto& [m, k, n] : kSizes) {
    SCOPED_TRACE(::testing::Message() << m << " x " << k << " x " << n);
    const Floats a = Random(m * k, 1), b = Random(k * n, 2);
    const Floats bias = Random(n, 3), d = Random(m * n, 4);
    Floats expected(m * n), of_a(k * n), of_b(m * k), sums(n);
    cpu_->MatMulActivate(Activation::kTanh, m, k, n, a.data(), b.data(),
                         bias.data(), expected.data());
    cpu_->MatMulTransA(m, k, n, a.data(), d.data(), of_a.data());
    cpu_->MatMulTransB(m, n, k, d.data(), b.data(), of_b.data());
    cpu_->ColumnSums(m, n, d.data(), sums.data());
    const float *a_in = In(a), *b_in = In(b), *d_in = In(d);
    float *c = Out(m * n), *c_a = Out(k * n), *c_b = Out(m * k);
    float* c_sums = Out(n);
    gpu_->MatMulActivate(Activation::kTanh, m, k, n, a_in, b_in, In(bias), c);
    gpu_->MatMulTransA(m, k, n, a_in, d_in, c_a);
    gpu_->MatMulTransB(m, n, k, d_in, b_in, c_b);
    gpu_->ColumnSums(m, n, d_in, c_sums);
    // Each product of two numbers in [-1, 1] is rounded about once.
    const auto near = [](int64_t terms) {
      return FloatNear(2e-7f * static_cast<float>(2 + terms));
    };
    EXPECT_THAT(Values(c, m * n), Pointwise(near(k), expected));
    EXPECT_THAT(Values(c_a, k * n), Pointwise(near(m), of_a));
    EXPECT_THAT(Values(c_b, m * k), Pointwise(near(n), of_b));
    EXPECT_THAT(Values(c_sums, n), Pointwise(near(m), sums));
  }
}

// Rounded factors: each of k products is off by at most two roundings.
TEST_F(DeviceTest, PrecisionsRoundTheFactorsOnly) {
  constexpr int64_t kSize = 512;
  const Floats a = Random(kSize * kSize, 1), b = Random(kSize * kSize, 2);
  Floats expected(kSize * kSize);
  cpu_->MatMul(kSize, kSize, kSize, a.data(), b.data(), nullptr,
               expected.data());
  for (const auto& [precision, rounding] :
       {std::tuple{Precision::kTf32, 0x1p-11f}, {Precision::kBf16, 0x1p-8f}}) {
    gpu_ = Make({.precision = precision});
    arrays_.clear();
    float* const c = Out(kSize * kSize);
    gpu_->MatMul(kSize, kSize, kSize, In(a), In(b), nullptr, c);
    EXPECT_THAT(Values(c, kSize * kSize),
                Pointwise(FloatNear(2 * rounding * kSize), expected));
    arrays_.clear();
  }
}

TEST_F(DeviceTest, LossesOfManyRowsAgreeWithTheProcessor) {
  for (const auto& [rows, columns] :
       {std::tuple<int64_t, int64_t>{1, 2}, {9, 1000}, {100'000, 10}}) {
    const Floats scores = Random(rows * columns, 1);
    Floats labels(rows);
    for (int64_t r = 0; r < rows; ++r) {
      labels[r] = static_cast<float>(r * 7 % columns);
    }
    Floats expected(rows * columns);
    const LossSums sums =
        testing::ComputeLoss(cpu_.get(), Loss::kSoftmax, rows, columns,
                             labels.data(), scores.data(), expected.data());
    float* const gradient = Out(rows * columns);
    const LossSums got =
        testing::ComputeLoss(gpu_.get(), Loss::kSoftmax, rows, columns,
                             In(labels), In(scores), gradient);
    EXPECT_NEAR(got.loss, sums.loss, 1e-5 * static_cast<double>(rows));
    EXPECT_EQ(got.correct, sums.correct);
    EXPECT_THAT(Values(gradient, rows * columns),
                Pointwise(FloatNear(1e-5f), expected));
  }
}

// Counts graphs that could not be captured, which a worker only logs.
struct Refusals : google::LogSink {
  Refusals() { google::AddLogSink(this); }
  ~Refusals() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity /*severity*/, const char* /*path*/,
            const char* /*file*/, int /*line*/, const struct ::tm* /*time*/,
            const char* message, size_t length) override {
    const absl::string_view text(message, length);
    if (text.find("no graphs from now on") != text.npos) ++count;
  }
  int count = 0;
};

// Graphs launch the same kernels and products, so that dense gradients are
// equal to the bit.
TEST_F(DeviceTest, GraphsComputeWhatSingleCallsCompute) {
  const Refusals refusals;
  Registry registry;
  ASSERT_TRUE(RegisterBuiltinModels(&registry).ok());
  const auto plain = Make({.graphs = false});
  const testing::SmallBatch batch(256, 100, 10, 1), last(77, 100, 10, 2);
  for (const int64_t width : {64, 2048}) {
    for (const bool all : {false, true}) {
      SCOPED_TRACE(::testing::Message() << width << (all ? ", all" : ""));
      ModelConfig config;
      config.kind = "mlp";
      config.features = 100;
      config.classes = 10;
      config.layers = {100, width, width, 10};
      config.seed = 5;
      config.l2 = 0.01;
      config.dropout = all ? 0.3 : 0;
      config.clip_norm = all ? 0.1 : 0;
      const auto with = *registry.Create(config, gpu_.get());
      const auto without = *registry.Create(config, plain.get());
      Floats grad(with->description().ParameterCount());
      Floats expected(grad.size());
      for (int step = 0; step < 8; ++step) {
        const Floats params = InitialParameters(with->description(), 7 + step);
        BatchView view = step % 4 == 3 ? last.Dense() : batch.Dense();
        view.first_position = 1000 * step;
        BatchStats stats, expected_stats;
        ASSERT_TRUE(with->Gradient(params, view, grad, &stats).ok());
        ASSERT_TRUE(
            without->Gradient(params, view, expected, &expected_stats).ok());
        ASSERT_EQ(grad, expected) << "step " << step;
        ASSERT_EQ(stats.loss_sum, expected_stats.loss_sum);
        ASSERT_EQ(stats.correct, expected_stats.correct);
      }
    }
  }
  EXPECT_EQ(refusals.count, 0) << "the log says why";
}

TEST_F(DeviceTest, EqualSumsAreEqualFromCallToCall) {
  const Floats x = Random(3'000'017, 1);
  const float* const in = In(x);
  const double first = testing::SumOfSquares(gpu_.get(), x.size(), in);
  EXPECT_NEAR(first, testing::SumOfSquares(cpu_.get(), x.size(), x.data()),
              1e-3);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(testing::SumOfSquares(gpu_.get(), x.size(), in), first);
  }
}

TEST_F(DeviceTest, MoreMemoryThanThereIsIsSaidWithSizesAndAllGoesOn) {
  const int64_t bytes = FindGpu(0)->memory_bytes + (int64_t{1} << 20);
  EXPECT_EQ(gpu_->Allocate(bytes), nullptr);
  const absl::Status status = gpu_->TakeError();
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(status.message(), HasSubstr("no room for "));
  float* const x = Out(3);
  gpu_->CopyIn(Floats{1, 2, 3}.data(), 12, x);
  gpu_->Scale(3, 2, x);
  EXPECT_EQ(Values(x, 3), (Floats{2, 4, 6}));
}

}  // namespace
}  // namespace ebb::models::gpu

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const auto gpu = ebb::models::gpu::FindGpu(0);
  if (!gpu.ok()) {
    std::cout << "skipped: " << gpu.status().message() << "\n";
    return 77;  // SKIP_RETURN_CODE
  }
  std::cout << "on a " << gpu->name << "\n";
  return RUN_ALL_TESTS();
}
