#include "models/gpu/recorder.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/backend.h"
#include "models/reference_backend.h"
#include "models/testing/emulated_gpu.h"

namespace ebb::models::gpu {
namespace {

using ::testing::ElementsAre;
using testing::EmulatedGpu;
using testing::Schedule;
using Floats = std::vector<float>;

// The calls between two copies are a segment.
class RecorderTest : public ::testing::TestWithParam<Schedule> {
 protected:
  void SetUp() override { x_ = array_.Reserve<float>(3); }

  void Begin(float value = 1) {
    const Floats values(3, value);
    gpu_->CopyIn(values.data(), 12, x_);
  }
  void Scale(std::initializer_list<float> factors) {
    for (const float factor : factors) gpu_->Scale(3, factor, x_);
  }
  float End() {
    Floats values(3);
    gpu_->CopyOut(x_, 12, values.data());
    EXPECT_EQ(values[0], values[2]);
    return values[0];
  }
  float Scaled(std::initializer_list<float> factors, float value = 1) {
    Begin(value);
    Scale(factors);
    return End();
  }
  // How the host gives the device what is called.
  int64_t CallsOf(std::initializer_list<float> factors) {
    const int64_t before = gpu_->engine().calls();
    Scaled(factors);
    return gpu_->engine().calls() - before;
  }
  int64_t captures() const { return gpu_->engine().captures(); }
  int64_t replays() const { return gpu_->engine().replays(); }

  const std::unique_ptr<EmulatedGpu> gpu_ =
      testing::MakeEmulatedGpu(GetParam());
  BackendArray array_{gpu_.get()};
  float* x_ = nullptr;
};

TEST_P(RecorderTest, WhatComesAgainIsCapturedAndThenReplayed) {
  EXPECT_EQ(Scaled({2, 3, 5}), 30);
  EXPECT_EQ(captures(), 0);
  EXPECT_EQ(Scaled({2, 3, 5}, 7), 210);
  EXPECT_EQ(captures(), 1);
  EXPECT_EQ(Scaled({2, 3, 5}, 4), 120);
  EXPECT_EQ(captures(), 1);
  EXPECT_EQ(replays(), 2);
  EXPECT_EQ(CallsOf({2, 3, 5}), 1);
  EXPECT_EQ(gpu_->engine().launches(), 4 * 3) << "as many as without";
}

TEST_P(RecorderTest, AnotherNumberIsAnotherSegment) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Scaled({2, 3, 5}), 30);
    EXPECT_EQ(Scaled({2, 3, 4}), 24);
    EXPECT_EQ(Scaled({7, 3, 4}), 84);
  }
  EXPECT_EQ(captures(), 3);
  EXPECT_EQ(replays(), 9);
}

// Operations were held back, for they might have been the other one's.
TEST_P(RecorderTest, SegmentsMayBeginAlike) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(Scaled({2, 3, 5, 7}), 210);
    EXPECT_EQ(Scaled({2, 3, 5}), 30);
    EXPECT_EQ(Scaled({2, 3, 5, 7, 11}), 2310);
    EXPECT_EQ(Scaled({2, 3}), 6) << "too short for a graph";
    EXPECT_EQ(Scaled({2, 3, 5, 4}), 120);
  }
  EXPECT_EQ(captures(), 4);
  EXPECT_EQ(replays(), 4 * 3);
  // Never there before: given on as soon as that is known.
  Begin();
  Scale({2, 3, 5});
  const int64_t held_back = gpu_->engine().calls();
  Scale({10});
  EXPECT_EQ(gpu_->engine().calls(), held_back + 4);
  EXPECT_EQ(End(), 300);
}

TEST_P(RecorderTest, ACopyEndsASegment) {
  const auto step = [&](float value) {
    Begin(value);
    Scale({2, 3, 5});
    const float first = End();
    Scale({2, 3, 5});
    return first + End();
  };
  EXPECT_EQ(step(1), 30 + 900);
  EXPECT_EQ(step(2), 60 + 1800);
  EXPECT_EQ(captures(), 1) << "it is the same one";
}

