#include "tools/ebb/trained/stored_model.h"

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "models/model_scores.h"
#include "tools/files/files.h"
#include "worker/job_data.h"
#include "worker/predict/predictions.h"

namespace ebb::tools {
namespace {

using worker::LoadToPredict;
using worker::ReadIds;
using worker::WritePredictions;

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class StoredModelTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content) {
    EXPECT_TRUE(WriteFile(folder_ / name, content).ok());
    return folder_ / name;
  }

  // A model of two features and the classes 3 and 7 which has learned nothing
  // but what `parameters` say.
  StoredModel Model(const std::string& kind, std::vector<float> parameters) {
    const std::string train = Write("train.csv", "x,y,label\n0,1,3\n1,0,7\n");
    StoredModel stored;
    const auto job =
        job::ParseJobYaml("model: " + kind + "\ndata: {train: {csv: " + train +
                              "}, standardise: false}\n",
                          "job", nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    stored.job = *job;
    job::FillDefaults(&stored.job);
    stored.index.classes = {3, 7};
    stored.index.features = 2;
    stored.index.mean = {0, 0};
    stored.index.stddev = {1, 1};
    stored.index.examples = 2;
    stored.parameters = std::move(parameters);
    return stored;
  }
  absl::StatusOr<StoredModel> Exported(
      const StoredModel& stored, const models::ModelDescription& description) {
    const ModelExport all = ExportModel(stored, description);
    const std::string path = folder_ / "model.safetensors";
    EXPECT_TRUE(WriteSafetensors(path, all.tensors, all.metadata).ok());
    return LoadExportedModel(path);
  }
  std::string Predict(const StoredModel& stored, const std::string& path,
                      bool labelled) {
    const auto loaded = CreateStoredModel(stored, {});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    const auto data = LoadToPredict(stored, {path, labelled});
    EXPECT_TRUE(data.ok()) << data.status();
    if (!data.ok()) return "";
    std::string out;
    EXPECT_TRUE(WritePredictions(
                    stored, *data, (*loaded)->model.get(),
                    [&](absl::string_view text) { out += std::string(text); })
                    .ok());
    return out;
  }
  const TestFolder folder_;
};

TEST_F(StoredModelTest, ExportedModelsComeBackWhole) {
  const StoredModel stored = Model("softmax", {1, 2, 3, 4, 5, 6});
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->parameters, stored.parameters);
  EXPECT_EQ(again->index, stored.index);
  EXPECT_EQ(again->job.SerializeAsString(), stored.job.SerializeAsString());
  EXPECT_EQ(again->incomplete, "");
}

// Bug: equal models of a script had exports that differ in a path that was
// gone.
TEST_F(StoredModelTest, AnExportDoesNotSayWhereItsFirstValuesWere) {
  StoredModel stored = Model("softmax", {1, 2, 3, 4, 5, 6});
  stored.job.mutable_model()->set_initial("/tmp/ebb-1/initial.safetensors");
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->job.model().has_initial());
  EXPECT_EQ(again->job.model().kind(), "softmax");
}

TEST_F(StoredModelTest, AnExportSaysThatItIsNotTheResult) {
  StoredModel stored = Model("softmax", {1, 2, 3, 4, 5, 6});
  stored.incomplete = "the job is not complete";
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->incomplete, "the job is not complete");
  EXPECT_THAT(
      ExportModel(stored, (*loaded)->model->description()).model.ToLine(),
      HasSubstr("\"incomplete\": \"the job is not complete\""));
}

TEST_F(StoredModelTest, TensorsHaveTheNamesAndShapesOfTheModel) {
  const StoredModel stored = Model("softmax", {1, 2, 3, 4, 5, 6});
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(Exported(stored, (*loaded)->model->description()).ok());
  const auto bytes = ReadFile(folder_ / "model.safetensors");
  const auto file = DecodeSafetensors(*bytes);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors.size(), 2);  // Weights and biases.
  EXPECT_THAT(file->tensors[0].dims, ElementsAre(2, 2));
  EXPECT_THAT(file->tensors[1].values, ElementsAre(5, 6));
}

