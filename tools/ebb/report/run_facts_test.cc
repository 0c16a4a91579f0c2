#include "tools/ebb/report/run_facts.h"

#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

// Bug: `ebb run`, which starts three, waited for a fourth for ever.
TEST(RunFactsTest, ARunThatCouldNeverBeginIsRefused) {
  JobPlan plan;
  plan.min_workers = 4;
  EXPECT_TRUE(CheckWorkers(plan, "job.yaml", 4).ok());
  EXPECT_EQ(CheckWorkers(plan, "job.yaml", 3),
            absl::InvalidArgumentError(
                "job.yaml: workers.min: the job begins with 4 workers, and "
                "this run would have 3\n  hint: --workers 4, or --set "
                "workers.min=3"));
}

}  // namespace
}  // namespace ebb::tools
