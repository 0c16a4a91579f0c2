#include <algorithm>
#include <cmath>
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

constexpr char kPath[] = "train.csv";

SourceSpec Csv(const CsvOptions& options = {}) {
  return {.kind = SourceKind::kCsv, .path = kPath, .csv = options};
}

// A table that is read like training data with these columns.
SourceSpec Like(const ColumnNames& training, const CsvOptions& options = {}) {
  SourceSpec spec = Csv(options);
  spec.like = training;
  return spec;
}

std::vector<ReadExample> Read(const std::string& text,
                              const SourceSpec& spec = Csv()) {
  auto all = ReadAll(spec, OpenMemory({{spec.path, text}}));
  EXPECT_TRUE(all.ok()) << all.status();
  return all.ok() ? *std::move(all) : std::vector<ReadExample>();
}

std::string ErrorOf(const std::string& text, const SourceSpec& spec = Csv()) {
  const auto all = ReadAll(spec, OpenMemory({{spec.path, text}}));
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(all.status().message());
}

TEST(CsvReaderTest, TakesTheLastColumnAsTheLabel) {
  const auto all = Read("1,2.5,0\n-3e1,.25,7\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].values, ElementsAre(1, 2.5));
  EXPECT_EQ(all[0].label, 0);
  EXPECT_THAT(all[1].values, ElementsAre(-30, 0.25));
  EXPECT_EQ(all[1].label, 7);
}

TEST(CsvReaderTest, RecognisesAHeader) {
  const auto all = Read("length,width,class\n1,2,0\n");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].values, ElementsAre(1, 2));
}

TEST(CsvReaderTest, AsksWhetherAMixedFirstLineIsAHeader) {
  EXPECT_EQ(ErrorOf("1.5,abc,0\n1,2,0\n"),
            "train.csv:1: the first line has words ('abc' in column 2) and "
            "numbers ('1.5' in column 1); say header: true or "
            "header: false");
}

TEST(CsvReaderTest, ObeysWhatIsSaidAboutTheHeader) {
  const CsvOptions yes = {.header = CsvOptions::Header::kYes};
  EXPECT_THAT(Read("2019,2020,0\n1,2,0\n", Csv(yes)), testing::SizeIs(1));
  const CsvOptions no = {.header = CsvOptions::Header::kNo};
  EXPECT_THAT(ErrorOf("a,b,c\n1,2,0\n", Csv(no)),
              HasSubstr("train.csv:1: label, column 3: 'c' is not a number"));
}

TEST(CsvReaderTest, FindsTheLabelByNameOrNumber) {
  const std::string text = "class,a,b\n4,1,2\n";
  for (const char* label : {"class", "1"}) {
    const auto all = Read(text, Csv({.label = label}));
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].label, 4);
    EXPECT_THAT(all[0].values, ElementsAre(1, 2));
  }
}

TEST(CsvReaderTest, ANameThatIsANumberWinsOverTheNumber) {
  const CsvOptions options = {.header = CsvOptions::Header::kYes, .label = "1"};
  const auto all = Read("7,8,1\n0,0,5\n", Csv(options));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].label, 5);
}

TEST(CsvReaderTest, RefusesColumnsThatAreNotThere) {
  EXPECT_EQ(ErrorOf("a,b,c\n1,2,0\n", Csv({.label = "klass"})),
            "train.csv:1: there is no column 'klass' among 'a', 'b', 'c'");
  EXPECT_EQ(ErrorOf("price,outcome\n1,0\n", Csv({.label = "outcom"})),
            "train.csv:1: there is no column 'outcom' among 'price', "
            "'outcome'; is it 'outcome'?");
  EXPECT_EQ(ErrorOf("1,2,0\n", Csv({.label = "0"})),
            "train.csv:1: there is no column 0; they count from 1 to 3");
  EXPECT_EQ(ErrorOf("1,2,0\n", Csv({.label = "4"})),
            "train.csv:1: there is no column 4; they count from 1 to 3");
  const CsvOptions headless = {.header = CsvOptions::Header::kNo,
                               .label = "target"};
  EXPECT_EQ(ErrorOf("1,2,0\n", Csv(headless)),
            "train.csv:1: column 'target' goes by a name, but there is no "
            "header; use its number, from 1");
  EXPECT_THAT(ErrorOf("a,a,c\n1,2,0\n", Csv({.label = "a"})),
              HasSubstr("column 'a' is in the header twice"));
}