// An fm of two fields with rows of two factors under each key.
class StoredRowsTest : public StoredModelTest {
 protected:
  StoredModel Fm() {
    const std::string train = Write("train.ffm", "1 0:1:1 1:2:1\n0 0:3:1\n");
    StoredModel stored;
    const auto job = job::ParseJobYaml(
        "model: {kind: fm, rank: 2}\ndata: {train: {libffm: " + train + "}}\n",
        "job", nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    stored.job = *job;
    job::FillDefaults(&stored.job);
    const auto data = worker::LoadTrainingData(stored.job);
    EXPECT_TRUE(data.ok()) << data.status();
    stored.index = data->index();
    stored.parameters = {0.5f};
    stored.sparse_tables.resize(2);
    stored.sparse_tables[0].name = "weights";
    stored.sparse_tables[1].name = "factors";
    stored.sparse_tables[1].width = 2;
    stored.sparse_tables[1].init = InitRule::Constant(0.25f);
    stored.sparse_tables[1].optimizer.emplace().set_kind(
        v1::Optimizer::KIND_ADAGRAD);
    return stored;
  }
  // Two partitions, each with a slot of the factors.
  void AddRows(StoredModel* stored) {
    const auto add = [&](std::vector<int64_t> widths, auto... runs) {
      auto all = RowRuns::Create(folder_.path(), widths);
      ASSERT_TRUE(all.ok()) << all.status();
      for (const auto& [keys, arrays] : {runs...}) {
        ASSERT_TRUE(all->Add(keys, arrays).ok());
      }
      stored->runs.push_back(*std::move(all));
    };
    using Keys = std::vector<uint64_t>;
    using Arrays = std::vector<std::span<const float>>;
    using Run = std::pair<Keys, Arrays>;
    static const std::vector<float> w0 = {1, 0}, w1 = {3};
    add({1}, Run({1, 9}, {w0}), Run({2}, {w1}));
    static const std::vector<float> v0 = {1, 2}, v1 = {3, 4};
    static const std::vector<float> s0 = {5, 6}, s1 = {7, 8};
    add({2, 2}, Run({2}, {v0, s0}), Run({1}, {v1, s1}));
    stored->run_slots = {{}, {"accumulator"}};
  }
};

// They could neither be exported nor predicted with.
TEST_F(StoredRowsTest, RowsAreExportedInTheOrderOfTheirKeys) {
  StoredModel stored = Fm();
  AddRows(&stored);
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_THAT(again->parameters, ElementsAre(0.5f));
  const auto mapped = MappedFile::Open(folder_ / "model.safetensors");
  const auto file = ViewSafetensors(mapped->bytes());
  ASSERT_TRUE(file.ok()) << file.status();
  std::map<std::string, const TensorView*> tensors;
  for (const TensorView& tensor : file->tensors) {
    tensors[tensor.name] = &tensor;
  }
  const auto floats = [&](const std::string& name) {
    std::vector<float> values(tensors.at(name)->data.size() / sizeof(float));
    std::memcpy(values.data(), tensors.at(name)->data.data(),
                tensors.at(name)->data.size());
    return values;
  };
  std::vector<uint64_t> keys(3);
  ASSERT_EQ(tensors.at("weights/keys")->data.size(), 24);
  std::memcpy(keys.data(), tensors.at("weights/keys")->data.data(), 24);
  EXPECT_THAT(keys, ElementsAre(1, 2, 9));
  EXPECT_THAT(tensors.at("weights/keys")->dims, ElementsAre(3));
  EXPECT_THAT(floats("weights/rows"), ElementsAre(1, 3, 0));
  EXPECT_THAT(tensors.at("factors/rows")->dims, ElementsAre(2, 2));
  EXPECT_THAT(floats("factors/rows"), ElementsAre(3, 4, 1, 2));
  EXPECT_THAT(floats("slots/adagrad/accumulator/factors/rows"),
              ElementsAre(7, 8, 5, 6));
  EXPECT_EQ(tensors.size(), 6);
  EXPECT_EQ(stored.runs[0].zero_floats(), 1);
  EXPECT_EQ(stored.runs[0].zero_rows(), 1);
}

// Bug: each line was taken for an example without features.
TEST_F(StoredRowsTest, ATableIsNotSparseRows) {
  const StoredModel stored = Fm();
  const std::string table = Write("new.csv", "1.5,2,0\n2,7,1\n");
  for (const bool labelled : {false, true}) {
    const auto data = LoadToPredict(stored, {table, labelled});
    EXPECT_THAT(std::string(data.status().message()),
                HasSubstr("the file looks like a table of columns (csv), but "
                          "the model takes sparse rows such as 0:3:0.5 1:7:1 "
                          "(libffm), like its training data"));
  }
}

TEST_F(StoredRowsTest, AKeyWithoutARowIsWorthWhatRowsStartFrom) {
  StoredModel stored = Fm();
  AddRows(&stored);
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(
      MakeRowsFindable((*loaded)->model->description(), folder_.path(), &stored)
          .ok());
  // 0.5 + 1 + 3 + <(3, 4), (1, 2)> = 15.5; and with key 77, which has no row:
  // 0.5 + 1 + 0 + <(3, 4), (0.25, 0.25)> = 3.25.
  const auto p = [](double score) { return 1 / (1 + std::exp(-score)); };
  std::string text;
  const auto data =
      LoadToPredict(stored, {Write("new.ffm", "0:1:1 1:2:1\n0:1:1 1:77:1\n")});
  ASSERT_TRUE(data.ok()) << data.status();
  ASSERT_TRUE(WritePredictions(
                  stored, *data, (*loaded)->model.get(),
                  [&](absl::string_view line) { text += std::string(line); })
                  .ok());
  std::vector<double> found;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> cells = absl::StrSplit(line, ',');
    double value = 0;
    if (cells.size() == 3 && absl::SimpleAtod(cells[2], &value)) {
      found.push_back(value);
    }
  }
  ASSERT_EQ(found.size(), 2) << text;
  EXPECT_NEAR(found[0], p(15.5), 1e-5);
  EXPECT_NEAR(found[1], p(3.25), 1e-5);
}

