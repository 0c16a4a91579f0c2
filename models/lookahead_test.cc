// Batches whose values and examples came while the batch before was computed
// have the gradients, to the bit, of those that were copied when they were
// asked for: in every order that a device may do it.
#include "models/lookahead.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/incoming_values.h"
#include "models/registry.h"
#include "models/testing/all_backends.h"
#include "models/testing/emulated_gpu.h"
#include "models/testing/keyed_batch.h"
#include "models/testing/small_batch.h"
#include "models/testing/small_mlp.h"

namespace ebb::models {
namespace {

using testing::EmulatedGpu;
using testing::KeyedBatch;
using testing::Schedule;
using testing::SmallBatch;
using testing::SmallMlp;
using testing::SmallMlpWithAll;
using Floats = std::vector<float>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Floats of the host, which are overwritten when their time is over.
class Host {
 public:
  Host(EmulatedGpu* gpu, bool pinned, const Floats& floats, int64_t id)
      : floats_(floats), id_(ContentId{id}) {
    if (!pinned || floats_.empty()) return;
    pin_ = gpu->PinHost(floats_.data(),
                        static_cast<int64_t>(floats_.size() * sizeof(float)));
  }
  ~Host() { Overwrite(); }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void Overwrite() { floats_.assign(floats_.size(), kNan); }
  KnownFloats known() const { return {floats_, id_}; }

 private:
  Floats floats_;
  std::shared_ptr<void> pin_;
  const ContentId id_;
};

// A batch: its parameters, and examples of which the dense ones are its own.
struct Step {
  Step(EmulatedGpu* gpu, bool pinned, const Floats& params_in,
       const BatchView& view_in, int64_t id)
      : params(gpu, pinned, params_in, id),
        dense(gpu, pinned, {view_in.dense.begin(), view_in.dense.end()}, id),
        view(view_in) {
    view.dense = dense.known().floats;
    view.first_position = 1000 * id;
  }
  NextBatch known() const {
    return {params.known(), view.dense.empty() ? KnownFloats() : dense.known()};
  }

  Host params, dense;
  BatchView view;
};

struct Gradient {
  bool operator==(const Gradient&) const = default;
  std::string error;
  Floats floats;
  double loss = 0;
  int64_t correct = 0;
};

// A model on a device.
class Machine {
 public:
  Machine(const ModelConfig& config, const Schedule& schedule)
      : gpu_(testing::MakeEmulatedGpu(schedule)) {
    EXPECT_TRUE(RegisterBuiltinModels(&registry_).ok());
    model_ = *registry_.Create(config, gpu_.get());
  }
  EmulatedGpu& gpu() { return *gpu_; }
  Model& model() { return *model_; }
  const ModelDescription& description() { return model_->description(); }

  // Of `next`, which may be null, it is told after so many steps of the device;
  // of the examples two later, unless it is told at once.
  Gradient Compute(const Step& step, const Step* next, int after = 0) {
    int asked = 0;
    return Compute(step, [&] {
      NextBatch known;
      if (next != nullptr && asked >= after) known = next->known();
      if (after > 0 && asked < after + 2) known.dense = {};
      ++asked;
      return known;
    });
  }
  Gradient Compute(const Step& step, absl::FunctionRef<NextBatch()> next) {
    const NextBatch now = step.known();
    return ResultOf(step, [&](std::span<float> grad, BatchStats* stats) {
      return model_->GradientWithNext(now.params.floats, step.view, grad, stats,
                                      {now.params.id, now.dense.id, next});
    });
  }
  // By a model that never hears of a next one.
  Gradient ComputeAlone(const Step& step) {
    return ResultOf(step, [&](std::span<float> grad, BatchStats* stats) {
      return model_->Gradient(step.params.known().floats, step.view, grad,
                              stats);
    });
  }