// Copies beside computing end one as well: they begin after it.
TEST_P(RecorderTest, WhoWaitsForASegmentWaitsForAllOfIt) {
  Floats in(3), out(3);
  for (int i = 1; i <= 6; ++i) {
    in.assign(3, static_cast<float>(i));
    gpu_->AwaitCopyIn(gpu_->BeginCopyIn(in.data(), 12, x_));
    Scale({2, 3, 5});
    gpu_->BeginCopyOut(x_, 12, out.data());
    gpu_->FinishCopies();
    EXPECT_THAT(out, ElementsAre(30 * i, 30 * i, 30 * i));
  }
  EXPECT_EQ(captures(), 1);
}

TEST_P(RecorderTest, GraphsGoWithMemoryThatGoesBack) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Scaled({2, 3, 5}), 30);
  EXPECT_EQ(gpu_->recorder().graphs(), 1);
  gpu_->ReleaseArrays();
  x_ = array_.Reserve<float>(3);
  EXPECT_EQ(Scaled({2, 3, 5}), 30) << "of the same memory, or of other";
  EXPECT_EQ(gpu_->recorder().graphs(), 1) << "the pool still has it";
  gpu_->engine().set_memory_bytes(1 << 20);
  gpu_->ReleaseArrays();
  BackendArray large(gpu_.get());
  ASSERT_NE(large.Reserve<char>((1 << 20) - 512), nullptr);
  EXPECT_EQ(gpu_->recorder().graphs(), 0);
  large.Release();
  x_ = array_.Reserve<float>(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Scaled({2, 3, 5}), 30);
}

// Held back when its memory goes back to the device: it is done before.
TEST_P(RecorderTest, WhatIsHeldBackIsDoneBeforeItsMemoryGoes) {
  const auto step = [&] {
    Begin();
    BackendArray other(gpu_.get());
    float* const y = other.Reserve<float>(3);
    gpu_->Multiply(3, x_, x_, y);
    gpu_->AddScaled(3, 2, x_, y);
    gpu_->Multiply(3, y, y, x_);
  };
  for (int i = 0; i < 3; ++i) {
    step();
    EXPECT_EQ(End(), 9);
  }
  step();
  gpu_->engine().set_memory_bytes(4096);
  EXPECT_EQ(gpu_->Allocate(1 << 20), nullptr)
      << "all that is free is given back";
  EXPECT_FALSE(gpu_->TakeError().ok());
  EXPECT_EQ(End(), 9);
}

TEST_P(RecorderTest, WhereNothingCanBeCapturedAllGoesOn) {
  gpu_->engine().FailCaptures();
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(Scaled({2, 3, 5}, static_cast<float>(i)), 30 * i);
  }
  EXPECT_EQ(replays(), 0);
  EXPECT_EQ(CallsOf({2, 3, 5}), 3);
  // From then on nothing is held back either.
  Begin();
  const int64_t before = gpu_->engine().calls();
  Scale({2});
  EXPECT_EQ(gpu_->engine().calls(), before + 1);
}

TEST_P(RecorderTest, ThereAreOnlySoManyGraphsAndOldOnesMakeRoom) {
  constexpr int kSegments = 100, kMost = 64;
  const auto round = [&](int first) {
    for (int i = first; i < first + kSegments; ++i) {
      ASSERT_EQ(Scaled({2, static_cast<float>(i), 3}), 6 * i);
    }
  };
  for (int i = 0; i < 3; ++i) round(0);
  EXPECT_EQ(gpu_->recorder().graphs(), kMost);
  EXPECT_EQ(captures(), kMost) << "not over and over";
  for (int i = 0; i < 30; ++i) round(1000);
  EXPECT_EQ(gpu_->recorder().graphs(), kMost);
  EXPECT_EQ(captures(), 2 * kMost);
}

