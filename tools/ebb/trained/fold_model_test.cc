#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/ebb/trained/stored_model.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class FoldModelTest : public ::testing::Test {
 protected:
  // Two features and one output.
  StoredModel Stored(const std::string& model, const std::string& data) {
    StoredModel stored;
    const auto job = job::ParseJobYaml("model: " + model + "\ndata: " + data,
                                       "job", nullptr);
    EXPECT_TRUE(job.ok()) << job.status();
    stored.job = *job;
    job::FillDefaults(&stored.job);
    stored.index.features = 2;
    stored.index.examples = 2;
    stored.index.mean = {4, 1};
    stored.index.stddev = {2, 0};
    return stored;
  }
  // The status, and what was exported.
  absl::Status Fold(const StoredModel& stored) {
    const auto loaded = CreateStoredModel(stored, {});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    const auto& description = (*loaded)->model->description();
    all_ = ExportModel(stored, description);
    return FoldScaling(stored, description, &all_);
  }
  std::vector<double> Numbers(const std::string& name) {
    for (const TensorStream& tensor : all_.tensors) {
      if (tensor.name != name) continue;
      EXPECT_EQ(tensor.type, TensorType::kFloat64) << name;
      std::ostringstream out;
      EXPECT_TRUE(tensor.write(out).ok());
      std::vector<double> numbers(out.str().size() / sizeof(double));
      std::memcpy(numbers.data(), out.str().data(), out.str().size());
      return numbers;
    }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  ModelExport all_;
  const TestFolder folder_;
};

// (2 x - 4) / 2 * 3 + 1 = 3 x - 5. The second feature is constant.
TEST_F(FoldModelTest, ScaleAndStandardisationGoIntoTheFirstLayer) {
  StoredModel stored =
      Stored("linear",
             "{train: {csv: {path: a.csv, missing: mean}, scale: 2}, "
             "standardise: true}");
  stored.parameters = {3, 5, 1};

  ASSERT_TRUE(Fold(stored).ok());

  EXPECT_THAT(Numbers("weights"), ElementsAre(3, 0));
  EXPECT_THAT(Numbers("bias"), ElementsAre(-5));
  const std::string text = all_.model.ToString();
  // The mean of a missing value in units of the data.
  EXPECT_THAT(text, HasSubstr(R"("scale": 1,
    "missing": [2, 0.5],
    "mean": null,
    "deviation": null)"));
  EXPECT_THAT(text, HasSubstr(R"("folded": true)"));
}

// ((2 x - 10) - 4) / 2 * 3 + 1 = 3 x - 20.
TEST_F(FoldModelTest, OriginsGoIntoTheFirstLayer) {
  StoredModel stored =
      Stored("linear",
             "{train: {csv: {path: a.csv, missing: mean}, scale: 2}, "
             "standardise: true}");
  stored.index.encoding.origins = {10, 0};
  stored.parameters = {3, 5, 1};

  ASSERT_TRUE(Fold(stored).ok());

  EXPECT_THAT(Numbers("weights"), ElementsAre(3, 0));
  EXPECT_THAT(Numbers("bias"), ElementsAre(-20));
  EXPECT_THAT(all_.model.ToString(), HasSubstr(R"("missing": [7, 0.5])"));
  EXPECT_THAT(all_.model.ToString(), Not(HasSubstr("origin")));
  stored.job.mutable_data()->set_standardise(false);
  ASSERT_TRUE(Fold(stored).ok());
  EXPECT_THAT(Numbers("weights"), ElementsAre(6, 10));
  EXPECT_THAT(Numbers("bias"), ElementsAre(-29));
}

TEST_F(FoldModelTest, OnlyTheFirstLayerChanges) {
  StoredModel stored = Stored("{kind: mlp, layers: [2, 1, 1]}",
                              "{train: {csv: a.csv, scale: 2}, "
                              "standardise: false}");
  stored.parameters = {3, 5, 1, 7, 8};

  ASSERT_TRUE(Fold(stored).ok());

  EXPECT_THAT(Numbers("layer1.weights"), ElementsAre(6, 10));
  EXPECT_THAT(Numbers("layer1.bias"), ElementsAre(1));
  ASSERT_EQ(all_.tensors.size(), 4);
  EXPECT_EQ(all_.tensors[2].name, "layer2.weights");
  EXPECT_EQ(all_.tensors[2].type, TensorType::kFloat32);
}

// 2 (7 max(0, x) + 8) + 100
TEST_F(FoldModelTest, LabelsGoIntoTheLastLayer) {
  StoredModel stored = Stored("{kind: mlp, layers: [2, 1, 1]}",
                              "{train: {csv: a.csv}, standardise: false, "
                              "standardise_labels: true}");
  stored.index.labels = data::LabelMoments{100, 2};
  stored.parameters = {3, 5, 1, 7, 8};

  ASSERT_TRUE(Fold(stored).ok());

  EXPECT_THAT(Numbers("layer1.weights"), ElementsAre(3, 5));
  EXPECT_THAT(Numbers("layer2.weights"), ElementsAre(14));
  EXPECT_THAT(Numbers("layer2.bias"), ElementsAre(116));
  EXPECT_THAT(all_.model.ToString(), HasSubstr(R"("kind": "values",
    "mean": 0,
    "deviation": 1)"));
}

// ebb would scale the features of a folded model once more.
TEST_F(FoldModelTest, PredictRefusesAFoldedModel) {
  StoredModel stored = Stored("linear", "{train: {csv: a.csv}}");
  stored.parameters = {3, 5, 1};
  ASSERT_TRUE(Fold(stored).ok());
  const std::string path = folder_ / "folded.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, all_.tensors, all_.metadata).ok());

  const auto read = LoadExportedModel(path);

  EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(read.status().message()),
              HasSubstr("exported with --fold, for other programs"));
}

TEST_F(FoldModelTest, WhatCannotBeFoldedIsRefused) {
  StoredModel stored = Stored("linear", "{train: {csv: a.csv}}");
  stored.parameters = {3, 5, 1};
  stored.slots = {{1, 2, 3}};
  stored.slot_names = {{"adam/first_moment"}, {"adam/first_moment"}};
  EXPECT_THAT(std::string(Fold(stored).message()),
              HasSubstr("--fold and --with-slots"));

  StoredModel keyed =
      Stored("{kind: sparse_logistic}", "{train: {libsvm: a.libsvm}}");
  keyed.index.classes = {0, 1};
  keyed.index.mean.clear();
  keyed.index.stddev.clear();
  keyed.parameters = {1};
  keyed.sparse_tables.resize(1);
  keyed.sparse_tables[0].name = "weights";
  EXPECT_THAT(std::string(Fold(keyed).message()),
              HasSubstr("sparse_logistic learns from keys"));
}

}  // namespace
}  // namespace ebb::tools
