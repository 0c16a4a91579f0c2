#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
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
using As = RecordFeature::As;

SourceSpec Dense() {
  return {.kind = SourceKind::kJsonLines,
          .path = "f",
          .features = {{.name = "price"},
                       {.name = "size", .width = 2},
                       {.name = "sold", .as = As::kLabel}}};
}

SourceSpec Keyed() {
  return {.kind = SourceKind::kJsonLines,
          .path = "f",
          .features = {{.name = "clicked", .as = As::kLabel},
                       {.name = "price", .field = 2, .log = true},
                       {.name = "tags", .as = As::kKeys, .field = 1},
                       {.name = "user.id", .as = As::kKey, .field = 0}}};
}

std::vector<ReadExample> Read(const SourceSpec& spec, const std::string& file) {
  auto read = ReadAll(spec, OpenMemory({{"f", file}}));
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : std::vector<ReadExample>();
}

std::string Message(const SourceSpec& spec, const std::string& file) {
  return std::string(
      ReadAll(spec, OpenMemory({{"f", file}})).status().message());
}

TEST(JsonLinesFormatTest, ReadsNumbersIntoColumns) {
  const auto read =
      Read(Dense(),
           "{\"price\": 1.5, \"size\": [3, -4], \"sold\": true, \"x\": {}}\r\n"
           "\n"
           "{\"sold\": 0, \"size\": [[1e2], [5]], \"price\": false}");
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0].values, ElementsAre(1.5F, 3, -4));
  EXPECT_EQ(read[0].label, 1);
  EXPECT_THAT(read[1].values, ElementsAre(0, 100, 5));
  EXPECT_EQ(read[1].label, 0);
}

// Bug: such keys were never found.
TEST(JsonLinesFormatTest, KeysMayHaveDots) {
  const SourceSpec spec = {
      .kind = SourceKind::kJsonLines,
      .path = "f",
      .features = {{.name = "a.b.c"}, {.name = "y", .as = As::kLabel}}};
  const auto read = Read(spec,
                         "{\"a.b.c\": 1, \"y\": 0}\n"
                         "{\"a\": {\"b.c\": 2}, \"y\": 0}\n"
                         "{\"a.b\": {\"c\": 3}, \"y\": 0}\n"
                         "{\"a\": {\"b\": {\"c\": 4}}, \"y\": 0}\n");
  ASSERT_EQ(read.size(), 4U);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_THAT(read[i].values, ElementsAre(static_cast<float>(i + 1)));
  }
  EXPECT_THAT(Message(spec, "{\"a.b\": {\"c\": 3}, \"a.b.c\": 3, \"y\": 0}\n"),
              HasSubstr("the object has the key \"a.b.c\" twice"));
}

// Bug: their values were never found, either.
TEST(JsonLinesFormatTest, ReadsTheObjectsOfAList) {
  const SourceSpec spec = {
      .kind = SourceKind::kJsonLines,
      .path = "f",
      .features = {{.name = "items.id", .as = As::kKeys, .field = 0},
                   {.name = "items.price", .width = 2, .field = 1},
                   {.name = "y", .as = As::kLabel}}};
  const auto read =
      Read(spec,
           "{\"items\": [{\"id\": 7, \"price\": 2}, {\"price\": 3, \"id\": 9, "
           "\"id2\": 1}], \"y\": 1}\n"
           "{\"items\": {\"id\": [7, 8], \"price\": [4, 5]}, \"y\": 0}\n");
  ASSERT_EQ(read.size(), 2U);
  ASSERT_EQ(read[0].keys.size(), 4U);
  EXPECT_THAT(read[0].fields, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(read[0].values, ElementsAre(1, 1, 2, 3));
  EXPECT_EQ(read[0].keys[0], read[1].keys[0]);
  EXPECT_NE(read[0].keys[1], read[1].keys[1]);
  EXPECT_THAT(read[1].values, ElementsAre(1, 1, 4, 5));
  EXPECT_THAT(Message(spec,
                      "{\"items\": [{\"id\": 7, \"price\": 2}, {\"id\": 1}], "
                      "\"y\": 1}\n"),
              HasSubstr("items.price"));
  EXPECT_THAT(
      Message(spec, "{\"items\": [{\"id\": 7, \"id\": 2}], \"y\": 1}\n"),
      HasSubstr("the object has the key \"items.id\" twice"));
}

TEST(JsonLinesFormatTest, ReadsPathsAndListsAsKeys) {
  const auto read =
      Read(Keyed(),
           "{\"user\": {\"name\": \"x\", \"id\": 18446744073709551615}, "
           "\"price\": 0, \"tags\": [\"a\", \"\\u00e9\"], \"clicked\": 1}\n"
           "{\"user\": {\"id\": \"u\"}, \"price\": 0, \"clicked\": 0, "
           "\"tags\": null}\n");
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0].fields, ElementsAre(2, 1, 1, 0));
  EXPECT_THAT(read[0].keys, ElementsAre(KeyOf(2, "price"), KeyOf(1, "a"),
                                        KeyOf(1, "\xc3\xa9"),
                                        KeyOf(0, "18446744073709551615")));
  EXPECT_THAT(read[0].values, ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(read[1].keys, ElementsAre(KeyOf(2, "price"), KeyOf(0, "u")));
}

