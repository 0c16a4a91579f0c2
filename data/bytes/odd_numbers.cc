#include "data/bytes/odd_numbers.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

constexpr size_t kLongest = 64;

bool AreDigits(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// Returns whether `text` is 1,234 or 12,345,678 with this separator.
bool HasThousands(absl::string_view text, char separator) {
  const std::vector<absl::string_view> groups = absl::StrSplit(text, separator);
  if (groups.size() < 2 || groups[0].size() > 3) return false;
  return std::all_of(groups.begin(), groups.end(), AreDigits) &&
         std::all_of(groups.begin() + 1, groups.end(),
                     [](absl::string_view group) { return group.size() == 3; });
}

std::string Without(absl::string_view text, char removed) {
  return absl::StrReplaceAll(text, {{absl::string_view(&removed, 1), ""}});
}

// The number without a sign that `text` is with separators and a point or a
// comma; empty: it is none.
std::string PlainDigits(absl::string_view text, absl::string_view* what) {
  *what = "has separators between thousands";
  for (const char separator : {',', ' ', '\'', '_'}) {
    const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
    const bool fraction = parts.size() == 2 && AreDigits(parts[1]);
    if ((parts.size() == 1 || fraction) && HasThousands(parts[0], separator)) {
      return Without(text, separator);
    }
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  if (parts.size() != 2 || !AreDigits(parts[1])) return "";
  *what = "has a decimal comma";
  if (!AreDigits(parts[0]) && !HasThousands(parts[0], '.')) return "";
  return absl::StrCat(Without(parts[0], '.'), ".", parts[1]);
}

bool TakeCurrency(absl::string_view* text) {
  for (const absl::string_view sign :
       {"$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5", "\xe2\x82\xb9"}) {
    if (!absl::ConsumePrefix(text, sign) && !absl::ConsumeSuffix(text, sign)) {
      continue;
    }
    *text = absl::StripAsciiWhitespace(*text);
    return true;
  }
  return false;
}

// Months by name, and years of two digits.
std::optional<OddNumber> ParseDate(absl::string_view text) {
  static constexpr absl::string_view kMonths[] = {
      "january", "february", "march",     "april",   "may",      "june",
      "july",    "august",   "september", "october", "november", "december"};
  const OddNumber date = {"is a date in another form", "write 2021-03-04"};
  const absl::string_view day = text.substr(0, text.find(' '));
  for (const char between : {'/', '-', '.'}) {
    const std::vector<absl::string_view> parts = absl::StrSplit(day, between);
    const bool numbers =
        std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
          return AreDigits(part) && part.size() <= 2;
        });
    if (parts.size() == 3 && numbers) return date;
  }
  std::vector<absl::string_view> parts =
      absl::StrSplit(text, absl::ByAnyChar(" -/.,"), absl::SkipEmpty());
  if (parts.size() < 3) return std::nullopt;
  parts.resize(3);  // A time may follow.
  const auto is_month = [](absl::string_view part) {
    return part.size() >= 3 &&
           std::any_of(std::begin(kMonths), std::end(kMonths),
                       [&](absl::string_view month) {
                         return absl::StartsWithIgnoreCase(month, part);
                       });
  };
  const bool named = is_month(parts[0]) != is_month(parts[1]) &&
                     std::count_if(parts.begin(), parts.end(), AreDigits) == 2;
  if (named) return date;
  return std::nullopt;
}

std::optional<OddNumber> ParseHexadecimal(absl::string_view text) {
  uint64_t value;
  if (!absl::StartsWithIgnoreCase(text, "0x") ||
      !absl::SimpleHexAtoi(text, &value)) {
    return std::nullopt;
  }
  return OddNumber{"is hexadecimal", absl::StrCat("write ", value)};
}

std::optional<OddNumber> ParseSeveral(absl::string_view text) {
  for (const char between : {';', '|', '\t'}) {
    const std::vector<absl::string_view> parts = absl::StrSplit(text, between);
    const auto is_number = [](absl::string_view part) {
      part = absl::StripAsciiWhitespace(part);
      return IsNumber(part) || ParseOddNumber(part).has_value();
    };
    if (parts.size() < 2 ||
        !std::all_of(parts.begin(), parts.end(), is_number)) {
      continue;
    }
    return OddNumber{
        "has several numbers",
        absl::StrCat("if ", Excerpt(absl::string_view(&between, 1)),
                     " is the delimiter, say delimiter: ",
                     between == '\t'
                         ? "tab"
                         : absl::StrCat("\"", std::string(1, between), "\""))};
  }
  return std::nullopt;
}

}  // namespace

std::optional<OddNumber> ParseOddNumber(absl::string_view text) {
  if (text.empty() || text.size() > kLongest ||
      std::none_of(text.begin(), text.end(), absl::ascii_isdigit) ||
      IsNumber(text)) {
    return std::nullopt;
  }
  if (auto hexadecimal = ParseHexadecimal(text)) return hexadecimal;
  if (auto date = ParseDate(text)) return date;
  absl::string_view rest = text;
  bool negative = absl::ConsumePrefix(&rest, "-");
  if (!negative) absl::ConsumePrefix(&rest, "+");
  OddNumber odd;
  if (absl::ConsumePrefix(&rest, "(") && absl::ConsumeSuffix(&rest, ")")) {
    odd.what = "has parentheses, which may mean that it is negative";
    negative = true;
  } else if (absl::ConsumePrefix(&rest, "'") &&
             absl::ConsumeSuffix(&rest, "'")) {
    odd.what = "has single quotes";
  }
  if (TakeCurrency(&rest)) odd.what = "has a currency sign";
  if (absl::ConsumeSuffix(&rest, "%")) odd.what = "has a percent sign";
  rest = absl::StripAsciiWhitespace(rest);
  absl::string_view form;
  std::string plain = PlainDigits(rest, &form);
  if (plain.empty()) {
    if (odd.what.empty() || !IsNumber(rest)) return ParseSeveral(text);
    plain = std::string(rest);
  } else if (odd.what.empty()) {
    odd.what = form;
  }
  odd.advice = absl::StrCat("write ", negative ? "-" : "", plain);
  return odd;
}

void OddNumbers::Add(absl::string_view text) {
  ++texts_;
  auto odd = ParseOddNumber(text);
  if (!odd.has_value()) return;
  if (odd_++ > 0) return;
  first_ = Excerpt(text);
  as_ = *std::move(odd);
}

std::string OddNumbers::Remark() const {
  if (odd_ == 0 || odd_ * 2 < texts_) return "";
  return absl::StrCat(odd_, " of its texts look", odd_ == 1 ? "s" : "",
                      " like numbers or dates that ebb does not read as such: ",
                      first_, " ", as_.what, "; ", as_.advice);
}

}  // namespace ebb::data::internal
