// The shared part of readers of delimited text whose examples are keys: ratings
// and click logs.
#ifndef EBB_DATA_FORMATS_TABLES_RECORD_READER_H_
#define EBB_DATA_FORMATS_TABLES_RECORD_READER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/formats/bad_examples.h"
#include "data/formats/input.h"
#include "data/formats/tables/columns.h"
#include "data/formats/tables/delimited.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

class RecordReader : public Reader {
 public:
  RecordReader(const SourceSpec& spec, Input file, const TextOptions& text,
               DelimitedRecords::Guess guess);

  absl::StatusOr<bool> Next(Example* example) final;
  Layout layout() const final { return Layout::kKeyed; }
  std::optional<ColumnNames> Names() const final { return names_; }
  std::string ColumnOrder() const final { return order_; }
  std::string Where() const final { return records_.Where(); }
  LeftOut left_out() const final { return bad_.left_out(); }
  std::vector<FileFingerprint> Fingerprints() const final {
    return records_.file().Fingerprints();
  }

 protected:
  using Fields = std::vector<absl::string_view>;

  // Looks at the first record of the right width. Returns true where it is a
  // header, after settling which column is what; false where it is an example.
  // An error is one of the file as a whole.
  virtual absl::StatusOr<bool> TakeHeader(const Fields& fields) = 0;
  // Checks the number of fields of a record.
  virtual absl::Status CheckWidth(const Fields& fields) const = 0;
  // Makes `*example` of a record. Errors are of this record alone.
  virtual absl::Status Take(const Fields& fields, Example* example) = 0;

  // "r.csv:3: what is wrong".
  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", args...));
  }
  // The columns of the first record; it names them where it is a header.
  Columns ColumnsOf(const Fields& fields, bool header) const {
    return header
               ? Columns(Where(), fields.size(),
                         std::vector<std::string>(fields.begin(), fields.end()))
               : Columns(Where(), fields.size(), {});
  }
  // Returns whether a field is the name of a column of the training data.
  bool NamesTraining(const Fields& fields) const;
  // Keeps what a header says: the columns of the parts of an example, and the
  // label's (Columns::kNone: it has none). `usual` is their order without a
  // header, the label's last.
  void KeepHeader(const Columns& columns, std::vector<size_t> features,
                  size_t label, const std::vector<size_t>& usual);
  // The label that `word` is.
  absl::StatusOr<float> Label(absl::string_view word) const;
  std::string DelimiterName() const { return records_.DelimiterName(); }
  // DelimitedRecords::OtherDelimiter(), until there was a record of the right
  // width.
  std::string OtherDelimiter() const {
    return begun_ ? "" : records_.OtherDelimiter();
  }

  const SourceSpec& spec() const { return spec_; }

 private:
  const SourceSpec spec_;
  DelimitedRecords records_;
  BadExamples bad_;
  bool begun_ = false;  // There was a record of the right width.
  std::optional<ColumnNames> names_;
  std::string order_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TABLES_RECORD_READER_H_
