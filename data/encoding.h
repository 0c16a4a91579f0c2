// How the columns of a table become the features of a model, which text each
// class has in the files, and which number a word has. It is found in the
// training data, stored in its index, and used as it is for all other data.
#ifndef EBB_DATA_ENCODING_H_
#define EBB_DATA_ENCODING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ebb::data {

// The number that stands first in a date with its year at the end.
enum class DateOrder { kYearFirst, kDayFirst, kMonthFirst };

// One column of a table. A missing field of text is the empty text.
struct ColumnEncoding {
  // The numbers of the kinds are part of the index's format.
  enum class Kind {
    kNumber = 0,   // One feature, the number.
    kBoolean = 1,  // One feature: 0 for values[0], 1 for values[1], whatever
                   // their case; another text is as missing.
    kOneHot = 2,   // A feature for each of `values`, and one for any other
                   // text: 1 where it is that, else 0.
    kHashed = 3,   // `buckets` features: 1 in KeyOf(0, text) % buckets, else 0.
    kDate = 4,     // One feature: days since 1970-01-01 UTC, with a fraction.
    kDateParts = 5,  // Five: year, month, day, day of the week (Monday is 0),
                     // hour with a fraction.
    kLeftOut = 6,    // None.
  };
  Kind kind = Kind::kNumber;
  std::vector<std::string> values;          // kBoolean and kOneHot, each once.
  int64_t buckets = 0;                      // kHashed.
  DateOrder order = DateOrder::kYearFirst;  // kDate and kDateParts.

  // The number of its features.
  int64_t width() const;
  // Returns whether its features are 0 or 1 and stand for text.
  bool IsCategory() const;

  friend bool operator==(const ColumnEncoding&,
                         const ColumnEncoding&) = default;
};

// The words of a text, each once, and how often the training data has them. A
// word goes by its place here.
struct Vocabulary {
  std::vector<std::string> words;
  std::vector<int64_t> counts;

  bool empty() const { return words.empty(); }

  friend bool operator==(const Vocabulary&, const Vocabulary&) = default;
};

struct Encoding {
  // One for each column of the training data except the label and ignored ones,
  // in their order. Empty: all of them are numbers.
  std::vector<ColumnEncoding> columns;
  // The text of each class: a label is the place of its text here. Empty:
  // labels are numbers in the files.
  std::vector<std::string> classes;
  // The words of documents. Empty for other data.
  Vocabulary vocabulary;
  // Numbers to subtract from the features, after the scale, so that float32
  // keeps what tells its numbers apart. Empty: nothing from any.
  std::vector<double> origins;

  bool empty() const {
    return columns.empty() && classes.empty() && vocabulary.empty() &&
           origins.empty();
  }
  double OriginOf(size_t feature) const {
    return feature < origins.size() ? origins[feature] : 0;
  }
  // The number of features; `columns` is not empty.
  int64_t features() const;
  // The names of the features, in their order: "age", "sex=male", "sex=other",
  // "ticket#17", "when.month". `names` are those of the columns, or empty: then
  // a column's name is "column 3", counted without the label's.
  std::vector<std::string> FeatureNames(
      const std::vector<std::string>& names) const;

  friend bool operator==(const Encoding&, const Encoding&) = default;
};

// The bytes of one part, for the index, and back. False where they are not
// exactly what Encode… makes.
std::string EncodeColumns(const std::vector<ColumnEncoding>& columns);
bool DecodeColumns(absl::string_view bytes,
                   std::vector<ColumnEncoding>* columns);
std::string EncodeTexts(const std::vector<std::string>& texts);
bool DecodeTexts(absl::string_view bytes, std::vector<std::string>* texts);
std::string EncodeVocabulary(const Vocabulary& vocabulary);
bool DecodeVocabulary(absl::string_view bytes, Vocabulary* vocabulary);

}  // namespace ebb::data

#endif  // EBB_DATA_ENCODING_H_
