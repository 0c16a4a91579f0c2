// Steps that a device is given as graphs compute what they compute without, to
// the bit, whatever changes from batch to batch.
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/registry.h"
#include "models/testing/emulated_gpu.h"
#include "models/testing/small_batch.h"
#include "models/testing/small_mlp.h"

namespace ebb::models {
namespace {

using testing::EmulatedGpu;
using testing::Schedule;
using testing::SmallBatch;
using testing::SmallMlp;
using testing::SmallMlpWithAll;
using Floats = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kAnyBytes = int64_t{1} << 40;

// A model with graphs, and one without, each on a device of its own.
class Pair {
 public:
  Pair(const ModelConfig& config, const Schedule& schedule,
       int64_t least_copy_bytes)
      : with_(testing::MakeEmulatedGpu(schedule)),
        without_(testing::MakeEmulatedGpu(schedule, /*graphs=*/false)) {
    EXPECT_TRUE(RegisterBuiltinModels(&registry_).ok());
    for (EmulatedGpu* gpu : {with_.get(), without_.get()}) {
      gpu->engine().set_least_copy_bytes(least_copy_bytes);
    }
    models_[0] = *registry_.Create(config, with_.get());
    models_[1] = *registry_.Create(config, without_.get());
  }

  EmulatedGpu& with() { return *with_; }
  EmulatedGpu& without() { return *without_; }

  // Every step has other values, at another place.
  void Step(BatchView batch) {
    SCOPED_TRACE(::testing::Message() << "step " << step_);
    batch.first_position = 1000 * step_;
    batch.epoch = static_cast<int32_t>(step_ / 3);
    const Floats values =
        InitialParameters(models_[0]->description(), 7 + step_++);
    Floats grads[2], outputs[2];
    BatchStats stats[2], evaluated[2];
    for (int i = 0; i < 2; ++i) {
      // Values and gradient change their places, and they are soon gone.
      const auto given = std::make_unique<Floats>(values);
      grads[i].assign(values.size(), kNan);
      ASSERT_TRUE(
          models_[i]->Gradient(*given, batch, grads[i], &stats[i]).ok());
      ASSERT_TRUE(models_[i]->Evaluate(*given, batch, &evaluated[i]).ok());
      ASSERT_TRUE(models_[i]->Predict(*given, batch, &outputs[i]).ok());
      given->assign(given->size(), kNan);
    }
    EXPECT_EQ(grads[0], grads[1]);
    EXPECT_EQ(outputs[0], outputs[1]);
    EXPECT_EQ(stats[0].loss_sum, stats[1].loss_sum);
    EXPECT_EQ(stats[0].correct, stats[1].correct);
    EXPECT_EQ(evaluated[0].loss_sum, evaluated[1].loss_sum);
  }
  // Of the gradient alone, with graphs.
  int64_t CallsOfAStep(const BatchView& batch) {
    const Floats values = InitialParameters(models_[0]->description(), 3);
    Floats grad(values.size());
    BatchStats stats;
    int64_t before = 0;
    for (int i = 0; i < 4; ++i) {
      before = with_->engine().calls();
      EXPECT_TRUE(models_[0]->Gradient(values, batch, grad, &stats).ok());
    }
    return with_->engine().calls() - before;
  }
  absl::Status Gradient(const BatchView& batch) {
    const Floats values = InitialParameters(models_[0]->description(), 3);
    Floats grad(values.size());
    BatchStats stats;
    return models_[0]->Gradient(values, batch, grad, &stats);
  }

 private:
  Registry registry_;
  const std::unique_ptr<EmulatedGpu> with_, without_;
  std::unique_ptr<Model> models_[2];
  int64_t step_ = 0;
};

// The schedule, and whether tables come and leave one by one or all at once.
class GraphsTest : public ::testing::TestWithParam<std::tuple<Schedule, bool>> {
 protected:
  static std::unique_ptr<Pair> Make(const ModelConfig& config) {
    return std::make_unique<Pair>(config, std::get<0>(GetParam()),
                                  std::get<1>(GetParam()) ? kAnyBytes : 0);
  }

