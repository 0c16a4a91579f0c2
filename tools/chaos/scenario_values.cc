#include "tools/chaos/scenario_values.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace ebb::chaos {
namespace {

// Digits and a point; no sign, exponent, inf or nan.
std::optional<double> ParseDecimal(absl::string_view text) {
  double value = 0;
  if (text.find_first_not_of("0123456789.") != text.npos ||
      !absl::SimpleAtod(text, &value)) {
    return {};
  }
  return value;
}

// Reads a number as names have it: no sign, no zeros before it.
std::optional<int> ParseIndex(absl::string_view text) {
  int index = 0;
  if (text.find_first_not_of("0123456789") != text.npos ||
      (text.size() > 1 && text[0] == '0') || !absl::SimpleAtoi(text, &index)) {
    return {};
  }
  return index;
}

}  // namespace

std::optional<absl::Duration> ParseSpan(absl::string_view text) {
  absl::Duration span;
  if (!absl::ParseDuration(text, &span) || span < absl::ZeroDuration() ||
      span > kLongestSpan) {
    return {};
  }
  return span;
}

std::optional<double> ParsePercent(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "%")) return {};
  const auto percent = ParseDecimal(absl::StripTrailingAsciiWhitespace(text));
  if (!percent.has_value()) return {};
  return *percent / 100;
}

std::optional<double> ParseShare(absl::string_view text) {
  const auto share = ParseDecimal(text);
  if (!share.has_value() || *share < kLeastShare || *share > 1) return {};
  return share;
}

std::optional<int64_t> ParseRate(absl::string_view text) {
  constexpr double kMost = 1e12;
  double bytes = 1;
  if (absl::ConsumeSuffix(&text, "bit/s")) {
    bytes = 1.0 / 8;
  } else if (!absl::ConsumeSuffix(&text, "B/s")) {
    return {};
  }
  if (absl::ConsumeSuffix(&text, "k")) {
    bytes *= 1e3;
  } else if (absl::ConsumeSuffix(&text, "M")) {
    bytes *= 1e6;
  } else if (absl::ConsumeSuffix(&text, "G")) {
    bytes *= 1e9;
  }
  const auto number = ParseDecimal(absl::StripTrailingAsciiWhitespace(text));
  if (!number.has_value()) return {};
  const double rate = *number * bytes;
  if (rate < 1 || rate > kMost) return {};
  return static_cast<int64_t>(rate);
}

std::optional<Daemons> ParseDaemons(absl::string_view text) {
  using Role = Daemons::Role;
  if (text == "all") return Daemons{Role::kAll, {}};
  if (text == "scheduler") return Daemons{Role::kScheduler, {}};
  Daemons daemons;
  if (absl::ConsumePrefix(&text, "ps")) {
    daemons.role = Role::kServer;
  } else if (absl::ConsumePrefix(&text, "worker")) {
    daemons.role = Role::kWorker;
  } else {
    return {};
  }
  if (text.empty()) return daemons;
  if (!absl::ConsumePrefix(&text, "-")) return {};
  daemons.index = ParseIndex(text);
  if (!daemons.index.has_value()) return {};
  return daemons;
}

}  // namespace ebb::chaos
