// That copies beside computing wait for it, and it for them, where they must:
// over every schedule that the emulated device knows.
#include "models/gpu/copies.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/testing/emulated_gpu.h"

namespace ebb::models::gpu {
namespace {

using ::testing::Each;
using testing::EmulatedEngine;
using testing::EmulatedGpu;
using ::testing::IsNan;
using testing::Schedule;
using Floats = std::vector<float>;
using Order = Schedule::Order;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kCount = 700;  // Of some chunks of staging.
constexpr int64_t kBytes = kCount * int64_t{sizeof(float)};

// The schedules are for this: without a wait the result is wrong.
TEST(EmulatedEngineTest, WhatIsNotWaitedForIsNotThere) {
  for (const bool awaited : {false, true}) {
    EmulatedEngine engine({Order::kCopiesLate});
    Floats host(kCount, 3), result(kCount);
    const auto pin_in = engine.PinHost(host.data(), kBytes);
    const auto pin_out = engine.PinHost(result.data(), kBytes);
    auto* const x = static_cast<float*>(engine.NewBlock(kBytes));
    engine.CopyIn(Lane::kCopy, host.data(), kBytes, x);
    engine.Mark(Lane::kCopy, 7);
    if (awaited) engine.Await(Lane::kCompute, 7);
    engine.Launch(1, ForEachElement<ScaleElement>{kCount, ScaleElement{2, x}});
    engine.CopyOut(Lane::kCompute, x, kBytes, result.data());
    engine.Mark(Lane::kCompute, 8);
    engine.Sync(8);
    if (awaited) {
      EXPECT_THAT(result, Each(6));
    } else {
      EXPECT_THAT(result, Each(IsNan()));
    }
    engine.DeleteBlock(x);
  }
}

TEST(EmulatedEngineTest, WhatIsReadLateIsOverwrittenByCopiesThatDoNotWait) {
  for (const bool awaited : {false, true}) {
    EmulatedEngine engine({Order::kCopiesEarly});
    Floats ones(kCount, 1), twos(kCount, 2), result(kCount);
    const auto pin_ones = engine.PinHost(ones.data(), kBytes);
    const auto pin_twos = engine.PinHost(twos.data(), kBytes);
    const auto pin_out = engine.PinHost(result.data(), kBytes);
    auto* const x = static_cast<float*>(engine.NewBlock(kBytes));
    engine.CopyIn(Lane::kCompute, ones.data(), kBytes, x);
    engine.Mark(Lane::kCompute, 6);
    engine.Sync(6);
    engine.CopyOut(Lane::kCompute, x, kBytes, result.data());
    engine.Mark(Lane::kCompute, 7);
    if (awaited) engine.Await(Lane::kCopy, 7);
    engine.CopyIn(Lane::kCopy, twos.data(), kBytes, x);
    engine.Sync(7);
    EXPECT_EQ(result[0] == 1, awaited);
    engine.Mark(Lane::kCopy, 8);
    engine.Sync(8);
    engine.DeleteBlock(x);
  }
}

// Memory of the host that is gone, or another's, as soon as it may be.
class Host {
 public:
  Host(EmulatedGpu* gpu, bool pinned, const Floats& values)
      : values_(values),
        pin_(pinned ? gpu->PinHost(values_.data(), Bytes()) : nullptr) {}
  ~Host() {
    pin_.reset();
    values_.assign(values_.size(), kNan);
  }
  int64_t Bytes() const {
    return static_cast<int64_t>(values_.size() * sizeof(float));
  }
  float* data() { return values_.data(); }
  const Floats& values() const { return values_; }

 private:
  Floats values_;
  std::shared_ptr<void> pin_;
};

// The schedule, and whether the host's memory is pinned.
class CopiesTest : public ::testing::TestWithParam<std::tuple<Schedule, bool>> {
 protected:
  bool pinned() const { return std::get<1>(GetParam()); }
  Host Of(const Floats& values) { return Host(gpu_.get(), pinned(), values); }

