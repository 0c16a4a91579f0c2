// The facts about a source that spare reading it again: built once, stored by
// the scheduler with the job, checked by every worker.
#ifndef EBB_DATA_INDEX_H_
#define EBB_DATA_INDEX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/encoding.h"
#include "data/fingerprint.h"

namespace ebb::data {

// The mean and the population standard deviation of labels that are numbers.
struct LabelMoments {
  double mean = 0;
  double stddev = 0;  // Exactly 0 when all labels are equal.

  // The distance from a standardised label of 0 to one of 1: the deviation, or
  // 1 if all labels are equal.
  double unit() const { return stddev == 0 ? 1 : stddev; }

  friend bool operator==(const LabelMoments&, const LabelMoments&) = default;
};

struct Index {
  // SourceSpec::Meaning() of the source, and its files in the order read.
  std::string meaning;
  std::vector<FileFingerprint> files;
  // Examples of the source (of its part, if it is split).
  int64_t examples = 0;
  // Bad examples of the files that were left out (OnBadExample::kSkip); those
  // of the whole source where it is split. Not counted in `examples`.
  int64_t left_out = 0;
  // The rest are constants of the *training* data: an index of test data has
  // them from the training index.
  int64_t features = 0;  // For keyed data the number of fields.
  // The labels, ascending: class c of a data set is classes[c] in its files.
  // Empty without labels or where they are real.
  std::vector<float> classes;
  // Mean and standard deviation of each feature, scaled, without missing
  // values. The deviation is that of the population, and exactly 0 if all
  // values are equal. If features are standardised, that of a category of text
  // is the unit by which it is divided instead. Both are empty for sparse data.
  std::vector<double> mean;
  std::vector<double> stddev;
  // Mean and deviation of labels that are numbers. Absent if they are classes
  // or there are none, and in indexes before version 3.
  std::optional<LabelMoments> labels;
  // How a table's columns become features, and the texts of its classes; the
  // words of documents. Empty for tables of numbers and other formats.
  Encoding encoding;

  // The text that class c (a place in `classes`) has in the files.
  std::string ClassText(int64_t c) const;

  // The bytes of docs/formats/data-index.md.
  std::string Encode() const;
  // kDataLoss when they are damaged, kFailedPrecondition when written in a
  // later version of the format.
  static absl::StatusOr<Index> Decode(absl::string_view bytes);
  // Names the index: equal for equal indexes, on every machine.
  uint64_t Hash() const;

  friend bool operator==(const Index&, const Index&) = default;
};

// The index of so many examples which only programs know. The fingerprint tells
// them from those of other data.
Index IndexOfPositions(int64_t examples, absl::string_view fingerprint);

}  // namespace ebb::data

#endif  // EBB_DATA_INDEX_H_
