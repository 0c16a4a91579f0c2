#include "tools/ebb/job/submission.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/testing/test_folder.h"
#include "data/index.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/job_format.h"
#include "job/specification.h"
#include "job/training.h"
#include "rpc/convert.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/job/job_paths.h"
#include "tools/ebb/job/job_text.h"
#include "tools/files/files.h"
#include "tools/tensors/tensor_files.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SubmissionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("train.csv", "a,b,label\n0,1,0\n1,0,1\n1,1,1\n0,0,0\n");
    Write("test.csv", "a,b,label\n0,1,0\n1,1,1\n");
  }

  std::string Path(const std::string& name) { return folder_ / name; }
  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFile(Path(name), content).ok());
  }
  std::string Job(const std::string& model) {
    return absl::StrCat("name: tiny\nmodel: ", model,
                        "\ndata:\n  train: {csv: ", Path("train.csv"),
                        "}\n  test: {csv: ", Path("test.csv"),
                        "}\ntrain: {epochs: 3, batch: 2}\n");
  }
  absl::StatusOr<PreparedJob> Prepare(const std::string& text,
                                      std::vector<std::string> set = {}) {
    Write("job.yaml", text);
    return PrepareJob({.file = Path("job.yaml"), .overrides = std::move(set)});
  }

  const TestFolder folder_;
};

TEST_F(SubmissionTest, PreparesAJob) {
  const auto prepared = Prepare(Job("softmax"), {"train.epochs=5"});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->record.name, "tiny");
  EXPECT_EQ(prepared->record.plan.epochs, 5);
  EXPECT_EQ(prepared->record.plan.examples, 4);
  // Weights (2, 2) and two biases.
  EXPECT_EQ(prepared->record.plan.parameters, 6);
  EXPECT_EQ(prepared->source, Job("softmax"));
  const auto specification = job::ReadSpecification(prepared->record);
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_FALSE(specification->train_index().empty());
  EXPECT_FALSE(specification->test_index().empty());

  const v1::SubmitJobRequest request = SubmitRequestOf(*prepared, "id");
  EXPECT_EQ(request.name(), "tiny");
  EXPECT_EQ(request.request_id(), "id");
  EXPECT_EQ(request.plan().parameters(), 6);
  EXPECT_NE(NewRequestId(), NewRequestId());
}

// Bug: a run could not go on with an ebb that chooses other centroids.
TEST_F(SubmissionTest, ARunThatGoesOnKeepsTheCentroidsThatWereChosen) {
  const std::string job = absl::StrCat(
      "name: tiny\nmodel: {kind: kmeans, clusters: 2}\ndata: {train: {csv: ",
      Path("train.csv"), "}}\n");
  const auto first = Prepare(job);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_NE(first->initial, nullptr);
  v1::Specification stored = *job::ReadSpecification(first->record);
  stored.mutable_initial()->set_id(std::string(32, 'o'));
  JobChoice choice = {.file = Path("job.yaml")};
  choice.stored = stored.SerializeAsString();

  const auto again = PrepareJob(choice);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->initial, nullptr);
  EXPECT_EQ(job::ReadSpecification(again->record)->initial().id(),
            stored.initial().id());
  choice.overrides = {"seed=7"};
  EXPECT_NE(job::ReadSpecification(PrepareJob(choice)->record)->initial().id(),
            stored.initial().id());
}