  std::unique_ptr<EmulatedGpu> gpu_ =
      testing::MakeEmulatedGpu(std::get<0>(GetParam()));
};

// More of them than there are marks.
TEST_P(CopiesTest, ManyTablesComeInAndLeaveBesideComputing) {
  constexpr int kTables = 40;
  for (int round = 1; round <= 3; ++round) {
    std::vector<std::unique_ptr<Host>> in, out;
    std::vector<BackendArray> arrays;
    std::vector<CopyTicket> tickets;
    for (int t = 0; t < kTables; ++t) {
      in.push_back(std::make_unique<Host>(gpu_.get(), pinned(),
                                          Floats(kCount, t * round)));
      out.push_back(
          std::make_unique<Host>(gpu_.get(), pinned(), Floats(kCount, kNan)));
      arrays.emplace_back(gpu_.get());
      tickets.push_back(gpu_->BeginCopyIn(
          in.back()->data(), kBytes, arrays.back().Reserve<float>(kCount)));
    }
    for (int t = kTables; t-- > 0;) {
      gpu_->AwaitCopyIn(tickets[t]);
      gpu_->Scale(kCount, 2, arrays[t].data<float>());
      gpu_->BeginCopyOut(arrays[t].data<float>(), kBytes, out[t]->data());
    }
    gpu_->FinishCopies();
    for (int t = 0; t < kTables; ++t) {
      EXPECT_THAT(out[t]->values(), Each(2 * t * round)) << t;
    }
  }
  EXPECT_EQ(gpu_->engine().direct_copies() > 0, pinned());
  EXPECT_EQ(gpu_->engine().pinned_bytes(), 0);
  EXPECT_TRUE(gpu_->TakeError().ok());
}

// The next copy in does not overwrite what an operation still reads, nor does
// whoever gets the memory after a copy out overwrite what it still reads.
TEST_P(CopiesTest, MemoryThatIsUsedAgainIsNotOverwrittenTooEarly) {
  BackendArray x(gpu_.get()), y(gpu_.get());
  float* const in = x.Reserve<float>(kCount);
  float* const sum = y.Reserve<float>(kCount);
  gpu_->CopyIn(Floats(kCount, 0).data(), kBytes, sum);
  Host first = Of(Floats(kCount, 1)), second = Of(Floats(kCount, 10));
  for (Host* host : {&first, &second}) {
    gpu_->AwaitCopyIn(gpu_->BeginCopyIn(host->data(), kBytes, in));
    gpu_->AddScaled(kCount, 1, in, sum);
  }
  Host out = Of(Floats(kCount, kNan));
  gpu_->BeginCopyOut(sum, kBytes, out.data());
  y.Release();
  {
    // The pool gives the same block to the next.
    BackendArray next(gpu_.get());
    ASSERT_EQ(next.Reserve<float>(kCount), sum);
    gpu_->CopyIn(Floats(kCount, -1).data(), kBytes, sum);
    gpu_->Scale(kCount, 5, sum);
  }
  gpu_->FinishCopies();
  EXPECT_THAT(out.values(), Each(11));
}

// A block that copies in are brought to, given away before they came.
TEST_P(CopiesTest, ACopyInThatNobodyWantsAnyMoreHarmsNobody) {
  BackendArray unwanted(gpu_.get());
  float* const memory = unwanted.Reserve<float>(kCount);
  Host stale = Of(Floats(kCount, 1));
  gpu_->BeginCopyIn(stale.data(), kBytes, memory);
  unwanted.Release();
  BackendArray next(gpu_.get());
  ASSERT_EQ(next.Reserve<float>(kCount), memory);
  gpu_->CopyIn(Floats(kCount, 2).data(), kBytes, memory);
  Floats result(kCount);
  gpu_->CopyOut(memory, kBytes, result.data());
  gpu_->FinishCopies();
  EXPECT_THAT(result, Each(2));
}

// The two slots serve both lanes.
TEST_P(CopiesTest, CopiesOfBothLanesMayMix) {
  BackendArray a(gpu_.get()), b(gpu_.get()), c(gpu_.get());
  float* const x = a.Reserve<float>(kCount);
  float* const y = b.Reserve<float>(kCount);
  float* const z = c.Reserve<float>(kCount);
  Host of_x = Of(Floats(kCount, 1)), out_x = Of(Floats(kCount, kNan));
  const CopyTicket ticket = gpu_->BeginCopyIn(of_x.data(), kBytes, x);
  gpu_->CopyIn(Floats(kCount, 2).data(), kBytes, y);
  gpu_->CopyIn(Floats(kCount, 3).data(), kBytes, z);
  Floats out_y(kCount), out_z(kCount);
  gpu_->CopyOut(y, kBytes, out_y.data());
  gpu_->AwaitCopyIn(ticket);
  gpu_->BeginCopyOut(x, kBytes, out_x.data());
  gpu_->CopyOut(z, kBytes, out_z.data());
  gpu_->FinishCopies();
  EXPECT_THAT(out_x.values(), Each(1));
  EXPECT_THAT(out_y, Each(2));
  EXPECT_THAT(out_z, Each(3));
}

// Into memory that operations before the mark read, and none after it.
TEST_P(CopiesTest, CopiesAheadComeAfterWhatWasCalledBeforeTheMark) {
  BackendArray a(gpu_.get()), b(gpu_.get()), total(gpu_.get());
  float* const arrays[] = {a.Reserve<float>(kCount), b.Reserve<float>(kCount)};
  float values[] = {1, 50};
  float* const sum = total.Reserve<float>(kCount);
  float expected = 0;
  gpu_->CopyIn(Floats(kCount, expected).data(), kBytes, sum);
  for (int i : {0, 1}) {
    gpu_->CopyIn(Floats(kCount, values[i]).data(), kBytes, arrays[i]);
  }
  for (int batch = 0; batch < 5; ++batch) {
    const int now = batch % 2, later = 1 - now;
    Host next = Of(Floats(kCount, static_cast<float>(1000 * batch)));
    Host out = Of(Floats(kCount, kNan));
    gpu_->AddScaled(kCount, 1, arrays[later], sum);
    gpu_->MarkAhead();
    gpu_->BeginCopyInAhead(next.data(), kBytes, arrays[later]);
    gpu_->AddScaled(kCount, 1, arrays[now], sum);
    gpu_->BeginCopyOut(sum, kBytes, out.data());
    gpu_->FinishCopies();
    expected += values[later] + values[now];
    EXPECT_THAT(out.values(), Each(expected));
    values[later] = next.values().front();
  }
}

// Nor does whoever gets a block that one ahead was brought to.
TEST_P(CopiesTest, ACopyAheadThatNobodyWantsAnyMoreHarmsNobody) {
  BackendArray unwanted(gpu_.get());
  float* const memory = unwanted.Reserve<float>(kCount);
  Host stale = Of(Floats(kCount, 1));
  gpu_->MarkAhead();
  gpu_->BeginCopyInAhead(stale.data(), kBytes, memory);
  unwanted.Release();
  BackendArray next(gpu_.get());
  ASSERT_EQ(next.Reserve<float>(kCount), memory);
  gpu_->CopyIn(Floats(kCount, 2).data(), kBytes, memory);
  Floats result(kCount);
  gpu_->CopyOut(memory, kBytes, result.data());
  gpu_->FinishCopies();
  EXPECT_THAT(result, Each(2));
}

TEST_P(CopiesTest, SomethingIsDoneUntilAllIsComputed) {
  BackendArray a(gpu_.get());
  float* const x = a.Reserve<float>(kCount);
  gpu_->CopyIn(Floats(kCount, 1).data(), kBytes, x);
  for (int i = 0; i < 10; ++i) gpu_->Scale(kCount, 2, x);
  int calls = 0;
  gpu_->WhileComputing([&] { return ++calls < 3; });
  EXPECT_LE(calls, 3);
  if (std::get<0>(GetParam()).order == Schedule::Order::kCopiesEarly) {
    EXPECT_EQ(calls, 3) << "in it there is always something left";
  }
  gpu_->WhileComputing([&] { return ++calls > 0; });
  const int all = calls;
  gpu_->WhileComputing([&] { return ++calls > 0; });
  EXPECT_EQ(calls, all) << "nothing is left to do";
}

TEST_P(CopiesTest, ALostDeviceIsNotWaitedFor) {
  BackendArray a(gpu_.get());
  float* const x = a.Reserve<float>(kCount);
  Host in = Of(Floats(kCount, 1)), out = Of(Floats(kCount, 7));
  gpu_->AwaitCopyIn(gpu_->BeginCopyIn(in.data(), kBytes, x));
  gpu_->engine().Lose();
  gpu_->BeginCopyOut(x, kBytes, out.data());
  gpu_->FinishCopies();
  EXPECT_TRUE(absl::IsUnavailable(gpu_->TakeError()));
  EXPECT_EQ(gpu_->BeginCopyIn(in.data(), kBytes, x), CopyTicket::kNone);
}

INSTANTIATE_TEST_SUITE_P(
    All, CopiesTest,
    ::testing::Combine(::testing::ValuesIn(testing::ManySchedules(20)),
                       ::testing::Bool()),
    [](const auto& info) {
      return testing::NameOf(std::get<0>(info.param)) +
             (std::get<1>(info.param) ? "_pinned" : "_staged");
    });

}  // namespace
}  // namespace ebb::models::gpu