 private:
  template <typename Compute>
  static Gradient ResultOf(const Step& step, const Compute& compute) {
    Gradient result;
    result.floats.assign(step.params.known().floats.size(), kNan);
    BatchStats stats;
    const absl::Status status = compute(result.floats, &stats);
    result.loss = stats.loss_sum;
    result.correct = stats.correct;
    if (!status.ok()) result = {.error = std::string(status.message())};
    return result;
  }

  Registry registry_;
  const std::unique_ptr<EmulatedGpu> gpu_;
  std::unique_ptr<Model> model_;
};

// The schedule, and whether the host's memory is pinned.
class LookaheadTest
    : public ::testing::TestWithParam<std::tuple<Schedule, bool>> {
 protected:
  static bool pinned() { return std::get<1>(GetParam()); }
  static std::unique_ptr<Machine> Make(const ModelConfig& config) {
    return std::make_unique<Machine>(config, std::get<0>(GetParam()));
  }
  static Floats Params(Machine* machine, const BatchView& view, uint64_t seed) {
    Floats params = InitialParameters(machine->description(), seed);
    const int64_t rows =
        view.distinct_keys * machine->description().RowFloats();
    for (int64_t i = 0; i < rows; ++i) {
      params.push_back(
          static_cast<float>((i + static_cast<int64_t>(seed)) % 17 - 8) / 16);
    }
    return params;
  }
  // The batches, each with other parameters.
  static std::vector<std::unique_ptr<Step>> Steps(
      Machine* machine, const std::vector<BatchView>& views) {
    std::vector<std::unique_ptr<Step>> steps;
    for (const BatchView& view : views) {
      const auto id = static_cast<int64_t>(steps.size() + 1);
      steps.push_back(std::make_unique<Step>(
          &machine->gpu(), pinned(), Params(machine, view, id), view, id));
    }
    return steps;
  }
  // Each on its own, by a model that knows of no next one.
  static std::vector<Gradient> Expected(const ModelConfig& config,
                                        const std::vector<BatchView>& views) {
    const auto plain = Make(config);
    std::vector<Gradient> expected;
    for (const auto& step : Steps(plain.get(), views)) {
      expected.push_back(plain->ComputeAlone(*step));
      EXPECT_EQ(expected.back().error, "");
    }
    return expected;
  }
  // One after the other, each told of the next at another time. Whatever has
  // been computed is overwritten.
  static void Run(const ModelConfig& config,
                  const std::vector<BatchView>& views) {
    const std::vector<Gradient> expected = Expected(config, views);
    const auto machine = Make(config);
    auto steps = Steps(machine.get(), views);
    for (size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE(::testing::Message() << "step " << i);
      const Step* next = i + 1 < steps.size() ? steps[i + 1].get() : nullptr;
      const int after = static_cast<int>(i * 7 % 40);
      EXPECT_EQ(machine->Compute(*steps[i], next, after), expected[i]);
      steps[i].reset();
    }
  }

  const SmallBatch first_{17, 12, 3, 1}, second_{17, 12, 3, 2};
  const SmallBatch last_{5, 12, 3, 3}, large_{60, 12, 3, 4};
};

TEST_P(LookaheadTest, GradientsAreThoseWithoutIt) {
  std::vector<BatchView> views;
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int i = 0; i < 2; ++i) {
      views.push_back(first_.Dense());
      views.push_back(second_.Dense());
    }
    views.push_back(last_.Dense());
    views.push_back(first_.Sparse());
    views.push_back(large_.Dense());
  }
  Run(SmallMlp(), views);
  Run(SmallMlpWithAll(), views);
}

TEST_P(LookaheadTest, RowsOfKeysComeToo) {
  const KeyedBatch small = KeyedBatch::Random(12, 4, 20, 2, 1);
  const KeyedBatch large = KeyedBatch::Random(30, 4, 50, 2, 2);
  for (const std::string kind : {"sparse_logistic", "fm", "deepfm"}) {
    SCOPED_TRACE(kind);
    ModelConfig config;
    config.kind = kind;
    config.features = 4;
    config.classes = 2;
    config.l2 = 0.01;
    config.rank = kind == "fm" ? 3 : 0;
    config.dim = kind == "deepfm" ? 3 : 0;
    if (kind == "deepfm") config.layers = {8, 6};
    Run(config, {small.View(), large.View(), small.View(), large.View(),
                 large.View(), small.View(), small.View()});
  }
}

