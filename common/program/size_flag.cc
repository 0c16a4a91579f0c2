#include "common/program/size_flag.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ebb {

namespace {

constexpr char kSizes[] = "; sizes are whole numbers of bytes, or as 64MiB";

// In bytes: "", "b", "k", "kb", "ki", "kib", "m", ...; 0: there is none such.
int64_t UnitBytes(absl::string_view text) {
  std::string unit = absl::AsciiStrToLower(text);
  if (unit.empty() || unit == "b") return 1;
  constexpr absl::string_view kLetters = "kmgtpe";
  const size_t letter = kLetters.find(unit.front());
  unit.erase(0, 1);
  if (letter == kLetters.npos ||
      (!unit.empty() && unit != "b" && unit != "i" && unit != "ib")) {
    return 0;
  }
  return int64_t{1} << (10 * (letter + 1));
}

// Returns the mistake; empty: there is none, and `text` is the number of bytes.
// CLI11's AsSizeValue takes -1 for 2^64 - 1 and a unit alone for one of it.
std::string ToBytes(std::string* text) {
  const absl::string_view given = absl::StripAsciiWhitespace(*text);
  if (!given.empty() && given.front() == '-') {
    return absl::StrCat(given, " is negative", kSizes);
  }
  const auto* const end = std::ranges::find_if_not(given, absl::ascii_isdigit);
  const auto digits = static_cast<size_t>(end - given.begin());
  const int64_t unit =
      UnitBytes(absl::StripLeadingAsciiWhitespace(given.substr(digits)));
  if (digits == 0 || unit == 0) {
    return absl::StrCat("\"", given, "\" is no size", kSizes);
  }
  int64_t number = 0;
  if (!absl::SimpleAtoi(given.substr(0, digits), &number) ||
      number > std::numeric_limits<int64_t>::max() / unit) {
    return absl::StrCat(given, " is too large");
  }
  *text = absl::StrCat(number * unit);
  return "";
}

}  // namespace

CLI::Validator SizeValue() {
  return CLI::Validator([](std::string& text) { return ToBytes(&text); },
                        "SIZE [b, kb(=1024b), ...]");
}

}  // namespace ebb