// Each showed only when the one before was mended.
TEST(CsvReaderTest, NamesAllColumnsThatAreNotThere) {
  EXPECT_EQ(
      ErrorOf("a,b\n1,0\n", Csv({.label = "klass", .ignore = {"x", "a", "y"}})),
      "train.csv:1: there is no column 'klass' among 'a', 'b'\n"
      "train.csv:1: there is no column 'x' among 'a', 'b'\n"
      "train.csv:1: there is no column 'y' among 'a', 'b'");
  const SourceSpec like = Like({{"a", "b", "c"}, "y"});
  EXPECT_EQ(ErrorOf("b\n1\n", like),
            "train.csv:1: there is no column 'y', which is the label of the "
            "training data, among 'b'\n"
            "train.csv:1: there is no column 'a', which is a feature of the "
            "training data, among 'b'\n"
            "train.csv:1: there is no column 'c', which is a feature of the "
            "training data, among 'b'");
}

TEST(CsvReaderTest, NamesTheMistakesOfAllLines) {
  EXPECT_EQ(ErrorOf("a,b,y\n1,x,2\n1,2,3\n4,5\n?,6,z\n"),
            "train.csv:4: the line has 2 fields, but the first one 3\n"
            "train.csv:5: label, column 3 ('y'): 'z' is not a number\n"
            "train.csv:2: column 2 ('b'): 'x' is not a number\n"
            "train.csv:5: column 1 ('a') is missing ('?'); name the column in "
            "ignore, or say missing: mean, or missing: and a number");
}

// A screen of lines hid that whole columns were text.
TEST(CsvReaderTest, TellsBadFieldsByColumn) {
  EXPECT_EQ(ErrorOf("a,b,y\nu,1,0\nv,1,0\nw,1,0\nx,1,0\ny,1,0\nz,-,0\n"),
            "train.csv: a: text in 6 of 6 rows, first in train.csv:2 ('u' is "
            "not a number); mend the fields, name them in missing_values, or "
            "the columns in "
            "categorical, dates or ignore\n"
            "train.csv:7: column 2 ('b'): '-' is not a number");
  std::string wide = "a,b,c,d,e,y\n";
  for (int i = 0; i < 100; ++i) wide += "1,2,u,v,,0\n1,2,3,-,5,q\n";
  const std::string text =
      " is not a number); mend the fields, name them in missing_values, or the "
      "columns in "
      "categorical, dates or ignore\n";
  EXPECT_EQ(
      ErrorOf(wide),
      "train.csv:3: label, column 6 ('y'): 'q' is not a number; so it is "
      "in 100 of 200 rows\n"
      "train.csv: c: text in 100 of 200 rows, first in train.csv:2 ('u'" +
          text +
          "train.csv: d: text in 200 of 200 rows, first in train.csv:2 ('v'" +
          text +
          "train.csv: e: a missing value in 100 of 200 rows, first in "
          "train.csv:2; say missing: mean, or missing: and a number, or "
          "name the columns in ignore");
  EXPECT_THAT(ErrorOf("1,2,0\nx,y,0\nx,y,0\n"),
              HasSubstr("train.csv: column 1, column 2: text in 2 of 3 rows"));
  EXPECT_THAT(
      ErrorOf("a,b,0\n1,2,0\n", Csv({.header = CsvOptions::Header::kNo})),
      HasSubstr("train.csv:1: column 1: 'a' is not a number; the job "
                "says header: false, so remove the line if it is a "
                "header"));
}

