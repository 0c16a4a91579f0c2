#include "algorithms/lbfgs/lbfgs.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "algorithms/lbfgs/lbfgs_vectors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/sealed.h"

namespace ebb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Vector = std::vector<float>;

// Writes the gradient and returns the value.
using Function = std::function<double(const Vector& w, Vector* gradient)>;

// The partitions of a job and what they do, without messages.
class Cluster {
 public:
  Cluster(LbfgsOptions options, Vector start, std::vector<size_t> cuts,
          Function function)
      : options_(options),
        values_(std::move(start)),
        function_(std::move(function)),
        coordinator_(MakeLbfgsCoordinator(options)) {
    slots_.assign(LbfgsSlots::Count(options), Vector(values_.size()));
    cuts.insert(cuts.begin(), 0);
    cuts.push_back(values_.size());
    cuts_ = std::move(cuts);
  }

  // A round of so many examples. Returns the operation.
  LbfgsOperation Round(bool last = false) {
    constexpr int64_t kExamples = 10;
    Vector gradient(values_.size());
    const double loss = function_(values_, &gradient) * kExamples;
    ++evaluations_;
    std::vector<std::vector<double>> figures;
    for (size_t p = 0; p + 1 < cuts_.size(); ++p) {
      std::vector<double>& of_part = figures.emplace_back();
      of_part.resize(LbfgsFigures::Count(options_));
      of_part[LbfgsFigures::kLoss] = loss;
      std::vector<std::span<const float>> slots;
      for (const Vector& slot : slots_) slots.push_back(Part(slot, p));
      AddLbfgsFigures(options_, {Part(values_, p), Part(gradient, p), slots},
                      of_part);
    }
    auto next =
        coordinator_->Next({round_++, last, kExamples}, before_, figures);
    EXPECT_TRUE(next.ok()) << next.status();
    before_ = next.value_or("");
    const auto operation = LbfgsOperation::Decode(before_, options_);
    EXPECT_TRUE(operation.ok()) << operation.status();
    Vector values(values_.size());
    for (size_t p = 0; p + 1 < cuts_.size(); ++p) {
      std::vector<std::span<const float>> slots;
      std::vector<std::span<float>> changed;
      for (size_t s = 0; s < slots_.size(); ++s) {
        slots.push_back(Part(slots_[s], p));
        changed.emplace_back();
        if (operation->Changes(static_cast<int>(s))) {
          changed.back() = MutablePart(&slots_[s], p);
        }
      }
      const std::span<float> out = MutablePart(&values, p);
      ApplyLbfgs(*operation, {Part(values_, p), Part(gradient, p), slots},
                 changed, out);
    }
    values_ = std::move(values);
    return *operation;
  }

  const Vector& values() const { return values_; }
  const Vector& point() const { return slots_[LbfgsSlots::kPoint]; }
  double Value() const {
    Vector gradient(values_.size());
    return function_(values_, &gradient);
  }
  int64_t evaluations() const { return evaluations_; }
  const std::string& before() const { return before_; }

 private:
  std::span<const float> Part(const Vector& vector, size_t p) const {
    return std::span(vector).subspan(cuts_[p], cuts_[p + 1] - cuts_[p]);
  }
  std::span<float> MutablePart(Vector* vector, size_t p) const {
    return std::span(*vector).subspan(cuts_[p], cuts_[p + 1] - cuts_[p]);
  }

  const LbfgsOptions options_;
  Vector values_;
  std::vector<Vector> slots_;
  std::vector<size_t> cuts_;
  const Function function_;
  const std::unique_ptr<const Coordinator> coordinator_;
  std::string before_;
  int64_t round_ = 0;
  int64_t evaluations_ = 0;
};

// f = 1/2 sum of c_i w_i^2, with curvatures from 1 to 100.
double Bowl(const Vector& w, Vector* gradient) {
  double value = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    const double c =
        1 + 99 * static_cast<double>(i) / static_cast<double>(w.size() - 1);
    value += c * w[i] * w[i] / 2;
    (*gradient)[i] = static_cast<float>(c * w[i]);
  }
  return value;
}

double Rosenbrock(const Vector& w, Vector* gradient) {
  const double x = w[0], y = w[1];
  (*gradient)[0] = static_cast<float>(-400 * x * (y - x * x) - 2 * (1 - x));
  (*gradient)[1] = static_cast<float>(200 * (y - x * x));
  return 100 * (y - x * x) * (y - x * x) + (1 - x) * (1 - x);
}

