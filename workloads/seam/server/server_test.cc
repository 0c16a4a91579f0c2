#include "workloads/seam/server/server.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "algorithms/coordinator.h"
#include "gtest/gtest.h"
#include "job/specification.h"
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

TEST(CoordinatorTest, OnlyLbfgsHasACoordinator) {
  const auto coordinator_of = [](const std::string& lines) {
    job::JobFacts facts;
    facts.tables = {{"w", 3, InitRule::Zeros()}};
    facts.examples = 100;
    const auto record = job::MakeJobRecord(JobOf(lines), facts);
    EXPECT_TRUE(record.ok()) << record.status();
    return CoordinatorOf(*record).status();
  };
  EXPECT_TRUE(coordinator_of("algorithm: lbfgs\nconsistency: {kind: rounds, "
                             "examples: epoch}\n")
                  .ok());
  EXPECT_TRUE(absl::IsInvalidArgument(coordinator_of("")));
}

TEST(CoordinatorTest, KMeansEndsByItsCoordinator) {
  const job::JobFile file = job::ReadJob(
      "model: {kind: kmeans, clusters: 2}\ndata: {train: {csv: a.csv}}\n"
      "algorithm: {tolerance: 0.5, max_rounds: 7}\n",
      "job.yaml");
  ASSERT_TRUE(file.ok()) << job::ToString(file.mistakes);
  job::JobFacts facts;
  facts.tables = {{"centroids", 4, InitRule::Zeros(), {2, 2}},
                  {"sizes", 2, InitRule::Constant(1), {2}}};
  facts.examples = 100;
  facts.initial.emplace().set_bytes(24);
  const auto record = job::MakeJobRecord(file.job, facts);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->plan.RoundCount(), 7);
  EXPECT_TRUE(record->plan.algorithm.operated);

  const auto coordinator = CoordinatorOf(*record);
  ASSERT_TRUE(coordinator.ok()) << coordinator.status();
  const auto first = (*coordinator)->Next({0, false, 100}, "", {{8, 0, 1, 1}});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(*(*coordinator)->Ends(*first));
  const auto next =
      (*coordinator)->Next({1, false, 100}, *first, {{5, 0, 1, 1}});
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(*(*coordinator)->Ends(*next));
}

}  // namespace
}  // namespace ebb::workloads