TEST(CsvReaderTest, IgnoresColumns) {
  const auto all = Read("id,a,b,y\nx17,1,2,0\n", Csv({.ignore = {"id", "3"}}));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].values, ElementsAre(1));
}

TEST(CsvReaderTest, LooksForAHeaderOnlyInColumnsThatAreUsed) {
  const auto all = Read("x17,1,0\nx18,2,1\n", Csv({.ignore = {"1"}}));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0].values, ElementsAre(1));
}

TEST(CsvReaderTest, RefusesAnIgnoredLabelAndNoFeatures) {
  EXPECT_THAT(ErrorOf("a,b\n1,2\n", Csv({.label = "b", .ignore = {"2"}})),
              HasSubstr("the label, column 2 ('b'), is also ignored"));
  EXPECT_EQ(ErrorOf("1;2;0\n3;4;1\n", Csv({.header = CsvOptions::Header::kNo})),
            "train.csv:1: the line has no ',', but 3 parts between ';'; if "
            "that is the delimiter, say delimiter: \";\"");
  EXPECT_EQ(ErrorOf("y\n0\n"),
            "train.csv:1: the line has one column, the label, and no feature; "
            "is ',' the right delimiter?");
  // Bug: it was asked for the delimiter of what should be no text.
  SourceSpec parquet = Csv();
  parquet.path = "t.parquet";
  EXPECT_EQ(ErrorOf("y\n0\n", parquet),
            "t.parquet:1: the line has one column, the label, and no feature; "
            "is the file a Parquet file, as its name says?");
  EXPECT_EQ(ErrorOf("a,y\n1,0\n", Csv({.ignore = {"a"}})),
            "train.csv:1: of 2 columns none is left as a feature: all are the "
            "label or ignored");
}

TEST(CsvReaderTest, TakesEveryColumnAsAFeatureWithoutLabels) {
  SourceSpec spec = Csv();
  spec.has_labels = false;
  const auto all = Read("1,2,3\n", spec);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].values, ElementsAre(1, 2, 3));
  EXPECT_EQ(all[0].label, 0);
}

// Predictions were made from columns in another order than in training.
TEST(CsvReaderTest, FindsTheColumnsOfTheTrainingDataByName) {
  SourceSpec spec = Like({{"a", "b"}, "y"});
  for (const char* text : {"a,b,y\n1,2,3\n", "y,id,b,a\n3,9,2,1\n"}) {
    const auto all = Read(text, spec);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_THAT(all[0].values, ElementsAre(1, 2)) << text;
    EXPECT_EQ(all[0].label, 3) << text;
  }
  spec.has_labels = false;
  EXPECT_THAT(Read("b,a\n2,1\n", spec)[0].values, ElementsAre(1, 2));
  EXPECT_THAT(Read("7,8\n", spec)[0].values, ElementsAre(7, 8));  // By place.
}

TEST(CsvReaderTest, NamesTheColumnOfTheTrainingDataThatIsNotThere) {
  SourceSpec spec = Like({{"a", "b"}, "y"});
  EXPECT_EQ(ErrorOf("a,y,c\n1,2,3\n", spec),
            "train.csv:1: there is no column 'b', which is a feature of the "
            "training data, among 'a', 'y', 'c'");
  EXPECT_THAT(ErrorOf("a,b\n1,2\n", spec),
              HasSubstr("no column 'y', which is the label of the training"));
  EXPECT_THAT(ErrorOf("a,y,b,a\n1,2,3,4\n", spec),
              HasSubstr("column 'a' is in the header twice"));
  spec.csv.label = "b";
  EXPECT_THAT(ErrorOf("a,b\n1,2\n", spec),
              HasSubstr("the label, column 2 ('b'), is a feature"));
}