TEST_F(StoredRowsTest, DamagedTablesAreRefused) {
  StoredModel stored = Fm();
  AddRows(&stored);
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(Exported(stored, (*loaded)->model->description()).ok());
  std::string bytes = *ReadFile(folder_ / "model.safetensors");
  uint64_t head = 0;
  std::memcpy(&head, bytes.data(), sizeof(head));
  bytes[8 + head + 8] = 0;  // The second key of the first table.
  const auto read = LoadExportedModel(Write("damaged.safetensors", bytes));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr("the keys of table weights do not ascend"));
  stored.sparse_tables.pop_back();
  EXPECT_THAT(std::string(CreateStoredModel(stored, {}).status().message()),
              HasSubstr("the model has 2 sparse tables"));
}

TEST_F(StoredModelTest, PredictsLabelsAsTheTrainingDataHasThem) {
  // Weights (feature, class): the first feature speaks for class 7.
  const StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  const std::string expected = "prediction,p(3),p(7)\n3,1,0\n7,0,1\n7,0,1\n";
  EXPECT_EQ(Predict(stored, Write("new.csv", "x,y\n0,1\n1,0\n5,2\n"), false),
            expected);
  EXPECT_EQ(Predict(stored,
                    Write("old.csv", "x,y,label\n0,1,3\n1,0,3\n5,2,7\n"), true),
            expected);
}