// Bug: more clusters than different points were found without a word.
TEST_F(SubmissionTest, SaysThatFewerExamplesDifferThanThereAreClusters) {
  std::ofstream(Path("same.csv")) << "1,2\n1,2\n1,2\n3,4\n";
  const auto prepared = Prepare(absl::StrCat(
      "name: tiny\nmodel: {kind: kmeans, clusters: 3}\ndata: {train: {csv: "
      "{path: ",
      Path("same.csv"), ", label: none}}}\n"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_THAT(prepared->note,
              ::testing::HasSubstr(
                  "model.clusters: there are 3 clusters, but data.train has 2 "
                  "different examples: the other clusters get none of their "
                  "own"));
}

TEST_F(SubmissionTest, ARunThatGoesOnReadsItsColumnsAsItBegan) {
  {
    std::ofstream table(Path("time.csv"));
    for (int i = 0; i < 100; ++i)
      table << 1700000000 + i << "," << i % 2 << "\n";
  }
  const auto first = Prepare(absl::StrCat(
      "name: tiny\nmodel: logistic\ndata: {train: {csv: ", Path("time.csv"),
      "}}\n"));
  ASSERT_TRUE(first.ok()) << first.status();
  v1::Specification stored = *job::ReadSpecification(first->record);
  data::Index index = *data::Index::Decode(stored.train_index());
  ASSERT_EQ(index.encoding.origins.size(), 1);
  // The release before stored it like this.
  index.encoding.origins.clear();
  stored.set_train_index(index.Encode());
  JobChoice choice = {.file = Path("job.yaml")};
  choice.stored = stored.SerializeAsString();

  const auto again = PrepareJob(choice);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(job::ReadSpecification(again->record)->train_index(),
            stored.train_index());
}

// Rounds of small data waited for the disk, every second one.
TEST_F(SubmissionTest, RoundsOfSmallModelsDoNotWaitForTheDisk) {
  const auto kept = [&](const std::string& more) {
    const auto prepared = Prepare(absl::StrCat(
        "name: tiny\nmodel: {kind: kmeans, clusters: 2}\ndata: {train: {csv: ",
        Path("train.csv"), "}}\n", more));
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared->record.plan.consistency.rounds_in_memory;
  };
  EXPECT_EQ(kept(""), 1000);
  EXPECT_EQ(kept("consistency: {kind: rounds}\n"), 2);
  // Bug: those of runs waited still.
  const auto runs = Prepare(
      absl::StrCat(Job("softmax"), "algorithm: {kind: diloco, period: 1}\n"));
  ASSERT_TRUE(runs.ok()) << runs.status();
  const JobPlan& plan = runs->record.plan;
  EXPECT_EQ(plan.consistency.rounds_in_memory, 128 / plan.partitions);
}

// Bug: precision and recall were of "stayed", and nothing said so.
TEST_F(SubmissionTest, SaysWhichClassIsThePositiveOne) {
  Write("train.csv", "a,b,label\n0,1,left\n1,0,stayed\n1,1,left\n0,0,stayed\n");
  const auto job = [&](const std::string& more) {
    return absl::StrCat("name: tiny\nmodel: logistic\ndata: {train: {csv: ",
                        Path("train.csv"), "}", more, "}\n");
  };
  const auto usual = Prepare(job(""));
  ASSERT_TRUE(usual.ok()) << usual.status();
  EXPECT_EQ(usual->positive_class, "stayed");
  EXPECT_THAT(ChoicesText(usual->choices),
              HasSubstr("data.positive stayed (the second of the two classes"));
  EXPECT_EQ(job::ReadSpecification(usual->record)->positive_class(), "stayed");
  // Older daemons understand it.
  EXPECT_FALSE(
      job::ReadSpecification(usual->record)->job().data().has_positive());
  const auto other = Prepare(job(", positive: left"));
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->positive_class, "left");
  EXPECT_THAT(ChoicesText(other->choices), Not(HasSubstr("data.positive")));
  EXPECT_THAT(std::string(Prepare(job(", positive: gone")).status().message()),
              HasSubstr("\"gone\" is no class of data.train"));
}

// An older release divided categories by their deviations.
TEST_F(SubmissionTest, ARunGoesOnInTheUnitsThatItHas) {
  Write("train.csv", "a,b,label\nx,1,0\ny,0,1\nx,1,1\nx,0,0\n");
  const auto prepared = Prepare(Job("softmax"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  auto stored = *job::ReadSpecification(prepared->record);
  data::Index index = *data::Index::Decode(stored.train_index());
  EXPECT_EQ(index.stddev[0], 1);
  index.stddev[0] = 0.5;
  stored.set_train_index(index.Encode());
  JobChoice choice = {.file = Path("job.yaml")};
  choice.stored = stored.SerializeAsString();
  const auto again = PrepareJob(choice);
  ASSERT_TRUE(again.ok()) << again.status();
  const auto specification = *job::ReadSpecification(again->record);
  EXPECT_EQ(specification.train_index(), stored.train_index());
  EXPECT_EQ(data::Index::Decode(specification.test_index())->stddev[0], 0.5);
  // Other data is not taken for it.
  Write("train.csv", "a,b,label\nx,1,0\ny,0,1\nx,1,1\ny,0,0\n");
  const auto changed = PrepareJob(choice);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(data::Index::Decode(
                job::ReadSpecification(changed->record)->train_index())
                ->stddev[0],
            1);
}

// Bug: the units were those of the run, and the intervals those of a new one,
// so that the run was refused.
TEST_F(SubmissionTest, TreesThatGoOnHaveTheirIntervalsInTheUnitsOfTheRun) {
  Write("train.csv", "a,b,label\nx,1,0\ny,0,1\nx,1,1\nx,0,0\n");
  const auto now =
      Prepare(absl::StrCat("name: tiny\nmodel: {kind: boosted_trees, trees: "
                           "2}\ndata: {train: {csv: ",
                           Path("train.csv"), "}, standardise: true}\n"));
  ASSERT_TRUE(now.ok()) << now.status();
  ASSERT_NE(now->initial, nullptr);
  auto stored = *job::ReadSpecification(now->record);
  data::Index index = *data::Index::Decode(stored.train_index());
  EXPECT_EQ(index.stddev[0], 1);
  index.stddev[0] = 0.5;
  stored.set_train_index(index.Encode());
  JobChoice choice = {.file = Path("job.yaml")};
  choice.stored = stored.SerializeAsString();

  const auto older = PrepareJob(choice);
  ASSERT_TRUE(older.ok()) << older.status();
  ASSERT_NE(older->initial, nullptr);
  EXPECT_NE(older->initial->ToProto().id(), now->initial->ToProto().id());
  choice.stored = job::ReadSpecification(older->record)->SerializeAsString();
  const auto again = PrepareJob(choice);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->record.specification, older->record.specification);
}

// Bug: 256 became 255, and nothing said so.
TEST_F(SubmissionTest, SaysThatBoostedTreesHaveOneIntervalLess) {
  const auto choices = [&](int bins) {
    const auto prepared = Prepare(absl::StrCat(
        "name: tiny\nmodel: {kind: boosted_trees, trees: 2, bins: ", bins,
        "}\ndata: {train: {csv: ", Path("train.csv"), "}}\n"));
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    std::vector<std::string> found;
    for (const job::Choice& choice : prepared->choices) {
      if (choice.key == "model.bins") found.push_back(choice.value);
    }
    return found;
  };
  EXPECT_THAT(choices(256), ::testing::ElementsAre("255"));
  EXPECT_THAT(choices(255), ::testing::IsEmpty());
}

// Bug: `ebb run`, which trains the folds, was told to be `ebb run`.
TEST_F(SubmissionTest, FoldsAreNoMistakeBesideOthers) {
  const std::string job = absl::StrCat(
      "name: folds\nmodel: softmax\ndata: {train: {csv: ", Path("train.csv"),
      "}}\nvalidate: {folds: 3}\n");
  EXPECT_THAT(std::string(Prepare(job).status().message()),
              HasSubstr("trains 3 jobs"));
  EXPECT_THAT(
      std::string(
          Prepare(job + "expect: {accuracy: \"0.99\"}\n").status().message()),
      AllOf(HasSubstr("expect.accuracy"), Not(HasSubstr("trains"))));
}

// Bug: errors about the fold that ebb had set, and about the data, followed.
TEST_F(SubmissionTest, ANumberOfFoldsThatIsWrongIsTheOnlyMistake) {
  const std::string job =
      absl::StrCat("model: softmax\ndata: {train: {csv: ", Path("train.csv"),
                   "}}\nvalidate: ");
  const auto lines = [&](const std::string& validate) {
    JobChoice choice = {.file = Path("job.yaml")};
    EXPECT_TRUE(WriteFile(choice.file, job + validate).ok());
    TakeFirstFold(&choice);
    return std::string(PrepareJob(choice).status().message());
  };
  EXPECT_EQ(lines("{folds: 1}\n"),
            Path("job.yaml") +
                ":3: validate.folds: must be at least 2, not 1\n"
                "  hint: folds: 5");
  EXPECT_EQ(lines("{fold: 5, folds: 1}\n"),
            Path("job.yaml") +
                ":3: validate.fold: validate has no such key\n"
                "  hint: folds: 5");
}

TEST_F(SubmissionTest, OfAProgramsJobItReadsNoData) {
  const std::string job =
      "name: own\n"
      "model: {kind: program, tables: {w: {dims: [3, 4]}, b: {dims: [4]}}}\n"
      "data: {train: {positions: {examples: 6000, fingerprint: v1}}}\n"
      "evaluate: 2 epochs\n";
  const auto prepared = Prepare(job);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  const JobPlan& plan = prepared->record.plan;
  EXPECT_EQ(plan.examples, 6000);
  EXPECT_EQ(plan.parameters, 16);
  EXPECT_EQ(plan.evaluate_every, 2);
  EXPECT_EQ(prepared->job.optimizer().rate(), 0.001);
  EXPECT_EQ(prepared->job.algorithm().tolerated(), 8);
  EXPECT_FALSE(prepared->job.data().standardise());
  EXPECT_EQ(prepared->data.bytes, 0);
  // Another fingerprint is other data: its pushes would be refused.
  const auto other = Prepare(job, {"data.train.positions.fingerprint=v2"});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_NE(other->record.plan.layout_hash, plan.layout_hash);
}

TEST_F(SubmissionTest, OrdersTheExamplesOfProgramsByTheirWindows) {
  const std::string job =
      "model: {kind: program, tables: {w: {dims: [3]}}}\n"
      "data: {train: {positions: {examples: 6000, window: 1024, tokens: 64}}}\n"
      "train: {batch: 32}\n";
  const auto prepared = Prepare(job);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  const JobPlan& plan = prepared->record.plan;
  EXPECT_EQ(1024 % plan.shard_size, 0);
  const auto facts = job::TrainingFactsOf(prepared->record);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->window, 1024);
  EXPECT_EQ(facts->example_tokens, 64);
  // An earlier release would use an example twice, and another never.
  EXPECT_EQ(job::ReadSpecification(prepared->record)->format(),
            job::kSpecificationFormat);
  const auto anywhere =
      Prepare(job, {"data.train.positions={examples: 6000, tokens: 64}"});
  ASSERT_TRUE(anywhere.ok()) << anywhere.status();
  EXPECT_NE(anywhere->record.plan.layout_hash, plan.layout_hash);
  AuditReport audit;
  NoteData(rpc::ToProto(prepared->record), &audit);
  audit.worst.applied = 6000;
  EXPECT_EQ(TokensText(audit),
            "6,000 sequences of 64 tokens, 384,000 tokens in all");
  EXPECT_EQ(workloads::FactsOf(prepared->job).unit, "sequence");
}

TEST_F(SubmissionTest, SaysAllThatIsWrongWithAProgramsJob) {
  EXPECT_THAT(
      Prepare("model: {kind: program, l2: 1}\n"
              "data: {train: {csv: nowhere.csv}}\ntrain: {batch: 10}\n")
          .status()
          .message(),
      AllOf(HasSubstr("model.tables: is missing"), HasSubstr("model.l2"),
            HasSubstr("ebb reads no data for programs")));
  EXPECT_THAT(Prepare("model: {kind: program, tables: {w: {dims: [1]}}}\n"
                      "data: {train: {positions: 5}}\ntrain: {batch: 10}\n")
                  .status()
                  .message(),
              HasSubstr("a batch of 10 is more than the 5 examples"));
  // There is no file to open, whatever is wrong with the model.
  EXPECT_THAT(Prepare("model: program\ndata: {train: {positions: 5}}\n")
                  .status()
                  .message(),
              AllOf(HasSubstr("model.tables"), Not(HasSubstr("data.train"))));
}

// ./try --epochs 1 ended red: one epoch does not reach what ten do.
TEST_F(SubmissionTest, ExpectsNothingOfAJobThatIsMadeShorter) {
  const std::string text = Job("softmax") + "expect: {accuracy: \">= 0.9\"}\n";
  const auto shorter = Prepare(text, {"train.epochs=1"});
  ASSERT_TRUE(shorter.ok()) << shorter.status();
  EXPECT_FALSE(shorter->job.has_expect());
  EXPECT_EQ(shorter->note,
            "`expect:` of the job is for 3 epochs: after 1 it is not looked "
            "at");
  for (const std::vector<std::string>& set :
       {std::vector<std::string>{},
        {"train.epochs=3"},
        {"train.epochs=1", "expect.accuracy=>= 0.5"}}) {
    const auto prepared = Prepare(text, set);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    EXPECT_TRUE(prepared->job.has_expect());
    EXPECT_EQ(prepared->note, "");
  }
}

// Bug: a model of 600 classes was called good.
TEST_F(SubmissionTest, WarnsOfQuantitiesThatAreTakenForClasses) {
  std::string rows = "a,price\n";
  for (int i = 0; i < 120; ++i) {
    absl::StrAppend(&rows, i % 7, ",", 300'000 + 17 * i, "\n");
  }
  Write("prices.csv", rows);
  const std::string job = absl::StrCat(
      "name: prices\ndata: {train: {csv: ", Path("prices.csv"), "}}\nmodel: ");
  const auto classes = Prepare(job + "softmax\n");
  ASSERT_TRUE(classes.ok()) << classes.status();
  EXPECT_THAT(classes->note,
              HasSubstr("warning: the labels have 120 different values in 120 "
                        "examples, and `model: softmax` takes each for a class "
                        "of its own. If they are quantities to predict, take "
                        "`model: linear`"));
  const auto values = Prepare(job + "linear\n");
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_THAT(values->note, ::testing::Not(HasSubstr("quantities")));
}

TEST_F(SubmissionTest, NamesAMissingFileAndItsLine) {
  std::filesystem::remove(Path("test.csv"));
  const auto prepared = Prepare(Job("softmax"));
  EXPECT_THAT(
      std::string(prepared.status().message()),
      AllOf(HasSubstr("job.yaml:5: data.test: "), HasSubstr(Path("test.csv"))));
}

TEST_F(SubmissionTest, NamesARowOfTheWrongWidth) {
  Write("train.csv", "a,b,label\n0,1,0\n1,1\n");
  const auto prepared = Prepare(Job("softmax"));
  EXPECT_THAT(
      std::string(prepared.status().message()),
      AllOf(HasSubstr("job.yaml:4: data.train: "), HasSubstr("train.csv:3")));
}

TEST_F(SubmissionTest, NamesWhatIsLeftOut) {
  Write("train.csv", "a,b,label\n0,1,0\n1,1\n1,0,1\n1,1,1\n");
  Write("test.csv", "a,b,label\n0,1,0\n0,1,7\n1,1,1\n");
  const std::string skip = "data.on_bad_example=skip";
  const auto prepared = Prepare(Job("softmax"), {skip});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->record.plan.examples, 3);
  EXPECT_EQ(prepared->note,
            absl::StrCat("1 bad example of data.train left out; the first: ",
                         Path("train.csv"),
                         ":3: the line has 2 fields, but the first one 3\n"
                         "1 bad example of data.test left out; the first: ",
                         Path("test.csv"),
                         ":3: label 7 is none of the 2 classes of the training "
                         "data, 0 to 1"));
  AuditReport audit;
  NoteData(rpc::ToProto(prepared->record), &audit);
  EXPECT_EQ(audit.left_out, 1);
}

TEST_F(SubmissionTest, SaysWhatTextBecomes) {
  Write("train.csv", "a,color,label\n0,red,yes\n1,blue,no\n,red,yes\n");
  Write("test.csv", "label,color,a\nno,green,1\n");
  const auto prepared = Prepare(Job("softmax"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(
      prepared->note,
      "data.train: column 2 ('color') has text: a feature for each of its "
      "2 values and one for any other\n"
      "data.train: the label, column 3 ('label'), has 2 classes, in the "
      "order of their texts: 'no', 'yes'\n"
      "data.train: column 1 ('a') has no value in 1 of 3 rows: each "
      "becomes the mean of its column\n"
      "data.test: column 2 ('color') has a text that the training data "
      "does not have in 1 of 1 rows, first 'green': it counts as any "
      "other text");
  // Weights (4, 2) and two biases.
  EXPECT_EQ(prepared->record.plan.parameters, 10);
}

// Bug: only a label with text was named.
TEST_F(SubmissionTest, NamesTheColumnOfTheLabel) {
  Write("train.csv", "a,b,price\n0,1,7\n1,0,9\n");
  Write("test.csv", "a,b,price\n0,1,7\n");
  auto prepared = Prepare(Job("linear"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->label, "column 'price'");
  Write("train.csv", "0,1,7\n1,0,9\n");
  Write("test.csv", "0,1,7\n");
  prepared = Prepare(Job("linear"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->label, "the last column");
  prepared = Prepare(Job("linear"), {"data.train.csv.label=1"});
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->label, "column 1");
}

// Bug: such a number was taken like any other.
TEST_F(SubmissionTest, PointsOutANumberThatMayStandForAMissingValue) {
  std::string csv = "age,label\n", libsvm;
  for (int i = 0; i < 100; ++i) {
    const std::string age = i % 5 == 0 ? "-999.0" : absl::StrCat(20 + i % 50);
    absl::StrAppend(&csv, age, ",", i % 2, "\n");
    absl::StrAppend(&libsvm, i % 2, " 3:", age, "\n");
  }
  Write("train.csv", csv);
  Write("test.csv", csv);
  auto prepared = Prepare(Job("softmax"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  const std::string found =
      "is -999.0 in 20 of 100 rows, far from its other values, 21 to 69: if it "
      "stands for a missing value, ";
  EXPECT_THAT(prepared->note,
              HasSubstr(absl::StrCat("data.train: column 1 ('age') ", found,
                                     "say missing_values: [\"-999.0\"]")));
  // Test data follows the training data.
  EXPECT_THAT(prepared->note, Not(HasSubstr("data.test")));
  Write("train.libsvm", libsvm);
  prepared = Prepare(
      absl::StrReplaceAll(Job("softmax"), {{"csv: ", "libsvm: "},
                                           {"train.csv", "train.libsvm"},
                                           {"test.csv", "train.libsvm"}}));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_THAT(prepared->note,
              HasSubstr(absl::StrCat("data.train: feature 3 ", found,
                                     "leave the pair out")));
}

TEST_F(SubmissionTest, TellsTextByColumn) {
  Write("train.csv", "a,b,label\nx,y,0\nz,u,1\n");
  const auto prepared =
      Prepare(Job("softmax"), {"data.train.csv.categorical=[none]"});
  EXPECT_THAT(std::string(prepared.status().message()),
              HasSubstr("a, b: text in 2 of 2 rows"));
}

// Of both parts of a split all bad lines of the file are known.
TEST_F(SubmissionTest, NamesWhatIsLeftOutOfASplitOnce) {
  std::string rows = "a,b,label\n0,x,0\n";
  for (int i = 0; i < 40; ++i) absl::StrAppend(&rows, i, ",1,", i % 2, "\n");
  Write("train.csv", rows);
  const auto prepared = Prepare(
      absl::StrCat("model: softmax\ndata: {train: {csv: ", Path("train.csv"),
                   "}, split: 0.2, on_bad_example: skip}\n"
                   "train: {batch: 2}\n"));
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_EQ(prepared->note,
            absl::StrCat("1 bad example of data.train left out; the first: ",
                         Path("train.csv"),
                         ":2: column 2 ('b'): 'x' is not a number"));
}

// Only the first was named.
TEST_F(SubmissionTest, NamesEachMistakeOfATable) {
  Write("train.csv", "a,b,label\n0,inf,0\n1,1\n");
  const auto prepared = Prepare(Job("softmax"));
  const std::string error(prepared.status().message());
  EXPECT_THAT(error, HasSubstr(absl::StrCat(
                         "job.yaml:4: data.train: ", Path("train.csv"),
                         ":2: column 2 ('b'): 'inf' is not a finite")));
  EXPECT_THAT(error, HasSubstr(absl::StrCat("job.yaml:4: data.train: ",
                                            Path("train.csv"), ":3: ")));
}

TEST_F(SubmissionTest, NamesLayersThatDoNotFitTheData) {
  const auto prepared = Prepare(Job("{kind: mlp, layers: [3, 4, 2]}"));
  EXPECT_THAT(
      std::string(prepared.status().message()),
      AllOf(HasSubstr("job.yaml:2: model.layers"), HasSubstr("hint: ")));
}

TEST_F(SubmissionTest, NamesAnUnknownModelAndAPluginThatIsNotThere) {
  EXPECT_THAT(std::string(Prepare(Job("softmx")).status().message()),
              HasSubstr("job.yaml:2: model"));
  EXPECT_THAT(
      std::string(
          Prepare(Job("{kind: mine, plugin: nothing.so}")).status().message()),
      HasSubstr("job.yaml:2: model.plugin: "));
}

TEST_F(SubmissionTest, AllMistakesAreNamedAtOnce) {
  const auto prepared =
      Prepare("model: softmax\ndata: {train: {csv: x}}\nepochs: 3\nbatsh: 1\n");
  EXPECT_THAT(
      std::string(prepared.status().message()),
      AllOf(HasSubstr("job.yaml:3: epochs"), HasSubstr("job.yaml:4: batsh")));
}

// The unknown model kept all else from being named, and keys that it has were
// called out of place.
TEST_F(SubmissionTest, OneMistakeHidesNoOtherAndMakesNone) {
  std::filesystem::remove(Path("test.csv"));
  EXPECT_EQ(
      std::string(Prepare(Job("{kind: mpl, layers: [2, 2], dropout: 7}") +
                          "optimizer: {kind: adm, momentum: 5}\n")
                      .status()
                      .message()),
      absl::StrCat(
          Path("job.yaml"), ":2: model.dropout: must be less than 1, not 7\n",
          "  hint: dropout: 0.1\n", Path("job.yaml"),
          ":2: model.kind: there is no model \"mpl\"\n", "  hint: kind: mlp\n",
          Path("job.yaml"), ":5: data.test: ", Path("test.csv"),
          ": cannot be opened: No such file or directory\n", Path("job.yaml"),
          ":7: optimizer.kind: \"adm\" is none of sgd, momentum, nesterov, "
          "adagrad, rmsprop, adam, ftrl, adamw, average\n  hint: kind: adam\n",
          Path("job.yaml"),
          ":7: optimizer.momentum: must be less than 1, not 5\n"
          "  hint: momentum: 0.9"));
  // Test data that is not there hid what does not fit the training data.
  const auto prepared = Prepare(Job("softmax"), {"train.batch=100"});
  EXPECT_THAT(std::string(prepared.status().message()),
              AllOf(HasSubstr("data.test: "), HasSubstr("a batch of 100 is")));
  const auto split = Prepare(Job("softmax"), {"data.split=2"});
  EXPECT_THAT(std::string(split.status().message()),
              AllOf(HasSubstr("data.split: must be less than 1"),
                    HasSubstr("data.test: ")));
}

// Most example jobs said only that a file was not there.
TEST_F(SubmissionTest, MissingDataComesWithTheCommandThatMakesIt) {
  const auto prepared = Prepare(
      "# data: ebb generate linear ads \\\n#   --rows 10\n"
      "model: linear\ndata: {train: {csv: no/ads.csv}}\n");
  EXPECT_EQ(std::string(prepared.status().message()),
            absl::StrCat(Path("job.yaml"),
                         ":4: data.train: no/ads.csv: cannot be opened: No "
                         "such file or directory\n  hint: get the data by: "
                         "ebb generate linear ads --rows 10"));
}

// Bug: of a stray label among millions nobody was told where it is.
TEST_F(SubmissionTest, ALabelTooManyIsNamedWithItsPlace) {
  Write("stray.libsvm", "1 5:1\n0 6:1\n1 7:1\n2 5:1\n");
  for (const std::string model : {"sparse_logistic", "fm", "logistic"}) {
    const auto prepared = Prepare(absl::StrCat(
        "model: ", model, "\ndata: {train: {libsvm: ", Path("stray.libsvm"),
        "}}\ntrain: {batch: 2}\n"));
    EXPECT_THAT(
        std::string(prepared.status().message()),
        AllOf(HasSubstr(model + " tells two classes apart"),
              HasSubstr(absl::StrCat("; the first of each: label 1 at ",
                                     Path("stray.libsvm"), ":1, label 0 at ")),
              HasSubstr("stray.libsvm:2, label 2 at "),
              HasSubstr("stray.libsvm:4")));
  }
}

TEST_F(SubmissionTest, NamesPartitionsThatWouldHoldNothing) {
  const auto enough = Prepare(Job("softmax"), {"partitions=6"});
  ASSERT_TRUE(enough.ok()) << enough.status();
  EXPECT_EQ(enough->record.plan.partitions, 6);
  EXPECT_EQ(enough->note, "");
  const auto more = Prepare(Job("softmax"), {"partitions=7"});
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_EQ(more->record.plan.partitions, 6);
  EXPECT_EQ(more->note,
            "partitions: 7 are asked for, 6 are made: there are 6 parameters, "
            "and the others would hold nothing");
}

TEST_F(SubmissionTest, TellsOfTheRowsOfSparseTables) {
  const auto dense = Prepare(Job("softmax"), {"partitions=1"});
  ASSERT_TRUE(dense.ok()) << dense.status();
  EXPECT_EQ(SizeText(dense->record.plan), "6 parameters in 1 partition");
  Write("keys.libsvm", "1 5:1\n0 6:1\n1 7:1\n0 5:1\n");
  const auto sparse = [&](const std::string& model) {
    const auto prepared = Prepare(absl::StrCat(
        "model: ", model, "\ndata: {train: {libsvm: ", Path("keys.libsvm"),
        "}}\ntrain: {batch: 2}\npartitions: 3\n"));
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared.ok() ? SizeText(prepared->record.plan) : "";
  };
  EXPECT_EQ(sparse("sparse_logistic"),
            "1 parameter and the rows of 1 sparse table in 3 partitions");
  EXPECT_EQ(sparse("fm"),
            "1 parameter and the rows of 2 sparse tables in 3 partitions");
  JobPlan plan;  // A plugin's model may have no dense values.
  plan.partitions = 2;
  plan.sparse_tables.resize(1);
  EXPECT_EQ(SizeText(plan), "the rows of 1 sparse table in 2 partitions");
}

// Bug: nothing said so where rows begin as zeros.
TEST_F(SubmissionTest, WarnsOfFrozenTablesWithoutRows) {
  Write("keys.libsvm", "1 5:1\n0 6:1\n1 7:1\n0 5:1\n");
  const auto write = [&](const std::vector<uint64_t>& keys) {
    const auto rows = static_cast<int64_t>(keys.size());
    const Tensor values = {
        "weights/rows", {rows, 1}, std::vector<float>(rows, 2.0F)};
    const auto write_keys = [&keys](std::ostream& out) {
      out.write(reinterpret_cast<const char*>(keys.data()),
                static_cast<std::streamsize>(keys.size() * sizeof(uint64_t)));
      return absl::OkStatus();
    };
    ASSERT_TRUE(WriteSafetensors(
                    Path("other.safetensors"),
                    {{"weights/keys", TensorType::kUint64, {rows}, write_keys},
                     StreamOf(values)},
                    {})
                    .ok());
  };
  const auto note = [&](const std::string& more) {
    const auto prepared = Prepare(absl::StrCat(
        "model: sparse_logistic\ndata: {train: {libsvm: ", Path("keys.libsvm"),
        "}}\ntrain: {batch: 2}\nfreeze: [weights]\n", more));
    EXPECT_TRUE(prepared.ok()) << prepared.status();
    return prepared.ok() ? prepared->note : "";
  };
  const std::string start = absl::StrCat(
      "start: {from: ", Path("other.safetensors"), ", tables: [weights]}\n");

  EXPECT_THAT(
      note(""),
      HasSubstr("warning: freeze: weights has rows that begin as 0, and "
                "stays so: start: {from: FILE} takes it"));
  write({});
  EXPECT_THAT(note(start), HasSubstr("as 0, and stays so: the model that the "
                                     "job begins with has no row of it"));
  write({5});
  EXPECT_THAT(note(start), Not(HasSubstr("warning")));
  EXPECT_THAT(note("tables: {weights: {init: {kind: normal, spread: 0.1}}}\n"),
              HasSubstr("weights has rows that begin at random"));
}

TEST(SubmissionPathsTest, RelativePathsStartAtTheFolder) {
  v1::Job job;
  job.mutable_data()->mutable_train()->mutable_csv()->add_path("a/b.csv");
  job.mutable_data()->mutable_train()->mutable_csv()->add_path("parts/*.csv");
  job.mutable_data()->mutable_train()->mutable_csv()->add_path("ebb://s/c");
  job.mutable_data()->mutable_test()->mutable_csv()->add_path("/c.csv");
  job.mutable_model()->set_plugin("mine.so");
  MakePathsAbsolute("/home", &job);
  EXPECT_THAT(
      job.data().train().csv().path(),
      testing::ElementsAre("/home/a/b.csv", "/home/parts/*.csv", "ebb://s/c"));
  EXPECT_THAT(job.data().test().csv().path(), testing::ElementsAre("/c.csv"));
  EXPECT_EQ(job.model().plugin(), "mine.so");
}

}  // namespace
}  // namespace ebb::tools