TEST(CsvReaderTest, ALabelByNumberIsThatOfTheTrainingData) {
  const SourceSpec spec = Like({{"a"}, "y"}, {.label = "1"});
  EXPECT_EQ(Read("a,y\n1,2\n", spec)[0].label, 2);
  const SourceSpec other = Like({{"a"}, "y"}, {.label = "z"});
  EXPECT_EQ(Read("y,z,a\n1,2,3\n", other)[0].label, 2);
}

TEST(CsvReaderTest, KeepsNamesThatTellTheFeaturesApart) {
  const auto names = [](const std::string& text, const CsvOptions& options) {
    const auto reader = OpenReader(Csv(options), OpenMemory({{kPath, text}}));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return (*reader)->Names();
  };
  EXPECT_EQ(names("y,b,id,a\n1,2,3,4\n", {.label = "y", .ignore = {"id"}}),
            (ColumnNames{{"b", "a"}, "y"}));
  EXPECT_EQ(names("1,2\n", {}), std::nullopt);
  EXPECT_EQ(names("a,a,y\n1,2,3\n", {}), std::nullopt);
  const std::string longest(kMaxNameBytes - 1, 'a');
  EXPECT_NE(names(longest + ",y\n1,2\n", {}), std::nullopt);
  EXPECT_EQ(names(longest + "a,y\n1,2\n", {}), std::nullopt);
}

TEST(CsvReaderTest, SplitsAtTabsInATsvFile) {
  SourceSpec spec = Csv();
  spec.path = "train.tsv.gz";
  EXPECT_THAT(Read("1\t2\t0\n", spec)[0].values, ElementsAre(1, 2));
}

TEST(CsvReaderTest, KeepsEmptyFieldsBetweenTabs) {
  SourceSpec spec =
      Csv({.missing = CsvOptions::Missing::kConstant, .missing_value = -1});
  spec.path = "train.tsv";
  EXPECT_THAT(Read("1\t2\t3\t0\n\t\t3\t0\n", spec)[1].values,
              ElementsAre(-1, -1, 3));
}

TEST(CsvReaderTest, SplitsAtTheDelimiterThatIsNamed) {
  EXPECT_THAT(Read("1;2;0\n", Csv({.text = {.delimiter = ";"}}))[0].values,
              ElementsAre(1, 2));
  EXPECT_THAT(Read("1 2 0\n", Csv({.text = {.delimiter = " "}}))[0].values,
              ElementsAre(1, 2));
}

TEST(CsvReaderTest, ReadsQuotedFields) {
  const auto all = Read("\"a \"\"b\"\", c\",\"d\" , e\n \"1\" ,2, \"0\"\n",
                        Csv({.label = "a \"b\", c"}));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].label, 1);
  EXPECT_THAT(all[0].values, ElementsAre(2, 0));
}

TEST(CsvReaderTest, RefusesBadQuotes) {
  EXPECT_EQ(ErrorOf("1,2,0\n1,\"2,0\n"),
            "train.csv:2: column 2 begins with a quote that nothing closes; if "
            "quotes are characters like others in this file, say quotes: "
            "false");
  EXPECT_THAT(ErrorOf("1,2,0\n1,\"2\"x,0\n"),
              HasSubstr("train.csv:2: column 2 goes on with 'x' after its "
                        "closing quote"));
}

TEST(CsvReaderTest, TakesAnyLineEndsMarksAndEmptyLines) {
  const auto all = Read(
      "\xef\xbb\xbf"
      "1,2,0\r\n\r\n 3 , +4 ,1");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[1].values, ElementsAre(3, 4));
  EXPECT_EQ(all[1].label, 1);
}