TEST_F(StoredModelTest, PredictsTheTextsOfClassesAlsoAfterAnExport) {
  StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  stored.index.classes = {0, 1};
  stored.index.encoding.columns = {
      {.kind = data::ColumnEncoding::Kind::kOneHot, .values = {"a"}}};
  stored.index.encoding.classes = {"no, never", "yes"};
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Predict(*again, Write("new.csv", "kind\nb\na\n"), false),
            "prediction,\"p(no, never)\",p(yes)\n"
            "\"no, never\",1,0\nyes,0,1\n");
}

// The order of a header was not looked at.
TEST_F(StoredModelTest, ColumnsAreFoundByTheirNamesAlsoAfterAnExport) {
  StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  stored.columns = data::ColumnNames{{"x", "y\xff"}, "label"};
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->columns, stored.columns);
  const std::string expected = "prediction,p(3),p(7)\n3,1,0\n7,0,1\n";
  const std::string path = Write("new.csv", "label,y\xff,x\n3,1,0\n7,0,1\n");
  EXPECT_EQ(Predict(*again, path, false), expected);
  EXPECT_EQ(Predict(*again, path, true), expected);
  EXPECT_THAT(
      std::string(LoadToPredict(*again, {Write("w.csv", "x,z\n1,2\n")})
                      .status()
                      .message()),
      HasSubstr("no column 'y\\xff', which is a feature of the training"));
}

TEST_F(StoredModelTest, DataWithLabelsIsToldHowToReadThem) {
  const StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  const std::string path = Write("labelled.csv", "1,0,3\n0,1,7\n");
  EXPECT_THAT(
      std::string(LoadToPredict(stored, {path}).status().message()),
      HasSubstr("has 3 features, but the training data has 2\nhint: it has "
                "labels, as the training data has: --labelled passes over "
                "them, --score compares with them"));
  // It is something else that is wrong here.
  EXPECT_THAT(std::string(LoadToPredict(stored, {Write("w.csv", "1,0,3,4\n")})
                              .status()
                              .message()),
              Not(HasSubstr("--labelled")));
}

TEST_F(StoredModelTest, ABadExampleIsToldHowToLeaveItOut) {
  const StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  const auto refusal = [&](const std::string& content, bool labelled) {
    const auto data =
        LoadToPredict(stored, {Write("bad.csv", content), labelled});
    EXPECT_FALSE(data.ok()) << content;
    return std::string(data.status().message());
  };
  EXPECT_THAT(
      refusal("1,0\n0,what\n1,1\n", false),
      EndsWith("\nhint: --bad-examples skip leaves out the bad example, "
               "which has no prediction then"));
  EXPECT_THAT(refusal("1,0,3\n0,what,3\n1,1,7\n?,what,3\n0,1,3\n", true),
              EndsWith("\nhint: --bad-examples skip leaves out the 2 bad "
                       "examples, which have no prediction then"));
  EXPECT_THAT(refusal("1,0,3\n0,what,3\n1,1,7\n", false),
              EndsWith("--labelled passes over them, --score compares with "
                       "them; and --bad-examples skip leaves out the bad "
                       "example, which has no prediction then"));
  // With most of its examples bad, it is another file.
  EXPECT_THAT(refusal("a,b\nc,what\n1,d\ne,f\n", false),
              Not(HasSubstr("--bad-examples")));
}

// Returns what is said of a file that such a model does not read.
std::string Refusal(const StoredModel& stored, const std::string& path,
                    bool labelled = false) {
  const auto data = LoadToPredict(stored, {path, labelled});
  EXPECT_FALSE(data.ok()) << path;
  return std::string(data.status().message());
}

