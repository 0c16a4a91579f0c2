#include "scheduler/job/job_state.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "protocol/field_codec.h"
#include "protocol/sealed.h"

namespace ebb::scheduler {
namespace {

// Every field differs from its default.
JobState Unusual() {
  JobState state;
  state.generation = Generation(1000);
  state.rollback.versions = {
      {JobId(1), Generation(999), PartitionId(0), Term(7), 3},
      {JobId(1), Generation(998), PartitionId(1), Term(8), 4}};
  state.rolled_back = "to what it was";
  state.phase = JobPhase::kPaused;
  state.reason = "an item";
  state.owners = {ServerId(2), ServerId(-1)};
  state.failures = {{5, 1}};
  state.quarantined = {6};
  state.failed_at = {{6, 32}};
  state.skipped = {{{1, 2}, 32, 64}};
  state.evaluations = {{.epoch = 1,
                        .position = 100,
                        .examples = 50,
                        .loss = 0.5,
                        .accuracy = 0.75,
                        .error = "none",
                        .finished_us = 123}};
  state.paused_by_operator = true;
  state.scaled_workers = 3;
  state.owned_since = {Term(9), Term(0)};
  state.servers = 4;
  state.durable_in = {"folder", ""};
  state.durable_term = {Term(10), Term(0)};
  state.moved = {Term(11), Term(0)};
  return state;
}

void ExpectSame(const JobState& a, const JobState& b) {
  EXPECT_EQ(a.generation, b.generation);
  EXPECT_EQ(a.rollback, b.rollback);
  EXPECT_EQ(a.rolled_back, b.rolled_back);
  EXPECT_EQ(a.phase, b.phase);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_EQ(a.owners, b.owners);
  EXPECT_EQ(a.failures, b.failures);
  EXPECT_EQ(a.quarantined, b.quarantined);
  EXPECT_EQ(a.failed_at, b.failed_at);
  EXPECT_EQ(a.why_quarantined, b.why_quarantined);
  EXPECT_EQ(a.skipped, b.skipped);
  ASSERT_EQ(a.evaluations.size(), b.evaluations.size());
  for (size_t i = 0; i < a.evaluations.size(); ++i) {
    EXPECT_EQ(a.evaluations[i].epoch, b.evaluations[i].epoch);
    EXPECT_EQ(a.evaluations[i].accuracy, b.evaluations[i].accuracy);
  }
  EXPECT_EQ(a.paused_by_operator, b.paused_by_operator);
  EXPECT_EQ(a.scaled_workers, b.scaled_workers);
  EXPECT_EQ(a.owned_since, b.owned_since);
  EXPECT_EQ(a.servers, b.servers);
  EXPECT_EQ(a.durable_in, b.durable_in);
  EXPECT_EQ(a.durable_term, b.durable_term);
  EXPECT_EQ(a.moved, b.moved);
  EXPECT_EQ(a.divergence, b.divergence);
  EXPECT_EQ(a.kept_epoch, b.kept_epoch);
  EXPECT_EQ(a.chosen_in, b.chosen_in);
  EXPECT_EQ(a.ended, b.ended);
  EXPECT_EQ(a.finish_at, b.finish_at);
}

TEST(JobStateTest, EveryFieldComesBack) {
  JobState state = Unusual();
  state.rollback.rate_factor = 0.125;
  state.rollback.nonfinite = 3;
  state.why_quarantined = {{6, {.text = "an item", .non_finite = true}}};
  state.divergence = DivergencePause::kAccepted;
  state.kept_epoch = 3;
  state.chosen_in = Generation(77);
  state.ended = "stopped";
  state.finish_at = 1000;
  const auto back = JobState::Decode(state.Encode());
  ASSERT_TRUE(back.ok()) << back.status();
  ExpectSame(*back, state);
}

TEST(JobStateTest, FiguresComeBackAndAnOlderEbbStoredNone) {
  JobState state = Unusual();
  state.evaluations.front().figures = {
      {{"auc", 0.75}}, {1, 2, 3, 4}, {{8, 0.25, 0.5}}};
  const std::string encoded = state.Encode();
  const auto back = JobState::Decode(encoded);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->evaluations.front().figures,
            state.evaluations.front().figures);

