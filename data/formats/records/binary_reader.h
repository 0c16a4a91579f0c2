// Reads binary records from files, one after another, and makes examples of
// them: what the readers of TFRecord and of protobuf share.
#ifndef EBB_DATA_FORMATS_RECORDS_BINARY_READER_H_
#define EBB_DATA_FORMATS_RECORDS_BINARY_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "data/formats/bad_examples.h"
#include "data/formats/input.h"
#include "data/formats/records/record_mapping.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

// Not thread-safe.
class BinaryReader : public Reader {
 public:
  // `noun` is what errors call a record: a static text, "message".
  BinaryReader(const SourceSpec& spec, Input file, absl::string_view noun);

  absl::StatusOr<bool> Next(Example* example) override;
  Layout layout() const override { return mapping_.layout(); }
  int64_t features() const override { return mapping_.features(); }
  std::optional<ColumnNames> Names() const override { return mapping_.Names(); }
  std::vector<std::string> AbsentFeatures() const override {
    return mapping_.AbsentFeatures();
  }
  std::string ColumnOrder() const override { return mapping_.ColumnOrder(); }
  std::vector<std::string> Remarks() const override {
    return mapping_.Remarks();
  }
  void LookForConstants() override { mapping_.LookForLostDigits(); }
  std::string Where() const override;
  LeftOut left_out() const override { return bad_.left_out(); }
  std::vector<FileFingerprint> Fingerprints() const override {
    return file_.Fingerprints();
  }

 protected:
  // Reads the next record, and sets number_ and begin_; false at the end of the
  // last file. `*mistake` says what is wrong with this record alone. An error
  // is one of the file: nothing behind it can be found.
  virtual absl::StatusOr<bool> ReadRecord(absl::Status* mistake) = 0;
  // Makes an example of the record. The error has no place.
  virtual absl::Status Take(Example* example) = 0;

  // An error of the file.
  template <typename... Args>
  absl::Status Broken(const Args&... args) const {
    EBB_RETURN_IF_ERROR(file_.CheckUnchanged());
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", args...));
  }

  RecordMapping mapping_;
  Input file_;
  BadExamples bad_;
  int64_t number_ = 0;  // The number of the record in its file, from 1.
  int64_t begin_ = 0;   // Its first byte.

 private:
  const absl::string_view noun_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_RECORDS_BINARY_READER_H_