TEST(CsvReaderTest, RefusesALineOfAnotherWidth) {
  EXPECT_EQ(ErrorOf("1,2,0\n1,2,3,0\n"),
            "train.csv:2: the line has 4 fields, but the first one 3; a value "
            "with ',' in it must be in quotes");
  EXPECT_EQ(ErrorOf("1,2,0\n\n1,0\n"),
            "train.csv:3: the line has 2 fields, but the first one 3");
}

TEST(CsvReaderTest, RefusesWhatIsNoNumber) {
  EXPECT_EQ(ErrorOf("a,b,c\n1,12x,0\n"),
            "train.csv:2: column 2 ('b'): '12x' is not a number");
  EXPECT_THAT(ErrorOf("a,b,c\n1,+-2,0\n"), HasSubstr("'+-2' is not a number"));
  EXPECT_THAT(ErrorOf("a,b,c\n1,0x1p3,0\n"), HasSubstr("is not a number"));
  EXPECT_THAT(ErrorOf("1,1,0\n1,inf,0\n"),
              HasSubstr("'inf' is not a finite number"));
  EXPECT_THAT(ErrorOf("1,1,0\n1,1e999,0\n"),
              HasSubstr("'1e999' is not a finite number"));
  EXPECT_THAT(ErrorOf("1,1,0\n1,1e39,0\n"),
              HasSubstr("'1e39' does not fit a 32-bit float"));
}

TEST(CsvReaderTest, ReadsNumbersTooSmallForAFloatAsZero) {
  EXPECT_THAT(Read("1e-999,1e-60,0\n")[0].values, ElementsAre(0, 0));
}

TEST(CsvReaderTest, EscapesWhatItQuotes) {
  EXPECT_THAT(ErrorOf("1,1,0\n1,\x01\xff,0\n"),
              HasSubstr("'\\x01\\xff' is not a number"));
  EXPECT_THAT(ErrorOf("1,1,0\n1,K\xc3\x96LN\x01,0\n"),
              HasSubstr("'K\xc3\x96LN\\x01' is not a number"));
  // A character that controls a terminal, and one that 40 bytes would cut.
  EXPECT_THAT(ErrorOf("1,1,0\n1,\xc2\x9b,0\n"),
              HasSubstr("'\\xc2\\x9b' is not a number"));
  const std::string long_text(39, 'a');
  EXPECT_THAT(ErrorOf("1,1,0\n1," + long_text + "\xc3\x96,0\n"),
              HasSubstr("'" + long_text + "...' is not a number"));
}

TEST(CsvReaderTest, ReadsQuotedFieldsOverSeveralLines) {
  const auto all = Read("\"a\nb\",c\n\"1\",0\n2,1\n");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[1].values, ElementsAre(2));
  EXPECT_THAT(
      ErrorOf("a,b\n\"1\n2\",0\n"),
      HasSubstr("train.csv:2: column 1 ('a'): '1\\n2' is not a number"));
}

// The lists of pandas and R, in any case, and the job's own.
TEST(CsvReaderTest, KnowsTheUsualWordsForMissingValues) {
  SourceSpec spec =
      Csv({.missing = CsvOptions::Missing::kConstant, .missing_value = 4});
  for (const char* word :
       {"", "?", "NA", "na", "n/a", "N/A", "nan", "-NaN", "None", "null",
        "<NA>", "#N/A", "#NA", "#N/A N/A", "1.#QNAN", "-1.#IND", "NaT"}) {
    const std::string text = "2," + std::string(word) + ",0\n";
    EXPECT_THAT(Read(text, spec)[0].values, ElementsAre(2, 4)) << word;
  }
  spec.csv.text.missing_values = {"-999", "unknown"};
  EXPECT_THAT(Read("unknown,-999,0\n", spec)[0].values, ElementsAre(4, 4));
}

TEST(CsvReaderTest, RefusesMissingValuesByDefault) {
  EXPECT_EQ(ErrorOf("a,b,c\n1,,0\n"),
            "train.csv:2: column 2 ('b') is missing (an empty field); name the "
            "column in ignore, or say missing: mean, or missing: and a number");
  EXPECT_THAT(ErrorOf("1,1,0\nNA,1,0\n"),
              HasSubstr("column 1 is missing ('NA')"));
}

