// The shared part of readers of text with one example a line. (CSV, which names
// several mistakes at once, has a reader of its own.)
#ifndef EBB_DATA_INTERNAL_LINE_READER_H_
#define EBB_DATA_INTERNAL_LINE_READER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/internal/bad_examples.h"
#include "data/internal/input.h"
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
  // Handles an empty line among lines of pairs: it is not an example. Without
  // labels it could be an example without features, so it is an error.
  absl::StatusOr<bool> NothingIn() const {
    if (spec_.has_labels) return false;
    return Bad(
        "the line is empty; where examples have no labels it could be one "
        "without features: remove it, or give each line a label");
  }
  // Refuses a qid: and the like by name.
  absl::Status CheckNamedPair(absl::string_view word) const;
  // The label that `word` is.
  absl::StatusOr<float> Label(absl::string_view word) const;
  // The label at the front of a line of pairs, which it takes from `*line` with
  // the first pair, set in `*pair`: empty where there is none.
  absl::StatusOr<float> TakeLabel(absl::string_view* line,
                                  absl::string_view* pair) const;

  const SourceSpec& spec() const { return spec_; }

 private:
  const SourceSpec spec_;
  Input file_;
  BadExamples bad_;
};

// The entries of a keyed example, its memory used again by the next one.
struct KeyedRow {
  std::vector<float> values;
  std::vector<uint64_t> keys;
  std::vector<Field> fields;

  void Clear() {
    values.clear();
    keys.clear();
    fields.clear();
  }
  void Add(Field field, uint64_t key, float value) {
    fields.push_back(field);
    keys.push_back(key);
    values.push_back(value);
  }
  Example AsExample(float label) const {
    return {.label = label, .values = values, .keys = keys, .fields = fields};
  }
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_LINE_READER_H_