TEST(JsonLinesFormatTest, TakesANumberForAMissingOne) {
  SourceSpec spec = Dense();
  spec.features[0].missing = 4;
  EXPECT_THAT(
      Read(spec, "{\"size\": [1, 2], \"sold\": 1, \"price\": null}")[0].values,
      ElementsAre(4, 1, 2));
}

TEST(JsonLinesFormatTest, PassesOverComments) {
  SourceSpec spec = Dense();
  spec.comment = "#";
  EXPECT_EQ(Read(spec,
                 "# houses\n{\"price\": 1, \"size\": [1, 2], "
                 "\"sold\": 1}\n")
                .size(),
            1U);
}

TEST(JsonLinesFormatTest, SaysWhatIsWrongWithALine) {
  const auto message = [](const std::string& line) {
    return Message(Dense(), "\n" + line + "\n");
  };
  EXPECT_EQ(message("{\"price\": \"abc\", \"size\": [1, 2], \"sold\": 1}"),
            "f:2: feature \"price\": 'abc' is no number; say as: key for "
            "words");
  EXPECT_THAT(message("{\"price\": \"1.5\", \"size\": [1, 2], \"sold\": 1}"),
              HasSubstr("'1.5' is a text, and a number is wanted; write 1.5 "
                        "without quotes"));
  EXPECT_THAT(message("{\"size\": [1, 2], \"sold\": 1}"),
              HasSubstr("f:2: feature \"price\": the record does not have it"));
  EXPECT_THAT(message("{\"price\": 1, \"size\": [1], \"sold\": 1}"),
              HasSubstr("\"size\": it has 1 value instead of 2"));
  EXPECT_THAT(message("{\"price\": {}, \"size\": [1, 2], \"sold\": 1}"),
              HasSubstr("it is an object, which cannot be dense"));
  EXPECT_THAT(message("{\"price\": 1, \"size\": [1, null], \"sold\": 1}"),
              HasSubstr("a list with null in it"));
  EXPECT_THAT(message("{\"price\": 1, \"size\": [1, 2], \"sold\": \"yes\"}"),
              HasSubstr("'yes' is no number; labels are numbers"));
  EXPECT_THAT(message("[1, 2]"),
              HasSubstr("f:2: the line is a list, but a record is an object"));
  EXPECT_THAT(message("{\"price\": 1, \"price\": 2}"),
              HasSubstr("f:2: the object has the key \"price\" twice"));
  EXPECT_THAT(message("{\"price\": 1e999}"),
              HasSubstr("a number is too large or malformed"));
  EXPECT_THAT(message("{\"price\": 123456789012345678901234567890}"),
              HasSubstr("a number is too large or malformed"));
  EXPECT_THAT(message("{\"price\": 1e39, \"size\": [1, 2], \"sold\": 1}"),
              HasSubstr("does not fit a 32-bit float"));
  EXPECT_EQ(message("{\"a\": \"\xc3\xa9\xff\"}"),
            "f:2: at byte 10 of the line: the text is not UTF-8");
  EXPECT_THAT(message("{\"price\": 1, oops}"), HasSubstr("f:2: "));
  EXPECT_THAT(message("{\"price\": 1, oops}"), HasSubstr("is no JSON"));
  EXPECT_THAT(message("{\"price\": 1"), HasSubstr("is no JSON"));
  EXPECT_THAT(Message(Keyed(),
                      "{\"user\": {\"id\": 1.5}, \"price\": 0, "
                      "\"clicked\": 1}"),
              HasSubstr("\"user.id\": 1.5 is a number with a fraction"));
  EXPECT_THAT(Message(Keyed(),
                      "{\"user\": {\"id\": 7.0}, \"price\": 0, "
                      "\"clicked\": 1}"),
              HasSubstr("\"user.id\": 7.0 is a number of floating point; a key "
                        "is a word or a whole number, such as 7"));
  EXPECT_THAT(Message(Keyed(), "{\"user\": {\"id\": 1, \"id\": 2}}"),
              HasSubstr("the key \"user.id\" twice"));
}