// The host's memory is as good as gone when the call that was told returns, and
// need not be there when the batch is computed.
TEST_P(LookaheadTest, WhatCameIsNotCopiedAgain) {
  const std::vector<BatchView> views(8, first_.Dense());
  const std::vector<Gradient> expected = Expected(SmallMlp(), views);
  const auto machine = Make(SmallMlp());
  auto steps = Steps(machine.get(), views);
  int told = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE(::testing::Message() << "step " << i);
    Step* const next = i + 1 < steps.size() ? steps[i + 1].get() : nullptr;
    const int before = told;
    const auto tell = [&] {
      if (next == nullptr) return NextBatch();
      ++told;
      return next->known();
    };
    EXPECT_EQ(machine->Compute(*steps[i], tell), expected[i]);
    if (told == before) continue;
    next->params.Overwrite();
    next->dense.Overwrite();
  }
  if (std::get<0>(GetParam()).order != Schedule::Order::kAtOnce) {
    EXPECT_GT(told, 0);
  }
}

// Of a round, whose batches are all computed from the same.
TEST_P(LookaheadTest, ParametersThatStayAreCopiedOnce) {
  const std::vector<BatchView> views = {first_.Dense(), second_.Dense(),
                                        first_.Dense()};
  const auto machine = Make(SmallMlp()), plain = Make(SmallMlp());
  const Floats params = Params(machine.get(), first_.Dense(), 7);
  Host round(&machine->gpu(), pinned(), params, 3);
  for (const BatchView& view : views) {
    Floats grad(params.size()), expected(params.size());
    BatchStats stats;
    ASSERT_TRUE(plain->model().Gradient(params, view, expected, &stats).ok());
    const auto next = [&] { return NextBatch{.params = round.known()}; };
    const absl::Status status = machine->model().GradientWithNext(
        round.known().floats, view, grad, &stats,
        {.params = round.known().id, .next = next});
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(grad, expected);
    round.Overwrite();
  }
}

TEST_P(LookaheadTest, AnotherBatchMayComeOrNone) {
  std::vector<BatchView> views;
  for (int i = 0; i < 6; ++i) views.push_back(first_.Dense());
  const std::vector<Gradient> expected = Expected(SmallMlpWithAll(), views);
  const auto machine = Make(SmallMlpWithAll());
  const auto steps = Steps(machine.get(), views);
  // Told and computed batches may differ: the parameters alone may be others,
  // too.
  EXPECT_EQ(machine->Compute(*steps[0], steps[1].get()), expected[0]);
  EXPECT_EQ(machine->Compute(*steps[2], steps[3].get()), expected[2]);
  EXPECT_EQ(machine->Compute(*steps[3], steps[3].get()), expected[3]);
  const auto mixed = [&] {
    return NextBatch{steps[5]->params.known(), steps[4]->dense.known()};
  };
  EXPECT_EQ(machine->Compute(*steps[1], mixed), expected[1]);
  EXPECT_EQ(machine->Compute(*steps[4], nullptr), expected[4]);
  EXPECT_EQ(machine->Compute(*steps[5], nullptr), expected[5]);
}

