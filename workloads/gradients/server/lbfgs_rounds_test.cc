#include "workloads/gradients/server/lbfgs_rounds.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::workloads {
namespace {

// With its defaults.
v1::Job JobOf(const std::string& lines) {
  job::JobFile file = job::ReadJob(
      absl::StrCat("model: softmax\ndata: {train: {csv: a.csv}}\n", lines),
      "job.yaml");
  EXPECT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::FillDefaults(&file.job);
  return file.job;
}

TEST(LbfgsRoundsTest, LbfgsIsDoneAsTheJobSays) {
  const auto options = [](const std::string& lines) {
    return LbfgsOptionsOf(JobOf(lines).algorithm());
  };
  const std::string rounds = "consistency: {kind: rounds, examples: epoch}\n";
  const LbfgsOptions usual =
      options(absl::StrCat("algorithm: lbfgs\n", rounds));
  EXPECT_EQ(usual.history, LbfgsOptions().history);
  EXPECT_EQ(usual.trials, LbfgsOptions().trials);
  EXPECT_EQ(usual.first_step, LbfgsOptions().first_step);
  EXPECT_EQ(usual.sufficient_decrease, LbfgsOptions().sufficient_decrease);
  EXPECT_EQ(usual.curvature, LbfgsOptions().curvature);
  const LbfgsOptions other = options(absl::StrCat(
      "algorithm: {kind: lbfgs, history: 3, trials: 7, first_step: 2, "
      "decrease: 0.25, curvature: 0.5}\n",
      rounds));
  EXPECT_EQ(other.history, 3);
  EXPECT_EQ(other.trials, 7);
  EXPECT_EQ(other.first_step, 2);
  EXPECT_EQ(other.sufficient_decrease, 0.25);
  EXPECT_EQ(other.curvature, 0.5);
  EXPECT_TRUE(other.Validate().ok());
}

}  // namespace
}  // namespace ebb::workloads
