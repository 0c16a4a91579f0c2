#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "data/byte_source.h"
#include "data/formats/testing.h"
#include "data/keys.h"
#include "data/reader.h"
#include "data/source.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SourceSpec Criteo(const CriteoOptions& options = {}) {
  return {.kind = SourceKind::kCriteo, .path = "day_0", .criteo = options};
}

const CriteoOptions kSmall = {.numeric = 2, .categories = 1};

std::vector<ReadExample> Read(const std::string& text,
                              const SourceSpec& spec = Criteo(kSmall)) {
  auto all = ReadAll(spec, OpenMemory({{"day_0", text}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<ReadExample>();
}

std::string ErrorOf(const std::string& text,
                    const SourceSpec& spec = Criteo(kSmall)) {
  const auto all = ReadAll(spec, OpenMemory({{"day_0", text}}));
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(all.status().message());
}

TEST(CriteoReaderTest, EveryColumnHasAKey) {
  std::string line = "1";
  for (int i = 1; i <= 13; ++i) absl::StrAppend(&line, "\t", i);
  for (int i = 1; i <= 26; ++i) absl::StrAppend(&line, "\t05db91", 10 + i);
  const auto all = Read(line + "\n", Criteo());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].label, 1);
  ASSERT_EQ(all[0].keys.size(), 39u);
  for (int i = 0; i < 39; ++i) {
    EXPECT_EQ(all[0].fields[i], i);
    EXPECT_EQ(all[0].values[i], 1);
  }
  EXPECT_EQ(all[0].keys[0], KeyOf(0, "SP1"));
  EXPECT_EQ(all[0].keys[12], KeyOf(12, "6"));  // ln(13)^2 is 6.58.
  EXPECT_EQ(all[0].keys[13], KeyOf(13, "05db9111"));
  EXPECT_EQ(all[0].keys[38], KeyOf(38, "05db9136"));
}

TEST(CriteoReaderTest, NumbersBecomeWordsForTheirMagnitude) {
  const struct {
    const char* number;
    const char* word;
  } cases[] = {
      {"", ""},
      {"-2", "SP-2"},
      {"0", "SP0"},
      {"2", "SP2"},
      {"2.0", "SP2"},
      {"3", "1"},  // ln(3)^2 is 1.21.
      {"4", "1"},
      {"5", "2"},
      {"260.0", "30"},
      {"17668", "95"},
      {"100000000000", "641"},
  };
  for (const auto& one : cases) {
    const auto all = Read(absl::StrCat("0\t", one.number, "\t\tx\n"));
    ASSERT_EQ(all.size(), 1u) << one.number;
    EXPECT_THAT(all[0].keys,
                ElementsAre(KeyOf(0, one.word), KeyOf(1, ""), KeyOf(2, "x")))
        << one.number;
  }
}

TEST(CriteoReaderTest, RefusesNumbersWithoutAMagnitude) {
  for (const char* number : {"0.5", "100000000001", "-1e30"}) {
    EXPECT_EQ(ErrorOf(absl::StrCat("0\t1\t", number, "\tx\n")),
              absl::StrCat("day_0:1: number 2: '", number,
                           "' is not a whole number of at most 10^11; with "
                           "numbers: value numbers are taken as they are"));
  }
  EXPECT_EQ(ErrorOf("0\t1\t05db9164\tx\n"),
            "day_0:1: number 2: '05db9164' is not a number");
}

TEST(CriteoReaderTest, TakesNumbersAsValuesWhenTold) {
  SourceSpec spec = Criteo({.numeric = 2,
                            .categories = 1,
                            .numbers = CriteoOptions::Numbers::kValue});
  spec.scale = 2;
  const auto all = Read("0\t-0.25\t\tx\n", spec);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].fields, ElementsAre(0, 2));
  EXPECT_THAT(all[0].keys, ElementsAre(KeyOf(0, ""), KeyOf(2, "x")));
  EXPECT_THAT(all[0].values, ElementsAre(-0.5, 1));
  spec.criteo.categories = 0;
  EXPECT_TRUE(Read("0\t\t\n", spec).at(0).keys.empty());
}

TEST(CriteoReaderTest, TakesCommasAndAHeader) {
  const std::vector<uint64_t> keys = {KeyOf(0, "SP1"), KeyOf(1, ""),
                                      KeyOf(2, "x")};
  for (const char* text : {"label,I1,I2,C1\n1,1,,x\n", "1,1,,x\n",
                           "label\tI1\tI2\tC1\r\n1\t1\t\tx\r\n\r\n"}) {
    const auto all = Read(text);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].label, 1) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
  }
  EXPECT_EQ(
      ErrorOf("label,I1,I2,C1\nlabel,I1,I2,C1\n"),
      "day_0:2: this line repeats the header, as in files that were joined; "
      "remove it, or give the files as a list");
}

TEST(CriteoReaderTest, RefusesOtherWidths) {
  EXPECT_EQ(
      ErrorOf("1\t1\t\tx\n1\t1\tx\n"),
      "day_0:2: the line has 3 fields between '\\t' instead of 4: a "
      "label, 2 numbers and 1 categories; if the log has others, say so by "
      "numeric and categories");
  EXPECT_THAT(ErrorOf("1\t1\t\tx\ty\n"), HasSubstr("has 5 fields"));
}

