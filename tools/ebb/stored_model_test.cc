#include "tools/ebb/stored_model.h"

#include <string>
#include <vector>

#include "common/job/validate.h"
#include "common/job/yaml.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ebb/files.h"
#include "tools/ebb/predictions.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  std::string Predict(const StoredModel& stored, const std::string& path,
                      bool labelled) {
    const auto loaded = CreateStoredModel(stored, {});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    const auto data = LoadToPredict(stored, path, labelled);
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
  const TensorFile file = ExportModel(stored, (*loaded)->model->description());
  ASSERT_EQ(file.tensors.size(), 2);  // Weights and biases.
  EXPECT_THAT(file.tensors[0].dims, ElementsAre(2, 2));
  EXPECT_THAT(file.tensors[1].values, ElementsAre(5, 6));
  const auto decoded = DecodeSafetensors(EncodeSafetensors(file));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto again = ImportModel(*decoded);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->parameters, stored.parameters);
  EXPECT_EQ(again->index, stored.index);
  EXPECT_EQ(again->job.SerializeAsString(), stored.job.SerializeAsString());
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

// The order of a header was not looked at.
TEST_F(StoredModelTest, ColumnsAreFoundByTheirNamesAlsoAfterAnExport) {
  StoredModel stored = Model("softmax", {0, 1000, 1000, 0, 0, 0});
  stored.columns = data::ColumnNames{{"x", "y\xff"}, "label"};
  const auto loaded = CreateStoredModel(stored, {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const auto again =
      ImportModel(ExportModel(stored, (*loaded)->model->description()));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->columns, stored.columns);
  const std::string expected = "prediction,p(3),p(7)\n3,1,0\n7,0,1\n";
  const std::string path = Write("new.csv", "label,y\xff,x\n3,1,0\n7,0,1\n");
  EXPECT_EQ(Predict(*again, path, false), expected);
  EXPECT_EQ(Predict(*again, path, true), expected);
  EXPECT_THAT(
      std::string(LoadToPredict(*again, Write("w.csv", "x,z\n1,2\n"), false)
                      .status()
                      .message()),
      HasSubstr("no column 'y\\xff', which is a feature of the training"));
}

TEST_F(StoredModelTest, OneOutputIsTheProbabilityOfTheSecondClass) {
  const StoredModel stored = Model("logistic", {1000, -1000, 0});
  EXPECT_EQ(Predict(stored, Write("new.csv", "x,y\n1,0\n0,1\n"), false),
            "prediction,p(3),p(7)\n7,0,1\n3,1,0\n");
}

TEST_F(StoredModelTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(
      std::string(
          CreateStoredModel(Model("softmax", {1, 2}), {}).status().message()),
      HasSubstr("6 parameters, what is stored of it 2"));
  EXPECT_THAT(std::string(ImportModel(TensorFile{}).status().message()),
              HasSubstr("not written by ebb checkpoint export"));
  const StoredModel stored = Model("softmax", {1, 2, 3, 4, 5, 6});
  EXPECT_FALSE(LoadToPredict(stored, Write("w.csv", "x\n1\n2\n"), false).ok());
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
