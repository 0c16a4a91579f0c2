#include "data/source.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/formats/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

SourceSpec Csv() { return {.kind = SourceKind::kCsv, .path = "a.csv"}; }

std::string ErrorOf(const SourceSpec& spec) {
  const absl::Status status = spec.Validate();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(SourceSpecTest, EachKindHasAFormatWithAWordOfItsOwn) {
  std::map<SourceKind, absl::string_view> words;
  for (const internal::Format& format : internal::Formats()) {
    EXPECT_TRUE(words.emplace(format.kind, format.word).second) << format.word;
    EXPECT_THAT(SourceSpec{.kind = format.kind}.Meaning(),
                StartsWith(absl::StrCat(format.word, " reader=1 ")));
  }
  EXPECT_THAT(
      words,
      UnorderedElementsAre(
          Pair(SourceKind::kIdx, "idx"), Pair(SourceKind::kCsv, "csv"),
          Pair(SourceKind::kLibsvm, "libsvm"),
          Pair(SourceKind::kLibffm, "libffm"),
          Pair(SourceKind::kRatings, "ratings"),
          Pair(SourceKind::kCriteo, "criteo"), Pair(SourceKind::kNpy, "npy"),
          Pair(SourceKind::kText, "text"), Pair(SourceKind::kBags, "bags"),
          Pair(SourceKind::kPacked, "packed"),
          Pair(SourceKind::kImages, "images"), Pair(SourceKind::kTar, "tar"),
          Pair(SourceKind::kTfRecord, "tf_record"),
          Pair(SourceKind::kJsonLines, "json_lines"),
          Pair(SourceKind::kProtobuf, "protobuf")));
}

TEST(SourceSpecTest, RefusesPathsThatDoNotSuitTheKind) {
  EXPECT_TRUE(Csv().Validate().ok());
  EXPECT_THAT(ErrorOf({.kind = SourceKind::kLibsvm}), HasSubstr("no path"));
  EXPECT_THAT(ErrorOf({.kind = SourceKind::kIdx}),
              HasSubstr("needs either a path"));
  EXPECT_THAT(
      ErrorOf({.kind = SourceKind::kIdx, .path = "x", .idx = {.images = "y"}}),
      HasSubstr("needs either a path"));
  EXPECT_THAT(ErrorOf({.kind = SourceKind::kIdx, .idx = {.images = "y"}}),
              HasSubstr("no labels file beside the images y"));
  EXPECT_THAT(ErrorOf({.kind = SourceKind::kIdx, .idx = {.labels = "y"}}),
              HasSubstr("no images file beside the labels y"));
}

TEST(SourceSpecTest, RefusesNumbersOutOfRange) {
  SourceSpec spec = Csv();
  spec.scale = 0;
  EXPECT_THAT(ErrorOf(spec), HasSubstr("scale 0 is not a finite number"));
  spec.scale = std::nan("");
  EXPECT_THAT(ErrorOf(spec), HasSubstr("scale nan"));
  spec = Csv();
  spec.split = Split{.test_fraction = 1};
  EXPECT_EQ(ErrorOf(spec),
            "the test fraction of the split is 1; it lies between 0 and 1, "
            "for example 0.2");
  spec.split = Split{.test_fraction = std::nan("")};
  EXPECT_THAT(ErrorOf(spec), HasSubstr("split is nan"));
  spec = Csv();
  spec.csv.missing_value = std::numeric_limits<double>::infinity();
  EXPECT_THAT(ErrorOf(spec), HasSubstr("missing value inf"));
  EXPECT_THAT(ErrorOf({.kind = SourceKind::kLibsvm,
                       .path = "a",
                       .libsvm = {.features = -1}}),
              HasSubstr("features -1 is not between 0"));
}

TEST(SourceSpecTest, RefusesOptionsThatSparseDataDoesNotTake) {
  EXPECT_THAT(ErrorOf({.kind = SourceKind::kLibffm,
                       .path = "a",
                       .libffm = {.fields = 65537}}),
              HasSubstr("fields 65537 is not between 0"));
  EXPECT_EQ(
      ErrorOf({.kind = SourceKind::kLibsvm,
               .path = "a",
               .libsvm = {.features = 3, .keys = true}}),
      "keys: true takes neither features nor zero_based, for keys are any "
      "numbers; leave out features and zero_based, or keys");
  for (const CriteoOptions& columns :
       {CriteoOptions{.numeric = 0, .categories = 0},
        CriteoOptions{.numeric = -1, .categories = 3},
        CriteoOptions{.numeric = 65536, .categories = 1}}) {
    EXPECT_THAT(
        ErrorOf({.kind = SourceKind::kCriteo, .path = "a", .criteo = columns}),
        HasSubstr(
            "beside the label there must be between 1 and 65536 columns"));
  }
  SourceSpec scaled = {.kind = SourceKind::kCriteo, .path = "a", .scale = 0.5};
  EXPECT_THAT(ErrorOf(scaled),
              HasSubstr("all features of this data are words"));
  scaled.criteo.numbers = CriteoOptions::Numbers::kValue;
  EXPECT_TRUE(scaled.Validate().ok());
  scaled.kind = SourceKind::kRatings;
  EXPECT_THAT(ErrorOf(scaled),
              HasSubstr("all features of this data are words"));
}

TEST(SourceSpecTest, RefusesDelimitersThatFieldsMayHold) {
  for (const char c : {'1', 'a', '.', '-', '"', '\n', '\0'}) {
    SourceSpec spec = Csv();
    spec.csv.text.delimiter = std::string(1, c);
    EXPECT_THAT(ErrorOf(spec), HasSubstr("can be part of a field"));
  }
}

TEST(SourceSpecTest, RefusesToStandardiseSparseData) {
  const SourceSpec spec = {
      .kind = SourceKind::kLibsvm, .path = "a9a", .standardise = true};
  EXPECT_THAT(ErrorOf(spec), HasSubstr("would fill in the zeros"));
  EXPECT_THAT(
      ErrorOf({.kind = SourceKind::kRatings, .path = "r", .standardise = true}),
      HasSubstr("would fill in the zeros"));
}

TEST(SourceSpecTest, MeaningNamesAllButThePaths) {
  const SourceSpec idx = {
      .kind = SourceKind::kIdx, .path = "d/train", .scale = 0.5};
  EXPECT_EQ(idx.Meaning(),
            "idx reader=1 labels=class scale=0.5 standardise=no");
  const SourceSpec libsvm = {.kind = SourceKind::kLibsvm,
                             .path = "a9a",
                             .has_labels = false,
                             .libsvm = {.features = 123, .zero_based = true}};
  EXPECT_EQ(libsvm.Meaning(),
            "libsvm reader=1 labels=none scale=1 standardise=no features=123 "
            "zero_based=yes");
  SourceSpec sparse = {.kind = SourceKind::kLibsvm,
                       .path = "a",
                       .label_kind = LabelKind::kReal,
                       .libsvm = {.keys = true}};
  const std::string rest = " reader=1 labels=real scale=1 standardise=no";
  EXPECT_EQ(sparse.Meaning(),
            "libsvm-keys" + rest + " features=0 zero_based=no");
  sparse.kind = SourceKind::kLibffm;
  EXPECT_EQ(sparse.Meaning(), "libffm" + rest + " fields=0");
  sparse.kind = SourceKind::kRatings;
  EXPECT_EQ(sparse.Meaning(), "ratings" + rest + " quotes=yes");
  sparse.ratings.text.quotes = false;  // Older ebbs had no such option.
  EXPECT_EQ(sparse.Meaning(), "ratings" + rest);
  sparse.kind = SourceKind::kCriteo;
  EXPECT_EQ(sparse.Meaning(), "criteo" + rest +
                                  " numeric=13 categories=26 numbers=bucket "
                                  "quotes=yes");
  const SourceSpec csv = {.kind = SourceKind::kCsv,
                          .path = "a.tsv",
                          .label_kind = LabelKind::kReal,
                          .scale = 0.1,
                          .standardise = true,
                          .split = Split{.seed = 7, .part = Split::Part::kTest},
                          .csv = {.label = "it's",
                                  .ignore = {"a", "3"},
                                  .missing = CsvOptions::Missing::kMean}};
  EXPECT_EQ(csv.Meaning(),
            "csv reader=1 labels=real scale=0.10000000000000001 "
            "standardise=yes split=test/0.20000000000000001/7 delimiter='\\t' "
            "header=auto label='it\\'s' ignore=['a','3'] missing=mean");
  SourceSpec labels = csv;
  labels.standardise_labels = true;
  EXPECT_THAT(labels.Meaning(), HasSubstr(" standardise_labels=yes "));
  labels.label_kind = LabelKind::kClass;
  EXPECT_THAT(labels.Meaning(), Not(HasSubstr("standardise_labels")));
  SourceSpec like = csv;
  like.like = ColumnNames{{"a", "bc"}, "y"};
  EXPECT_THAT(like.Meaning(), StartsWith(csv.Meaning() + " like="));
  SourceSpec other = like;
  other.like = ColumnNames{{"ab", "c"}, "y"};
  EXPECT_NE(like.Meaning(), other.Meaning());
}

TEST(SplitTest, MatchesTheVectorsOfTheSpecification) {
  const Split split = {
      .test_fraction = 0.25, .seed = 1, .part = Split::Part::kTest};
  std::vector<int64_t> test;
  for (int64_t example = 0; example < 32; ++example) {
    if (Selects(split, example)) test.push_back(example);
  }
  EXPECT_THAT(test, ElementsAre(8, 11, 17, 20, 21, 22, 23, 30));
}

TEST(SplitTest, EachExampleIsInOnePart) {
  Split train = {.test_fraction = 0.2, .seed = 1};
  Split test = train;
  test.part = Split::Part::kTest;
  int64_t tested = 0;
  for (int64_t example = 0; example < 1797; ++example) {
    EXPECT_NE(Selects(train, example), Selects(test, example));
    tested += Selects(test, example) ? 1 : 0;
  }
  EXPECT_EQ(tested, 336);  // By the program of the specification.
}

}  // namespace
}  // namespace ebb::data