// The same memory, filled anew: its id is another.
TEST_P(LookaheadTest, MemoryThatIsFilledAnewIsNotTakenForWhatWasThere) {
  const auto machine = Make(SmallMlp()), plain = Make(SmallMlp());
  Floats params[2];
  for (int i = 0; i < 2; ++i) {
    params[i] = Params(machine.get(), first_.Dense(), 7 + i);
  }
  Floats grad(params[0].size()), expected(grad.size());
  BatchStats stats;
  for (int64_t id = 1; id <= 4; ++id) {
    const auto next = [&] {
      return NextBatch{.params = {params[1], ContentId{2 * id}}};
    };
    ASSERT_TRUE(
        machine->model()
            .GradientWithNext(params[0], first_.Dense(), grad, &stats,
                              {.params = ContentId{2 * id - 1}, .next = next})
            .ok());
    // Not those that were told.
    std::ranges::copy(Params(machine.get(), first_.Dense(), 100 + id),
                      params[1].begin());
    const auto none = [] { return NextBatch(); };
    ASSERT_TRUE(
        machine->model()
            .GradientWithNext(params[1], first_.Dense(), grad, &stats,
                              {.params = ContentId{1000 + id}, .next = none})
            .ok());
    ASSERT_TRUE(plain->model()
                    .Gradient(params[1], first_.Dense(), expected, &stats)
                    .ok());
    EXPECT_EQ(grad, expected);
  }
}

TEST_P(LookaheadTest, EvaluationsBetweenAreOfTheirOwnParameters) {
  const std::vector<BatchView> views(4, first_.Dense());
  const std::vector<Gradient> expected = Expected(SmallMlp(), views);
  const auto machine = Make(SmallMlp()), plain = Make(SmallMlp());
  const auto steps = Steps(machine.get(), views);
  const Floats others = Params(machine.get(), large_.Dense(), 50);
  for (size_t i = 0; i < steps.size(); ++i) {
    Step* next = i + 1 < steps.size() ? steps[i + 1].get() : nullptr;
    EXPECT_EQ(machine->Compute(*steps[i], next), expected[i]);
    BatchStats stats, expected_stats;
    Floats outputs, expected_outputs;
    // Larger, so that arrays grow.
    const BatchView view = i % 2 == 0 ? large_.Dense() : second_.Dense();
    ASSERT_TRUE(machine->model().Evaluate(others, view, &stats).ok());
    ASSERT_TRUE(plain->model().Evaluate(others, view, &expected_stats).ok());
    EXPECT_EQ(stats.loss_sum, expected_stats.loss_sum);
    ASSERT_TRUE(machine->model().Predict(others, view, &outputs).ok());
    ASSERT_TRUE(plain->model().Predict(others, view, &expected_outputs).ok());
    EXPECT_EQ(outputs, expected_outputs);
  }
}

// There is room for the batch, and not for its values twice.
TEST_P(LookaheadTest, NoBatchIsCutForTheSakeOfTheNext) {
  const std::vector<BatchView> views(6, first_.Dense());
  const std::vector<Gradient> expected = Expected(SmallMlp(), views);
  const auto plain = Make(SmallMlp());
  const auto plain_steps = Steps(plain.get(), views);
  EXPECT_EQ(plain->ComputeAlone(*plain_steps[0]), expected[0]);
  const int64_t launches = plain->gpu().engine().launches();
  const int64_t room =
      plain->gpu().pool().used_bytes() + plain->gpu().pool().free_bytes();
  for (const int64_t more : {0, 1000, 4000}) {
    SCOPED_TRACE(more);
    const auto machine = Make(SmallMlp());
    machine->gpu().engine().set_memory_bytes(room + more);
    const auto steps = Steps(machine.get(), views);
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step* next = i + 1 < steps.size() ? steps[i + 1].get() : nullptr;
      const int64_t before = machine->gpu().engine().launches();
      EXPECT_EQ(machine->Compute(*steps[i], next), expected[i]);
      if (i > 0) {
        EXPECT_EQ(machine->gpu().engine().launches() - before, launches);
      }
    }
  }
}