// Bug: the library's text spoke of superfluous commas.
TEST(JsonLinesFormatTest, NamesWordsThatJsonDoesNotHave) {
  const auto message = [](const std::string& value) {
    return Message(
        Dense(),
        absl::StrCat("{\"a\": \"x NaN \\\" y\", \"price\": ", value, "}"));
  };
  for (const char* const word : {"NaN", "Infinity", "-Infinity", "nan"}) {
    EXPECT_THAT(message(word), HasSubstr(" is no number of JSON; write null"))
        << word;
  }
  EXPECT_THAT(message("NaN"), HasSubstr("f:1: at byte 30 of the line: 'NaN'"));
  EXPECT_THAT(message("None"),
              HasSubstr("'None' is a word of Python; JSON has null"));
  EXPECT_THAT(message("True"), HasSubstr("JSON has true"));
  EXPECT_THAT(message("oops"),
              HasSubstr("'oops' is no JSON; texts stand in double quotes"));
  EXPECT_THAT(message("1e5, 2"), HasSubstr("is no JSON ("));
}

// Bug: an exception of the library ended the program.
TEST(JsonLinesFormatTest, RefusesWordsThatBeginAsNullDoes) {
  EXPECT_THAT(Message(Dense(), "{\"a\": [[1], null\x02]]}"),
              HasSubstr("f:1: at byte 13 of the line: is no JSON"));
}

TEST(JsonLinesFormatTest, LeavesOutBadLines) {
  SourceSpec spec = Dense();
  spec.on_bad_example = OnBadExample::kSkip;
  const std::string good = "{\"price\": 1, \"size\": [1, 2], \"sold\": 1}\n";
  EXPECT_EQ(Read(spec, good + "{oops\n" + good).size(), 2U);
  EXPECT_THAT(Message(spec, good + "{oops\n[]\n"),
              HasSubstr("2 of 3 examples are bad"));
}

TEST(JsonLinesFormatTest, RefusesOtherFilesAndLists) {
  EXPECT_THAT(Message(Dense(), "[{\"price\": 1}]"),
              HasSubstr("f: is a JSON list; write its objects one a line"));
  EXPECT_THAT(Message(Dense(),
                      Gzip("{\"price\": 1, \"size\": [1, 2]}\n").substr(0, 20)),
              HasSubstr("the gzip data ends in the middle"));
}

TEST(JsonLinesFormatTest, ShowsFeaturesThatWouldDo) {
  SourceSpec spec = {.kind = SourceKind::kJsonLines,
                     .path = "f",
                     .on_bad_example = OnBadExample::kSkip};
  EXPECT_EQ(Message(spec,
                    "{\"user\": {\"id\": \"u\", \"age\": 3}, \"clicked\": "
                    "true, \"tags\": [\"a\"], \"at\": [1, 2], \"none\": null}"),
            "f:1: the job does not say what the values are; for this record "
            "features: {at: {as: dense, width: 2}, clicked: label, tags: keys, "
            "user.age: dense, user.id: key} would do");
  EXPECT_THAT(Message(spec, "\n"), HasSubstr("has no objects"));
}

TEST(JsonLinesFormatTest, RefusesBytes) {
  SourceSpec spec = Dense();
  spec.features[0].as = As::kBytes;
  EXPECT_THAT(std::string(spec.Validate().message()),
              HasSubstr("is bytes, but JSON has none"));
}

}  // namespace
}  // namespace ebb::data::internal
