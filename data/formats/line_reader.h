// The shared part of readers of text with one example a line. (Tables, ratings
// and click logs have records of fields instead: record_reader.h.)
#ifndef EBB_DATA_FORMATS_LINE_READER_H_
#define EBB_DATA_FORMATS_LINE_READER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/formats/bad_examples.h"
#include "data/formats/input.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

class LineReader : public Reader {
 public:
  LineReader(const SourceSpec& spec, Input file)
      : spec_(spec), file_(std::move(file)), bad_(spec.on_bad_example) {}

  absl::StatusOr<bool> Next(Example* example) final;
  std::string Where() const final {
    return absl::StrCat(file_.path(), ":", file_.line_number());
  }
  LeftOut left_out() const final { return bad_.left_out(); }
  std::vector<FileFingerprint> Fingerprints() const final {
    return file_.Fingerprints();
  }

 protected:
  // Makes `*example` of a line; false where it is none: empty, a comment, a
  // header. Errors are of this line alone: Bad(), or ones that say the same.
  virtual absl::StatusOr<bool> Take(absl::string_view line,
                                    Example* example) = 0;

  // "a.ffm:3: what is wrong".
  template <typename... Args>
  absl::Status Bad(const Args&... args) const {
    return absl::InvalidArgumentError(absl::StrCat(Where(), ": ", args...));
  }
  // The label that `word` is.
  absl::StatusOr<float> Label(absl::string_view word) const;

  const SourceSpec& spec() const { return spec_; }
  // The file of the line.
  const std::string& path() const { return file_.path(); }

 private:
  const SourceSpec spec_;
  Input file_;
  BadExamples bad_;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_LINE_READER_H_