// By hand: from w = (3, 4) of |w|^2 / 2 the gradient is w, of length 5; a first
// step of length 1 leads to (2.4, 3.2), where f is 8 instead of 12.5. The pair
// is s = (-0.6, -0.8) = y, so the next direction is -g, and leads to 0.
TEST(LbfgsTest, GoesTheFirstStepsThatAreToBeExpected) {
  const auto half_square = [](const Vector& w, Vector* gradient) {
    *gradient = w;
    return (w[0] * w[0] + w[1] * w[1]) / 2.0;
  };
  // A search that takes whatever lowers the value.
  Cluster cluster({.history = 2, .curvature = 0.99}, {3, 4}, {1}, half_square);
  const LbfgsOperation first = cluster.Round();
  EXPECT_TRUE(first.accept);
  EXPECT_TRUE(first.turn);
  EXPECT_EQ(first.pair, -1);
  EXPECT_EQ(first.of_gradient, -1);
  EXPECT_DOUBLE_EQ(first.step, 0.2);
  EXPECT_DOUBLE_EQ(first.state.objective, 12.5);
  EXPECT_THAT(cluster.values(), ElementsAre(2.4f, 3.2f));

  const LbfgsOperation second = cluster.Round();
  EXPECT_TRUE(second.accept);
  EXPECT_EQ(second.pair, 0);
  EXPECT_THAT(second.state.pairs, ElementsAre(0));
  EXPECT_EQ(second.step, 1);
  EXPECT_NEAR(second.state.step_change[0], 1, 1e-6);
  EXPECT_NEAR(cluster.values()[0], 0, 1e-6);
  EXPECT_NEAR(cluster.values()[1], 0, 1e-6);
}

// The recursion on vectors, as it is in books.
Vector TwoLoops(const std::vector<std::pair<Vector, Vector>>& pairs,
                const Vector& gradient) {
  const auto dot = [](const std::vector<double>& a, const Vector& b) {
    double sum = 0;
    for (size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto wide = [](const Vector& v) {
    return std::vector<double>(v.begin(), v.end());
  };
  std::vector<double> q = wide(gradient), alpha(pairs.size());
  for (size_t i = pairs.size(); i-- > 0;) {
    const auto& [s, y] = pairs[i];
    alpha[i] = dot(q, s) / dot(wide(s), y);
    for (size_t k = 0; k < q.size(); ++k) q[k] -= alpha[i] * y[k];
  }
  const auto& [s, y] = pairs.back();
  for (double& one : q) one *= dot(wide(s), y) / dot(wide(y), y);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [s_i, y_i] = pairs[i];
    const double beta = dot(q, y_i) / dot(wide(s_i), y_i);
    for (size_t k = 0; k < q.size(); ++k) q[k] += s_i[k] * (alpha[i] - beta);
  }
  Vector direction;
  for (const double one : q) direction.push_back(static_cast<float>(-one));
  return direction;
}

TEST(LbfgsTest, CoefficientsGiveTheDirectionOfTheRecursionOnVectors) {
  Vector start;
  for (int i = 0; i < 23; ++i) start.push_back(1.0f + 0.1f * (i % 7));
  Cluster cluster({.history = 3}, start, {4, 4, 17}, Bowl);
  std::vector<std::pair<Vector, Vector>> pairs;
  Vector point, gradient(start.size());
  int64_t directions = 0;
  for (int round = 0; round < 12; ++round) {
    const Vector trial = cluster.values();
    const LbfgsOperation operation = cluster.Round();
    if (!operation.accept) continue;
    Vector at_trial(start.size());
    Bowl(trial, &at_trial);
    if (operation.pair >= 0) {
      Vector s, y;
      for (size_t i = 0; i < trial.size(); ++i) {
        s.push_back(trial[i] - point[i]);
        y.push_back(at_trial[i] - gradient[i]);
      }
      pairs.emplace_back(s, y);
      if (pairs.size() > 3) pairs.erase(pairs.begin());
    }
    point = trial;
    gradient = at_trial;
    if (pairs.empty()) continue;
    ASSERT_EQ(operation.state.pairs.size(), pairs.size());
    ASSERT_EQ(operation.step, 1);
    const Vector expected = TwoLoops(pairs, gradient);
    ++directions;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(cluster.values()[i] - point[i], expected[i],
                  1e-5 * (1 + std::abs(point[i])));
    }
  }
  EXPECT_GT(directions, 5);  // The oldest pair was given up for a newer one.
}

