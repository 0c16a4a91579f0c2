#include "models/gpu/recorder.h"

#include <cstdint>
#include <initializer_list>
#include <memory>
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

// What is called between two copies is a segment.
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

// What was held back, for it might have been the other one.
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

INSTANTIATE_TEST_SUITE_P(All, RecorderTest,
                         ::testing::ValuesIn(testing::ManySchedules(4)),
                         [](const auto& info) {
                           return testing::NameOf(info.param);
                         });

}  // namespace
}  // namespace ebb::models::gpu
