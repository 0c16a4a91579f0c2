#include "worker/job_data.h"

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "models/backends.h"
#include "models/registry.h"

namespace ebb::worker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::Job ParseJob(const std::string& text) {
  auto job = job::ParseJobYaml(text, "job.yaml", nullptr);
  EXPECT_TRUE(job.ok()) << job.status();
  job::FillDefaults(&*job);
  return *job;
}

// Of a model that takes keys.
v1::Job KeyedJob(const std::string& data) {
  return ParseJob("model: fm\ndata: {" + data + "}\n");
}

// What job.proto says of a model must be said of each that is registered.
TEST(ModelKindsTest, AreThoseOfTheRegistry) {
  models::Registry registry;
  ASSERT_TRUE(models::RegisterBuiltinModels(&registry).ok());
  std::vector<std::string> registered;
  for (const auto& [kind, summary] : registry.List()) {
    registered.push_back(kind);
  }

  // Programs compute the one, and Python the other.
  registered.insert(registered.end(), {"program", "python"});
  EXPECT_THAT(job::EnumWords(*v1::Model::BuiltIn_descriptor()),
              testing::UnorderedElementsAreArray(registered));
}

// What job.proto says of a format is what data/ says of it.
TEST(FormatsTest, AreThoseOfTheJobFile) {
  const auto& formats =
      *v1::DataSource::descriptor()->FindOneofByName("format");
  for (int i = 0; i < formats.field_count(); ++i) {
    const auto& format = *formats.field(i);
    v1::Job job;
    v1::DataSource& train = *job.mutable_data()->mutable_train();
    train.GetReflection()->MutableMessage(&train, &format);
    const v1::FormatTraits& traits = job::TraitsOf(train);
    if (traits.positions() || traits.python()) continue;  // Nothing is read.

    const data::SourceSpec spec = TrainingSource(job, data::LabelKind::kClass);

    EXPECT_EQ(spec.format_word(), format.name());
    EXPECT_EQ(spec.keyed(), job::HasKeys(train)) << format.name();
  }
}

class JobDataTest : public testing::Test {
 protected:
  // A file with this content; its path.
  std::string Write(const std::string& name, const std::string& content) {
    std::string path = folder_ / name;
    std::ofstream(path) << content;
    return path;
  }

  const TestFolder folder_;
};

TEST_F(JobDataTest, CsvKeysReachTheSource) {
  const v1::Job job = ParseJob(R"(
model: linear
data:
  train: {csv: {path: a.tsv, header: true, label: y, delimiter: ";",
                missing: 3, ignore: [id]}, scale: 1/4}
  standardise: true
)");

  const data::SourceSpec spec = TrainingSource(job, data::LabelKind::kReal);

  EXPECT_EQ(spec.kind, data::SourceKind::kCsv);
  EXPECT_EQ(spec.path, "a.tsv");
  EXPECT_EQ(spec.scale, 0.25);
  EXPECT_TRUE(spec.standardise);
  EXPECT_EQ(spec.label_kind, data::LabelKind::kReal);
  EXPECT_EQ(spec.csv.header, data::CsvOptions::Header::kYes);
  EXPECT_EQ(spec.csv.label, "y");
  EXPECT_EQ(spec.csv.text.delimiter, ";");
  EXPECT_EQ(spec.csv.missing, data::CsvOptions::Missing::kConstant);
  EXPECT_EQ(spec.csv.missing_value, 3);
  EXPECT_THAT(spec.csv.ignore, ElementsAre("id"));
  EXPECT_FALSE(
      TestSource(job, data::LabelKind::kReal, std::nullopt).has_value());
}

