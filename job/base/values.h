// The small texts that values of a job are written as. Each function returns
// nullopt for a text it does not understand.
#ifndef EBB_JOB_BASE_VALUES_H_
#define EBB_JOB_BASE_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ebb::job {

// A finite number, "0.5" or "1e-3", or a fraction of two, "1/255".
std::optional<double> ParseNumber(absl::string_view text);
// The shortest such text that reads back as exactly `value`.
std::string NumberText(double value);

// More than nothing and not infinite: "10s", "500ms", "1h30m".
std::optional<absl::Duration> ParseInterval(absl::string_view text);

// "1 epoch", "5 epochs": 1, 5.
std::optional<int64_t> ParseEpochs(absl::string_view text);

// "epoch" (kWholeEpoch), or a number of at least 1.
inline constexpr int64_t kWholeEpoch = 0;
std::optional<int64_t> ParseEpochOrCount(absl::string_view text);

// A condition on a number: ">= 0.87".
struct Comparison {
  enum class Op { kAtLeast, kAbove, kAtMost, kBelow };
  Op op = Op::kAtLeast;
  double bound = 0;
  // False for NaN, whatever the condition.
  bool Holds(double value) const;
};
std::optional<Comparison> ParseComparison(absl::string_view text);

// The replacement of a missing value: "error", "mean", "keep", or a number.
struct MissingRule {
  enum class Kind { kError, kMean, kConstant, kKeep };
  Kind kind = Kind::kError;
  double constant = 0;
};
std::optional<MissingRule> ParseMissing(absl::string_view text);

// Parses the text between two fields: "tab", "space", "whitespace" (any run of
// spaces and tabs), or the bytes themselves. Escapes are "\t" and "\x01".
// nullopt: it has more than 8 bytes, or could be part of a field: letters,
// digits, quotes, line ends and signs of numbers.
std::optional<std::string> ParseDelimiter(absl::string_view text);

// The size of images in pixels, from 1 to 16384 each way: "28x28".
struct ImageSize {
  int64_t width = 0;
  int64_t height = 0;
};
std::optional<ImageSize> ParseImageSize(absl::string_view text);

// Up to 63 of a-z, 0-9, '-', '_' and '.', the first a letter or digit: fit
// for a folder's name.
bool IsName(absl::string_view text);

}  // namespace ebb::job

#endif  // EBB_JOB_BASE_VALUES_H_
