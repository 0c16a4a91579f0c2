// The outer steps that servers make of runs (docs/decisions/0055-runs.md).
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/specification.h"
#include "job/yaml.h"
#include "server/job_rule.h"

namespace ebb::server {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

JobRecord RecordOf(const std::string& lines) {
  const job::JobFile file =
      job::ReadJob(absl::StrCat("model: softmax\ndata: {train: {csv: a.csv}}\n"
                                "train: {epochs: 4, batch: 10}\n",
                                lines),
                   "job.yaml");
  EXPECT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.tables = {{"w", 1, InitRule::Zeros()}};
  facts.examples = 1000;
  const auto record = job::MakeJobRecord(file.job, facts);
  EXPECT_TRUE(record.ok()) << record.status();
  return record.ok() ? *record : JobRecord();
}

std::unique_ptr<JobRule> RuleOf(const JobRecord& record, double factor = 1) {
  RollbackRecord rollback;
  rollback.rate_factor = factor;
  auto rule = JobRule::Create(record, rollback);
  EXPECT_TRUE(rule.ok()) << rule.status();
  return *std::move(rule);
}

// The weight and its slots, stepped by a sum over 4 examples of a mean of 2.
struct Value {
  float weight = 1;
  std::vector<float> slots;

  explicit Value(const JobRule& rule)
      : slots(static_cast<size_t>(rule.SlotCount())) {
    for (size_t s = 0; s < slots.size(); ++s) {
      rule.InitialSlot(static_cast<int>(s), 0, {&weight, 1}, {&slots[s], 1});
    }
  }
  void Step(const JobRule& rule, int64_t staleness, int32_t epoch = 0) {
    StepPlace place;
    place.item = {epoch, 0};
    place.end = 4;
    place.gradient_scale = 0.25f;
    place.staleness = staleness;
    const Payload payload = Payload::Of(std::vector<float>{8});
    GradientCursor cursor(payload);
    std::vector<std::span<float>> spans;
    for (float& slot : slots) spans.push_back({&slot, 1});
    StepRun run;
    run.weights = {&weight, 1};
    run.gradient = &cursor;
    float next = 0;
    run.out = {&next, 1};
    run.slots = spans;
    rule.Step(place, run);
    weight = next;
  }
};

// Sutskever et al. 2013, eqs. 3 and 4, with a rate and a momentum of a half.
TEST(OuterStepTest, IsNesterovsAndLateRunsCountLess) {
  const auto rule = RuleOf(RecordOf(
      "consistency: asp\nworkers: {max: 4}\n"
      "algorithm: {kind: diloco, period: 5, rate: 0.5, momentum: 0.5}\n"));
  Value value(*rule);
  value.Step(*rule, 0);
  EXPECT_THAT(value.slots, ElementsAre(FloatEq(-1)));
  EXPECT_THAT(value.weight, FloatEq(1 - 0.5f - 1));
  value.Step(*rule, 1);
  EXPECT_THAT(value.slots, ElementsAre(FloatEq(-0.5f - 0.5f)));
  EXPECT_THAT(value.weight, FloatEq(-0.5f - 0.5f - 0.5f));
}

TEST(OuterStepTest, HasOneRateWhateverThePlaceAndTheRollback) {
  const JobRecord record =
      RecordOf("algorithm: {kind: diloco, period: 5, rate: 0.5}\n");
  const auto rule = RuleOf(record);
  const auto rolled_back = RuleOf(record, 0.5);
  Value value(*rule), later(*rule), other(*rolled_back);
  value.Step(*rule, 0);
  later.Step(*rule, 0, 3);
  other.Step(*rolled_back, 0);
  EXPECT_EQ(value.weight, later.weight);
  EXPECT_EQ(value.weight, other.weight);
}

TEST(OuterStepTest, WithoutMomentumItNeedsNoSlot) {
  const auto rule =
      RuleOf(RecordOf("consistency: asp\nalgorithm: {kind: diloco, period: "
                      "5}\n"));
  EXPECT_EQ(rule->SlotCount(), 0);
  Value value(*rule);
  value.Step(*rule, 0);
  EXPECT_EQ(value.weight, -1);  // All of the way that the run came.
}

TEST(OuterStepTest, AveragesAreOfTheServersValues) {
  const auto rule = RuleOf(
      RecordOf("algorithm: {kind: diloco, period: 5, rate: 1, momentum: 0}\n"
               "optimizer: {ema: 0.75}\n"));
  Value value(*rule);
  value.Step(*rule, 0);
  EXPECT_EQ(value.weight, -1);
  EXPECT_THAT(value.slots, ElementsAre(FloatEq(0.5f)));
  EXPECT_EQ(rule->PublicName("slot:0"), "slot/average");
}

}  // namespace
}  // namespace ebb::server
