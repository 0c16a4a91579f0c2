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

SourceSpec Libffm(const LibffmOptions& options = {}) {
  return {.kind = SourceKind::kLibffm, .path = "ads", .libffm = options};
}

std::vector<ReadExample> Read(const std::string& text,
                              const SourceSpec& spec = Libffm()) {
  auto all = ReadAll(spec, OpenMemory({{"ads", text}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<ReadExample>();
}

std::string ErrorOf(const std::string& text,
                    const SourceSpec& spec = Libffm()) {
  const auto all = ReadAll(spec, OpenMemory({{"ads", text}}));
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(all.status().message());
}

TEST(LibffmReaderTest, TakesTriplesInTheOrderOfTheLine) {
  const auto all =
      Read("1 2:7:0.5 0:18446744073709551615:-2 \n\n# two\n0\t2:7:1 2:7:1\r\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].label, 1);
  EXPECT_THAT(all[0].fields, ElementsAre(2, 0));
  EXPECT_THAT(all[0].keys, ElementsAre(7, 18446744073709551615u));
  EXPECT_THAT(all[0].values, ElementsAre(0.5, -2));
  EXPECT_THAT(all[1].keys, ElementsAre(7, 7));
}

TEST(LibffmReaderTest, FindsTheNumberOfFields) {
  auto reader =
      OpenReader(Libffm(), OpenMemory({{"ads", "1 0:1:1\n0 8:1:1 2:1:1\n"}}));
  ASSERT_TRUE(reader.ok()) << reader.status();
  Example example;
  while (*(*reader)->Next(&example)) {
  }
  EXPECT_EQ((*reader)->features(), 9);
  EXPECT_EQ((*reader)->layout(), Layout::kKeyed);
}

TEST(LibffmReaderTest, HoldsFieldsToTheNumberThatIsNamed) {
  EXPECT_EQ(Read("1 2:1:1\n", Libffm({.fields = 3})).size(), 1u);
  EXPECT_EQ(ErrorOf("1 3:1:1\n", Libffm({.fields = 3})),
            "ads:1: field 3 in data of 3 fields; to take it, say fields: "
            "4, or more");
  EXPECT_EQ(Read("1 65535:1:1\n").size(), 1u);
  EXPECT_EQ(ErrorOf("0 1:1:1\n1 65536:1:1\n"),
            "ads:2: field 65536 in data of 65536 fields, the most there can "
            "be; is the feature where the field should stand?");
}

TEST(LibffmReaderTest, RefusesWhatIsNoFeature) {
  EXPECT_EQ(ErrorOf("1 7:1\n"),
            "ads:1: '7:1' is not a feature; write field:feature:value, as in "
            "0:7:1, with a feature from 0 to 2^64 - 1");
  for (const char* word :
       {"1 7", "1 0:18446744073709551616:1", "1 -1:7:1", "1 0:-7:1", "1 0:+7:1",
        "1 a:7:1", "1 0:a:1", "1 :7:1", "1 0::1"}) {
    EXPECT_THAT(ErrorOf(word), HasSubstr("is not a feature")) << word;
  }
  EXPECT_EQ(ErrorOf("1 3:7:\n"),
            "ads:1: field 3, feature 7: an empty field is not a number");
  EXPECT_EQ(ErrorOf("1 3:7:inf\n"),
            "ads:1: field 3, feature 7: 'inf' is not a finite number");
  EXPECT_EQ(ErrorOf("1 3:7:1:1\n"),
            "ads:1: field 3, feature 7: '1:1' is not a number");
}

TEST(LibffmReaderTest, RowsWithoutFeaturesAreExamples) {
  const auto all = Read("1 0:1:1\n0\n1 # 0:1:1\n");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].label, 0);
  EXPECT_THAT(all[1].keys, IsEmpty());
  EXPECT_EQ(all[2].label, 1);
  EXPECT_THAT(all[2].keys, IsEmpty());
}

TEST(LibffmReaderTest, SkipsLabelsOfDataWithoutLabels) {
  SourceSpec spec = Libffm();
  EXPECT_EQ(ErrorOf("0:7:1\n"),
            "ads:1: the line begins with '0:7:1' instead of a label. If it is "
            "a label and its weight, remove the weights, which ebb does not "
            "know; if it is a feature, write a label before it");
  spec.has_labels = false;
  const auto all = Read("0:7:1\n1 0:8:1\n", spec);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].keys, ElementsAre(7));
  EXPECT_THAT(all[1].keys, ElementsAre(8));
  EXPECT_EQ(all[1].label, 0);
}

TEST(LibffmReaderTest, ScalesValues) {
  SourceSpec spec = Libffm();
  spec.scale = 0.25;
  EXPECT_THAT(Read("1 0:1:2 1:2:4\n", spec)[0].values, ElementsAre(0.5, 1));
}

}  // namespace
}  // namespace ebb::data::internal
