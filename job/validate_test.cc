// The cases that testdata/ cannot hold: jobs that come from no file, and
// defaults. The messages are checked there (golden_test.cc).
#include "job/validate.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "job/fit.h"
#include "job/yaml.h"

namespace ebb::job {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::Job SoftmaxJob() {
  v1::Job job;
  job.mutable_model()->set_kind("softmax");
  job.mutable_data()->mutable_train()->mutable_csv()->add_path("table.csv");
  return job;
}

std::string Check(const v1::Job& job, const DataFacts& facts = {}) {
  return ToString(ValidateJob(job, facts, SourceMap()));
}

TEST(ValidateJobTest, TakesTheSmallestJobAndItsDefaults) {
  v1::Job job = SoftmaxJob();
  EXPECT_EQ(Check(job), "");
  FillDefaults(&job);
  EXPECT_EQ(Check(job), "");
}

TEST(ValidateJobTest, NamesNoFileForAJobThatCameFromNone) {
  v1::Job job = SoftmaxJob();
  job.mutable_train()->set_epochs(0);
  EXPECT_EQ(Check(job),
            "train.epochs: must be at least 1, not 0\n  hint: epochs: 10");
}

v1::Job JobOf(const std::string& model, const std::string& data) {
  auto job = ParseJobYaml(
      absl::StrCat("model: {", model, "}\ndata: {train: {", data, "}}\n"),
      "job.yaml", nullptr);
  EXPECT_TRUE(job.ok()) << job.status();
  if (!job.ok()) return {};
  FillDefaults(&*job);
  return *std::move(job);
}

// Bug: the test data was read as the model had not learnt it, and the run was
// good.
TEST(ValidateJobTest, RefusesTestFeaturesThatAreOthersInTheTrainingData) {
  const auto check = [](const std::string& model, const std::string& train,
                        const std::string& test) {
    const auto job = ParseJobYaml(
        absl::StrCat("model: ", model, "\ndata: {train: {json_lines: a, ",
                     "features: {y: label, ", train,
                     "}}, test: {json_lines: b, features: {z: label, ", test,
                     "}}}\n"),
        "job.yaml", nullptr);
    return std::string(job.status().message());
  };
  EXPECT_EQ(check("softmax", "a: dense, b: {as: dense, width: 1}",
                  "b: dense, a: {as: dense, log: false}"),
            "");
  EXPECT_EQ(
      check("softmax", "x: {as: dense, log: true}", "x: dense"),
      "job.yaml:2: data.test.features.x: is not what it is in data.train: "
      "log is another\n  hint: leave features of the test data out: they are "
      "those of data.train");
  EXPECT_THAT(check("softmax", "x: {as: dense, missing: 0}",
                    "x: {as: dense, missing: 1}"),
              testing::HasSubstr("data.train: missing is another"));
  EXPECT_THAT(
      check("fm", "u: {as: key, field: 0}, v: {as: key, field: 1}",
            "u: {as: key, field: 1}, v: {as: key, field: 0}"),
      testing::AllOf(testing::HasSubstr("features.u: is not what it is in "
                                        "data.train: field is another"),
                     testing::HasSubstr("features.v: is not what")));
  EXPECT_EQ(check("fm", "u: {as: key, field: 0}, v: {as: key, field: 1}",
                  "u: key, v: key"),
            "");
  EXPECT_THAT(check("fm", "u: keys", "u: key"),
              testing::HasSubstr("data.train: as is another"));
  EXPECT_THAT(
      check("softmax", "a: dense, b: dense", "a: dense, c: dense"),
      testing::AllOf(
          testing::HasSubstr("features.c: is no feature of data.train"),
          testing::HasSubstr("data.test.features: has no \"b\", a feature")));
}

// Bug: such trees had no split, and the run was good.
TEST(ValidateJobTest, RefusesLeavesOfTooManyExamples) {
  DataFacts facts;
  facts.train = SourceFacts{.examples = 100, .features = 4, .classes = 3};
  for (const char* const kind : {"forest", "boosted_trees"}) {
    const v1::Job job = JobOf(
        absl::StrCat("kind: ", kind, ", leaf_examples: 51"), "csv: d.csv");
    EXPECT_THAT(Check(job, facts),
                testing::HasSubstr("model.leaf_examples: two leaves of 51 are "
                                   "more than the 100 examples"));
  }
}

// Bug: the values of their leaves were not finite, and the run was good.
TEST(ValidateJobTest, RefusesLabelsWhoseSquaresAreNoFloats) {
  const v1::Job job =
      JobOf("kind: boosted_trees, labels: values", "csv: d.csv");
  DataFacts facts;
  facts.train =
      SourceFacts{.examples = 100, .features = 4, .label_deviation = 9.9e17};
  EXPECT_EQ(Check(job, facts), "");
  facts.train->label_deviation = 1.1e18;
  EXPECT_THAT(Check(job, facts),
              testing::HasSubstr("its labels deviate by 1.1e+18"));
}

// Bug: boosted trees were taken, and the run then lacked the figure.
TEST(ValidateJobTest, TreesOfNumbersHaveNoFiguresOfClasses) {
  DataFacts facts;
  facts.train = SourceFacts{.examples = 100, .features = 4};
  for (const char* const kind : {"forest", "boosted_trees"}) {
    v1::Job job = JobOf(absl::StrCat("kind: ", kind), "csv: d.csv");
    job.mutable_data()->set_split(0.2);
    job.mutable_expect()->set_accuracy(">= 0.9");
    EXPECT_THAT(Check(job, facts),
                testing::HasSubstr("expect.accuracy: accuracy is a figure of "
                                   "classes, but the model predicts numbers"));
  }
}

TEST(ValidateJobTest, ThePositiveClassIsOneOfTheTwo) {
  v1::Job job = JobOf("kind: logistic", "csv: d.csv");
  DataFacts facts;
  facts.train = SourceFacts{.examples = 100,
                            .features = 4,
                            .classes = 2,
                            .class_texts = {"left", "stayed"}};
  const auto check = [&](const std::string& positive) {
    job.mutable_data()->set_positive(positive);
    return Check(job, facts);
  };
  EXPECT_EQ(check("left"), "");
  EXPECT_EQ(check("stayed"), "");
  EXPECT_THAT(check("leeft"),
              testing::AllOf(
                  testing::HasSubstr("data.positive: \"leeft\" is no class of "
                                     "data.train; they are \"left\" and "
                                     "\"stayed\""),
                  testing::HasSubstr("positive: left")));
  facts.train->class_texts.clear();  // Not known.
  EXPECT_EQ(check("leeft"), "");
}

// Bug: nothing was learnt from such data, and the run was good.
TEST(ValidateJobTest, RefusesDocumentsWithoutWords) {
  const v1::Job topics = JobOf("kind: lda, topics: 2", "bags: d.bags");
  const v1::Job words = JobOf("kind: word_vectors", "text: d.txt");
  const auto check = [](const v1::Job& job, int64_t features, int64_t with_one,
                        int64_t with_two) {
    DataFacts facts;
    facts.train =
        SourceFacts{.examples = 100,
                    .features = features,
                    .documents = SourceFacts::Documents{with_one, with_two}};
    return Check(job, facts);
  };
  EXPECT_EQ(check(topics, 2, 1, 0), "");
  EXPECT_THAT(check(topics, 2, 0, 0), testing::HasSubstr("has a word"));
  EXPECT_THAT(check(topics, 1, 9, 9), testing::HasSubstr("is one word"));
  EXPECT_EQ(check(words, 1, 9, 1), "");
  EXPECT_THAT(check(words, 1, 9, 0), testing::HasSubstr("has two words"));
  v1::Job tested = topics;
  tested.mutable_data()->mutable_test()->mutable_bags()->add_path("t.bags");
  DataFacts facts;
  facts.test = SourceFacts{
      .examples = 5, .features = 2, .documents = SourceFacts::Documents{5, 0}};
  EXPECT_THAT(Check(tested, facts),
              testing::HasSubstr("data.test: none of its documents has two "
                                 "words"));
}

TEST(ValidateJobTest, RefusesWhatOnlyAnotherClientCanSend) {
  v1::Job job = SoftmaxJob();
  job.mutable_optimizer()->set_kind(v1::Optimizer::KIND_UNSPECIFIED);
  job.set_on_poison(static_cast<v1::Policy>(77));
  job.mutable_model()->set_l2(std::numeric_limits<double>::quiet_NaN());
  job.mutable_optimizer()->set_rate(std::numeric_limits<double>::infinity());
  job.mutable_data()->mutable_train()->mutable_csv()->set_label(
      std::string(5000, 'x'));
  const std::string text = Check(job);
  EXPECT_THAT(text, testing::HasSubstr("optimizer.kind: has the unknown value "
                                       "0\n"));
  EXPECT_THAT(text, testing::HasSubstr("on_poison: has the unknown value 77"));
  EXPECT_THAT(text, testing::HasSubstr("model.l2: must be a finite number"));
  EXPECT_THAT(text,
              testing::HasSubstr("optimizer.rate: must be a finite number"));
  EXPECT_THAT(text, testing::HasSubstr("label: is longer than 4096 bytes"));
}

TEST(ValidateJobTest, RefusesAnEmptyJob) {
  EXPECT_EQ(Check(v1::Job()),
            "model: is missing\n  hint: model: softmax\n"
            "data: is missing\n  hint: data: {train: {csv: FILE}}");
}

TEST(ValidateJobTest, TakesDataThatFits) {
  v1::Job job = SoftmaxJob();
  job.mutable_data()->mutable_test()->mutable_csv()->add_path("test.csv");
  DataFacts facts;
  facts.train = SourceFacts{.examples = 128, .features = 4, .classes = 3};
  facts.test = SourceFacts{.examples = 1, .features = 4, .classes = 2};
  facts.model_kinds = {"softmax"};
  EXPECT_EQ(Check(job, facts), "");

  job.mutable_model()->set_kind("mlp");
  for (const int64_t width : {4, 8, 3}) job.mutable_model()->add_layers(width);
  facts.model_kinds = {"mlp"};
  EXPECT_EQ(Check(job, facts), "");

  facts.train->examples = 5;  // The default batch fits.
  EXPECT_EQ(Check(job, facts), "");
  job.mutable_train()->set_batch(6);
  EXPECT_EQ(Check(job, facts),
            "train.batch: a batch of 6 is more than the 5 examples of "
            "data.train\n  hint: leave it out, or batch: 1");
}

TEST(ValidateJobTest, SomeExamplesAreKeptBackAndSomeAreNot) {
  v1::Job job = SoftmaxJob();
  job.mutable_model()->set_kind("boosted_trees");
  job.mutable_model()->set_patience(3);
  DataFacts facts;
  facts.train = SourceFacts{.examples = 300, .features = 4, .classes = 2};
  facts.model_kinds = {"boosted_trees"};
  EXPECT_EQ(Check(job, facts), "");
  job.mutable_model()->set_validation_share(1e-9);
  EXPECT_EQ(Check(job, facts),
            "model.validation_share: 1e-09 of 300 examples are none\n  hint: "
            "validation_share: 0.5");
  facts.train->examples = 1;
  for (int seed = 0; seed < 9; ++seed) {
    job.set_seed(seed);
    job.mutable_model()->set_validation_share(0.9);
    EXPECT_THAT(Check(job, facts),
                testing::HasSubstr("model.validation_share: 0.9 of 1 examples "
                                   "are "));
  }
}

TEST(ValidateJobTest, LeavesAUsersModelItsOwnRules) {
  v1::Job job = SoftmaxJob();
  job.mutable_model()->set_kind("mine");
  job.mutable_model()->set_plugin("libmine.so");
  job.mutable_model()->add_layers(3);
  job.mutable_model()->set_dropout(0.5);
  DataFacts facts;
  facts.train = SourceFacts{.examples = 128, .features = 4, .classes = 0};
  facts.model_kinds = {"mine"};
  EXPECT_EQ(Check(job, facts), "");
}

TEST(ValidateJobTest, RatingsMayBeRowsOfTwoFields) {
  v1::Job job;
  job.mutable_model()->set_kind("matrix_factorisation");
  v1::DataSource* train = job.mutable_data()->mutable_train();
  const std::string refused =
      "data.train: its examples are no ratings of items by users, which "
      "matrix_factorisation learns from\n  hint: ratings: FILE";
  train->mutable_libffm()->add_path("a.ffm");
  EXPECT_EQ(Check(job), "");
  train->mutable_ratings()->add_path("a.csv");
  EXPECT_EQ(Check(job), "");
  train->mutable_csv()->add_path("a.csv");
  EXPECT_EQ(Check(job), refused);
  train->mutable_idx()->set_prefix("a");
  EXPECT_EQ(Check(job), refused);
  train->mutable_libsvm()->add_path("a.svm");
  EXPECT_EQ(Check(job), refused);
  // A user's model of that name.
  job.mutable_model()->set_plugin("libmine.so");
  train->mutable_csv()->add_path("a.csv");
  EXPECT_EQ(Check(job), "");
}

TEST(FillDefaultsTest, RatingsAreValues) {
  v1::Job job;
  job.mutable_model()->set_kind("fm");
  job.mutable_data()->mutable_train()->mutable_ratings()->add_path("a.csv");
  FillDefaults(&job);
  EXPECT_EQ(job.model().labels(), v1::Model::LABELS_VALUES);
  EXPECT_EQ(job.model().rank(), 8);

  job.mutable_data()->mutable_train()->mutable_libffm()->add_path("a.ffm");
  job.mutable_model()->clear_labels();
  FillDefaults(&job);
  EXPECT_EQ(job.model().labels(), v1::Model::LABELS_CLASSES);

  job.mutable_data()->mutable_train()->mutable_ratings()->add_path("a.csv");
  job.mutable_model()->Clear();
  job.mutable_model()->set_kind("matrix_factorisation");
  FillDefaults(&job);
  EXPECT_FALSE(job.model().has_labels());
  EXPECT_FALSE(job.model().has_dim());
  EXPECT_EQ(job.model().rank(), 16);
}

TEST(FillDefaultsTest, FillsEveryKeyThatHasADefault) {
  v1::Job job = SoftmaxJob();
  FillDefaults(&job);
  EXPECT_EQ(job.name(), "job");
  EXPECT_EQ(job.seed(), 1u);
  EXPECT_FALSE(job.train().has_epochs());  // See fit_test.cc.
  EXPECT_FALSE(job.train().has_batch());
  EXPECT_EQ(job.data().train().scale(), 1);
  EXPECT_EQ(job.data().train().csv().missing(), "mean");
  EXPECT_EQ(job.optimizer().kind(), v1::Optimizer::KIND_ADAM);
  EXPECT_EQ(job.optimizer().beta2(), 0.999);
  EXPECT_EQ(job.optimizer().schedule().kind(), v1::Schedule::KIND_COSINE);
  EXPECT_EQ(job.consistency().kind(), v1::Consistency::KIND_ASP);
  EXPECT_EQ(job.checkpoint().every(), "10s");
  EXPECT_EQ(job.on_poison(), v1::POLICY_PAUSE);
  EXPECT_EQ(job.algorithm().kind(), v1::Algorithm::KIND_STALENESS_AWARE);
  EXPECT_FALSE(job.workers().has_max());  // See fit_test.cc.

  v1::Job again = job;
  FillDefaults(&again);
  EXPECT_TRUE(MessageDifferencer::Equals(again, job));
}

TEST(FillDefaultsTest, LeavesWhatWasGiven) {
  v1::Job job = SoftmaxJob();
  job.set_seed(0);
  job.mutable_train()->set_epochs(3);
  job.mutable_optimizer()->set_rate(0.5);
  FillDefaults(&job);
  EXPECT_EQ(job.seed(), 0u);
  EXPECT_EQ(job.train().epochs(), 3);
  EXPECT_EQ(job.optimizer().rate(), 0.5);
}

TEST(FillDefaultsTest, ChoosesByTheKind) {
  v1::Job job = SoftmaxJob();
  job.mutable_optimizer()->set_kind(v1::Optimizer::KIND_MOMENTUM);
  job.mutable_consistency()->set_kind(v1::Consistency::KIND_SSP);
  FillDefaults(&job);
  EXPECT_EQ(job.optimizer().rate(), 0.01);
  EXPECT_EQ(job.optimizer().momentum(), 0.9);
  EXPECT_FALSE(job.optimizer().has_beta1());
  EXPECT_EQ(job.consistency().bound(), 4);
  EXPECT_FALSE(job.consistency().has_examples());
  EXPECT_FALSE(job.model().has_activation());
}

// The two tests that follow: measured in docs/measured/job-defaults.md.
TEST(FillDefaultsTest, TheRateFallsWhereStepsDoNotShrinkByThemselves) {
  const auto schedule = [](v1::Optimizer::Kind kind, bool batches_grow) {
    v1::Job job = SoftmaxJob();
    job.mutable_optimizer()->set_kind(kind);
    if (batches_grow) job.mutable_train()->mutable_batch_growth();
    FillDefaults(&job);
    return job.optimizer().schedule().kind();
  };
  EXPECT_EQ(schedule(v1::Optimizer::KIND_ADAM, false),
            v1::Schedule::KIND_COSINE);
  EXPECT_EQ(schedule(v1::Optimizer::KIND_RMSPROP, false),
            v1::Schedule::KIND_COSINE);
  EXPECT_EQ(schedule(v1::Optimizer::KIND_ADAM, true),
            v1::Schedule::KIND_CONSTANT);
  EXPECT_EQ(schedule(v1::Optimizer::KIND_SGD, false),
            v1::Schedule::KIND_CONSTANT);
  EXPECT_EQ(schedule(v1::Optimizer::KIND_FTRL, false),
            v1::Schedule::KIND_CONSTANT);
}

TEST(FillDefaultsTest, FeaturesAreStandardisedWhereThatHelps) {
  v1::Job job = SoftmaxJob();
  v1::Job scaled = job, sparse = job, mine = job, plain = job;
  scaled.mutable_data()->mutable_train()->set_scale(0.5);
  sparse.mutable_data()->mutable_train()->mutable_libsvm();
  mine.mutable_model()->set_kind("mine");
  plain.mutable_data()->set_standardise(false);
  for (v1::Job* one : {&job, &scaled, &sparse, &mine, &plain}) {
    FillDefaults(one);
  }
  EXPECT_TRUE(job.data().standardise());
  EXPECT_FALSE(scaled.data().standardise());
  EXPECT_FALSE(sparse.data().standardise());
  EXPECT_FALSE(mine.data().standardise());
  EXPECT_FALSE(plain.data().standardise());
}

TEST(FillDefaultsTest, NumbersToPredictAreStandardisedForOwnModels) {
  const auto standardised = [](absl::string_view text) {
    v1::Job job = ReadJob(text, "job.yaml").job;
    FillDefaults(&job);
    return std::pair(job.data().has_standardise_labels(),
                     job.data().standardise_labels());
  };
  const std::pair yes(true, true), no(true, false), nothing(false, false);
  EXPECT_EQ(standardised("model: linear\ndata: {train: {csv: a}}"), yes);
  EXPECT_EQ(standardised("model: {kind: mlp, layers: [3, 1]}\n"
                         "data: {train: {csv: a}}"),
            yes);
  EXPECT_EQ(standardised("model: {kind: fm, labels: values}\n"
                         "data: {train: {libffm: a}}"),
            yes);
  EXPECT_EQ(standardised("model: matrix_factorisation\n"
                         "data: {train: {ratings: a}}"),
            yes);
  EXPECT_EQ(standardised("model: linear\ndata: {train: {csv: a}}\n"
                         "algorithm: lbfgs"),
            no);
  EXPECT_EQ(standardised("model: linear\n"
                         "data: {train: {csv: a}, standardise_labels: false}"),
            no);
  EXPECT_EQ(standardised("model: softmax\ndata: {train: {csv: a}}"), nothing);
  EXPECT_EQ(standardised("model: {kind: mine, plugin: a.so, labels: values}\n"
                         "data: {train: {csv: a}}"),
            nothing);
}

TEST(FillDefaultsTest, LeavesOutWhatNobodyAskedFor) {
  v1::Job job = SoftmaxJob();
  FillDefaults(&job);
  EXPECT_FALSE(job.has_evaluate());
  EXPECT_FALSE(job.has_expect());
  EXPECT_FALSE(job.has_oracle());
  EXPECT_FALSE(job.has_partitions());
  EXPECT_FALSE(job.data().has_test());
  EXPECT_FALSE(job.train().has_batch_growth());
}

TEST(FillDefaultsTest, EvaluatesWhereThereIsTestData) {
  v1::Job job = SoftmaxJob();
  job.mutable_data()->set_split(0.2);
  FillDefaults(&job);
  EXPECT_TRUE(job.has_evaluate());
}

TEST(FillDefaultsTest, ShufflesByTheJobsSeed) {
  v1::Job job = SoftmaxJob();
  job.set_seed(7);
  FillDefaults(&job);
  EXPECT_EQ(job.train().shuffle_seed(), 7u);
}

TEST(FillDefaultsTest, InitialisesByTheActivation) {
  v1::Job job = SoftmaxJob();
  job.mutable_model()->set_kind("mlp");
  v1::Job tanh = job;
  tanh.mutable_model()->set_activation(v1::Model::ACTIVATION_TANH);
  FillDefaults(&job);
  FillDefaults(&tanh);
  EXPECT_EQ(job.model().init(), v1::Model::INIT_HE);
  EXPECT_EQ(tanh.model().init(), v1::Model::INIT_GLOROT);
}

TEST(FillDefaultsTest, ReadsTestDataAsTrainingData) {
  v1::Job job = SoftmaxJob();
  v1::DataSource& train = *job.mutable_data()->mutable_train();
  train.set_scale(0.5);
  train.mutable_csv()->set_label("price");
  train.mutable_csv()->set_missing("mean");
  train.mutable_csv()->add_ignore("id");
  v1::DataSource& test = *job.mutable_data()->mutable_test();
  test.mutable_csv()->add_path("test.csv");
  test.mutable_csv()->set_missing("error");
  train.set_comment("#");
  FillDefaults(&job);
  EXPECT_EQ(test.comment(), "#");
  EXPECT_EQ(test.scale(), 0.5);
  EXPECT_THAT(test.csv().path(), testing::ElementsAre("test.csv"));
  EXPECT_EQ(test.csv().label(), "price");
  EXPECT_EQ(test.csv().missing(), "error");
  EXPECT_THAT(test.csv().ignore(), testing::ElementsAre("id"));
}

TEST(TablesTest, WhatATablesOptimizerLeavesOpenIsTheJobs) {
  const JobFile file = ReadJob(R"(
model: wide_deep
data: {train: {criteo: a.tsv}}
optimizer: {kind: adagrad, rate: 0.3, initial_accumulator: 0.5}
tables:
  weights: {optimizer: {rate: 0.7}}
  embeddings: {optimizer: rmsprop}
)",
                               "job.yaml");
  ASSERT_TRUE(file.ok()) << ToString(file.mistakes);
  v1::Job job = file.job;
  FillDefaults(&job);
  FitToData({.features = 1000}, 0, &job);
  const v1::Optimizer& weights = job.tables().at("weights").optimizer();
  EXPECT_EQ(weights.kind(), v1::Optimizer::KIND_ADAGRAD);
  EXPECT_EQ(weights.rate(), 0.7);
  EXPECT_EQ(weights.initial_accumulator(), 0.5);
  const v1::Optimizer& embeddings = job.tables().at("embeddings").optimizer();
  EXPECT_EQ(embeddings.kind(), v1::Optimizer::KIND_RMSPROP);
  EXPECT_EQ(embeddings.rate(), 0.001);
  EXPECT_FALSE(embeddings.has_initial_accumulator());

  v1::Job again = job;
  FillDefaults(&again);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, job));
}

}  // namespace
}  // namespace ebb::job
