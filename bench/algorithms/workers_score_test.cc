#include "bench/algorithms/workers_score.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::Optional;

class WorkersScoreTest : public testing::Test {
 protected:
  WorkersScoreTest() {
    report_.status.mutable_summary()->set_state(v1::JOB_STATE_COMPLETE);
    Evaluate(0.8);
    Evaluate(0.9);
  }
  void Evaluate(double accuracy) {
    auto* figure =
        report_.status.add_evaluations()->mutable_figures()->add_named();
    figure->set_name("accuracy");
    figure->set_value(accuracy);
  }

  RunReport report_;
};

TEST_F(WorkersScoreTest, IsThatOfTheLastEvaluation) {
  EXPECT_THAT(WorkersScore(report_, "accuracy"), Optional(0.9));
  EXPECT_EQ(WorkersScore(report_, "rmse"), std::nullopt);
  report_.status.mutable_evaluations(1)->set_error("not finite");
  EXPECT_EQ(WorkersScore(report_, "accuracy"), std::nullopt);
  EXPECT_EQ(WorkersScore({}, "accuracy"), std::nullopt);
}

// Bug: a job that stopped half of the way had the score of that moment.
TEST_F(WorkersScoreTest, AJobThatIsNotCompleteHasNone) {
  report_.status.mutable_summary()->set_state(v1::JOB_STATE_PAUSED);
  EXPECT_EQ(WorkersScore(report_, "accuracy"), std::nullopt);
}

}  // namespace
}  // namespace ebb::tools
