#include "job/overruled.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/fit.h"
#include "job/specification.h"
#include "job/validate.h"
#include "job/yaml.h"

namespace ebb::job {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Returns what is said of such a job for 1,000 examples of 4 features.
std::vector<std::string> Said(const std::string& lines,
                              const std::string& model = "softmax",
                              bool rows = false) {
  const JobFile file =
      ReadJob(absl::StrCat("model: ", model, "\ndata: {train: {csv: a.csv}, ",
                           "test: {csv: b.csv}}\n", lines),
              "job.yaml");
  EXPECT_TRUE(file.ok()) << ToString(file.mistakes);
  v1::Job full = file.job;
  FillDefaults(&full);
  SourceFacts data;
  data.examples = 1000;
  data.features = 4;
  data.classes = 2;
  FitToData(data, 10, &full);
  JobFacts facts;
  facts.tables = {{"w", 10, InitRule::Zeros()}};
  if (rows) facts.sparse_tables = {{.name = "ids", .width = 2}};
  facts.examples = data.examples;
  facts.train_index = "train";
  facts.test_index = "test";
  facts.order_version = 1;
  const auto record = MakeJobRecord(full, facts);
  EXPECT_TRUE(record.ok()) << record.status();
  if (!record.ok()) return {};
  return Overruled(file.job, full, record->plan);
}

// Bug: examples: 20 with items of 6,000 made rounds of 6,000, without a word.
TEST(OverruledTest, ARoundIsOfWholeItems) {
  EXPECT_THAT(Said("consistency: {kind: rounds, examples: 400}\n"
                   "train: {batch: 10, item_examples: 200}\n"),
              IsEmpty());
  EXPECT_THAT(Said("consistency: {kind: rounds, examples: 500}\n"
                   "train: {batch: 10, item_examples: 200}\n"),
              ElementsAre("consistency.examples: a round has 600 examples, not "
                          "500: it is of 3 whole items of 200"));
  // The items that ebb chooses, for three workers.
  EXPECT_THAT(Said("consistency: {kind: rounds, examples: 500}\n"
                   "train: {batch: 10}\nworkers: {max: 3}\n"),
              ElementsAre("consistency.examples: a round has 501 examples, not "
                          "500: it is of 3 whole items of 167"));
  EXPECT_THAT(Said("consistency: {kind: rounds, examples: 5000}\n"
                   "train: {batch: 10}\n"),
              ElementsAre("consistency.examples: a round has the 1000 examples "
                          "of an epoch, not 5000"));
  EXPECT_THAT(Said("consistency: rounds\n"), IsEmpty());
}

TEST(OverruledTest, NothingIsLargerThanAnEpoch) {
  EXPECT_THAT(Said("train: {batch: 2000, item_examples: 4000}\n"),
              ElementsAre("train.item_examples: an item has 1000 examples, all "
                          "of an epoch, not 4000",
                          "train.batch: a batch has the 1000 examples of an "
                          "epoch, not 2000"));
  EXPECT_THAT(Said("train: {batch: 1000}\n"), IsEmpty());
}

TEST(OverruledTest, WorkersThatWaitGoOnForNoBatch) {
  EXPECT_THAT(Said("filters: {push: top_k}\n"), IsEmpty());  // Not given.
  EXPECT_THAT(Said("filters: {push: top_k}\nconsistency: {local_steps: 8}\n"),
              ElementsAre(HasSubstr("local_steps: 0, not 8: workers wait for a "
                                    "server that is away, because "
                                    "filters.push keeps")));
  EXPECT_THAT(Said("consistency: {local_steps: 8}\n", "softmax", true),
              ElementsAre(HasSubstr("because the model has sparse tables")));
  EXPECT_THAT(Said("consistency: {local_steps: 8}\nalgorithm: eamsgd\n"),
              ElementsAre(HasSubstr("because the algorithm pushes the effect "
                                    "of many batches")));
  EXPECT_THAT(Said("consistency: {local_steps: 0}\nalgorithm: eamsgd\n"),
              IsEmpty());
}

TEST(OverruledTest, WithoutStepsThereIsNoRate) {
  EXPECT_THAT(Said("optimizer: {kind: sgd, rate: 0.5}\n"), IsEmpty());
  EXPECT_THAT(Said("optimizer: {rate: 0.5}\n", "{kind: forest, trees: 5}"),
              ElementsAre("optimizer.rate: nothing looks at it, because tasks "
                          "takes no steps along a gradient"));
  EXPECT_THAT(Said("algorithm: lbfgs\nconsistency: {kind: rounds, examples: "
                   "epoch}\noptimizer: {schedule: cosine}\n"),
              ElementsAre(HasSubstr("optimizer.schedule: nothing looks at it, "
                                    "because lbfgs takes")));
}

// Bug: nothing was said.
TEST(OverruledTest, ModelsWithoutLabelsScaleNone) {
  const auto said = [](const std::string& model, bool standardise) {
    JobPlan plan;
    v1::Job given;
    given.mutable_model()->set_kind(model);
    given.mutable_data()->set_standardise_labels(standardise);
    return Overruled(given, given, plan);
  };
  for (const char* const model : {"kmeans", "lda", "word_vectors"}) {
    EXPECT_THAT(said(model, true),
                ElementsAre(absl::StrCat("data.standardise_labels: nothing "
                                         "looks at it, because ",
                                         model, " learns without labels")));
    EXPECT_THAT(said(model, false), IsEmpty());
  }
  EXPECT_THAT(said("linear", true), IsEmpty());
}

TEST(OverruledTest, OnlyAWholeForestIsEvaluated) {
  EXPECT_THAT(Said("evaluate: 1 epoch\n", "{kind: forest, trees: 5}"),
              ElementsAre(HasSubstr("evaluate.every: only the whole model")));
}

}  // namespace
}  // namespace ebb::job
