// The readers over data sets as people publish them: the Debian package
// dataset-fashion-mnist, and the small sets beside the project (CMakeLists.txt
// leaves the tests of these out where there are none). The expected figures
// are those of the data's own documentation, or were counted by other programs.
#include <algorithm>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/dataset.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kFashion[] = "/usr/share/datasets/fashion-mnist/";
constexpr char kShared[] = "../shared/data/";

Dataset MustLoad(const SourceSpec& spec) {
  auto data = Dataset::Load(spec);
  EXPECT_TRUE(data.ok()) << data.status();
  return *std::move(data);
}

Dataset MustLoadLike(const SourceSpec& spec, const Index& training) {
  auto data = Dataset::LoadLike(spec, training);
  EXPECT_TRUE(data.ok()) << data.status();
  return *std::move(data);
}

ExampleBatch All(const Dataset& data) {
  std::vector<int64_t> examples(data.examples());
  std::iota(examples.begin(), examples.end(), 0);
  ExampleBatch batch;
  EXPECT_TRUE(data.Gather(examples, &batch).ok());
  return batch;
}

std::vector<int64_t> ClassCounts(const Dataset& data) {
  std::vector<int64_t> counts(data.index().classes.size());
  for (const float label : All(data).labels) ++counts[label];
  return counts;
}

TEST(RealDataTest, FashionMnistTestSet) {
  const SourceSpec spec = {.kind = SourceKind::kIdx,
                           .path = std::string(kFashion) + "t10k",
                           .scale = 1.0 / 255};
  const Dataset data = MustLoad(spec);
  EXPECT_EQ(data.examples(), 10000);
  EXPECT_EQ(data.features(), 784);
  EXPECT_THAT(ClassCounts(data), ElementsAre(1000, 1000, 1000, 1000, 1000, 1000,
                                             1000, 1000, 1000, 1000));
  // The first images are an ankle boot, a pullover and a pair of trousers.
  ExampleBatch batch;
  ASSERT_TRUE(data.Gather(std::vector<int64_t>{0, 1, 2}, &batch).ok());
  EXPECT_THAT(batch.labels, ElementsAre(9, 2, 1));
  double sum = 0;
  for (const float value : All(data).values) sum += value;
  EXPECT_NEAR(sum / (10000 * 784), 0.28685, 0.00001);
}

TEST(RealDataTest, FashionMnistTrainLoadsInUnderASecond) {
  // Of the processor, for others may use it, too.
  const std::clock_t start = std::clock();
  const Dataset data = MustLoad({.kind = SourceKind::kIdx,
                                 .path = std::string(kFashion) + "train",
                                 .scale = 1.0 / 255});
  const double seconds =
      static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  EXPECT_EQ(data.examples(), 60000);
  const double mean =
      std::accumulate(data.index().mean.begin(), data.index().mean.end(), 0.0);
  EXPECT_NEAR(mean / 784, 0.28604, 0.00001);
  RecordProperty("load_s", std::to_string(seconds));
#if defined(NDEBUG) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
  EXPECT_LT(seconds, 1);
#endif
}

TEST(SharedDataTest, Digits) {
  const std::string path = absl::StrCat(kShared, "sklearn/digits.csv");
  const Dataset data = MustLoad({.kind = SourceKind::kCsv, .path = path});
  EXPECT_EQ(data.examples(), 1797);
  EXPECT_EQ(data.features(), 64);
  EXPECT_THAT(ClassCounts(data),
              ElementsAre(178, 182, 177, 183, 181, 182, 181, 179, 174, 180));
}

TEST(SharedDataTest, DigitsSplit) {
  const std::string path = absl::StrCat(kShared, "sklearn/digits.csv");
  SourceSpec spec = {.kind = SourceKind::kCsv,
                     .path = path,
                     .standardise = true,
                     .split = Split{.test_fraction = 0.2, .seed = 1}};
  const Dataset train = MustLoad(spec);
  spec.split->part = Split::Part::kTest;
  const Dataset test = MustLoadLike(spec, train.index());
  EXPECT_EQ(test.examples(), 336);  // By the program in docs/data-order.md.
  EXPECT_EQ(train.examples(), 1797 - 336);
  // Standardised, each column of the training data has mean 0.
  std::vector<double> sums(64);
  const ExampleBatch batch = All(train);
  for (size_t i = 0; i < batch.values.size(); ++i) {
    sums[i % 64] += batch.values[i];
  }
  EXPECT_THAT(sums, Each(testing::DoubleNear(0, 1e-3)));
}

TEST(SharedDataTest, DiabetesIsRegression) {
  const std::string path = absl::StrCat(kShared, "sklearn/diabetes.csv");
  const Dataset data = MustLoad({.kind = SourceKind::kCsv,
                                 .path = path,
                                 .label_kind = LabelKind::kReal,
                                 .csv = {.label = "target"}});
  EXPECT_EQ(data.examples(), 442);
  EXPECT_EQ(data.features(), 10);
  EXPECT_EQ(All(data).labels[0], 151);
}

