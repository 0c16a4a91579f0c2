// The shared part of readers of sparse rows: a line is a label, then the
// features that the example has, as pairs or triples with colons in them. A
// label alone is an example whose features are all zero. A # begins a comment.
#ifndef EBB_DATA_FORMATS_TEXT_SPARSE_LINE_READER_H_
#define EBB_DATA_FORMATS_TEXT_SPARSE_LINE_READER_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "data/formats/line_reader.h"
#include "data/reader.h"

namespace ebb::data::internal {

class SparseLineReader : public LineReader {
 protected:
  using LineReader::LineReader;

 private:
  // Begins a row.
  virtual void Clear() = 0;
  // Adds the feature that `word` is. Errors are those of LineReader::Take().
  virtual absl::Status Add(absl::string_view word) = 0;
  // Returns the row, without its label. Valid until the next Clear().
  virtual Example Row() = 0;

  absl::StatusOr<bool> Take(absl::string_view line, Example* example) final;
  // Handles an empty line: it is not an example. Without labels it could be an
  // example without features, so it is an error.
  absl::StatusOr<bool> NothingIn() const;
  // Refuses a qid: and the like by name.
  absl::Status CheckNamedPair(absl::string_view word) const;
  // The label at the front of a line, which it takes from `*line` with the
  // first feature, set in `*pair`: empty where there is none.
  absl::StatusOr<float> TakeLabel(absl::string_view* line,
                                  absl::string_view* pair) const;
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TEXT_SPARSE_LINE_READER_H_