// It is computed in parts, and brings none of the next.
TEST_P(LookaheadTest, ABatchThatDoesNotFitAlone) {
  ModelConfig config = SmallMlp();
  config.layers = {12, 16, 16, 3};
  const SmallBatch batch(200, 12, 3, 5);
  const auto machine = Make(config), plain = Make(config);
  for (Machine* one : {machine.get(), plain.get()}) {
    one->gpu().engine().set_memory_bytes(40 << 10);
  }
  const std::vector<BatchView> views = {first_.Dense(), batch.Dense(),
                                        batch.Dense(), first_.Dense(),
                                        first_.Dense()};
  const auto steps = Steps(machine.get(), views);
  const auto plain_steps = Steps(plain.get(), views);
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step* next = i + 1 < steps.size() ? steps[i + 1].get() : nullptr;
    EXPECT_EQ(machine->Compute(*steps[i], next),
              plain->ComputeAlone(*plain_steps[i]));
  }
}

TEST_P(LookaheadTest, ADeviceThatIsLostMeanwhileIsToldAtOnce) {
  const auto machine = Make(SmallMlp());
  const auto steps = Steps(machine.get(), {first_.Dense(), first_.Dense()});
  bool lost = false;
  const auto next = [&] {
    machine->gpu().engine().Lose();
    lost = true;
    return steps[1]->known();
  };
  const Gradient first = machine->Compute(*steps[0], next);
  EXPECT_EQ(first.error, lost ? "emulated: lost" : "");
  machine->gpu().engine().Lose();
  EXPECT_EQ(machine->Compute(*steps[1], nullptr).error, "emulated: lost");
}

TEST_P(LookaheadTest, WhatIsNotFiniteIsSaidOfItsOwnBatch) {
  const std::vector<BatchView> views(3, first_.Dense());
  const std::vector<Gradient> expected = Expected(SmallMlp(), views);
  const auto machine = Make(SmallMlp());
  const auto steps = Steps(machine.get(), views);
  Step bad(&machine->gpu(), pinned(), Floats(expected[0].floats.size(), kNan),
           first_.Dense(), 9);
  EXPECT_EQ(machine->Compute(*steps[0], &bad), expected[0]);
  EXPECT_THAT(machine->Compute(bad, steps[1].get()).error,
              ::testing::HasSubstr("non-finite"));
  EXPECT_EQ(machine->Compute(*steps[1], steps[2].get()), expected[1]);
  EXPECT_EQ(machine->Compute(*steps[2], nullptr), expected[2]);
}

INSTANTIATE_TEST_SUITE_P(
    All, LookaheadTest,
    ::testing::Combine(::testing::ValuesIn(testing::ManySchedules(12)),
                       ::testing::Bool()),
    [](const auto& info) {
      return testing::NameOf(std::get<0>(info.param)) +
             (std::get<1>(info.param) ? "_pinned" : "_staged");
    });

// The point of it: in this order copies are done as soon as they may be.
class LookaheadEarlyTest : public LookaheadTest {};

TEST_P(LookaheadEarlyTest, CopiesDoNotWaitForTheBatchThatIsComputed) {
  const auto machine = Make(SmallMlp());
  const auto steps =
      Steps(machine.get(), {first_.Dense(), first_.Dense(), first_.Dense()});
  machine->Compute(*steps[0], steps[1].get());
  EXPECT_EQ(machine->gpu().engine().copies_beside(), 2)
      << "parameters and examples, while there was something to compute";
  machine->Compute(*steps[1], steps[2].get());
  EXPECT_EQ(machine->gpu().engine().copies_beside(), 4);
}

// Of which memory alternates: there are two.
TEST_P(LookaheadEarlyTest, AStepOfWhichAllCameIsOneGraph) {
  const std::vector<BatchView> views(7, first_.Dense());
  const std::vector<Gradient> expected = Expected(SmallMlpWithAll(), views);
  const auto machine = Make(SmallMlpWithAll());
  const auto steps = Steps(machine.get(), views);
  int64_t calls = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step* next = i + 1 < steps.size() ? steps[i + 1].get() : nullptr;
    calls = machine->gpu().engine().calls();
    EXPECT_EQ(machine->Compute(*steps[i], next), expected[i]);
  }
  EXPECT_EQ(machine->gpu().engine().calls() - calls, 2)
      << "the batch that dropout is of, and the graph";
  EXPECT_EQ(machine->gpu().engine().captures(), 2);
}

