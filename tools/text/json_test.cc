#include "tools/text/json.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

TEST(JsonTest, KeepsTheOrderOfMembersAndIndents) {
  Json report = Json::Object();
  report["z"] = 1;
  report["a"]["b"] = true;
  report["a"]["c"] = "x";
  report["z"] = 2;
  EXPECT_EQ(report.ToString(),
            "{\n"
            "  \"z\": 2,\n"
            "  \"a\": {\n"
            "    \"b\": true,\n"
            "    \"c\": \"x\"\n"
            "  }\n"
            "}\n");
}

TEST(JsonTest, WritesListsOfPlainValuesOnOneLine) {
  Json list = Json::List();
  list.Add(1);
  list.Add(0.5);
  list.Add("two");
  EXPECT_EQ(list.ToString(), "[1, 0.5, \"two\"]\n");
  Json nested = Json::List();
  nested.Add(list);
  EXPECT_EQ(nested.ToString(), "[\n  [1, 0.5, \"two\"]\n]\n");
  EXPECT_EQ(nested.ToLine(), "[[1, 0.5, \"two\"]]");
}

TEST(JsonTest, WritesNumbersExactlyAndNullForWhatIsNoNumber) {
  Json list = Json::List();
  list.Add(std::numeric_limits<uint64_t>::max());
  list.Add(std::numeric_limits<int64_t>::min());
  list.Add(0.1);
  list.Add(std::numeric_limits<double>::quiet_NaN());
  list.Add(Json());
  EXPECT_EQ(list.ToLine(),
            "[18446744073709551615, -9223372036854775808, 0.1, null, null]");
}

TEST(JsonTest, WritesEmptyObjectsAndLists) {
  Json both = Json::Object();
  both["o"] = Json::Object();
  both["l"] = Json::List();
  EXPECT_EQ(both.ToLine(), "{\"o\": {}, \"l\": []}");
}

TEST(JsonTest, EscapesStringsAndReplacesWhatIsNotUtf8) {
  EXPECT_EQ(JsonString("a\"b\\c\n\x01 \xc3\xa9"),
            "\"a\\\"b\\\\c\\n\\u0001 \xc3\xa9\"");
  // A lone continuation, an overlong slash, and a surrogate.
  EXPECT_EQ(JsonString("\x80"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(JsonString("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(JsonString("\xed\xa0\x80"),
            "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace ebb::tools