TEST_F(JobDataTest, KeysOfTextReachTheSource) {
  const auto csv = [](const std::string& keys) {
    const v1::Job job =
        ParseJob("model: linear\ndata: {train: {csv: {path: a" + keys + "}}}");
    return TrainingSource(job, data::LabelKind::kReal).csv;
  };
  const data::CsvOptions usual = csv("");
  EXPECT_TRUE(usual.categories_by_text);
  EXPECT_TRUE(usual.text.quotes);
  EXPECT_EQ(usual.missing, data::CsvOptions::Missing::kMean);
  EXPECT_EQ(usual.one_hot, data::CsvOptions().one_hot);
  EXPECT_EQ(usual.hash_buckets, data::CsvOptions().hash_buckets);
  const data::CsvOptions all =
      csv(", quotes: false, missing_values: [u], categorical: [auto, zip], "
          "one_hot: 3, hash_buckets: 5, dates: [d], date_features: parts, "
          "day_first: false, delimiter: whitespace");
  EXPECT_EQ(all.text.delimiter, data::kWhitespace);
  EXPECT_FALSE(all.text.quotes);
  EXPECT_THAT(all.text.missing_values, ElementsAre("u"));
  EXPECT_TRUE(all.categories_by_text);
  EXPECT_THAT(all.categorical, ElementsAre("zip"));
  EXPECT_EQ(all.one_hot, 3);
  EXPECT_EQ(all.hash_buckets, 5);
  EXPECT_THAT(all.dates, ElementsAre("d"));
  EXPECT_TRUE(all.date_parts);
  EXPECT_EQ(all.day_first, false);
  EXPECT_FALSE(csv(", categorical: [none]").categories_by_text);
  EXPECT_FALSE(csv(", categorical: [zip]").categories_by_text);
}

TEST_F(JobDataTest, ColumnsOfRatingsAndClickLogsReachTheSource) {
  const auto source = [](const std::string& train) {
    return TrainingSource(KeyedJob("train: {" + train + "}"),
                          data::LabelKind::kClass);
  };
  const data::RatingsOptions ratings =
      source(
          "ratings: {path: a, user: u, item: i, rating: r, time: \"4\", "
          "delimiter: \"|\", quotes: false}")
          .ratings;
  EXPECT_EQ(ratings.user + ratings.item + ratings.rating + ratings.time,
            "uir4");
  EXPECT_EQ(ratings.text.delimiter, "|");
  EXPECT_FALSE(ratings.text.quotes);
  const data::CriteoOptions clicks =
      source(
          "criteo: {path: a, label: y, ignore: [id], delimiter: tab, "
          "missing_values: [\"-1\"]}")
          .criteo;
  EXPECT_EQ(clicks.label, "y");
  EXPECT_THAT(clicks.ignore, ElementsAre("id"));
  EXPECT_EQ(clicks.text.delimiter, "\t");
  EXPECT_THAT(clicks.text.missing_values, ElementsAre("-1"));
}

// The keys of a job that was stored before there was `quotes` stay as they are.
TEST_F(JobDataTest, QuotesAreCharactersInRatingsOfAJobOfBefore) {
  v1::Job job = KeyedJob("train: {ratings: a}");
  const auto quotes = [&] {
    return TrainingSource(job, data::LabelKind::kReal).ratings.text.quotes;
  };
  EXPECT_TRUE(quotes());
  job.mutable_data()->mutable_train()->mutable_ratings()->clear_quotes();
  EXPECT_FALSE(quotes());
}

TEST_F(JobDataTest, KeysOfSparseDataReachTheSource) {
  const auto source = [](const std::string& train) {
    return TrainingSource(KeyedJob("train: {" + train + "}"),
                          data::LabelKind::kClass);
  };
  data::SourceSpec spec = source("libffm: {path: a.ffm, fields: 39}");
  EXPECT_EQ(spec.kind, data::SourceKind::kLibffm);
  EXPECT_EQ(spec.path, "a.ffm");
  EXPECT_EQ(spec.libffm.fields, 39);
  EXPECT_FALSE(spec.standardise);
  spec = source("ratings: r.csv");
  EXPECT_EQ(spec.kind, data::SourceKind::kRatings);
  EXPECT_EQ(spec.path, "r.csv");
  spec = source("criteo: {path: a.tsv, numeric: 2, numbers: value}");
  EXPECT_EQ(spec.kind, data::SourceKind::kCriteo);
  EXPECT_EQ(spec.path, "a.tsv");
  EXPECT_EQ(spec.criteo.numeric, 2);
  EXPECT_EQ(spec.criteo.categories, 26);
  EXPECT_EQ(spec.criteo.numbers, data::CriteoOptions::Numbers::kValue);
  spec = source("criteo: a.tsv");
  EXPECT_EQ(spec.criteo.numeric, 13);
  EXPECT_EQ(spec.criteo.numbers, data::CriteoOptions::Numbers::kBucket);
  spec = source("libsvm: {path: a, keys: true}");
  EXPECT_EQ(spec.kind, data::SourceKind::kLibsvm);
  EXPECT_TRUE(spec.libsvm.keys);
  EXPECT_TRUE(spec.keyed());
}