TEST(CriteoReaderTest, RefusesABadLabel) {
  EXPECT_EQ(ErrorOf("\t1\t\tx\n"),
            "day_0:1: label: an empty field is not a number");
  EXPECT_THAT(ErrorOf("0.5\t1\t\tx\n"),
              HasSubstr("class '0.5' is not a whole"));
}

TEST(CriteoReaderTest, TheLabelMayBeMissingWhereNoneIsNeeded) {
  SourceSpec spec = Criteo(kSmall);
  spec.has_labels = false;
  for (const char* text : {"1\t\tx\n", "0\t1\t\tx\n", "I1\tI2\tC1\n1\t\tx\n"}) {
    const auto all = Read(text, spec);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].keys[0], KeyOf(0, "SP1")) << text;
  }
}

TEST(CriteoReaderTest, QuotesAreNoPartOfAWord) {
  EXPECT_EQ(Read("\"1\",\"1\",,\"x\ny\"\n")[0].keys[2], KeyOf(2, "x\ny"));
}

TEST(CriteoReaderTest, RecognisesTheColumnsOfAHeader) {
  const std::vector<uint64_t> keys = {KeyOf(0, "SP1"), KeyOf(1, "SP2"),
                                      KeyOf(2, "x")};
  for (const char* text :
       {"C1,I2,I1,label\nx,2,1,1\n", "int_1,click,cat_1,int_2\n1,1,x,2\n",
        "foo,I1,I2,C1\n1,1,2,x\n", "a,b,c,Clicked\n1,2,x,1\n"}) {
    const auto all = Read(text);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].label, 1) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
  }
  EXPECT_EQ(ErrorOf("foo,a,b,c\n1,1,2,x\n"),
            "day_0:1: none of the columns 'foo', 'a', 'b', 'c' has a usual "
            "name of the label; name its column by label:");
}

TEST(CriteoReaderTest, TakesTheColumnsThatAreNamed) {
  SourceSpec spec = Criteo(kSmall);
  spec.criteo.label = "answer";
  spec.criteo.ignore = {"id"};
  const auto all = Read("id,a,answer,b,c\n77,1,0,2,x\n", spec);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].label, 0);
  EXPECT_EQ(all[0].keys[1], KeyOf(1, "SP2"));
  spec.criteo.label = "id";
  EXPECT_THAT(ErrorOf("id,a,answer,b,c\n77,1,0,2,x\n", spec),
              HasSubstr("the label, column 1 ('id'), is also"));
  spec.criteo.text.delimiter = "|";
  spec.criteo.label = "5";
  spec.criteo.ignore = {"1"};
  EXPECT_EQ(Read("77|1|2|x|0\n", spec)[0].keys[2], KeyOf(2, "x"));
}

// Another order at prediction changed every key without a word.
TEST(CriteoReaderTest, FindsTheColumnsOfTheTrainingDataByName) {
  const std::vector<uint64_t> keys = {KeyOf(0, "SP1"), KeyOf(1, "SP2"),
                                      KeyOf(2, "x")};
  SourceSpec spec = Criteo(kSmall);
  spec.like = ColumnNames{{"age", "visits", "city"}, "bought"};
  for (const char* text : {"bought,age,visits,city\n1,1,2,x\n",
                           "city,bought,visits,age\nx,1,2,1\n", "1,1,2,x\n"}) {
    const auto all = Read(text, spec);
    ASSERT_EQ(all.size(), 1u) << text;
    EXPECT_EQ(all[0].label, 1) << text;
    EXPECT_EQ(all[0].keys, keys) << text;
  }
  EXPECT_EQ(ErrorOf("bought,age,visits,town\n1,1,2,x\n", spec),
            "day_0:1: there is no column 'city', which is a feature of the "
            "training data, among 'bought', 'age', 'visits', 'town'");
  EXPECT_THAT(ErrorOf("sold,age,visits,city\n1,1,2,x\n", spec),
              HasSubstr("no column 'bought' among"));
  spec.has_labels = false;
  EXPECT_EQ(Read("city,age,visits\nx,1,2\n", spec)[0].keys, keys);
  EXPECT_EQ(Read("city,age,visits,sold\nx,1,2,1\n", spec)[0].keys, keys);
}

TEST(CriteoReaderTest, KeepsTheNamesAndTheOrderOfAHeader) {
  const auto order = [](const std::string& text) {
    auto reader = *OpenReader(Criteo(kSmall), OpenMemory({{"day_0", text}}));
    Example example;
    EXPECT_TRUE(reader->Next(&example).ok());
    EXPECT_EQ(reader->Names()->label, "click");
    return reader->ColumnOrder();
  };
  EXPECT_EQ(order("click,a,b,c\n1,1,2,x\n"), "");
  EXPECT_EQ(order("a,b,click,c\n1,2,1,x\n"), "1,2,4,3");
}

TEST(CriteoReaderTest, AMissingNumberIsNone) {
  SourceSpec spec = Criteo(kSmall);
  spec.criteo.text.missing_values = {"-999"};
  for (const char* text : {"0\tNA\t\\N\tx\n", "0\tNone\t-999\t-999\n"}) {
    spec.criteo.text.missing_values = {"-999", "\\N"};
    EXPECT_EQ(Read(text, spec)[0].keys[1], KeyOf(1, "")) << text;
  }
}

}  // namespace
}  // namespace ebb::data::internal