  const SmallBatch batch_{17, 12, 3, 1}, other_{17, 12, 3, 2};
  const SmallBatch last_{5, 12, 3, 3}, large_{200, 12, 3, 4};
};

TEST_P(GraphsTest, GradientsAreThoseWithoutThem) {
  const auto pair = Make(SmallMlpWithAll());
  for (int i = 0; i < 5; ++i) {
    pair->Step(batch_.Dense());
    pair->Step(other_.Dense());
  }
  EXPECT_GT(pair->with().engine().captures(), 0);
  EXPECT_GT(pair->with().engine().replays(),
            3 * pair->with().engine().captures());
  EXPECT_EQ(pair->without().engine().captures(), 0);
}

TEST_P(GraphsTest, WithoutClippingLayersLeaveAsTheyAreFinished) {
  ModelConfig config = SmallMlpWithAll();
  config.clip_norm = 0;
  const auto pair = Make(config);
  for (int i = 0; i < 8; ++i) pair->Step(batch_.Dense());
  EXPECT_GT(pair->with().engine().replays(), 0);
}

// Each epoch ends with a smaller batch, and some examples are sparse.
TEST_P(GraphsTest, OtherSizesAreOtherGraphs) {
  const auto pair = Make(SmallMlpWithAll());
  for (int epoch = 0; epoch < 4; ++epoch) {
    for (int i = 0; i < 3; ++i) pair->Step(batch_.Dense());
    pair->Step(last_.Dense());
    pair->Step(other_.Sparse());
    // Of which arrays grow, and others get their memory.
    if (epoch == 2) pair->Step(large_.Dense());
  }
  EXPECT_GT(pair->with().engine().replays(), 0);
}

TEST_P(GraphsTest, OneStepOfASmallModelIsAFewCalls) {
  for (const bool all : {false, true}) {
    const auto pair = Make(all ? SmallMlpWithAll() : SmallMlp());
    pair->with().engine().set_least_copy_bytes(kAnyBytes);
    const int64_t replays = pair->with().engine().replays();
    EXPECT_EQ(pair->CallsOfAStep(batch_.Dense()), 1)
        << "forward, loss, backward and squares, of the same batch";
    EXPECT_GT(pair->with().engine().replays(), replays);
  }
}

TEST_P(GraphsTest, LossesOfOtherModelsAreReadWithTheGradientToo) {
  for (const std::string kind : {"linear", "logistic", "softmax"}) {
    SCOPED_TRACE(kind);
    ModelConfig config;
    config.kind = kind;
    config.features = 12;
    config.classes = kind == "linear" ? 0 : kind == "softmax" ? 3 : 2;
    config.l2 = 0.01;
    const auto pair = Make(config);
    const SmallBatch batch(17, 12, 2, 1);
    for (int i = 0; i < 4; ++i) pair->Step(batch.Dense());
    EXPECT_GT(pair->with().engine().replays(), 0);
  }
}

TEST_P(GraphsTest, PartsOfABatchThatDoesNotFit) {
  ModelConfig config = SmallMlpWithAll();
  config.layers = {12, 16, 16, 3};
  const auto pair = Make(config);
  for (int i = 0; i < 3; ++i) pair->Step(batch_.Dense());
  for (EmulatedGpu* gpu : {&pair->with(), &pair->without()}) {
    gpu->engine().set_memory_bytes(48 << 10);
  }
  for (int i = 0; i < 4; ++i) {
    pair->Step(large_.Dense());
    pair->Step(batch_.Dense());
  }
  EXPECT_GT(pair->with().engine().replays(), 0);
}

TEST_P(GraphsTest, MemoryThatIsReleasedBetweenSteps) {
  const auto pair = Make(SmallMlpWithAll());
  for (int i = 0; i < 8; ++i) {
    pair->Step(batch_.Dense());
    if (i % 3 != 2) continue;
    pair->with().ReleaseArrays();
    pair->without().ReleaseArrays();
    // Somebody else has the memory for a while, and leaves other things in it.
    const Floats nans(4096, kNan);
    for (int64_t floats = 128; floats <= 4096; floats *= 2) {
      BackendArray other(&pair->with());
      pair->with().CopyIn(nans.data(), 4 * floats,
                          other.Reserve<float>(floats));
    }
  }
  EXPECT_GT(pair->with().engine().replays(), 0);
}

TEST_P(GraphsTest, WhereNothingCanBeCapturedAllGoesOn) {
  const auto pair = Make(SmallMlpWithAll());
  pair->with().engine().FailCaptures();
  for (int i = 0; i < 5; ++i) pair->Step(batch_.Dense());
  EXPECT_EQ(pair->with().engine().replays(), 0);
}

TEST_P(GraphsTest, ALostDeviceIsSaid) {
  const auto pair = Make(SmallMlpWithAll());
  for (int i = 0; i < 4; ++i) pair->Step(batch_.Dense());
  pair->with().engine().Lose();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(absl::IsUnavailable(pair->Gradient(batch_.Dense())));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GraphsTest,
    ::testing::Combine(::testing::ValuesIn(testing::ManySchedules(6)),
                       ::testing::Bool()),
    [](const auto& info) {
      return testing::NameOf(std::get<0>(info.param)) +
             (std::get<1>(info.param) ? "_together" : "_one_by_one");
    });

}  // namespace
}  // namespace ebb::models