// Its batch gets memory that was another's, who is still held back.
TEST_P(RecorderTest, TheFirstMaskComesAfterWhatIsHeldBack) {
  BackendArray masks(gpu_.get());
  float* const mask = masks.Reserve<float>(200);
  const auto step = [&] {
    Begin();
    BackendArray other(gpu_.get());
    float* const y = other.Reserve<float>(3);
    gpu_->Multiply(3, x_, x_, y);
    gpu_->AddScaled(3, 2, x_, y);
    gpu_->Multiply(3, y, y, x_);
  };
  for (int i = 0; i < 3; ++i) {
    step();
    EXPECT_EQ(End(), 9);
  }
  step();
  const DropoutKey key = {1, 2, 3, 4, 0};
  gpu_->DropoutMask(key, 0.5f, 40, 5, mask);
  Floats got(200), expected(200);
  gpu_->CopyOut(mask, 800, got.data());
  MakeReferenceBackend()->DropoutMask(key, 0.5f, 40, 5, expected.data());
  EXPECT_EQ(got, expected);
}

// A mask's batch is written before what is held back, and not before masks of
// the batch before.
TEST_P(RecorderTest, MasksOfTwoBatchesInOneSegmentAreApart) {
  BackendArray masks(gpu_.get());
  float* const mask = masks.Reserve<float>(60);
  const auto reference = MakeReferenceBackend();
  Floats got(60), expected(60);
  for (int step = 0; step < 5; ++step) {
    for (int64_t i = 0; i < 4; ++i) {
      const DropoutKey key = {1, 2, 3, 100 * step + 10 * (i / 2), 0};
      gpu_->DropoutMask(key, 0.5f, 3, 5, mask + 15 * i);
      reference->DropoutMask(key, 0.5f, 3, 5, &expected[15 * i]);
    }
    gpu_->CopyOut(mask, 240, got.data());
    EXPECT_EQ(got, expected) << step;
  }
}

// Also where the one before was written in a segment before.
TEST_P(RecorderTest, MasksThatAreHeldBackKeepTheirBatch) {
  BackendArray masks(gpu_.get());
  float* const mask = masks.Reserve<float>(60);
  const auto reference = MakeReferenceBackend();
  Floats got(60), expected(60);
  for (int step = 0; step < 5; ++step) {
    const auto draw = [&](int64_t position, int64_t i) {
      const DropoutKey key = {1, 2, 3, 100 * step + position, 0};
      gpu_->DropoutMask(key, 0.5f, 3, 5, mask + 15 * i);
      reference->DropoutMask(key, 0.5f, 3, 5, &expected[15 * i]);
    };
    draw(0, 0);
    gpu_->CopyOut(mask, 60, got.data());
    draw(0, 0);
    draw(0, 1);
    draw(0, 2);
    draw(50, 3);
    gpu_->CopyOut(mask, 240, got.data());
    EXPECT_EQ(got, expected) << step;
  }
}

// Calls of all kinds in programs that come again, in memory that changes hands:
// what is read back is what a device without graphs gives that does all at
// once.
class Programs {
 public:
  Programs(EmulatedGpu* gpu, uint32_t seed) : gpu_(*gpu), random_(seed) {
    for (int i = 0; i < kArrays; ++i) {
      arrays_.push_back(std::make_unique<BackendArray>(gpu));
      Fill(i);
    }
  }
  // Of one of few programs; what was read.
  Floats Step() {
    read_.clear();
    std::minstd_rand program(1 + random_() % 5);
    const auto calls = 3 + program() % 12;
    for (uint32_t i = 0; i < calls; ++i) Call(&program);
    Finish();
    for (const auto& out : outs_)
      read_.insert(read_.end(), out.begin(), out.end());
    outs_.clear();
    ins_.clear();
    return read_;
  }

 private:
  static constexpr int kArrays = 6, kSide = 8, kCount = kSide * kSide;