TEST_F(JobDataTest, FeaturesOfRecordsReachTheSource) {
  using As = data::RecordFeature::As;
  const v1::Job job = KeyedJob(
      "train: {json_lines: [a, b], features: {z: label, user.id: {as: key, "
      "field: 3}, tags: {as: keys, most: 5, field: 1}, price: {as: dense, "
      "width: 2, log: true, missing: -1, field: 0}}}, test: {json_lines: c}");
  const data::SourceSpec train = TrainingSource(job, data::LabelKind::kClass);
  const auto test = TestSource(job, data::LabelKind::kClass, std::nullopt);
  ASSERT_TRUE(test.has_value());
  EXPECT_EQ(test->path, "c");
  EXPECT_EQ(train.further_paths, std::vector<std::string>{"b"});
  EXPECT_EQ(train.Meaning(), test->Meaning());
  for (const data::SourceSpec& spec : {train, *test}) {
    EXPECT_EQ(spec.kind, data::SourceKind::kJsonLines);
    ASSERT_EQ(spec.features.size(), 4U);
    EXPECT_EQ(spec.features[0].name, "price");
    EXPECT_EQ(spec.features[0].as, As::kDense);
    EXPECT_EQ(spec.features[0].width, 2);
    EXPECT_TRUE(spec.features[0].log);
    EXPECT_EQ(spec.features[0].missing, -1);
    EXPECT_EQ(spec.features[1].name, "tags");
    EXPECT_EQ(spec.features[1].as, As::kKeys);
    EXPECT_EQ(spec.features[1].most, 5);
    EXPECT_EQ(spec.features[2].name, "user.id");
    EXPECT_EQ(spec.features[2].as, As::kKey);
    EXPECT_EQ(spec.features[2].field, 3);
    EXPECT_EQ(spec.features[3].as, As::kLabel);
  }
}

TEST_F(JobDataTest, TestDataHasTheMessagesOfTheTrainingData) {
  const v1::Job job = KeyedJob(
      "train: {protobuf: {path: [a, b], descriptors: d, message: shop.Click}, "
      "features: {z: label, user.id: key}}, test: {protobuf: c}");
  const data::SourceSpec train = TrainingSource(job, data::LabelKind::kClass);
  const auto test = TestSource(job, data::LabelKind::kClass, std::nullopt);
  ASSERT_TRUE(test.has_value());
  EXPECT_EQ(train.kind, data::SourceKind::kProtobuf);
  EXPECT_EQ(train.path, "a");
  EXPECT_EQ(train.further_paths, std::vector<std::string>{"b"});
  EXPECT_EQ(test->path, "c");
  EXPECT_EQ(train.Meaning(), test->Meaning());
  for (const data::SourceSpec& spec : {train, *test}) {
    EXPECT_EQ(spec.protobuf.descriptors, "d");
    EXPECT_EQ(spec.protobuf.message, "shop.Click");
    EXPECT_EQ(spec.features.size(), 2U);
  }
}

TEST_F(JobDataTest, TestDataIsReadAsTrainingDataIs) {
  const v1::Job job = KeyedJob(
      "train: {criteo: {path: a.tsv, numeric: 2, categories: 3, "
      "numbers: value}}, test: {criteo: b.tsv}");
  const auto test = TestSource(job, data::LabelKind::kClass, std::nullopt);
  ASSERT_TRUE(test.has_value());
  EXPECT_EQ(test->path, "b.tsv");
  EXPECT_EQ(test->criteo.numeric, 2);
  EXPECT_EQ(test->criteo.categories, 3);
  EXPECT_EQ(test->criteo.numbers, data::CriteoOptions::Numbers::kValue);
}

TEST_F(JobDataTest, RatingsAreNumbersAndNotClasses) {
  const v1::Job job =
      KeyedJob("train: {ratings: " + Write("r", "a,x,5\nb,x,1\n") + "}");
  const auto data = LoadTrainingData(job);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT(data->index().classes, testing::IsEmpty());
}

TEST_F(JobDataTest, NoModelOfColumnsIsMadeForKeys) {
  v1::Job job = KeyedJob("train: {criteo: x}");
  job.mutable_model()->set_kind("logistic");
  models::Registry registry;
  const auto model = CreateModel(job, data::Index(), {}, &registry, nullptr);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(model.status().message(), HasSubstr("are 64-bit keys"));
}

