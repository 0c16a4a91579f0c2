#include "common/utf8.h"

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace ebb {
namespace {

// The character as the standard defines it, also where it has none.
std::string Encoded(uint32_t code, size_t length) {
  std::string out(length, '\0');
  for (size_t k = length - 1; k > 0; --k, code >>= 6) {
    out[k] = static_cast<char>(0x80 | (code & 0x3f));
  }
  constexpr unsigned kLead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  out[0] = static_cast<char>(kLead[length] | code);
  return out;
}

TEST(Utf8Test, KnowsTheLengthOfEveryCharacter) {
  for (uint32_t code = 0; code < 0x120000; ++code) {
    const size_t length = code < 0x80      ? 1
                          : code < 0x800   ? 2
                          : code < 0x10000 ? 3
                                           : 4;
    const bool exists = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    const std::string text = Encoded(code, length) + "next";
    ASSERT_EQ(Utf8Length(text), exists ? length : 0) << code;
    ASSERT_EQ(IsUtf8(text), exists) << code;
  }
}

TEST(Utf8Test, RefusesLongerForms) {
  EXPECT_EQ(Utf8Length(Encoded(0x7f, 2)), 0);
  EXPECT_EQ(Utf8Length(Encoded(0x7ff, 3)), 0);
  EXPECT_EQ(Utf8Length(Encoded(0xffff, 4)), 0);
}

TEST(Utf8Test, RefusesWhatIsCut) {
  for (const absl::string_view text :
       {"\xc3\xa4", "\xe2\x80\xa6", "\xf0\x9f\x98\x80"}) {
    EXPECT_TRUE(IsUtf8(absl::StrCat("eight plain ", text)));
    for (size_t size = 1; size < text.size(); ++size) {
      const absl::string_view cut = text.substr(0, size);
      EXPECT_FALSE(IsUtf8(cut));
      EXPECT_FALSE(IsUtf8(absl::StrCat(cut, "(((")));
      EXPECT_FALSE(IsUtf8(absl::StrCat("eight plain letters", cut)));
    }
    EXPECT_FALSE(IsUtf8(text.substr(1)));
  }
  EXPECT_FALSE(IsUtf8("\xff"));
  EXPECT_FALSE(IsUtf8("\x80"));
}

TEST(Utf8Test, TakesNothingAndZero) {
  EXPECT_EQ(Utf8Length(""), 0);
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8(absl::string_view("\0a", 2)));
}

}  // namespace
}  // namespace ebb
