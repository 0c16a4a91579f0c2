#include "data/bytes/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "data/bytes/odd_numbers.h"

namespace ebb::data::internal {
namespace {

absl::StatusOr<double> ParseFinite(absl::string_view text) {
  double value;
  if (!ParseNumber(text, &value)) {
    const auto odd = ParseOddNumber(text);
    return absl::InvalidArgumentError(absl::StrCat(
        Excerpt(text), " is not a number",
        odd.has_value() ? absl::StrCat(": it ", odd->what, "; ", odd->advice)
                        : ""));
  }
  if (!std::isfinite(value)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Excerpt(text), " is not a finite number"));
  }
  return value;
}

absl::StatusOr<float> ToFloat(absl::string_view text, double value) {
  if (std::fabs(value) > std::numeric_limits<float>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat(Excerpt(text), " does not fit a 32-bit float"));
  }
  return static_cast<float>(value);
}

// True if UTF-8 has one of the characters beyond ASCII that control a terminal
// or turn the direction of text: U+0080 to U+009F, U+2028 to U+202E, and U+2066
// to U+2069.
bool HasControls(absl::string_view text) {
  const auto byte = [&](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned second = byte(i + 1);
    const unsigned third = byte(i + 2);
    if (byte(i) == 0xc2 && second < 0xa0) return true;
    if (byte(i) != 0xe2) continue;
    if (second == 0x80 && third >= 0xa8 && third <= 0xae) return true;
    if (second == 0x81 && third >= 0xa6 && third <= 0xa9) return true;
  }
  return false;
}

}  // namespace

std::string Excerpt(absl::string_view text) {
  constexpr size_t kLongest = 40;
  if (text.empty()) return "an empty field";
  size_t end = std::min(kLongest, text.size());
  // A character of several bytes stays whole.
  for (int i = 0; i < 3 && end < text.size() && (text[end] & 0xc0) == 0x80;
       ++i) {
    --end;
  }
  const absl::string_view shown = text.substr(0, end);
  if (IsUtf8Text(shown) && !HasControls(shown)) {
    return absl::StrCat("'", absl::Utf8SafeCHexEscape(shown),
                        end < text.size() ? "...'" : "'");
  }
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kLongest)),
                      text.size() > kLongest ? "...'" : "'");
}

bool IsUtf8Text(absl::string_view text) {
  return !absl::StrContains(text, '\0') && IsUtf8(text);
}

std::string NotUtf8(absl::string_view text, absl::string_view path) {
  if (absl::StrContains(text, '\0')) {
    return absl::StrCat(Excerpt(text),
                        " has a zero byte, which text does not; remove it, as "
                        "`tr -d '\\0' < ",
                        path, "` does");
  }
  return absl::StrCat(Excerpt(text),
                      " is not UTF-8, so a model could not name it; convert "
                      "the file, as `iconv -f WINDOWS-1252 -t UTF-8 ",
                      path, "` does for text from Windows or in Latin-1");
}

bool ParseNumber(absl::string_view text, double* value) {
  const char* begin = text.data();
  const char* const end = begin + text.size();
  // from_chars takes no plus sign; "+-1" stays wrong.
  if (text.size() > 1 && *begin == '+' && begin[1] != '-') ++begin;
  const auto [rest, error] = std::from_chars(begin, end, *value);
  if (rest != end || error == std::errc::invalid_argument) return false;
  // from_chars does not say whether it is too large or too small; this does.
  if (error == std::errc::result_out_of_range) {
    return absl::SimpleAtod(text, value);
  }
  return true;
}

bool IsNumber(absl::string_view text) {
  double ignored;
  return ParseNumber(text, &ignored);
}

absl::StatusOr<float> ParseFeature(absl::string_view text, double scale) {
  EBB_ASSIGN_OR_RETURN(const double value, ParseFinite(text));
  return ToFloat(text, value * scale);
}

bool IsLabel(double value, LabelKind kind) {
  // Beyond it, neighbouring whole numbers become the same float.
  constexpr double kLargestClass = 1 << 24;
  return kind == LabelKind::kClass
             ? std::trunc(value) == value && std::fabs(value) <= kLargestClass
             : std::fabs(value) <= std::numeric_limits<float>::max();
}

absl::StatusOr<float> ParseLabel(absl::string_view text, LabelKind kind) {
  EBB_ASSIGN_OR_RETURN(const double value, ParseFinite(text));
  if (kind == LabelKind::kClass && !IsLabel(value, kind)) {
    return absl::InvalidArgumentError(
        absl::StrCat("class ", Excerpt(text),
                     " is not a whole number of at most 16777216", kIfNumbers));
  }
  return ToFloat(text, value + 0.0);  // -0 is 0.
}

bool ParseWhole(absl::string_view text, uint64_t* value) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  return rest == end && error == std::errc();
}

bool IsBlank(absl::string_view line) { return TakeWord(&line).empty(); }

absl::string_view TakeWord(absl::string_view* line) {
  const auto is_space = [](char c) {
    return c == ' ' || c == '\t' || c == '\r';
  };
  size_t begin = 0;
  while (begin < line->size() && is_space((*line)[begin])) ++begin;
  if (begin < line->size() && (*line)[begin] == '#') begin = line->size();
  size_t end = begin;
  while (end < line->size() && !is_space((*line)[end])) ++end;
  const absl::string_view word = line->substr(begin, end - begin);
  line->remove_prefix(end);
  return word;
}

std::string Delimiter(const CsvOptions& csv, absl::string_view path) {
  if (csv.text.delimiter.has_value()) return *csv.text.delimiter;
  for (const absl::string_view compressed :
       {".gz", ".zst", ".xz", ".bz2", ".lz4"}) {
    if (absl::ConsumeSuffix(&path, compressed)) break;
  }
  return absl::EndsWith(path, ".tsv") ? "\t" : ",";
}

bool MissingWords::Has(absl::string_view field) const {
  if (field.empty()) return true;
  // The lists of pandas.read_csv and R's read.csv, and what Excel and the C
  // library of Windows print.
  static constexpr std::array<absl::string_view, 18> kWords = {
      "?",       "na",       "n/a",    "nan",     "-nan",   "null",
      "none",    "<na>",     "#n/a",   "#na",     "nat",    "#n/a n/a",
      "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "#null!", "(null)"};
  constexpr size_t kLongest = 8;
  // Most fields are numbers: only few of the words begin as one does.
  const char first = field.front();
  const bool digits = absl::ascii_isdigit(first) || first == '-' ||
                      first == '.' || first == '+';
  if (field.size() <= kLongest && (!digits || absl::StrContains(field, '#') ||
                                   absl::EndsWithIgnoreCase(field, "nan"))) {
    for (const absl::string_view word : kWords) {
      if (absl::EqualsIgnoreCase(field, word)) return true;
    }
  }
  return Named(field);
}

bool MissingWords::Named(absl::string_view field) const {
  return std::find(named_.begin(), named_.end(), field) != named_.end();
}

}  // namespace ebb::data::internal
