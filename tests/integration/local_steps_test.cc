// A worker goes on while a server, a process, is away.
#include <signal.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"

namespace ebb::testing {
namespace {

// One epoch in items of 100 batches of 4 examples.
JobRecord LargeItems(const std::string& local_steps) {
  return CountingJob("away", 1600,
                     "train: {epochs: 1, batch: 4, item_examples: 400}\n"
                     "consistency: {local_steps: " +
                         local_steps + "}\n");
}

TEST(LocalStepsTest, TheOtherServerAppliesBatchesMeanwhile) {
  ProcessCluster cluster;
  cluster.computer().pace_us = 5000;
  cluster.StartAll();
  const JobRecord record = LargeItems("60");
  const JobId job = cluster.Submit(record);
  ASSERT_TRUE(cluster.WaitFor(job, [](const v1::JobStatus& status) {
    return status.applied_min() >= 100;
  }));

  cluster.ps(1).EndBy(SIGKILL);
  // The dead one has the least; the other gets ahead of it by more than what
  // was on its way or not reported.
  EXPECT_TRUE(cluster.WaitFor(job, [&](const v1::JobStatus& status) {
    return status.applied_max() >= status.applied_min() + 40 * 4 &&
           cluster.worker().status().local_steps.batches >= 30;
  }));

  cluster.ps(1).Start();
  ASSERT_TRUE(cluster.WaitComplete(job)) << cluster.scheduler().log();
  cluster.ExpectExact(record, job);
  const client::LocalSteps did = cluster.worker().status().local_steps;
  EXPECT_GE(did.applied, 1);
}

}  // namespace
}  // namespace ebb::testing
