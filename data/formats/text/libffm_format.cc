// libffm: a line is "label field:feature:value ...", in any order; a label
// alone is an example whose features are all zero. Fields count from 0;
// features are numbers of their own, of which a model has one row each, and so
// are the keys as they stand. https://github.com/ycjuan/libffm (README, "Data
// Format")
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/format.h"
#include "data/formats/keyed_row.h"
#include "data/formats/options.h"
#include "data/formats/text/lost_values.h"
#include "data/formats/text/sparse_line_reader.h"

namespace ebb::data::internal {
namespace {

class LibffmReader : public SparseLineReader {
 public:
  using SparseLineReader::SparseLineReader;

  Layout layout() const override { return Layout::kKeyed; }
  int64_t features() const override {
    return spec().libffm.fields > 0 ? spec().libffm.fields : found_;
  }
  std::vector<std::string> Remarks() const override {
    return lost_values_.Remarks([](Field field, uint64_t key) {
      return absl::StrCat("feature ", key, " of field ", field);
    });
  }
  void LookForConstants() override { lost_values_.Begin(); }

 private:
  void Clear() override { row_.Clear(); }
  Example Row() override {
    for (const Field field : row_.fields) {
      found_ = std::max(found_, int64_t{field} + 1);
    }
    return row_.AsExample();
  }

  absl::Status Add(absl::string_view word) override {
    const size_t first = word.find(':');
    const size_t second =
        first == absl::string_view::npos ? first : word.find(':', first + 1);
    uint64_t field;
    uint64_t key;
    if (second == absl::string_view::npos ||
        !ParseWhole(word.substr(0, first), &field) ||
        !ParseWhole(word.substr(first + 1, second - first - 1), &key)) {
      return Bad(Excerpt(word),
                 " is not a feature; write field:feature:value, as in 0:7:1, "
                 "with a feature from 0 to 2^64 - 1");
    }
    const bool named = spec().libffm.fields > 0;
    const int64_t limit = named ? spec().libffm.fields : kMaxFields;
    if (field >= static_cast<uint64_t>(limit)) {
      return Bad("field ", field, " in data of ", limit,
                 named ? absl::StrCat(" fields; to take it, say fields: ",
                                      field + 1, ", or more")
                       : " fields, the most there can be; is the feature "
                         "where the field should stand?");
    }
    const absl::StatusOr<float> value =
        ParseFeature(word.substr(second + 1), spec().scale);
    if (!value.ok()) {
      return Bad("field ", field, ", feature ", key, ": ",
                 value.status().message());
    }
    row_.Add(static_cast<Field>(field), key, *value);
    lost_values_.Add(static_cast<Field>(field), key, word.substr(second + 1),
                     spec().scale);
    return absl::OkStatus();
  }

  int64_t found_ = 0;
  KeyedRow row_;
  LostKeyValues lost_values_;
};

absl::Status ValidateLibffm(const SourceSpec& spec) {
  const int64_t fields = spec.libffm.fields;
  if (fields < 0 || fields > kMaxFields) {
    return WrongOption("fields ", fields, " is not between 0 (as found) and ",
                       kMaxFields);
  }
  return absl::OkStatus();
}

std::string MeaningOfLibffm(const SourceSpec& spec, absl::string_view common) {
  return absl::StrCat("libffm", common, " fields=", spec.libffm.fields);
}

int64_t WidthOfLibffm(const SourceSpec& spec) { return spec.libffm.fields; }

}  // namespace

Format LibffmFormat() {
  return {.kind = SourceKind::kLibffm,
          .word = "libffm",
          .layout = Always<Layout::kKeyed>,
          .stated_width = WidthOfLibffm,
          .validate = ValidateLibffm,
          .meaning = MeaningOfLibffm,
          .open = Open<LibffmReader>};
}

}  // namespace ebb::data::internal