TEST(LbfgsTest, FindsTheLowestPoint) {
  Cluster bowl({.history = 5}, Vector(50, 1.0f), {10, 30}, Bowl);
  for (int i = 0; i < 80; ++i) bowl.Round();
  bowl.Round(/*last=*/true);
  EXPECT_LT(bowl.Value(), 1e-7);

  Cluster valley({.history = 5}, {-1.2f, 1.0f}, {1}, Rosenbrock);
  for (int i = 0; i < 60; ++i) valley.Round();
  valley.Round(/*last=*/true);
  EXPECT_NEAR(valley.values()[0], 1, 1e-3);
  EXPECT_NEAR(valley.values()[1], 1, 1e-3);
}

TEST(LbfgsTest, NeverAcceptsAHigherPoint) {
  Cluster valley({.history = 3}, {-1.2f, 1.0f}, {}, Rosenbrock);
  double objective = std::numeric_limits<double>::infinity();
  int rejected = 0;
  for (int i = 0; i < 60; ++i) {
    const LbfgsOperation operation = valley.Round();
    if (!operation.accept) {
      ++rejected;
      continue;
    }
    EXPECT_LE(operation.state.objective, objective);
    objective = operation.state.objective;
  }
  EXPECT_GT(rejected, 0);
}

// Workers find nothing but an infinite loss at the first trials.
TEST(LbfgsTest, GoesBackFromWhereThereIsNoValue) {
  const auto wall = [](const Vector& w, Vector* gradient) {
    (*gradient)[0] = w[0] - 1;
    if (std::abs(w[0]) > 2) return std::numeric_limits<double>::infinity();
    return (w[0] - 1.0) * (w[0] - 1.0) / 2;
  };
  Cluster cluster({.first_step = 1000}, {0}, {}, wall);
  for (int i = 0; i < 12; ++i) cluster.Round();
  EXPECT_NEAR(cluster.point()[0], 1, 1e-5);
}

// A line without an end: each search goes on as long as it may.
TEST(LbfgsTest, GoesFartherWhereItStaysAsSteep) {
  const auto line = [](const Vector& w, Vector* gradient) {
    (*gradient)[0] = 1;
    return static_cast<double>(w[0]);
  };
  Cluster cluster({.trials = 3}, {0}, {}, line);
  EXPECT_EQ(cluster.Round().step, 1);
  EXPECT_EQ(cluster.Round().step, 10);
  EXPECT_EQ(cluster.Round().step, 100);
  const LbfgsOperation operation = cluster.Round();
  EXPECT_TRUE(operation.accept);
  EXPECT_EQ(operation.pair, -1);  // The gradient did not change.
  EXPECT_FLOAT_EQ(cluster.point()[0], -100);
}

// The gradient lies: nothing is lower along it, with pairs or without them.
TEST(LbfgsTest, StaysWhereNothingIsLower) {
  int calls = 0;
  const auto lie = [&](const Vector& w, Vector* gradient) {
    ++calls;
    (*gradient)[0] = calls < 3 ? 2 - 0.5f * static_cast<float>(calls) : -1;
    return calls < 3 ? static_cast<double>(-calls) : std::abs(w[0] + 10.0);
  };
  Cluster cluster({.history = 1, .trials = 4}, {0}, {}, lie);
  cluster.Round();
  const LbfgsOperation second = cluster.Round();
  ASSERT_TRUE(second.accept);
  ASSERT_EQ(second.state.pairs.size(), 1);
  const Vector point = cluster.point();
  int forgotten = 0;
  LbfgsOperation operation;
  for (int i = 0; i < 10; ++i) {
    operation = cluster.Round();
    EXPECT_FALSE(operation.accept);
    forgotten += operation.turn ? 1 : 0;
  }
  EXPECT_EQ(forgotten, 1);
  EXPECT_TRUE(operation.state.stalled);
  EXPECT_EQ(cluster.values(), point);
  cluster.Round(/*last=*/true);
  EXPECT_EQ(cluster.values(), point);
}

