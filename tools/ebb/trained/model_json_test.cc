#include "tools/ebb/model/model_json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/ebb/trained/stored_model.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

StoredModel Stored(const std::string& yaml) {
  StoredModel stored;
  const auto job = job::ParseJobYaml(yaml, "job", nullptr);
  EXPECT_TRUE(job.ok()) << job.status();
  stored.job = *job;
  job::FillDefaults(&stored.job);
  return stored;
}

std::string Described(const StoredModel& stored) {
  const auto loaded = CreateStoredModel(stored, {});
  EXPECT_TRUE(loaded.ok()) << loaded.status();
  return ExportModel(stored, (*loaded)->model->description()).model.ToString();
}

TEST(ModelJsonTest, AnOriginIsSaidAndChangesTheFormat) {
  StoredModel stored = Stored(
      "model: linear\n"
      "data: {train: {csv: {path: a.csv, missing: 5}, scale: 0.5},\n"
      "       standardise: false}\n");
  stored.index.features = 2;
  stored.index.mean = {1.5, -2};
  stored.index.stddev = {0.25, 0};
  stored.index.examples = 2;
  stored.index.encoding.origins = {1700000000, 0};
  stored.parameters.resize(3);
  const std::string text = Described(stored);
  EXPECT_THAT(text, testing::HasSubstr("\"format\": 2,"));
  EXPECT_THAT(text, testing::HasSubstr(R"json("scale": 0.5,
    "origin": [1.7e+09, 0],
    "missing": [-1699999997.5, 2.5],)json"));
}

TEST(ModelJsonTest, APerceptronSaysAllThatItsPredictionsNeed) {
  StoredModel stored = Stored(
      "name: houses\n"
      "model: {kind: mlp, layers: [2, 3, 2], activation: tanh}\n"
      "data: {train: {csv: {path: a.csv, missing: mean}, scale: 0.5},\n"
      "       standardise: true}\n");
  stored.index.classes = {3, 1000000};
  stored.index.features = 2;
  stored.index.mean = {1.5, -2};
  stored.index.stddev = {0.25, 0};
  stored.index.examples = 2;
  stored.columns = data::ColumnNames{{"rooms", "a \"b\""}, "sold"};
  stored.parameters.resize(2 * 3 + 3 + 3 * 2 + 2);

  EXPECT_EQ(Described(stored), R"json({
  "format": 1,
  "name": "houses",
  "model": "mlp",
  "layout": "(in, out)",
  "features": {
    "source": "csv",
    "count": 2,
    "names": ["rooms", "a \"b\""],
    "scale": 0.5,
    "missing": [1.5, -2],
    "mean": [1.5, -2],
    "deviation": [0.25, 0]
  },
  "layers": [
    {
      "weights": "layer1.weights",
      "bias": "layer1.bias",
      "shape": [2, 3],
      "function": "tanh"
    },
    {
      "weights": "layer2.weights",
      "bias": "layer2.bias",
      "shape": [3, 2],
      "function": "softmax"
    }
  ],
  "output": "probability of each class",
  "labels": {
    "name": "sold",
    "kind": "classes",
    "classes": [3, 1000000]
  }
}
)json");
}

