#include "job/base/values.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ebb::job {
namespace {

std::optional<double> ParsePlainNumber(absl::string_view text) {
  // Neither hexadecimal nor inf nor nan.
  if (text.find_first_not_of("0123456789.eE+-") != text.npos) return {};
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value)) return {};
  return value;
}

std::optional<int64_t> ParseCount(absl::string_view text) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < 1) return {};
  return value;
}

}  // namespace

std::optional<double> ParseNumber(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits('/', 1));
  const auto numerator = ParsePlainNumber(parts.first);
  if (!numerator.has_value() || !absl::StrContains(text, '/')) {
    return numerator;
  }
  const auto denominator = ParsePlainNumber(parts.second);
  if (!denominator.has_value()) return {};
  const double value = *numerator / *denominator;
  if (!std::isfinite(value)) return {};
  return value;
}

std::string NumberText(double value) {
  if (value == std::trunc(value) && std::abs(value) < 1e9) {
    return absl::StrCat(static_cast<int64_t>(value));
  }
  std::string text;
  for (int digits = 1; digits <= 17; ++digits) {
    text = absl::StrFormat("%.*g", digits, value);
    double back = 0;
    if (absl::SimpleAtod(text, &back) && back == value) break;
  }
  const double inverse = std::round(1 / value);
  if (std::abs(inverse) < 1e9 && 1 / inverse == value) {
    std::string fraction = absl::StrFormat("1/%.0f", inverse);
    // 1/255, but 0.25.
    if (fraction.size() + 3 < text.size()) return fraction;
  }
  return text;
}

std::optional<absl::Duration> ParseInterval(absl::string_view text) {
  absl::Duration value;
  if (!absl::ParseDuration(text, &value)) return {};
  if (value <= absl::ZeroDuration() || value == absl::InfiniteDuration()) {
    return {};
  }
  return value;
}

std::optional<int64_t> ParseEpochs(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, " epochs") &&
      !absl::ConsumeSuffix(&text, " epoch")) {
    return {};
  }
  return ParseCount(text);
}

std::optional<int64_t> ParseEpochOrCount(absl::string_view text) {
  if (text == "epoch") return kWholeEpoch;
  return ParseCount(text);
}

bool Comparison::Holds(double value) const {
  switch (op) {
    case Op::kAtLeast:
      return value >= bound;
    case Op::kAbove:
      return value > bound;
    case Op::kAtMost:
      return value <= bound;
    case Op::kBelow:
      return value < bound;
  }
  return false;
}

std::optional<Comparison> ParseComparison(absl::string_view text) {
  Comparison comparison;
  text = absl::StripAsciiWhitespace(text);
  if (absl::ConsumePrefix(&text, ">=")) {
    comparison.op = Comparison::Op::kAtLeast;
  } else if (absl::ConsumePrefix(&text, ">")) {
    comparison.op = Comparison::Op::kAbove;
  } else if (absl::ConsumePrefix(&text, "<=")) {
    comparison.op = Comparison::Op::kAtMost;
  } else if (absl::ConsumePrefix(&text, "<")) {
    comparison.op = Comparison::Op::kBelow;
  } else {
    return {};
  }
  const auto bound = ParseNumber(absl::StripAsciiWhitespace(text));
  if (!bound.has_value()) return {};
  comparison.bound = *bound;
  return comparison;
}

std::optional<MissingRule> ParseMissing(absl::string_view text) {
  if (text == "error") return MissingRule{MissingRule::Kind::kError};
  if (text == "mean") return MissingRule{MissingRule::Kind::kMean};
  if (text == "keep") return MissingRule{MissingRule::Kind::kKeep};
  const auto constant = ParseNumber(text);
  if (!constant.has_value()) return {};
  return MissingRule{MissingRule::Kind::kConstant, *constant};
}

std::optional<std::string> ParseDelimiter(absl::string_view text) {
  constexpr size_t kLongest = 8;
  if (text == "tab") return "\t";
  if (text == "space") return " ";
  if (text == "whitespace") return std::string(text);
  std::string bytes(text);
  if (text.size() > 1 && text.front() == '\\' &&
      !absl::CUnescape(text, &bytes)) {
    return {};
  }
  if (bytes.empty() || bytes.size() > kLongest) return {};
  const bool part_of_a_field =
      std::any_of(bytes.begin(), bytes.end(), [](char c) {
        return c == '\0' || absl::ascii_isalnum(c) ||
               absl::StrContains("\"'\r\n+-.", c);
      });
  if (part_of_a_field) return {};
  return bytes;
}

std::optional<ImageSize> ParseImageSize(absl::string_view text) {
  constexpr int64_t kMost = 16384;
  const auto side = [](absl::string_view digits) -> int64_t {
    int64_t pixels = 0;
    const bool plain = !digits.empty() && digits.size() <= 5 &&
                       std::all_of(digits.begin(), digits.end(), [](char c) {
                         return absl::ascii_isdigit(c);
                       });
    return plain && absl::SimpleAtoi(digits, &pixels) ? pixels : 0;
  };
  const size_t x = text.find('x');
  if (x == absl::string_view::npos) return {};
  const ImageSize size = {side(text.substr(0, x)), side(text.substr(x + 1))};
  if (size.width < 1 || size.width > kMost || size.height < 1 ||
      size.height > kMost) {
    return {};
  }
  return size;
}

bool IsName(absl::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  const auto is_letter = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c);
  };
  return is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || absl::StrContains("-_.", c);
         });
}

}  // namespace ebb::job
