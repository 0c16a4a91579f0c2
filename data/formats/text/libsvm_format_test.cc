#include <string>
#include <vector>

#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SourceSpec Libsvm(const LibsvmOptions& options = {}) {
  return {.kind = SourceKind::kLibsvm, .path = "a9a", .libsvm = options};
}

std::vector<ReadExample> Read(const std::string& text,
                              const SourceSpec& spec = Libsvm()) {
  auto all = ReadAll(spec, OpenMemory({{"a9a", text}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<ReadExample>();
}

std::string ErrorOf(const std::string& text,
                    const SourceSpec& spec = Libsvm()) {
  const auto all = ReadAll(spec, OpenMemory({{"a9a", text}}));
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(all.status().message());
}

TEST(LibsvmReaderTest, CountsIdsFromZero) {
  const auto all = Read("+1 1:0.5 7:-2 \n-1\t3:1\r\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].label, 1);
  EXPECT_THAT(all[0].ids, ElementsAre(0, 6));
  EXPECT_THAT(all[0].values, ElementsAre(0.5, -2));
  EXPECT_EQ(all[1].label, -1);
  EXPECT_THAT(all[1].ids, ElementsAre(2));
}

TEST(LibsvmReaderTest, TakesZeroBasedIdsWhenTold) {
  EXPECT_THAT(Read("1 0:5 6:1\n", Libsvm({.zero_based = true}))[0].ids,
              ElementsAre(0, 6));
  EXPECT_EQ(ErrorOf("1 1:5\n1 0:5 6:1\n"),
            "a9a:2: feature id 0 is below 1; if ids count from 0 here, say "
            "zero_based: true");
}

TEST(LibsvmReaderTest, FindsTheNumberOfFeatures) {
  auto reader =
      OpenReader(Libsvm(), OpenMemory({{"a9a", "1 3:1\n1 9:1\n1 2:1\n"}}));
  ASSERT_TRUE(reader.ok()) << reader.status();
  Example example;
  while (*(*reader)->Next(&example)) {
  }
  EXPECT_EQ((*reader)->features(), 9);
}

TEST(LibsvmReaderTest, HoldsIdsToTheNumberThatIsNamed) {
  EXPECT_EQ(Read("1 3:1\n", Libsvm({.features = 3})).size(), 1u);
  EXPECT_EQ(ErrorOf("1 4:1\n", Libsvm({.features = 3})),
            "a9a:1: feature id 4 in data of 3 features; to take it, say "
            "features: 4, or more");
  EXPECT_THAT(ErrorOf("1 2147483648:1\n"), HasSubstr("the most there can be"));
}

TEST(LibsvmReaderTest, SkipsCommentsAndEmptyLines) {
  const auto all = Read("# made by hand\n\n1 2:3 # 4:5\n0\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].ids, ElementsAre(1));
  EXPECT_THAT(all[1].ids, IsEmpty());
}

TEST(LibsvmReaderTest, RefusesIdsThatDoNotAscend) {
  EXPECT_EQ(ErrorOf("1 2:1 5:1\n1 5:1 4:1\n"),
            "a9a:2: feature id 4 stands after 5; the ids of a line ascend");
  EXPECT_THAT(ErrorOf("1 5:1 5:1\n"), HasSubstr("5 stands after 5"));
}

TEST(LibsvmReaderTest, RefusesWhatIsNoFeature) {
  EXPECT_EQ(ErrorOf("1 7\n"),
            "a9a:1: '7' is not a feature; write id:value, as in 7:1");
  EXPECT_THAT(ErrorOf("1 99999999999999999999:1\n"),
              HasSubstr("is not a feature"));
  EXPECT_EQ(ErrorOf("1 -4:1\n"), "a9a:1: feature id -4 is below 1");
}

TEST(LibsvmReaderTest, RefusesValuesThatAreNotFinite) {
  EXPECT_EQ(ErrorOf("1 7:\n"),
            "a9a:1: feature 7: an empty field is not a number");
  EXPECT_EQ(ErrorOf("1 7:nan\n"),
            "a9a:1: feature 7: 'nan' is not a finite number");
  EXPECT_EQ(ErrorOf("1 7:1:2\n"), "a9a:1: feature 7: '1:2' is not a number");
}

TEST(LibsvmReaderTest, RefusesABadLabel) {
  EXPECT_EQ(ErrorOf("yes 7:1\n"), "a9a:1: label: 'yes' is not a number");
  EXPECT_EQ(ErrorOf("7:1 8:1\n"),
            "a9a:1: the line begins with '7:1' instead of a label. If it is a "
            "label and its weight, remove the weights, which ebb does not "
            "know; if it is a feature, write a label before it");
}

TEST(LibsvmReaderTest, TakesIdsAsKeysWhenTold) {
  const SourceSpec spec = Libsvm({.keys = true});
  const auto all =
      Read("1 0:0.5 18446744073709551615:-2 # end\n\n-1 3:1\n", spec);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].keys, ElementsAre(0, 18446744073709551615u));
  EXPECT_THAT(all[0].fields, ElementsAre(0, 0));
  EXPECT_THAT(all[0].values, ElementsAre(0.5, -2));
  EXPECT_THAT(all[0].ids, IsEmpty());
  EXPECT_EQ(ErrorOf("1 2:1\n1 5:1 4:1\n", spec),
            "a9a:2: feature id 4 stands after 5; the ids of a line ascend");
  EXPECT_EQ(ErrorOf("1 18446744073709551616:1\n", spec),
            "a9a:1: '18446744073709551616:1' is not a feature; write id:value, "
            "as in 7:1, with an id from 0 to 2^64 - 1");
}

// 4,203 of the 49,749 rows of w8a are so.
TEST(LibsvmReaderTest, RowsWithoutFeaturesAreExamplesOfKeys) {
  const auto all = Read("-1\n+1 3:1\n-1 # 4:1\n", Libsvm({.keys = true}));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].label, -1);
  EXPECT_THAT(all[0].keys, IsEmpty());
  EXPECT_THAT(all[2].keys, IsEmpty());
}

TEST(LibsvmReaderTest, RefusesWeightsAndQueriesByName) {
  for (const bool keys : {false, true}) {
    const SourceSpec spec = Libsvm({.keys = keys});
    EXPECT_EQ(ErrorOf("1 7:1\n1:0.5 7:1\n", spec),
              "a9a:2: the line begins with '1:0.5' instead of a label. If it "
              "is a label and its weight, remove the weights, which ebb does "
              "not know; if it is a feature, write a label before it");
    EXPECT_EQ(ErrorOf("1 qid:3 7:1\n", spec),
              "a9a:1: 'qid:3' is the number of a query, for ranking, which ebb "
              "does not know; remove it, as `sed 's/ qid:[^ ]*//' a9a` does");
  }
  SourceSpec unlabelled = Libsvm();
  unlabelled.has_labels = false;
  EXPECT_THAT(ErrorOf("qid:3 7:1\n", unlabelled), HasSubstr("of a query"));
}

TEST(LibsvmReaderTest, SkipsLabelsOfDataWithoutLabels) {
  SourceSpec spec = Libsvm();
  spec.has_labels = false;
  const auto all = Read("7:1\n1 8:1\n", spec);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].ids, ElementsAre(6));
  EXPECT_THAT(all[1].ids, ElementsAre(7));
  EXPECT_EQ(all[1].label, 0);
}

// Bug: a line of a table was taken for a label without features.
TEST(LibsvmReaderTest, RefusesATable) {
  for (const bool keys : {false, true}) {
    SourceSpec spec = Libsvm({.keys = keys});
    spec.has_labels = false;
    EXPECT_EQ(
        ErrorOf("1.5,2,0\n", spec),
        "a9a:1: the line is '1.5,2,0', which is neither a label, which is "
        "a number, nor a feature with a colon in it");
    // Several labels are as good as one, where they are not looked at.
    EXPECT_EQ(Read("1,5 7:1\n+1\n", spec).size(), 2u);
  }
}

TEST(LibsvmReaderTest, ScalesValues) {
  SourceSpec spec = Libsvm();
  spec.scale = 0.25;
  EXPECT_THAT(Read("1 1:2 2:4\n", spec)[0].values, ElementsAre(0.5, 1));
}

}  // namespace
}  // namespace ebb::data::internal
