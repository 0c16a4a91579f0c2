#include "data/formats/line_reader.h"

#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
absl::StatusOr<bool> LineReader::Next(Example* example) {
  for (;;) {
    absl::string_view line;
    EBB_ASSIGN_OR_RETURN(const bool more, file_.ReadLine(&line));
    if (!more) {
      EBB_RETURN_IF_ERROR(bad_.Judge(file_.name()));
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

}  // namespace ebb::data::internal