INSTANTIATE_TEST_SUITE_P(Pinned, LookaheadEarlyTest,
                         ::testing::Values(std::make_tuple(
                             Schedule{Schedule::Order::kCopiesEarly}, true)));

// Bug: tables counted that were not copied, as something else had failed.
TEST(IncomingValuesTest, AfterAFailureNothingCountsAsBrought) {
  const auto gpu =
      testing::MakeEmulatedGpu({.order = Schedule::Order::kAtOnce});
  const Floats values[] = {Floats(100, 1), Floats(100, 2)};
  const int64_t end = 100;
  IncomingValues incoming(gpu.get());
  incoming.Begin({values[0], ContentId{1}}, {&end, 1});
  incoming.MakeRoomForNext();
  gpu->FinishCopies();
  const auto fail = [&] {
    BackendArray large(gpu.get());
    gpu->engine().set_memory_bytes(0);
    large.Reserve<float>(100000);
  };
  const auto brought = [&] {
    Floats result(100);
    gpu->CopyOut(incoming.ReadAll(), 400, result.data());
    return result;
  };
  fail();
  incoming.Begin({values[1], ContentId{2}}, {&end, 1});
  EXPECT_TRUE(absl::IsResourceExhausted(gpu->TakeError()));
  incoming.Forget();
  incoming.Begin({values[1], ContentId{2}}, {&end, 1});
  gpu->FinishCopies();
  EXPECT_EQ(brought(), values[1]);
  fail();
  EXPECT_TRUE(incoming.BeginNext({values[0], ContentId{3}}));
  EXPECT_TRUE(absl::IsResourceExhausted(gpu->TakeError()));
  incoming.Forget();
  incoming.Begin({values[0], ContentId{3}}, {&end, 1});
  gpu->FinishCopies();
  EXPECT_EQ(brought(), values[0]);
}

// A device, too, where there is one.
class LookaheadBackendTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LookaheadBackendTest, GradientsAreThoseWithoutIt) {
  const auto backend = testing::MakeBackend(GetParam());
  Registry registry;
  ASSERT_TRUE(RegisterBuiltinModels(&registry).ok());
  ModelConfig config;
  config.kind = "mlp";
  config.features = 12;
  config.classes = 3;
  config.layers = {12, 20, 3};
  config.l2 = 0.01;
  const auto model = *registry.Create(config, backend.get());
  const auto plain = *registry.Create(config, backend.get());
  std::vector<SmallBatch> batches;
  std::vector<Floats> params;
  for (int i = 0; i < 6; ++i) {
    batches.emplace_back(9 + i % 2, 12, 3, i);
    params.push_back(InitialParameters(model->description(), 7 + i));
  }
  Floats grad(params[0].size()), expected(params[0].size());
  for (int i = 0; i < 5; ++i) {
    const BatchView view = batches[i].Dense();
    BatchStats stats, expected_stats;
    ASSERT_TRUE(
        plain->Gradient(params[i], view, expected, &expected_stats).ok());
    int asked = 0;
    const auto next = [&]() -> NextBatch {
      ++asked;
      return {{params[i + 1], ContentId{i + 2}},
              {batches[i + 1].dense(), ContentId{i + 2}}};
    };
    ASSERT_TRUE(
        model
            ->GradientWithNext(params[i], view, grad, &stats,
                               {ContentId{i + 1}, ContentId{i + 1}, next})
            .ok());
    EXPECT_EQ(grad, expected);
    EXPECT_EQ(stats.loss_sum, expected_stats.loss_sum);
    if (backend->uses_host_memory()) {
      EXPECT_EQ(asked, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LookaheadBackendTest,
                         ::testing::ValuesIn(testing::AllBackendNames()),
                         [](const auto& info) {
                           return testing::TestName(info.param);
                         });

}  // namespace
}  // namespace ebb::models
