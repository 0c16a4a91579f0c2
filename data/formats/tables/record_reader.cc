#include "data/formats/tables/record_reader.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {

RecordReader::RecordReader(const SourceSpec& spec, Input file,
                           const TextOptions& text,
                           DelimitedRecords::Guess guess)
    : spec_(spec),
      records_(
          std::move(file),
          text.delimiter.has_value()
              ? [named = *text.delimiter](absl::string_view) { return named; }
              : std::move(guess),
          text),
      bad_(spec.on_bad_example) {}

absl::StatusOr<bool> RecordReader::Next(Example* example) {
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, records_.Next());
    if (!more) {
      EBB_RETURN_IF_ERROR(bad_.Judge(records_.file().name()));
      return false;
    }
    absl::Status status = records_.status();
    if (status.ok()) status = CheckWidth(records_.fields());
    if (status.ok() && !begun_) {
      begun_ = true;
      records_.Settle();
      EBB_ASSIGN_OR_RETURN(const bool header, TakeHeader(records_.fields()));
      if (header) {
        records_.SkipRepeated();
        continue;
      }
    }
    if (status.ok()) status = Take(records_.fields(), example);
    if (status.ok()) {
      bad_.AddGood();
      return true;
    }
    EBB_RETURN_IF_ERROR(bad_.Add(status));
  }
}

bool RecordReader::NamesTraining(const Fields& fields) const {
  if (!spec_.like.has_value()) return false;
  const std::vector<std::string>& names = spec_.like->features;
  return std::any_of(
      fields.begin(), fields.end(), [&](absl::string_view field) {
        return IsName(field) &&
               std::find(names.begin(), names.end(), field) != names.end();
      });
}

void RecordReader::KeepHeader(const Columns& columns,
                              std::vector<size_t> features, size_t label,
                              const std::vector<size_t>& usual) {
  names_ = columns.NamesOf(features, label);
  if (label != Columns::kNone) features.push_back(label);
  if (features == usual) return;
  order_ = absl::StrJoin(features, ",", [](std::string* out, size_t column) {
    absl::StrAppend(out, column + 1);
  });
}

absl::StatusOr<float> RecordReader::Label(absl::string_view word) const {
  absl::StatusOr<float> label = ParseLabel(word, spec_.label_kind);
  if (!label.ok()) return Bad("label: ", label.status().message());
  return label;
}

}  // namespace ebb::data::internal