TEST_F(JobDataTest, SplitSharesTheFileAndTheJobsSeed) {
  const v1::Job job = ParseJob(R"(
model: softmax
seed: 7
data: {train: {libsvm: {path: a, features: 9}}, split: 0.25}
)");

  const auto train = TrainingSource(job, data::LabelKind::kClass);
  const auto test = TestSource(job, data::LabelKind::kClass, std::nullopt);

  ASSERT_TRUE(train.split.has_value() && test.has_value() &&
              test->split.has_value());
  EXPECT_EQ(test->path, "a");
  EXPECT_EQ(test->libsvm.features, 9);
  EXPECT_EQ(train.split->part, data::Split::Part::kTrain);
  EXPECT_EQ(test->split->part, data::Split::Part::kTest);
  EXPECT_EQ(train.split->seed, 7);
  EXPECT_EQ(test->split->seed, 7);
  EXPECT_EQ(test->split->test_fraction, 0.25);
}

TEST_F(JobDataTest, AFoldIsTheTestDataOfItsJob) {
  const v1::Job job = ParseJob(R"(
model: softmax
seed: 7
data: {train: {csv: a.csv}, fold: 2}
validate: 5
)");

  const auto train = TrainingSource(job, data::LabelKind::kClass);
  const auto test = TestSource(job, data::LabelKind::kClass, std::nullopt);

  ASSERT_TRUE(train.split.has_value() && test.has_value() &&
              test->split.has_value());
  EXPECT_EQ(train.split->part, data::Split::Part::kTrain);
  EXPECT_EQ(test->split->part, data::Split::Part::kTest);
  EXPECT_EQ(test->split->seed, 7);
  EXPECT_EQ(test->split->folds.count, 5);
  EXPECT_EQ(test->split->folds.test, 2);
  EXPECT_TRUE(test->split->folds.stratified);
  // Numbers have no classes.
  EXPECT_FALSE(
      TrainingSource(job, data::LabelKind::kReal).split->folds.stratified);
}

// Two classes, of which one is too rare, do not become numbers.
TEST_F(JobDataTest, AFoldWithoutAClassIsSaidOfOneOutput) {
  std::string text = "x,y\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i) + (i < 18 ? ",0\n" : ",1\n");
  }
  const std::string path = Write("a.csv", text);
  const std::string rest =
      "data: {train: {csv: " + path + "}, fold: 0}\nvalidate: 5\n";

  const auto data = LoadTrainingData(
      ParseJob("model: {kind: mlp, layers: [1, 3, 1]}\n" + rest));

  EXPECT_THAT(data.status().message(),
              HasSubstr("has no example of the class 1, which has 2"));
  // Labels that are numbers have no classes.
  EXPECT_TRUE(LoadTrainingData(ParseJob("model: linear\n" + rest)).ok());
}

TEST_F(JobDataTest, LabelsOfALinearModelAreNumbers) {
  const std::string path = Write("a.csv", "x,y\n1,2\n2,3\n");

  const auto data = LoadTrainingData(
      ParseJob("model: linear\ndata: {train: {csv: " + path + "}}\n"));

  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_TRUE(data->index().classes.empty());
  EXPECT_EQ(LabelKindOf(data->index()), data::LabelKind::kReal);
}

TEST_F(JobDataTest, LabelsOfOneOutputAreClassesOnlyIfThereAreTwo) {
  const std::string two = Write("two.csv", "x,y\n1,0\n2,1\n3,0\n");
  const std::string three = Write("three.csv", "x,y\n1,0\n2,1\n3,2\n");
  const std::string model = "model: {kind: mlp, layers: [1, 4, 1]}\n";

  const auto classes =
      LoadTrainingData(ParseJob(model + "data: {train: {csv: " + two + "}}\n"));
  const auto numbers = LoadTrainingData(
      ParseJob(model + "data: {train: {csv: " + three + "}}\n"));

  ASSERT_TRUE(classes.ok()) << classes.status();
  EXPECT_THAT(classes->index().classes, ElementsAre(0, 1));
  ASSERT_TRUE(numbers.ok()) << numbers.status();
  EXPECT_TRUE(numbers->index().classes.empty());
}

TEST_F(JobDataTest, ModelKeysReachTheConfiguration) {
  const v1::Job job = ParseJob(R"(
model: {kind: mlp, layers: [3, 5, 2], activation: tanh, dropout: 0.5, l2: 0.1}
data: {train: {csv: a.csv}}
train: {clip_norm: 5}
seed: 11
)");
  data::Index index;
  index.features = 3;
  index.classes = {4, 9};

  const models::ModelConfig config = ModelConfigOf(job, index);

  EXPECT_EQ(config.kind, "mlp");
  EXPECT_EQ(config.features, 3);
  EXPECT_EQ(config.classes, 2);
  EXPECT_THAT(config.layers, ElementsAre(3, 5, 2));
  EXPECT_EQ(config.activation, "tanh");
  EXPECT_EQ(config.init, "glorot");
  EXPECT_EQ(config.dropout, 0.5);
  EXPECT_EQ(config.l2, 0.1);
  EXPECT_EQ(config.clip_norm, 5);
  EXPECT_EQ(config.seed, 11);
}