  float* At(uint32_t i) { return arrays_[i % kArrays]->Reserve<float>(kCount); }
  // An array on its way out stays as it is.
  float* Written(uint32_t i) {
    if (leaving_.contains(i % kArrays)) Finish();
    return At(i);
  }
  void Finish() {
    gpu_.FinishCopies();
    leaving_.clear();
  }
  Floats Values() {
    Floats values(kCount);
    for (float& value : values) {
      value = static_cast<float>(random_() % 1000) / 500 - 1;
    }
    return values;
  }
  void Fill(uint32_t i) {
    const Floats values = Values();
    gpu_.CopyIn(values.data(), sizeof(float) * kCount, Written(i));
  }
  void Call(std::minstd_rand* program) {
    const auto draw = [&] { return static_cast<uint32_t>((*program)() >> 8); };
    const uint32_t kind = draw() % 16, i = draw(), j = draw(), k = draw();
    switch (kind) {
      case 0:  // A number that changes now and then.
        gpu_.Scale(kCount, random_() % 4 == 0 ? 0.25f : 0.5f, Written(i));
        return;
      case 1:
      case 2:
        gpu_.AddScaled(kCount, 0.25f, At(i), Written(j));
        return;
      case 3:
        gpu_.Multiply(kCount, At(i), At(j), Written(k));
        return;
      case 4:
        return Fill(i);
      case 5: {
        const Floats& values = ins_.emplace_back(Values());
        gpu_.AwaitCopyIn(gpu_.BeginCopyIn(values.data(), sizeof(float) * kCount,
                                          Written(i)));
        return;
      }
      case 6:
        leaving_.insert(i % kArrays);
        gpu_.BeginCopyOut(At(i), sizeof(float) * kCount,
                          outs_.emplace_back(kCount).data());
        return;
      case 7: {
        Floats values(kCount);
        gpu_.CopyOut(At(i), sizeof(float) * kCount, values.data());
        read_.insert(read_.end(), values.begin(), values.end());
        return;
      }
      case 8: {
        BackendArray other(&gpu_);
        float* const y = other.Reserve<float>(kCount);
        gpu_.Multiply(kCount, At(i), At(i), y);
        gpu_.AddScaled(kCount, -0.5f, y, Written(j));
        return;
      }
      case 9:  // Another block, perhaps; the one that it had is another's.
        arrays_[i % kArrays]->Release();
        return Fill(i);
      case 10:
      case 11: {
        const DropoutKey key = {1, 2, 3, static_cast<int64_t>(random_() % 3),
                                static_cast<int32_t>(j % 2)};
        gpu_.DropoutMask(key, 0.5f, kSide, kSide, Written(i));
        return;
      }
      case 12:
        if (i % kArrays == j % kArrays || i % kArrays == k % kArrays) return;
        gpu_.MatMulActivate(Activation::kRelu, kSide, kSide, kSide, At(j),
                            At(k), At(j), Written(i));
        return;
      case 13:
        gpu_.ColumnSums(kSide, kSide, At(i), Written(i + 1));
        return;
      case 14:  // There is no room: what is free goes.
        if (random_() % 8 != 0) return;
        gpu_.engine().set_memory_bytes(1 << 20);
        EXPECT_EQ(gpu_.Allocate(1 << 21), nullptr);
        EXPECT_FALSE(gpu_.TakeError().ok());
        return;
      default:
        gpu_.Scale(kCount, 0.5f, Written(i));
        return;
    }
  }

  EmulatedGpu& gpu_;
  std::minstd_rand random_;
  std::vector<std::unique_ptr<BackendArray>> arrays_;
  std::deque<Floats> ins_, outs_;
  std::set<uint32_t> leaving_;
  Floats read_;
};

TEST_P(RecorderTest, WhateverIsCalledIsDone) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    const auto gpu = testing::MakeEmulatedGpu(GetParam());
    const auto plain = testing::MakeEmulatedGpu(
        {.order = Schedule::Order::kAtOnce}, /*graphs=*/false);
    {
      Programs programs(gpu.get(), seed), expected(plain.get(), seed);
      for (int step = 0; step < 150; ++step) {
        const Floats got = programs.Step(), wanted = expected.Step();
        // By their bits: a NaN is none of another's.
        const auto bits = [](float value) {
          return std::bit_cast<uint32_t>(value);
        };
        ASSERT_TRUE(std::ranges::equal(got, wanted, {}, bits, bits))
            << "seed " << seed << " step " << step;
      }
    }
    EXPECT_GT(gpu->engine().replays(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RecorderTest,
                         ::testing::ValuesIn(testing::ManySchedules(4)),
                         [](const auto& info) {
                           return testing::NameOf(info.param);
                         });

}  // namespace
}  // namespace ebb::models::gpu
