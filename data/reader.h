// Reading the examples of a source, one after another.
//
//   EBB_ASSIGN_OR_RETURN(auto reader, OpenReader(spec));
//   Example example;
//   for (;;) {
//     EBB_ASSIGN_OR_RETURN(bool more, reader->Next(&example));
//     if (!more) break;
//     Use(example);
//   }
#ifndef EBB_DATA_READER_H_
#define EBB_DATA_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/encoding.h"
#include "data/fingerprint.h"
#include "data/keys.h"
#include "data/source.h"

namespace ebb::data {

// How a source's examples stand in memory.
//   kBytes   unsigned bytes, one a feature, to be multiplied by the scale (IDX)
//   kDense   floats, one a feature (CSV)
//   kSparse  floats beside the ids of their features (LIBSVM)
//   kKeyed   floats beside the fields and 64-bit keys of their features, for
//            models with sparse tables (libffm, ratings, click logs, LIBSVM
//            whose ids are keys; docs/sparse-data.md)
enum class Layout { kBytes, kDense, kSparse, kKeyed };

// One example; its spans point into the reader.
struct Example {
  // The label in the file; 0 without labels.
  float label = 0;
  std::span<const uint8_t> bytes;  // kBytes.
  // All but kBytes: scaled, and finite; but a missing field that is to become
  // its column's mean is a NaN.
  std::span<const float> values;
  std::span<const int32_t> ids;  // kSparse: from 0, ascending.
  // kKeyed: as the file has them; one key may stand there twice.
  std::span<const uint64_t> keys;
  std::span<const Field> fields;
  // The field of the column Folds::group, as the file has it.
  absl::string_view group;
};

// The bad examples that were left out (OnBadExample::kSkip).
struct LeftOut {
  int64_t examples = 0;
  std::string first;  // The mistake in the first, with its place.
};

// The examples of one source from the first to the last. Not thread safe.
class Reader {
 public:
  virtual ~Reader() = default;

  // Sets `*example`, valid until the next call; false at the end. Blocks on the
  // disk. Errors name file and line (or byte), the text found, and what would
  // be right. kInvalidArgument is for the content (perhaps several lines, a
  // mistake each), kDataLoss for a damaged compressed file, kUnavailable for
  // the medium. After an error the reader is finished. If bad examples are left
  // out, content is an error only if the file as a whole is wrong, or more than
  // half of its examples.
  virtual absl::StatusOr<bool> Next(Example* example) = 0;

  virtual Layout layout() const = 0;
  // The width of every example; for kSparse without a stated width, one more
  // than the highest id so far. For kKeyed the number of fields, likewise.
  virtual int64_t features() const = 0;
  // Returns those of the columns, if the file names them, each feature has
  // another name, and they are no longer than kMaxNameBytes. Known after the
  // first Next().
  virtual std::optional<ColumnNames> Names() const { return std::nullopt; }
  // The columns by their parts in an example, "3,1,2", if a header names them
  // in another order than the format has without one. Known after the first
  // Next(). Releases that did not look at headers read other values there.
  virtual std::string ColumnOrder() const { return ""; }
  // Returns where the last example stands, for messages: "a.csv:17".
  virtual std::string Where() const = 0;
  // Says what the owner should know about readable columns of the file so far,
  // as sentences.
  virtual std::vector<std::string> Remarks() const { return {}; }
  // Says of each column of a table which of its dates so far have a time zone,
  // in the order of Encoding::columns. Empty: there are no dates.
  virtual std::vector<TimeZones> ZonesOfDates() const { return {}; }
  // The features that the source names and no record so far has had.
  virtual std::vector<std::string> AbsentFeatures() const { return {}; }
  // Examples left out of the file so far, in all parts of a split.
  virtual LeftOut left_out() const { return {}; }
  // Remarks tell also of numbers that may stand for a missing value, and of
  // those that float32 cannot tell apart. Called
  // before the first Next(), for training data that is looked at for the first
  // time.
  virtual void LookForConstants() {}
  // Encoding::origins that keep digits which float32 would lose. Empty: it
  // loses none that matter, or they would not help. Known if LookForConstants()
  // was called, once Next() has returned false.
  virtual std::vector<double> Origins() const { return {}; }
  // Fingerprints of the files in the order read, once Next() has returned
  // false.
  virtual std::vector<FileFingerprint> Fingerprints() const = 0;
};

// The examples that `spec` describes, its split included. Reads headers, so
// the width of dense data is known. `encoding` is that of the training data;
// where it is empty, all fields are numbers. The errors of
// SourceSpec::Validate(), OpenBytes and Reader::Next().
absl::StatusOr<std::unique_ptr<Reader>> OpenReader(
    const SourceSpec& spec, const OpenBytes& open = OpenFile,
    const Encoding& encoding = {});

struct FoundEncoding {
  Encoding encoding;
  std::vector<std::string> remarks;  // A sentence for each column with text.
};

// Finds out what the columns of a table become that has text, whatever its
// split. Reads all of it, and blocks. The errors of OpenReader().
absl::StatusOr<FoundEncoding> FindEncoding(const SourceSpec& spec,
                                           const OpenBytes& open = OpenFile);

struct NamedFingerprint {
  std::string path;
  FileFingerprint fingerprint;
};

// Fingerprints of the files of `spec`, whether or not they can be parsed.
absl::StatusOr<std::vector<NamedFingerprint>> FingerprintFiles(
    const SourceSpec& spec, const OpenBytes& open = OpenFile);

}  // namespace ebb::data

#endif  // EBB_DATA_READER_H_
