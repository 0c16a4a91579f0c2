// The effect of a late gradient under each optimizer and algorithm.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/keys.h"
#include "job/training.h"
#include "job/yaml.h"
#include "optimizer/optimizer.h"
#include "server/job_rule.h"

namespace ebb::server {
namespace {

std::unique_ptr<JobRule> RuleOf(absl::string_view algorithm,
                                absl::string_view optimizer) {
  const job::JobFile file = job::ReadJob(
      absl::StrCat("model: softmax\ndata: {train: {csv: a.csv}}\nalgorithm: ",
                   algorithm, "\noptimizer: {kind: ", optimizer,
                   ", rate: 0.05, schedule: constant}\n"),
      "job.yaml");
  EXPECT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.examples = 100;
  facts.tables = {{"dense", 1, InitRule::Constant(0.25f)}};
  facts.sparse_tables = {{.name = "rows", .width = 1}};
  const auto record = job::MakeJobRecord(file.job, facts);
  EXPECT_TRUE(record.ok()) << record.status();
  auto rule = JobRule::Create(*record);
  EXPECT_TRUE(rule.ok()) << rule.status();
  return *std::move(rule);
}

// A weight with its slots, of the dense table or of a row of the sparse one.
class Weight {
 public:
  Weight(const JobRule& rule, bool in_row) : rule_(rule), in_row_(in_row) {
    for (int s = 0; s < Slots(); ++s) {
      if (in_row_) {
        rule_.RowOptimizer(0)->InitializeSlot(s, {&value_, 1}, {&slots_[s], 1});
      } else {
        rule_.InitialSlot(s, 0, {&value_, 1}, {&slots_[s], 1});
      }
    }
  }

  float value() const { return value_; }
  std::vector<float> State() const { return {value_, slots_[0], slots_[1]}; }

  // One step by a gradient that is so many updates late.
  void Step(float gradient, int64_t staleness = 0) {
    StepPlace place;
    place.end = 4;
    place.examples = 4;
    place.step = ++step_;
    place.staleness = staleness;
    if (in_row_) {
      StepRow(place, gradient);
    } else {
      StepDense(place, gradient);
    }
  }

 private:
  int Slots() const {
    return in_row_ ? rule_.RowOptimizer(0)->SlotCount() : rule_.SlotCount();
  }

  void StepDense(const StepPlace& place, float gradient) {
    const Payload payload = Payload::Of(std::vector<float>{gradient});
    GradientCursor cursor(payload);
    std::vector<std::span<float>> slots;
    for (int s = 0; s < Slots(); ++s) slots.emplace_back(&slots_[s], 1);
    float out = 0;
    StepRun run;
    run.weights = {&value_, 1};
    run.gradient = &cursor;
    run.out = {&out, 1};
    run.slots = slots;
    rule_.Step(place, run);
    value_ = out;
  }

  // Does what a table does with a row that each update changes.
  void StepRow(const StepPlace& place, float gradient) {
    RowStep step = {
        .weights_in = &value_,
        .gradient_sum = reinterpret_cast<const std::byte*>(&gradient),
        .weights_out = &value_};
    for (int s = 0; s < Slots(); ++s) {
      step.slots_in[s] = step.slots_out[s] = &slots_[s];
    }
    const auto& factor = rule_.RowOptions(0).rate_factor;
    if (factor != nullptr) {
      step.late_factor = static_cast<float>(factor(place.staleness));
    }
    rule_.RowOptimizer(0)->StepRows(rule_.RowStep(0, place), 1, {&step, 1});
  }

  const JobRule& rule_;
  const bool in_row_;
  float value_ = 0.25f;
  float slots_[2] = {};
  int64_t step_ = 0;
};

class LateGradientTest
    : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  std::string optimizer() const { return std::get<0>(GetParam()); }
  bool in_row() const { return std::get<1>(GetParam()); }
};

// All that an algorithm may scale by lateness.
INSTANTIATE_TEST_SUITE_P(
    Optimizer, LateGradientTest,
    testing::Combine(testing::Values("sgd", "momentum", "nesterov", "adagrad",
                                     "rmsprop", "adam", "adamw"),
                     testing::Bool()),
    [](const auto& test) {
      return absl::StrCat(std::get<0>(test.param),
                          std::get<1>(test.param) ? "_row" : "_dense");
    });

TEST_P(LateGradientTest, InTimeItIsPlainToTheBit) {
  const auto plain_rule = RuleOf("sgd", optimizer());
  for (const char* algorithm : {"staleness_aware", "dynsgd"}) {
    const auto rule = RuleOf(algorithm, optimizer());
    Weight plain(*plain_rule, in_row()), aware(*rule, in_row());
    for (const float gradient : {0.3f, -0.7f, 0.011f, 5.0f, -0.2f}) {
      plain.Step(gradient);
      aware.Step(gradient);
      EXPECT_EQ(aware.State(), plain.State()) << algorithm;
    }
  }
}

// The way that the gradient of one update makes in that step and in all that
// follow: half of what it and its opposite differ by, since both leave the same
// in second moments.
double WayOf(const JobRule& rule, bool in_row, int64_t staleness, float after) {
  std::vector<double> ends;
  for (const float gradient : {0.5f, -0.5f}) {
    Weight weight(rule, in_row);
    for (int i = 0; i < 20; ++i) weight.Step(i % 2 == 0 ? 0.5f : -0.4f);
    weight.Step(gradient, staleness);
    for (int i = 0; i < 300; ++i) weight.Step(after);
    ends.push_back(weight.value());
  }
  return std::abs(ends[0] - ends[1]) / 2;
}

TEST_P(LateGradientTest, InAllStepsTogetherItCountsItsFactor) {
  for (const char* algorithm :
       {"dynsgd", "{kind: staleness_aware, tolerated: 4}"}) {
    const auto rule = RuleOf(algorithm, optimizer());
    for (const float after : {0.0f, 0.5f}) {
      SCOPED_TRACE(absl::StrCat(algorithm, ", then ", after));
      const double in_time = WayOf(*rule, in_row(), 0, after);
      ASSERT_GT(in_time, 0);
      double before = in_time;
      for (const int64_t late : {1, 3, 7, 15, 99}) {
        const double way = WayOf(*rule, in_row(), late, after);
        StepPlace place;
        place.staleness = late;
        const double factor = rule->RateFactor(place);
        EXPECT_NEAR(way, factor * in_time, 0.001 * in_time) << late;
        if (factor < 1) {
          EXPECT_LT(way, before) << late;
        }
        before = way;
      }
    }
  }
}

// Steps of gradients that are all as late are that much shorter.
TEST_P(LateGradientTest, AllAsLateMakeStepsAsShort) {
  const auto plain_rule = RuleOf("sgd", optimizer());
  const auto late_rule = RuleOf("dynsgd", optimizer());
  Weight plain(*plain_rule, in_row()), late(*late_rule, in_row());
  // Decay goes by the weight, too, which differs.
  const double bound = optimizer() == "adamw" ? 3e-4 : 1e-6;
  for (int i = 0; i < 50; ++i) {
    const float gradient = i % 3 == 0 ? -0.2f : 0.5f;
    const float plain_before = plain.value(), late_before = late.value();
    plain.Step(gradient);
    late.Step(gradient, 3);
    EXPECT_NEAR(late.value() - late_before, (plain.value() - plain_before) / 4,
                bound);
  }
}

}  // namespace
}  // namespace ebb::server
