#include "models/non_finite.h"

#include <limits>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/keyed_batch.h"
#include "models/testing/small_batch.h"

namespace ebb::models {
namespace {

using testing::KeyedBatch;
using testing::SmallBatch;
using Floats = std::vector<float>;

constexpr float kInfinite = std::numeric_limits<float>::infinity();
constexpr float kHuge = 3e38F;
constexpr auto kGoOn = [] { return false; };
constexpr int64_t kRows = 11;
constexpr int64_t kFeatures = 3;

class NonFiniteTest : public ::testing::Test {
 protected:
  NonFiniteTest() : backend_(testing::MakeBackend("reference")) {
    EXPECT_TRUE(RegisterBuiltinModels(&registry_).ok());
  }

  std::unique_ptr<Model> Create(const char* kind, int64_t classes) {
    ModelConfig config;
    config.kind = kind;
    config.features = kFeatures;
    config.classes = classes;
    return *registry_.Create(config, backend_.get());
  }
  // Of a batch that has no finite gradient.
  static NonFinite Find(const Floats& params, const BatchView& batch,
                        Model* model) {
    Floats grad(params.size());
    BatchStats stats;
    EXPECT_TRUE(
        absl::IsOutOfRange(model->Gradient(params, batch, grad, &stats)));
    const auto found = FindNonFinite(params, batch, grad, model, kGoOn);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.value_or(NonFinite());
  }
  // Examples of which the features are 1, but for those at some places.
  static SmallBatch Batch(const std::vector<int64_t>& places, float value) {
    Floats dense(kRows * kFeatures, 1);
    for (const int64_t place : places) dense[place] = value;
    return SmallBatch(dense, Floats(kRows));
  }

  Registry registry_;
  const std::unique_ptr<ComputeBackend> backend_;
};

TEST_F(NonFiniteTest, TheFirstExampleThatHasNoneIsFoundWhereverItIs) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount(), 0.5F);
  for (int64_t row = 0; row < kRows; ++row) {
    // With a later one, but the last if it is the first.
    std::vector<int64_t> places = {row * kFeatures + 1};
    if (row > 0) places.push_back(kRows * kFeatures - 1);
    const SmallBatch batch = Batch(places, kInfinite);
    for (const BatchView& view : {batch.Dense(), batch.Sparse()}) {
      const NonFinite found = Find(params, view, model.get());
      EXPECT_EQ(found.fault, Fault::kExample) << row;
      EXPECT_EQ(found.row, row);
    }
  }
}

TEST_F(NonFiniteTest, ValuesThatHaveGoneAstrayAreNoExamplesFault) {
  const auto model = Create("linear", 0);
  Floats params(model->description().ParameterCount(), 0.5F);
  params[1] = kInfinite;
  EXPECT_EQ(Find(params, Batch({}, 0).Dense(), model.get()).fault,
            Fault::kValues);
  // Also of one example, and also where the others do not meet them.
  params[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Find(params, SmallBatch({1, 1, 1}, {0}).Dense(), model.get()).fault,
            Fault::kValues);
}

TEST_F(NonFiniteTest, ValuesThatAreFarOffLeaveNoExampleAFiniteOne) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount(), kHuge);
  const NonFinite found = Find(params, Batch({}, 0).Dense(), model.get());
  EXPECT_EQ(found.fault, Fault::kFarOff);
  EXPECT_EQ(found.largest, kHuge);
}

// Bug: an ordinary row of large raw values was blamed, alone in its batch.
TEST_F(NonFiniteTest, AnOrdinaryRowIsNotBlamedForValuesThatAreFarOff) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount(), 1e34F);
  // Only the second row is large enough to go beyond what floats hold.
  const NonFinite found =
      Find(params, Batch({4}, 100'000).Dense(), model.get());
  EXPECT_EQ(found.fault, Fault::kFarOff);
}

TEST_F(NonFiniteTest, ASumIsNotBlamedForValuesThatAreFarOff) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount(), 9e37F / 2);
  // Each gradient is finite, and half of them together are not.
  Floats dense(kRows * kFeatures, 1);
  const NonFinite found =
      Find(params, SmallBatch(dense, Floats(kRows)).Dense(), model.get());
  EXPECT_EQ(found.fault, Fault::kFarOff);
}

TEST_F(NonFiniteTest, DataThatIsTooLargeIsToBlameWhateverTheValuesAre) {
  const auto model = Create("linear", 0);
  for (const float value : {0.5F, 1e7F}) {
    const Floats params(model->description().ParameterCount(), value);
    const SmallBatch batch(Floats(kRows * kFeatures, kHuge), Floats(kRows));
    EXPECT_EQ(Find(params, batch.Dense(), model.get()).fault,
              Fault::kFirstAndLast);
    EXPECT_EQ(Find(params, Batch({4}, kHuge).Dense(), model.get()).fault,
              Fault::kExample);
  }
}

TEST_F(NonFiniteTest, StopsWhenItIsToldTo) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount(), 0.5F);
  const SmallBatch batch = Batch({4}, kInfinite);
  Floats grad(params.size());
  int asked = 0;
  const auto found = FindNonFinite(params, batch.Dense(), grad, model.get(),
                                   [&] { return ++asked > 3; });
  EXPECT_TRUE(absl::IsCancelled(found.status()));
}

TEST_F(NonFiniteTest, ASumMayBeTooLargeThoughNoPartOfItIs) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount());
  SmallBatch batch(Floats(kRows * kFeatures, 1), Floats(kRows, kHuge));
  const NonFinite found = Find(params, batch.Dense(), model.get());
  EXPECT_EQ(found.fault, Fault::kSum);
}

TEST_F(NonFiniteTest, OfOneExampleThatOneHasNone) {
  const auto model = Create("linear", 0);
  const Floats params(model->description().ParameterCount(), 0.5F);
  const SmallBatch batch({1, kInfinite, 1}, {0});
  const NonFinite found = Find(params, batch.Dense(), model.get());
  EXPECT_EQ(found.fault, Fault::kExample);
  EXPECT_EQ(found.row, 0);
}

TEST_F(NonFiniteTest, OfKeyedExamplesToo) {
  const auto model = Create("sparse_logistic", 2);
  const KeyedBatch batch(kFeatures, 3,
                         {{{0, 0, 1}},
                          {{1, 0, 1}, {2, 1, kInfinite}},
                          {{0, 0, 1}, {2, 1, kInfinite}},
                          {{0, 0}}},
                         {0, 1, 0, 1});
  // The bias, and a weight of each key.
  const NonFinite found = Find({0.5F, 1, 1, 0}, batch.View(), model.get());
  EXPECT_EQ(found.fault, Fault::kExample);
  EXPECT_EQ(found.row, 1);
}

TEST_F(NonFiniteTest, AnotherErrorOfTheModelIsToldAsItIs) {
  const auto model = Create("linear", 0);
  const Floats params(2);
  Floats grad(2);
  EXPECT_TRUE(absl::IsInvalidArgument(
      FindNonFinite(params, Batch({}, 0).Dense(), grad, model.get(), kGoOn)
          .status()));
}

}  // namespace
}  // namespace ebb::models