TEST_F(StoredModelTest, FilesOfAnotherFormatAreRefusedByName) {
  const StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  const std::string rows = Write("rows", "3:0.5 7:1\n1:1\n");
  EXPECT_THAT(
      Refusal(stored, rows),
      AllOf(StartsWith(rows +
                       ": the file looks like rows of id:value (libsvm), but "
                       "the model takes tables of columns (csv), like its "
                       "training data: " +
                       rows + " has 1 features"),
            EndsWith("\nhint: write the examples in the format of the training "
                     "data, or name a model that learnt from such files")));
  // What is said of training from an array does not help.
  const std::string array = Write("array", "\x93NUMPY");
  EXPECT_THAT(Refusal(stored, array),
              AllOf(HasSubstr("looks like a NumPy array (npy)"),
                    Not(HasSubstr("name it by"))));
}

TEST_F(StoredModelTest, TextIsNoTableOfNumbers) {
  StoredModel stored;
  const auto job = job::ParseJobYaml(
      "model: {kind: lda, topics: 2}\ndata: {train: {text: {path: " +
          Write("train.txt", "one two three\n\none two\n") +
          ", least_count: 1}}}\n",
      "job", nullptr);
  ASSERT_TRUE(job.ok()) << job.status();
  stored.job = *job;
  job::FillDefaults(&stored.job);
  const auto data = worker::LoadTrainingData(stored.job);
  ASSERT_TRUE(data.ok()) << data.status();
  stored.index = data->index();
  EXPECT_TRUE(LoadToPredict(stored, {Write("new.txt", "two, one\n")}).ok());
  EXPECT_THAT(Refusal(stored, Write("new.csv", "x,y\n1,2\n3,4\n")),
              HasSubstr("looks like a table of columns (csv), but the model "
                        "takes plain text (text), like its training data\n"));
}

// The job was trained on several files; its data is one.
TEST_F(StoredModelTest, ReadsOnlyTheDataThatIsNamed) {
  StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  auto* csv = stored.job.mutable_data()->mutable_train()->mutable_csv();
  csv->add_path(Write("more.csv", "x,y,label\n1,1,3\n"));
  EXPECT_EQ(Predict(stored, Write("new.csv", "x,y\n1,0\n"), false),
            "prediction,p(3),p(7)\n7,0,1\n");
}

TEST_F(StoredModelTest, CarriesAColumnAndScores) {
  StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto predict = [&](const std::string& path, const std::string& id,
                           Scores* scores) {
    const auto data = LoadToPredict(stored, {path, true, id});
    EXPECT_TRUE(data.ok()) << data.status();
    const auto ids = ReadIds(stored, {path, true, id});
    EXPECT_TRUE(ids.ok()) << ids.status();
    if (!data.ok() || !ids.ok()) return std::string();
    std::string out;
    EXPECT_TRUE(WritePredictions(
                    stored, *data, (*loaded)->model.get(),
                    [&](absl::string_view text) { out += std::string(text); },
                    {.id_column = id, .ids = *ids, .scores = scores})
                    .ok());
    return out;
  };
  auto scores = models::ScoresOf((*loaded)->model->description());
  ASSERT_TRUE(scores.has_value());
  // Without names the column of the ids is not a feature.
  EXPECT_EQ(
      predict(Write("bare.csv", "a,1,0,3\n\"b,c\",0,1,3\n"), "1", &*scores),
      "1,prediction,p(3),p(7)\na,7,0,1\n\"b,c\",3,1,0\n");
  EXPECT_EQ(scores->Get().Find(kAccuracy), 0.5);

  stored.columns = data::ColumnNames{{"x", "y"}, "label"};
  EXPECT_EQ(
      predict(Write("named.csv", "x,y,label,who\n1,0,3,a\n"), "who", nullptr),
      "who,prediction,p(3),p(7)\na,7,0,1\n");
}

TEST_F(StoredModelTest, OneOutputIsTheProbabilityOfTheSecondClass) {
  const StoredModel stored = Model("logistic", {1000, -1000, 0});
  EXPECT_EQ(Predict(stored, Write("new.csv", "x,y\n1,0\n0,1\n"), false),
            "prediction,p(3),p(7)\n7,0,1\n3,1,0\n");
}