TEST_F(JobDataTest, PluginOutsideTheAllowedFoldersIsRefused) {
  const v1::Job job = ParseJob(
      "model: {kind: mine, plugin: /etc/hostname}\n"
      "data: {train: {csv: a.csv}}\n");
  models::Registry registry;
  ASSERT_TRUE(models::RegisterBuiltinModels(&registry).ok());
  auto backend = models::CreateBackend({});
  ASSERT_TRUE(backend.ok());

  const auto model = CreateModel(job, data::Index(), {{folder_.path()}, {}},
                                 &registry, backend->get());

  EXPECT_EQ(model.status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(JobDataTest, KeysOfModelsOfKeysReachTheModel) {
  data::Index index;
  index.features = 39;
  index.classes = {0, 1};
  const std::string data = "data: {train: {libsvm: a.libsvm}}\n";
  EXPECT_EQ(ModelConfigOf(ParseJob("model: fm\n" + data), index).rank, 8);
  EXPECT_EQ(ModelConfigOf(ParseJob("model: ffm\n" + data), index).rank, 4);
  EXPECT_EQ(
      ModelConfigOf(ParseJob("model: {kind: fm, rank: 3}\n" + data), index)
          .rank,
      3);
  const models::ModelConfig config = ModelConfigOf(
      ParseJob("model: {kind: deepfm, dim: 10, layers: [400, 300]}\n" + data),
      index);
  EXPECT_EQ(config.rank, 0);
  EXPECT_EQ(config.dim, 10);
  EXPECT_THAT(config.layers, ElementsAre(400, 300));
  EXPECT_EQ(config.activation, "relu");
  EXPECT_EQ(config.init, "he");
}

TEST_F(JobDataTest, RankAndDimAreTheWidthsOfRows) {
  data::Index index;
  index.features = 3;
  index.classes = {0, 1};
  auto backend = models::CreateBackend({});
  ASSERT_TRUE(backend.ok());
  const auto widths = [&](const std::string& model) {
    models::Registry registry;
    EXPECT_TRUE(models::RegisterBuiltinModels(&registry).ok());
    const auto made = CreateModel(
        ParseJob("model: " + model +
                 "\ndata: {train: {libsvm: {path: a.libsvm, keys: true}}}\n"),
        index, {}, &registry, backend->get());
    EXPECT_TRUE(made.ok()) << made.status();
    std::vector<int64_t> widths;
    if (!made.ok()) return widths;
    for (const auto& table : (*made)->description().sparse_tables) {
      widths.push_back(table.width);
    }
    return widths;
  };
  EXPECT_THAT(widths("{kind: fm, rank: 3}"), ElementsAre(1, 3));
  EXPECT_THAT(widths("{kind: ffm, rank: 5}"), ElementsAre(1, 15));
  EXPECT_THAT(widths("{kind: wide_deep, dim: 7, layers: [4]}"),
              ElementsAre(1, 7));
}

TEST_F(JobDataTest, LabelsAreValuesWhereTheModelSaysSo) {
  const std::string rows =
      "libsvm: " + Write("a.libsvm", "1 1:1\n2 2:1\n5 1:1 2:1\n");
  const std::string ratings =
      "libffm: " + Write("a.ffm", "1 0:1:1 1:7:1\n2 0:2:1 1:7:1\n");
  const auto classes = [&](const std::string& model,
                           const std::string& source) {
    const auto data = LoadTrainingData(
        ParseJob("model: " + model + "\ndata: {train: {" + source + "}}\n"));
    EXPECT_TRUE(data.ok()) << data.status();
    return data.ok() ? data->index().classes.size() : 99;
  };
  EXPECT_EQ(classes("fm", rows), 3u);
  EXPECT_EQ(classes("{kind: fm, labels: values}", rows), 0u);
  // Its only layer is no layer of outputs.
  EXPECT_EQ(classes("{kind: wide_deep, layers: [1]}", rows), 3u);
  EXPECT_EQ(classes("matrix_factorisation", ratings), 0u);
}

}  // namespace
}  // namespace ebb::worker
