#include "data/bytes/odd_numbers.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

std::string Read(const std::string& text) {
  const auto odd = ParseOddNumber(text);
  return odd.has_value() ? absl::StrCat(odd->what, "; ", odd->advice) : "";
}

TEST(OddNumbersTest, SaysHowToWriteThem) {
  const std::string thousands = "has separators between thousands; write ";
  EXPECT_EQ(Read("1,234"), thousands + "1234");
  EXPECT_EQ(Read("-12,345,678.5"), thousands + "-12345678.5");
  EXPECT_EQ(Read("1 234"), thousands + "1234");
  EXPECT_EQ(Read("1'234"), thousands + "1234");
  EXPECT_EQ(Read("3,14"), "has a decimal comma; write 3.14");
  EXPECT_EQ(Read("1.234,56"), "has a decimal comma; write 1234.56");
  EXPECT_EQ(Read("$1.5"), "has a currency sign; write 1.5");
  EXPECT_EQ(Read("-$1,200"), "has a currency sign; write -1200");
  EXPECT_EQ(Read("7 \xe2\x82\xac"), "has a currency sign; write 7");
  EXPECT_EQ(Read("2%"), "has a percent sign; write 2");
  EXPECT_EQ(Read("(6.00)"),
            "has parentheses, which may mean that it is negative; write -6.00");
  EXPECT_EQ(Read("'6'"), "has single quotes; write 6");
  for (const char* date : {"4 Mar 2021", "March 4, 2021", "04-MAR-21",
                           "04/03/21", "4.3.21 15:30"}) {
    EXPECT_EQ(Read(date), "is a date in another form; write 2021-03-04");
  }
  EXPECT_EQ(Read("0x1F"), "is hexadecimal; write 31");
  EXPECT_EQ(Read("5;2"),
            "has several numbers; if ';' is the delimiter, say delimiter: "
            "\";\"");
  EXPECT_EQ(Read("1,5;2,3"),
            "has several numbers; if ';' is the delimiter, say delimiter: "
            "\";\"");
}

TEST(OddNumbersTest, OtherTextsAreNone) {
  for (const char* text :
       {"",           "red",   "17", "-2.5",        "1e5",
        "A5",         "10 kg", "3+", "1,2,3",       "12,34,567",
        "2021-03-04", "10:30", "$",  "192.168.0.1", "may 17",
        "decent 1 2", "(a)",   "'",  "(555) 123",   "1,",
        "0xZ"}) {
    EXPECT_EQ(Read(text), "") << text;
  }
}

}  // namespace
}  // namespace ebb::data::internal