TEST(LbfgsTest, SaysThatTheJobEndsWhereItIsLevel) {
  const LbfgsOptions options{.history = 5, .tolerance = 1e-3};
  const auto coordinator = MakeLbfgsCoordinator(options);
  Cluster bowl(options, Vector(50, 1.0f), {10, 30}, Bowl);
  LbfgsOperation operation = bowl.Round();
  const double first = operation.state.gradient_norm;
  int rounds = 1;
  for (; !operation.Ends(options); ++rounds) {
    EXPECT_FALSE(*coordinator->Ends(bowl.before()));
    EXPECT_GT(operation.state.gradient_norm, 1e-3 * first);
    operation = bowl.Round();
    ASSERT_LT(rounds, 80);
  }
  EXPECT_TRUE(*coordinator->Ends(bowl.before()));
  EXPECT_THAT(coordinator->Describe(bowl.before()), HasSubstr(" converged"));
  EXPECT_LE(operation.state.gradient_norm, 1e-3 * first);
  EXPECT_EQ(bowl.values(), bowl.point());

  // It makes all rounds where no tolerance is named.
  Cluster whole({.history = 5}, Vector(50, 1.0f), {10, 30}, Bowl);
  for (int i = 0; i < rounds; ++i) operation = whole.Round();
  EXPECT_FALSE(operation.Ends({.history = 5}));
}

TEST(LbfgsTest, EndsWhereNothingIsLower) {
  const LbfgsOptions options{.tolerance = 1e-3};
  const auto level = [](const Vector&, Vector* gradient) {
    (*gradient)[0] = 0;
    return 1.0;
  };
  Cluster cluster(options, {3}, {}, level);
  EXPECT_TRUE(cluster.Round().Ends(options));
  EXPECT_THAT(cluster.values(), ElementsAre(3));
}

TEST(LbfgsTest, EndsAtTheBestPoint) {
  // A trial that is no good is the last.
  Cluster bad({.first_step = 1000}, {3, 4}, {}, Bowl);
  bad.Round();
  bad.Round(/*last=*/true);
  EXPECT_THAT(bad.values(), ElementsAre(3, 4));
  Cluster good({.first_step = 0.1}, {3, 4}, {}, Bowl);
  good.Round();
  const Vector trial = good.values();
  good.Round(/*last=*/true);
  EXPECT_EQ(good.values(), trial);
  // The trial before it was good, but not yet where the search wanted to end.
  const auto line = [](const Vector& w, Vector* gradient) {
    (*gradient)[0] = 1;
    return w[0] < -5 ? std::numeric_limits<double>::infinity()
                     : static_cast<double>(w[0]);
  };
  Cluster between({}, {0}, {}, line);
  between.Round();
  EXPECT_EQ(between.Round().step, 10);
  between.Round(/*last=*/true);
  EXPECT_THAT(between.values(), ElementsAre(-1));
  // One round only: there is nothing to compare with.
  Cluster only({}, {3, 4}, {}, Bowl);
  only.Round(/*last=*/true);
  EXPECT_THAT(only.values(), ElementsAre(3, 4));
}

TEST(LbfgsTest, ALevelStartIsTheEnd) {
  Cluster cluster({}, Vector(4), {}, Bowl);
  EXPECT_TRUE(cluster.Round().state.stalled);
  EXPECT_EQ(cluster.values(), Vector(4));
}

TEST(LbfgsTest, TheSameFiguresGiveTheSameOperation) {
  Cluster a({.history = 2}, {-1.2f, 1.0f}, {1}, Rosenbrock);
  Cluster b({.history = 2}, {-1.2f, 1.0f}, {1}, Rosenbrock);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(a.Round(), b.Round());
  EXPECT_EQ(a.before(), b.before());
}