TEST(ModelJsonTest, WhatADataSetDoesNotHaveIsNull) {
  StoredModel stored = Stored(
      "model: linear\n"
      "data: {train: {libsvm: a.libsvm}, standardise: false}\n");
  stored.index.features = 2;
  stored.index.examples = 2;
  stored.parameters.resize(3);

  const std::string text = Described(stored);

  EXPECT_THAT(text, HasSubstr(R"("source": "libsvm",
    "count": 2,
    "first_index": 1,
    "scale": 1,
    "missing": null,
    "mean": null,
    "deviation": null)"));
  EXPECT_THAT(text, HasSubstr(R"("shape": [2, 1],
      "function": "identity")"));
  EXPECT_THAT(text, HasSubstr(R"("output": "value",
  "labels": {
    "kind": "values",
    "mean": 0,
    "deviation": 1
  })"));
}

TEST(ModelJsonTest, AModelOfPythonSaysHowItIsMadeAgain) {
  StoredModel stored = Stored(
      "model: {kind: python, module: models/net.py, class: Net,\n"
      "        sha256: 9c1f, options: {hidden: 6, act: relu}}\n"
      "data: {train: {csv: a.csv}, standardise: false}\n");
  stored.index.features = 2;
  stored.index.classes = {0, 1, 5};

  const std::string text = ExportModel(stored, {}).model.ToString();

  EXPECT_THAT(text, HasSubstr(R"("module": {
    "file": "models/net.py",
    "class": "Net",
    "sha256": "9c1f",
    "seed": 1,
    "options": {
      "act": "relu",
      "hidden": "6"
    }
  })"));
  EXPECT_THAT(text, HasSubstr(R"("kind": "classes")"));
}

TEST(ModelJsonTest, AConstantForMissingValuesIsScaledAsTheyAre) {
  StoredModel stored = Stored(
      "model: linear\n"
      "data: {train: {csv: {path: a.csv, missing: \"3\"}, scale: 0.5}}\n");
  EXPECT_EQ(ScalingOf(stored).missing, std::vector<double>{1.5});
}

// Bug: an export said that texts and dates of a packed set are not scaled, but
// training scaled them.
TEST(ModelJsonTest, AllFeaturesOfAPackedSetAreScaled) {
  using Kind = data::ColumnEncoding::Kind;
  for (const bool packed : {false, true}) {
    StoredModel stored = Stored(absl::StrCat(
        "model: linear\ndata: {train: {", packed ? "packed: p" : "csv: a.csv",
        ", scale: 0.5}, standardise: false}\n"));
    stored.index.encoding.columns = {
        {.kind = Kind::kNumber},
        {.kind = Kind::kOneHot, .values = {"blue", "red"}},
        {.kind = Kind::kDate}};
    EXPECT_EQ(ScalingOf(stored).scale,
              packed ? std::vector<double>{0.5}
                     : std::vector<double>({0.5, 1, 1, 1, 1}));
  }
}

TEST(ModelJsonTest, LabelsSayHowOutputsBecomeValues) {
  StoredModel stored = Stored(
      "model: linear\n"
      "data: {train: {csv: a.csv}, standardise: false,\n"
      "       standardise_labels: true}\n");
  stored.index.features = 2;
  stored.index.examples = 2;
  stored.index.labels = data::LabelMoments{150000, 2500};
  stored.parameters.resize(3);
  EXPECT_THAT(Described(stored), HasSubstr(R"("kind": "values",
    "mean": 150000,
    "deviation": 2500)"));

  stored.job.mutable_data()->set_standardise_labels(false);
  EXPECT_THAT(Described(stored), HasSubstr(R"("kind": "values",
    "mean": 0,
    "deviation": 1)"));
}

TEST(ModelJsonTest, ColumnsOfTextSayWhichFeaturesTheyMake) {
  using Kind = data::ColumnEncoding::Kind;
  StoredModel stored = Stored(
      "model: {kind: softmax}\n"
      "data: {train: {csv: {path: a.csv, missing: \"3\"}, scale: 0.5},\n"
      "       standardise: false}\n");
  auto& columns = stored.index.encoding.columns;
  columns = {{.kind = Kind::kNumber},
             {.kind = Kind::kOneHot, .values = {"red", "a \"b\""}},
             {.kind = Kind::kBoolean, .values = {"no", "yes"}},
             {.kind = Kind::kHashed, .buckets = 2},
             {.kind = Kind::kDate, .order = data::DateOrder::kDayFirst},
             {.kind = Kind::kLeftOut}};
  stored.columns = data::ColumnNames{
      {"size", "color", "new", "street", "built", "id"}, "fruit"};
  stored.index.encoding.classes = {"apple", "pear"};
  stored.index.classes = {0, 1};
  stored.index.features = 8;
  stored.index.examples = 2;
  stored.parameters.resize(8 * 2 + 2);

  const std::string text = Described(stored);

  EXPECT_THAT(text, HasSubstr(R"("columns": [
      {
        "name": "size",
        "kind": "number"
      },
      {
        "name": "color",
        "kind": "one_hot",
        "values": ["red", "a \"b\""]
      },
      {
        "name": "new",
        "kind": "boolean",
        "values": ["no", "yes"]
      },
      {
        "name": "street",
        "kind": "hashed",
        "buckets": 2
      },
      {
        "name": "built",
        "kind": "date",
        "first": "day"
      },
      {
        "name": "id",
        "kind": "left_out"
      }
    ],
    "names": ["size", "color=red", "color=a \"b\"", "color=other", )"
                              R"("new=yes", "street#0", "street#1", "built"],
    "scale": [0.5, 1, 1, 1, 1, 1, 1, 1],
    "missing": [1.5, 3, 3, 3, 3, 3, 3, 3],)"));
  EXPECT_THAT(text, HasSubstr(R"("classes": ["apple", "pear"])"));
}

TEST(ModelJsonTest, AModelOfKeysSaysItsScoreAndItsTables) {
  StoredModel stored = Stored(
      "model: {kind: matrix_factorisation, rank: 3}\n"
      "seed: 5\n"
      "data: {train: {ratings: a.csv}}\n");
  stored.index.features = 2;
  stored.index.examples = 2;
  stored.parameters.resize(1);
  stored.sparse_tables.resize(2);
  stored.sparse_tables[0].name = "biases";
  stored.sparse_tables[1].name = "factors";
  stored.sparse_tables[1].width = 3;
  stored.sparse_tables[1].init = InitRule::Normal(0.5f);

  const std::string text = Described(stored);

  EXPECT_THAT(text, HasSubstr(R"("source": "ratings",
    "fields": 2,
    "keys": "xxh64 of the word, seeded with the field")"));
  EXPECT_THAT(text, HasSubstr(R"("score": "bias + w(user) + w(item) + )"
                              R"(<v(user), v(item)>",
  "rank": 3,
  "tables": [
    {
      "name": "biases",
      "keys": "biases/keys",
      "rows": "biases/rows",
      "width": 1,
      "without_row": {
        "rule": "zeros"
      }
    },
    {
      "name": "factors",
      "keys": "factors/keys",
      "rows": "factors/rows",
      "width": 3,
      "without_row": {
        "rule": "normal",
        "parameter": 0.5,
        "seed": 5
      }
    }
  ],
  "function": "identity",
  "output": "value")"));
}

}  // namespace
}  // namespace ebb::tools
