#include "worker/local_rules.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "worker/job_data.h"

namespace ebb::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kFolders = {EBB_PLUGIN_FOLDER};

// Of two parameters.
JobRecord RecordOf(const std::string& algorithm) {
  const job::JobFile file = job::ReadJob(
      "model: softmax\ndata: {train: {csv: a.csv}}\noptimizer: {kind: sgd, "
      "rate: 0.5}\nalgorithm: " +
          algorithm + "\n",
      "job.yaml");
  EXPECT_TRUE(file.ok()) << job::ToString(file.mistakes);
  v1::Job full = file.job;
  job::FillDefaults(&full);
  job::JobFacts facts;
  facts.tables = {{"w", 2, InitRule::Zeros()}};
  facts.examples = 1000;
  facts.order_version = 1;
  if (full.algorithm().has_plugin()) {
    auto loaded = CreateAlgorithm(full, kFolders);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    facts.algorithm = *std::move(loaded);
  }
  auto record = job::MakeJobRecord(full, facts);
  EXPECT_TRUE(record.ok()) << record.status();
  return *std::move(record);
}

TEST(LocalRulesTest, ArePluginsOrEbbsOwn) {
  const auto make = LocalRulesFrom(kFolders);
  for (const char* algorithm : {"adag", "{plugin: liblookahead.so}"}) {
    const auto local = make(RecordOf(algorithm));
    ASSERT_TRUE(local.ok()) << local.status();
    local->rule->Begin(std::vector<float>{1, 2});
    EXPECT_THAT(local->rule->Values(), ElementsAre(1, 2));
    EXPECT_EQ(local->rate(ItemId{}, 0, 10), 0.5);
  }
}

TEST(LocalRulesTest, APushHasAsManyRowsAsTheJobAndMessagesSay) {
  const auto make = LocalRulesFrom(kFolders, 1600);
  const auto local = make(RecordOf("{kind: adag, most_rows: 7}"));
  ASSERT_TRUE(local.ok()) << local.status();
  EXPECT_EQ(local->limits.most_rows, 7);
  EXPECT_EQ(local->limits.most_bytes, 1500);
  EXPECT_EQ(local->rows, nullptr);  // The job has none.
  EXPECT_EQ(make(RecordOf("adag"))->limits.most_rows, 1'000'000);
}

TEST(LocalRulesTest, APluginThatPlansOtherwiseIsRefused) {
  JobRecord record = RecordOf("{plugin: liblookahead.so, options: {steps: 3}}");
  EXPECT_EQ(record.plan.algorithm.push_batches, 3);
  record.plan.algorithm.push_batches = 4;
  const auto local = LocalRulesFrom(kFolders)(record);
  EXPECT_TRUE(absl::IsFailedPrecondition(local.status()));
  EXPECT_THAT(std::string(local.status().message()),
              HasSubstr("give this worker the plugin"));
}

TEST(LocalRulesTest, NoPluginComesFromElsewhere) {
  EXPECT_TRUE(absl::IsPermissionDenied(
      LocalRulesFrom({})(RecordOf("{plugin: liblookahead.so}")).status()));
}

}  // namespace
}  // namespace ebb::worker
