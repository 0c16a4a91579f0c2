#include "tools/text/validation.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(ValidationTest, TellsTheTreesThatTheModelHas) {
  v1::JobStatus job;
  EXPECT_EQ(ValidationText(job), "");
  v1::JobStatus::Validation& known = *job.mutable_validation();
  known.set_trees(34);
  known.set_loss(0.4125);
  known.set_best_trees(28);
  known.set_best_loss(0.40625);
  known.set_left(4);
  EXPECT_EQ(ValidationText(job), "best 28 of 34 trees, validation loss 0.406");
  EXPECT_EQ(ValidationJson(job).ToLine(),
            "{\"trees\": 34, \"loss\": 0.4125, \"best_trees\": 28, "
            "\"best_loss\": 0.40625, \"left\": 4}");
}

}  // namespace
}  // namespace ebb::tools