  // The sixth version ended before the figures.
  std::string figures;
  FieldWriter write(&figures);
  write(uint64_t{1}, uint64_t{1}, std::string("auc"), 0.75, uint64_t{4},
        int64_t{1}, int64_t{2}, int64_t{3}, int64_t{4},
        DivergencePause::kNone,                    // From the eighth on.
        int32_t{-1}, Generation(), std::string(),  // From the ninth on.
        uint64_t{1}, int64_t{8}, 0.25, 0.5,        // From the tenth on.
        int64_t{-1});                              // From the eleventh on.
  const auto body = Unseal("EBBJ", 11, "the eleventh", encoded);
  ASSERT_TRUE(body.ok()) << body.status();
  ASSERT_TRUE(absl::EndsWith(*body, figures));
  const auto sixth = JobState::Decode(
      Seal("EBBJ", 6, body->substr(0, body->size() - figures.size())));
  ASSERT_TRUE(sixth.ok()) << sixth.status();
  ExpectSame(*sixth, Unusual());
  EXPECT_EQ(sixth->evaluations.front().figures, Figures());
}

// The ninth version ended before the bins of the calibration.
TEST(JobStateTest, StillReadsTheNinthVersion) {
  JobState state = Unusual();
  state.evaluations.push_back({.epoch = 2});
  state.evaluations.front().figures = {{{"auc", 0.75}}, {1, 2, 3, 4}};
  state.ended = "stopped";
  const std::string encoded = state.Encode();
  const auto body = Unseal("EBBJ", 11, "the eleventh", encoded);
  ASSERT_TRUE(body.ok()) << body.status();
  // Without where it is to end, and the empty lists of bins of two evaluations.
  const auto ninth =
      JobState::Decode(Seal("EBBJ", 9, body->substr(0, body->size() - 3)));
  ASSERT_TRUE(ninth.ok()) << ninth.status();
  ExpectSame(*ninth, state);
  EXPECT_EQ(ninth->evaluations.front().figures,
            state.evaluations.front().figures);
}

TEST(JobStateTest, StillReadsTheThirdVersion) {
  // The bytes of an ebb that had no rate factor.
  const auto state = JobState::Decode(absl::HexStringToBytes(
      "4542424a030000006900000000000000e8070201e70700070601e6070208080e74"
      "6f2077686174206974207761730107616e206974656d020401010a02010c010c40"
      "0102044080010102c80164000000000000e03f000000000000e83f046e6f6e65f6"
      "010106020900080206666f6c64657200020a00020b00d8ef8b2241be039d"));
  ASSERT_TRUE(state.ok()) << state.status();
  ExpectSame(*state, Unusual());
  EXPECT_EQ(state->rollback.rate_factor, 1);
  EXPECT_EQ(state->rollback.nonfinite, 0);
}

// The bytes of an ebb that had one reason for all items.
std::string FourthVersion() {
  return absl::HexStringToBytes(
      "4542424a040000007200000000000000e8070201e70700070601e6070208080e74"
      "6f2077686174206974207761730107616e206974656d020401010a02010c010c40"
      "0102044080010102c80164000000000000e03f000000000000e83f046e6f6e65f6"
      "010106020900080206666f6c64657200020a00020b00000000000000c03f06c35f"
      "2f5d99ebb4a8");
}

TEST(JobStateTest, StillReadsTheFourthVersion) {
  const auto state = JobState::Decode(FourthVersion());
  ASSERT_TRUE(state.ok()) << state.status();
  JobState same = Unusual();
  same.rollback.rate_factor = 0.125;
  same.rollback.nonfinite = 3;
  ExpectSame(*state, same);
}

TEST(JobStateTest, StillReadsTheFifthVersion) {
  // It had the reasons, as texts, behind the fields of the fourth.
  const std::string fourth = FourthVersion();
  const auto body = Unseal("EBBJ", 4, "the fourth", fourth);
  ASSERT_TRUE(body.ok()) << body.status();
  std::string fifth(*body);
  FieldWriter write(&fifth);
  write(std::map<int64_t, std::string>{{6, "an item"}});
  const auto state = JobState::Decode(Seal("EBBJ", 5, fifth));
  ASSERT_TRUE(state.ok()) << state.status();
  JobState same = Unusual();
  same.rollback.rate_factor = 0.125;
  same.rollback.nonfinite = 3;
  same.why_quarantined = {{6, {.text = "an item", .non_finite = false}}};
  ExpectSame(*state, same);
}

// Bug: a job that was evaluated every second for a month had millions.
TEST(JobStateTest, EvaluationsAreBoundedAndTheirCourseIsKept) {
  JobState state;
  constexpr int32_t kAll = 10'000;
  for (int32_t epoch = 0; epoch < kAll; ++epoch) {
    Evaluation one{.epoch = epoch};
    one.figures.confusion = {1, 2, 3, 4};
    one.figures.calibration = {{8, 0.25, 0.5}};
    state.AddEvaluation(std::move(one));
    ASSERT_LE(state.evaluations.size(), kMostEvaluations);
  }
  EXPECT_EQ(state.evaluations.front().epoch, 0);
  EXPECT_EQ(state.evaluations.back().epoch, kAll - 1);
  EXPECT_GE(state.evaluations.size(), kMostEvaluations / 2);
  for (size_t i = 1; i < state.evaluations.size(); ++i) {
    EXPECT_GT(state.evaluations[i].epoch, state.evaluations[i - 1].epoch);
    EXPECT_TRUE(state.evaluations[i - 1].figures.confusion.empty());
    EXPECT_TRUE(state.evaluations[i - 1].figures.calibration.empty());
  }
  EXPECT_FALSE(state.evaluations.back().figures.confusion.empty());
  EXPECT_FALSE(state.evaluations.back().figures.calibration.empty());
  // The latest are all there.
  EXPECT_EQ(state.evaluations[state.evaluations.size() - 100].epoch,
            kAll - 100);
}

TEST(JobStateTest, RefusesARateFactorThatIsNone) {
  JobState state = Unusual();
  for (const double bad : {0.0, -0.5, 1e-12, std::nan("")}) {
    state.rollback.rate_factor = bad;
    EXPECT_TRUE(absl::IsDataLoss(JobState::Decode(state.Encode()).status()));
  }
}

}  // namespace
}  // namespace ebb::scheduler