TEST(SharedDataTest, HiggsIsTabbedWithTheLabelFirst) {
  const std::string path =
      absl::StrCat(kShared, "higgs-sample/higgs-sample.train.tsv");
  const Dataset data =
      MustLoad({.kind = SourceKind::kCsv, .path = path, .csv = {.label = "1"}});
  EXPECT_EQ(data.examples(), 7000);
  EXPECT_EQ(data.features(), 28);
  EXPECT_THAT(data.index().classes, ElementsAre(0, 1));
  EXPECT_EQ(All(data).values[0], 0.869f);
}

TEST(SharedDataTest, CriteoHasGaps) {
  const std::string path =
      absl::StrCat(kShared, "criteo-sample/criteo_sample.txt");
  SourceSpec spec = {
      .kind = SourceKind::kCsv, .path = path, .csv = {.label = "label"}};
  for (int i = 1; i <= 26; ++i) {
    spec.csv.ignore.push_back(absl::StrCat("C", i));
  }
  EXPECT_THAT(Dataset::Load(spec).status().message(),
              HasSubstr("I1, I10: a missing value in 90 of 200 rows"));
  spec.csv.missing = CsvOptions::Missing::kMean;
  const Dataset data = MustLoad(spec);
  EXPECT_EQ(data.examples(), 200);
  EXPECT_EQ(data.features(), 13);
  // I1 of the first example is missing.
  EXPECT_EQ(All(data).values[0], static_cast<float>(data.index().mean[0]));
}

TEST(SharedDataTest, CriteoCategoriesAreNoNumbers) {
  const std::string path =
      absl::StrCat(kShared, "criteo-sample/criteo_sample.txt");
  const SourceSpec spec = {.kind = SourceKind::kCsv,
                           .path = path,
                           .csv = {.label = "label",
                                   .missing = CsvOptions::Missing::kConstant,
                                   .categories_by_text = false}};
  EXPECT_THAT(Dataset::Load(spec).status().message(),
              HasSubstr("C9, C17: text in 200 of 200 rows"));
}

TEST(SharedDataTest, A9aTrainAndTest) {
  const std::string path = absl::StrCat(kShared, "a9a/a9a");
  const SourceSpec spec = {.kind = SourceKind::kLibsvm, .path = path};
  const Dataset train = MustLoad(spec);
  EXPECT_EQ(train.examples(), 32560);
  EXPECT_EQ(train.features(), 122);
  EXPECT_THAT(ClassCounts(train), ElementsAre(24719, 7841));
  SourceSpec test_spec = spec;
  test_spec.path += ".t";
  const Dataset test = MustLoadLike(test_spec, train.index());
  EXPECT_EQ(test.examples(), 16281);
  EXPECT_THAT(ClassCounts(test), ElementsAre(12435, 3846));
}

TEST(SharedDataTest, AgaricusHas22FeaturesARow) {
  const std::string path = absl::StrCat(kShared, "agaricus/agaricus.txt.train");
  const Dataset data = MustLoad({.kind = SourceKind::kLibsvm, .path = path});
  EXPECT_EQ(data.examples(), 6513);
  EXPECT_EQ(data.features(), 126);
  const ExampleBatch batch = All(data);
  EXPECT_EQ(batch.ids.size(), 6513u * 22);
  EXPECT_THAT(batch.values, Each(1.0f));
}

TEST(SharedDataTest, Rcv1HasLabelsOfEitherSign) {
  const std::string path =
      absl::StrCat(kShared, "rcv1-small/rcv1-small.train.libsvm");
  const Dataset data = MustLoad({.kind = SourceKind::kLibsvm,
                                 .path = path,
                                 .libsvm = {.features = 47236}});
  EXPECT_EQ(data.examples(), 1000);
  EXPECT_EQ(data.features(), 47236);
  EXPECT_THAT(data.index().classes, ElementsAre(-1, 1));
  EXPECT_THAT(ClassCounts(data), ElementsAre(541, 459));
}

TEST(SharedDataTest, CriteoSample) {
  const std::string path =
      absl::StrCat(kShared, "criteo-sample/criteo_sample.txt");
  const Dataset data = MustLoad({.kind = SourceKind::kCriteo, .path = path});
  EXPECT_EQ(data.examples(), 200);
  EXPECT_EQ(data.features(), 39);
  const ExampleBatch batch = All(data);
  EXPECT_EQ(batch.keys.size(), 200u * 39);
  // cut -d, -f15 criteo_sample.txt | sed 1d | sort | uniq -c | sort -n
  const auto most = KeyOf(13, "05db9164");
  EXPECT_EQ(std::count(batch.keys.begin(), batch.keys.end(), most), 87);
  // I2 of the first line is 3, and ln(3)^2 is 1.2; I3 is 260.0.
  EXPECT_EQ(batch.keys[1], KeyOf(1, "1"));
  EXPECT_EQ(batch.keys[2], KeyOf(2, "30"));
}

}  // namespace
}  // namespace ebb::data
