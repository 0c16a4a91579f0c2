// The shared part of the readers of text: numbers, labels and messages about
// them.
#ifndef EBB_DATA_BYTES_TEXT_H_
#define EBB_DATA_BYTES_TEXT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/source.h"

namespace ebb::data::internal {

// Ids and widths fit 32 bits, as matrix libraries want them.
inline constexpr int64_t kMaxFeatures = (int64_t{1} << 31) - 1;

// `text` for an error message: quoted, escaped, cut to a readable length.
// Letters of UTF-8 stay as they are.
std::string Excerpt(absl::string_view text);

// Returns whether all of `text` is UTF-8 without zero bytes.
bool IsUtf8Text(absl::string_view text);

// Why a text that is not UTF-8 cannot be kept, as an error ends; `path` is that
// of its file.
std::string NotUtf8(absl::string_view text, absl::string_view path);

// True if all of `text` is a decimal number, perhaps nan or infinite; its
// value in `*value`.
bool ParseNumber(absl::string_view text, double* value);

// Returns whether `text` is such a number.
bool IsNumber(absl::string_view text);

// Returns a number times `scale` as a finite float. The error says what is
// wrong with `text`, not where it stands.
absl::StatusOr<float> ParseFeature(absl::string_view text, double scale);

// The same for a label: a class is a whole number that float holds exactly.
absl::StatusOr<float> ParseLabel(absl::string_view text, LabelKind kind);

// Returns whether a number is such a label.
bool IsLabel(double value, LabelKind kind);

// The end of an error about labels that are not classes: what to do.
inline constexpr char kIfNumbers[] =
    "; if labels are numbers to predict, take model: linear, or "
    "model.labels: values";

// True if all of `text` is a whole number from 0 to 2^64 - 1, of digits alone;
// it in `*value`.
bool ParseWhole(absl::string_view text, uint64_t* value);

// Returns whether a line has no word, in the sense of TakeWord().
bool IsBlank(absl::string_view line);

// Takes the next word from `*line`, without the spaces and tabs around it;
// empty at the end. A # begins a comment.
absl::string_view TakeWord(absl::string_view* line);

// The delimiter of the options, or the one that suits the file's name.
std::string Delimiter(const CsvOptions& csv, absl::string_view path);

// The words that stand for no value. Immutable.
class MissingWords {
 public:
  // `named` are those of the job, beside the usual ones.
  explicit MissingWords(std::vector<std::string> named)
      : named_(std::move(named)) {}

  // True if a field is empty, or one of the words that pandas, R and other
  // programs write, in any case: NA, N/A, NaN, null, None, #N/A, <NA>, ?.
  bool Has(absl::string_view field) const;
  // Returns whether a field is one of the job's own words.
  bool Named(absl::string_view field) const;

 private:
  std::vector<std::string> named_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_BYTES_TEXT_H_
