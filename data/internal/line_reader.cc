#include "data/internal/line_reader.h"

#include "common/status_macros.h"
#include "data/internal/text.h"

namespace ebb::data::internal {
namespace {

bool IsPair(absl::string_view word) {
  return word.find(':') != absl::string_view::npos;
}

}  // namespace

absl::StatusOr<bool> LineReader::Next(Example* example) {
  for (;;) {
    absl::string_view line;
    EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(&line));
    if (!more) {
      EBB_RETURN_IF_ERROR(bad_.Judge(file_.path()));
      return false;
    }
    const absl::StatusOr<bool> taken = Take(line, example);
    if (!taken.ok()) {
      EBB_RETURN_IF_ERROR(bad_.Add(taken.status()));
    } else if (*taken) {
      bad_.AddGood();
      return true;
    }
  }
}

absl::StatusOr<float> LineReader::Label(absl::string_view word) const {
  absl::StatusOr<float> label = ParseLabel(word, spec_.label_kind);
  if (!label.ok()) return Bad("label: ", label.status().message());
  return label;
}

absl::StatusOr<float> LineReader::TakeLabel(absl::string_view* line,
                                            absl::string_view* pair) const {
  *pair = TakeWord(line);
  float label = 0;
  if (spec_.has_labels) {
    if (IsPair(*pair)) {
      return Bad("the line begins with ", Excerpt(*pair),
                 " instead of a label; if the data has none, say so");
    }
    EBB_ASSIGN_OR_RETURN(label, Label(*pair));
  }
  if (!IsPair(*pair)) *pair = TakeWord(line);
  return label;
}

}  // namespace ebb::data::internal