TEST(LbfgsTest, RefusesWhatIsNoOperationOrNotItsFigures) {
  const LbfgsOptions options{.history = 2};
  const auto coordinator = MakeLbfgsCoordinator(options);
  const std::vector<double> figures(LbfgsFigures::Count(options));
  EXPECT_TRUE(absl::IsInvalidArgument(
      coordinator->Next({0, false, 1}, "", {figures, {1, 2}}).status()));
  EXPECT_TRUE(absl::IsDataLoss(
      coordinator->Next({1, false, 1}, "", {figures}).status()));
  const std::string first =
      coordinator->Next({0, false, 1}, "", {figures}).value();
  EXPECT_TRUE(absl::IsInvalidArgument(
      coordinator->Next({2, false, 1}, first, {figures}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      LbfgsOperation::Decode(first, {.history = 3}).status()));
  EXPECT_THAT(coordinator->Describe(first), HasSubstr("accepted"));
}

TEST(LbfgsTest, AnOperationIsStoredAsDocumented) {
  LbfgsOperation operation;
  operation.round = 3;
  operation.pair = 0;
  operation.accept = true;
  operation.turn = true;
  operation.of_gradient = -1;
  operation.of_steps = {0.5};
  operation.of_changes = {2};
  operation.step = 1;
  LbfgsState& state = operation.state;
  state.objective = 0.5;
  state.gradient_norm = 2;
  state.pairs = {0};
  state.step_change = {1};
  state.change_change = {2};
  state.trials = 4;
  state.high = 2;
  state.accepted = 5;
  // Written by hand from docs/formats/round-operation.md.
  const std::string body = absl::HexStringToBytes(
      "06"                  // round
      "00"                  // pair
      "01"                  // accept
      "01"                  // turn
      "000000000000f0bf"    // of_gradient
      "01000000000000e03f"  // of_steps
      "010000000000000040"  // of_changes
      "000000000000f03f"    // step
      "000000000000e03f"    // objective
      "0000000000000040"    // gradient_norm
      "0100"                // pairs
      "01000000000000f03f"  // step_change
      "010000000000000040"  // change_change
      "08"                  // trials
      "0000000000000000"    // low
      "0000000000000040"    // high
      "0a"                  // accepted
      "00");                // stalled
  const auto older =
      LbfgsOperation::Decode(Seal("EBBL", 1, body), {.history = 1});
  ASSERT_TRUE(older.ok()) << older.status();
  EXPECT_EQ(*older, operation);

  operation.first_norm = 2;
  const std::string stored =
      Seal("EBBL", 2, body + absl::HexStringToBytes("0000000000000040"));
  EXPECT_EQ(operation.Encode(), stored);
  const auto back = LbfgsOperation::Decode(stored, {.history = 1});
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, operation);
  for (size_t n = 0; n < stored.size(); ++n) {
    std::string flipped = stored;
    flipped[n] ^= 1;
    for (const std::string& bad : {stored.substr(0, n), flipped}) {
      EXPECT_TRUE(absl::IsDataLoss(
          LbfgsOperation::Decode(bad, {.history = 1}).status()));
    }
  }
}

// Of whatever it says, nothing may lie outside the vectors there are.
TEST(LbfgsTest, RefusesAnOperationOfVectorsThatAreNotThere) {
  const LbfgsOptions options{.history = 2};
  const std::vector<double> figures(LbfgsFigures::Count(options), 1);
  const auto good =
      LbfgsOperation::Decode(MakeLbfgsCoordinator(options)
                                 ->Next({0, false, 1}, "", {figures})
                                 .value(),
                             options)
          .value();
  const auto refused = [&](const std::function<void(LbfgsOperation*)>& change) {
    LbfgsOperation bad = good;
    change(&bad);
    return absl::IsInvalidArgument(
        LbfgsOperation::Decode(bad.Encode(), options).status());
  };
  EXPECT_FALSE(refused([](LbfgsOperation*) {}));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->pair = 2; }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->pair = -2; }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->of_steps.pop_back(); }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->of_changes.clear(); }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->turn = false; }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->state.pairs = {2}; }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->state.pairs = {-1}; }));
  EXPECT_TRUE(refused([](LbfgsOperation* o) { o->state.pairs = {1, 1}; }));
  EXPECT_TRUE(
      refused([](LbfgsOperation* o) { o->state.step_change.resize(3); }));
  EXPECT_TRUE(
      refused([](LbfgsOperation* o) { o->state.change_change.clear(); }));
}

TEST(LbfgsOptionsTest, AreBounded) {
  EXPECT_TRUE(LbfgsOptions().Validate().ok());
  for (const LbfgsOptions& bad :
       {LbfgsOptions{.history = 0}, LbfgsOptions{.history = 101},
        LbfgsOptions{.sufficient_decrease = 0},
        LbfgsOptions{.sufficient_decrease = 0.95}, LbfgsOptions{.curvature = 1},
        LbfgsOptions{.trials = 0}, LbfgsOptions{.first_step = 0}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(bad.Validate()));
  }
}

}  // namespace
}  // namespace ebb
