// One record of a table as the features of an example.
#ifndef EBB_DATA_FORMATS_TABLES_ROW_ENCODER_H_
#define EBB_DATA_FORMATS_TABLES_ROW_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "data/bytes/text.h"
#include "data/encoding.h"
#include "data/formats/lost_digits.h"
#include "data/formats/tables/leading_zeros.h"
#include "data/source.h"

namespace ebb::data::internal {

// A mistake in a field.
struct FieldProblem {
  enum class Kind { kNone, kText, kDate, kMissing, kOther };
  Kind kind = Kind::kNone;
  std::string message;  // "'x' is not a number".

  bool ok() const { return kind == Kind::kNone; }
};

// Not thread safe.
class RowEncoder {
 public:
  // `encoding` outlives it. Where it has no columns, each is a number, and
  // there are `columns` of them.
  RowEncoder(const SourceSpec& spec, const Encoding& encoding, size_t columns);

  int64_t features() const { return static_cast<int64_t>(values_.size()); }
  // From now on lost_digits() and leading_zeros() look at each number.
  void LookForLostDigits() {
    lost_digits_.emplace(encoding_);
    leading_zeros_.resize(filled_.size());
  }
  const std::optional<LostDigits>& lost_digits() const { return lost_digits_; }
  // Returns those of each column that is a number; empty: nothing looked.
  const std::vector<LeadingZeros>& leading_zeros() const {
    return leading_zeros_;
  }
  // The number of the column that has the feature.
  size_t ColumnOf(size_t feature) const;

  // Begins a record.
  void Clear();
  // Takes the field of the feature column with this number.
  FieldProblem Add(size_t column, absl::string_view field);
  // The features of the record.
  const std::vector<float>& values() const { return values_; }
  // The first feature of a column in the record, before its origin was
  // subtracted.
  double value(size_t column) const {
    const size_t feature = first_.empty() ? column : first_[column];
    return static_cast<double>(values_[feature]) + encoding_.OriginOf(feature);
  }

  // The fields of each column that were missing and became the mean.
  const std::vector<int64_t>& filled() const { return filled_; }

  // The fields of a column with a text that the training data does not have.
  struct Unknown {
    int64_t fields = 0;
    std::string first;
    // The one of the most fields; the earliest of several.
    std::string most;
    int64_t most_fields = 0;
    bool becomes_mean = false;  // Else it counts as any other text.
    // The number of fields by the hash of their text, up to a limit.
    absl::flat_hash_map<uint64_t, int64_t> texts;
  };
  const std::vector<Unknown>& unknown() const { return unknown_; }

  // The fields of a column with a whole number that the training data writes in
  // another way, 1.0 for 1 or 1 for 1.0.
  struct Rewritten {
    int64_t fields = 0;
    std::string first;
    std::string known;  // The training data has this for the first.
  };
  const std::vector<Rewritten>& rewritten() const { return rewritten_; }

  // The dates of a column.
  struct Dates {
    int64_t all = 0;
    int64_t with_zone = 0;
  };
  const std::vector<Dates>& dates() const { return dates_; }

 private:
  FieldProblem AddNumber(size_t column, absl::string_view field, float* value);
  FieldProblem AddBoolean(size_t column, absl::string_view field, float* value);
  FieldProblem AddDate(size_t column, absl::string_view field, float* values);
  // Makes `*value`, one of the record, of a number.
  void Set(double number, LostDigits::Kind kind, float* value);
  // Returns what is subtracted from the feature that `value` is of the record.
  double OriginOf(const float* value) const {
    return encoding_.OriginOf(static_cast<size_t>(value - values_.data()));
  }
  void NoteUnknown(size_t column, absl::string_view field, bool becomes_mean);
  void AddCategory(size_t column, absl::string_view field, float* values);
  // Returns the feature of a text that is not among the categories: that of
  // the category which is the same whole number, or of any other text.
  int64_t PlaceOfOther(size_t column, absl::string_view text);
  // Fills `values` with what stands for a missing field.
  FieldProblem AddMissing(size_t column, absl::string_view field, double scale,
                          float* values);

  const CsvOptions::Missing missing_rule_;
  const double missing_value_;
  const double scale_;
  const MissingWords missing_;
  const Encoding& encoding_;
  std::vector<size_t> first_;  // The first feature of each column.
  // The feature of each category, counted from the first of its column.
  std::vector<absl::flat_hash_map<std::string, int64_t>> places_;
  // Other texts of categories that are whole numbers, and their features.
  std::vector<absl::flat_hash_map<std::string, int64_t>> other_texts_;
  std::vector<float> values_;
  std::vector<int64_t> filled_;
  std::vector<Unknown> unknown_;
  std::vector<Rewritten> rewritten_;
  std::vector<Dates> dates_;
  std::optional<LostDigits> lost_digits_;
  std::vector<LeadingZeros> leading_zeros_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_ROW_ENCODER_H_