// House prices gave predictions of 22.
TEST_F(StoredModelTest, PredictsNumbersInTheUnitsOfTheLabels) {
  StoredModel stored = Model("linear", {2, 0, 0.5});
  stored.index.classes.clear();
  stored.index.labels = {.mean = 200000, .stddev = 50000};
  const std::string path = Write("new.csv", "x,y\n1,0\n0,1\n");
  const std::string expected = "prediction\n325000\n225000\n";
  EXPECT_EQ(Predict(stored, path, false), expected);

  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again = Exported(stored, (*loaded)->model->description());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Predict(*again, path, false), expected);

  stored.job.mutable_data()->set_standardise_labels(false);
  EXPECT_EQ(Predict(stored, path, false), "prediction\n2.5\n0.5\n");
}

// The model was exported before there were such labels.
TEST_F(StoredModelTest, AnIndexWithoutMomentsOfLabelsChangesNoPrediction) {
  StoredModel stored = Model("linear", {2, 0, 0.5});
  stored.index.classes.clear();
  EXPECT_EQ(Predict(stored, Write("new.csv", "x,y\n1,0\n"), false),
            "prediction\n2.5\n");
}

TEST_F(StoredModelTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(
      std::string(
          CreateStoredModel(Model("softmax", {1, 2}), {}).status().message()),
      HasSubstr("6 parameters, what is stored of it 2"));
  EXPECT_THAT(std::string(LoadExportedModel(
                              Write("a.safetensors", EncodeSafetensors({})))
                              .status()
                              .message()),
              HasSubstr("not written by ebb checkpoint export"));
  const StoredModel stored = Model("softmax", {1, 2, 3, 4, 5, 6});
  EXPECT_FALSE(LoadToPredict(stored, {Write("w.csv", "x\n1\n2\n")}).ok());
}

VersionInfo Version(uint64_t generation, int partition, uint64_t term,
                    int64_t sequence) {
  VersionInfo info;
  info.key.generation = Generation(generation);
  info.key.partition = PartitionId(partition);
  info.key.term = Term(term);
  info.key.sequence = sequence;
  return info;
}

// Between a rollback and its first version a partition had none.
TEST(NewestVersionsTest, TakesTheVersionThatTheRollbackNames) {
  JobPlan plan;
  plan.partitions = 2;
  const VersionInfo from = Version(1, 0, 3, 1);
  const JobLine line = {Generation(2), {{from.key, Version(1, 1, 3, 1).key}}};
  std::vector<VersionInfo> versions = {
      from, Version(1, 0, 3, 2), Version(1, 1, 3, 1), Version(1, 1, 3, 2)};
  auto newest = NewestVersions(plan, line, versions);
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ((*newest)[0].key, from.key);
  EXPECT_EQ((*newest)[1].key, Version(1, 1, 3, 1).key);
  versions.push_back(Version(2, 1, 4, 1));
  newest = NewestVersions(plan, line, versions);
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ((*newest)[0].key, from.key);
  EXPECT_EQ((*newest)[1].key, Version(2, 1, 4, 1).key);
  // It began anew, and knows of no version yet.
  EXPECT_EQ(NewestVersions(plan, {Generation(3), {}}, versions).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(NewestVersionsTest, TakesTheNewestTermOfTheNewestGeneration) {
  JobPlan plan;
  plan.partitions = 2;
  const auto newest = NewestVersions(
      plan, {},
      {Version(1, 0, 9, 9), Version(2, 0, 3, 1), Version(2, 0, 4, 0),
       Version(2, 1, 3, 2), Version(2, 1, 3, 1)});
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ((*newest)[0].key.term, Term(4));
  EXPECT_EQ((*newest)[1].key.sequence, 2);
  EXPECT_EQ(NewestVersions(plan, {}, {Version(1, 0, 1, 1)}).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace ebb::tools