TEST(CsvReaderTest, ReadsMissingValuesAsAConstantOrMarksThem) {
  SourceSpec spec =
      Csv({.missing = CsvOptions::Missing::kConstant, .missing_value = 4});
  spec.scale = 0.5;
  EXPECT_THAT(Read("2,?,,null,NaN,0\n", spec)[0].values,
              ElementsAre(1, 2, 2, 2, 2));
  spec.csv.missing = CsvOptions::Missing::kMean;
  const auto all = Read("2,?,0\n", spec);
  EXPECT_EQ(all[0].values[0], 1);
  EXPECT_TRUE(std::isnan(all[0].values[1]));
  spec.csv.missing = CsvOptions::Missing::kKeep;
  EXPECT_TRUE(std::isnan(Read("2,?,0\n", spec)[0].values[1]));
}

TEST(CsvReaderTest, RefusesAMissingLabel) {
  EXPECT_EQ(
      ErrorOf("1,2,0\n1,2,\n", Csv({.missing = CsvOptions::Missing::kMean})),
      "train.csv:2: label, column 3: an empty field is no label; fill it in, "
      "or say data: {on_bad_example: skip}, which leaves such rows out");
}

TEST(CsvReaderTest, RefusesAClassThatIsNotWhole) {
  EXPECT_EQ(
      ErrorOf("1,2,0.5\n"),
      "train.csv:1: label, column 3: class '0.5' is not a whole number "
      "of at most 16777216; if labels are numbers to predict, take model: "
      "linear, or model.labels: values");
  SourceSpec real = Csv();
  real.label_kind = LabelKind::kReal;
  EXPECT_EQ(Read("1,2,0.5\n", real)[0].label, 0.5);
}

TEST(CsvReaderTest, EachPartOfATableMayHaveTheHeader) {
  SourceSpec spec = Csv();
  spec.further_paths = {"b", "c"};
  const std::string header = "\"a\",y\n";
  const OpenBytes open = OpenMemory(
      {{kPath, header + "1,0\n"}, {"b", header + "2,1\n"}, {"c", "3,1\n"}});
  const auto all = ReadAll(spec, open);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_THAT((*all)[1].values, ElementsAre(2));
  EXPECT_THAT((*all)[2].values, ElementsAre(3));
  const OpenBytes other = OpenMemory(
      {{kPath, header + "1,0\n"}, {"b", "b,y\n2,1\n"}, {"c", "3,1\n"}});
  EXPECT_THAT(
      ReadAll(spec, other).status().message(),
      HasSubstr(
          "b:1: this first line of the file has 'y' of the first file's "));
}

TEST(CsvReaderTest, RefusesAnEmptyFile) {
  EXPECT_EQ(ErrorOf("\n\n"),
            "train.csv: is empty; a line for each example is needed");
}

TEST(CsvReaderTest, AHeaderAloneIsNoExample) {
  EXPECT_THAT(Read("a,b,c\n"), IsEmpty());
}

TEST(CsvReaderTest, RefusesALineThatIsTooLong) {
  const std::string text = "1,2,0\n" + std::string((16 << 20) + 1, '1');
  EXPECT_EQ(ErrorOf(text),
            "train.csv:2: the line is longer than 16 MiB; is this text, with "
            "one example a line?");
}

TEST(CsvReaderTest, ReadsALineLongerThanTheBuffer) {
  std::string text = "1,2,0\n3,";
  text += std::string(1 << 20, ' ') + "4,1\n5,6,0\n";
  const auto all = Read(text);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[1].values, ElementsAre(3, 4));
  EXPECT_THAT(all[2].values, ElementsAre(5, 6));
}

}  // namespace
}  // namespace ebb::data::internal
