#include "data/dense_beside.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "data/dataset.h"
#include "data/dataset/fit.h"
#include "data/formats/records/record_mapping.h"

namespace ebb::data {

namespace {

absl::Status OtherNumbers(int64_t row) {
  return absl::DataLossError(
      absl::StrCat("example ", row,
                   " of the batch has other numbers beside its keys than the "
                   "features of the job say; pack again, or submit anew"));
}

}  // namespace

std::string DenseShapeIn(absl::string_view meaning) {
  const size_t at = meaning.rfind(internal::kColumnsAre);
  if (at == absl::string_view::npos) return "";
  meaning.remove_prefix(at + internal::kColumnsAre.size());
  return absl::StartsWith(meaning, internal::kDenseColumns)
             ? std::string(meaning)
             : "";
}

absl::StatusOr<DenseBeside> DenseBeside::Of(absl::string_view meaning,
                                            int64_t fields) {
  DenseBeside beside;
  beside.targets_.resize(static_cast<size_t>(fields));
  const std::string shape = DenseShapeIn(meaning);
  const auto wrong = [&] {
    return absl::DataLossError(
        absl::StrCat("the index of the data has ", shape, " in it"));
  };
  for (const absl::string_view one :
       absl::StrSplit(absl::StripPrefix(shape, internal::kDenseColumns), ',',
                      absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(one, '/');
    int64_t field = 0, width = 0;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &field) ||
        !absl::SimpleAtoi(parts[1], &width) || field < 0 || field >= fields ||
        width < 0 || width > kMostDenseBeside) {
      return wrong();
    }
    if (width == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "several features have the field ", field,
          ", and one of them is dense; a model that takes its numbers beside "
          "the keys wants a field for it alone"));
    }
    Target& target = beside.targets_[static_cast<size_t>(field)];
    if (target.width > 0) return wrong();
    target.offset = beside.width_;
    target.width = width;
    beside.width_ += width;
    if (beside.width_ > kMostDenseBeside) return wrong();
  }
  for (Target& target : beside.targets_) {
    if (target.width > 0) continue;
    target.field = static_cast<Field>(beside.fields_++);
  }
  return beside;
}

absl::Status DenseBeside::Split(ExampleBatch* batch) const {
  batch->beside.assign(static_cast<size_t>(batch->rows * width_), 0);
  batch->beside_width = width_;
  batch->features = fields_;
  std::vector<int64_t> counts(targets_.size());
  int64_t kept = 0, begin = 0;
  for (int64_t row = 0; row < batch->rows; ++row) {
    const int64_t end = batch->offsets[row + 1];
    counts.assign(counts.size(), 0);
    int64_t taken = 0;
    for (int64_t e = begin; e < end; ++e) {
      const Field field = batch->fields[e];
      if (field >= targets_.size()) return OtherNumbers(row);
      const Target& target = targets_[field];
      if (target.width == 0) {
        batch->keys[kept] = batch->keys[e];
        batch->values[kept] = batch->values[e];
        batch->fields[kept++] = target.field;
        continue;
      }
      const int64_t place = counts[field]++;
      if (place >= target.width) return OtherNumbers(row);
      batch->beside[row * width_ + target.offset + place] = batch->values[e];
      ++taken;
    }
    if (taken != width_) return OtherNumbers(row);
    begin = end;
    batch->offsets[row + 1] = kept;
  }
  batch->keys.resize(static_cast<size_t>(kept));
  batch->values.resize(static_cast<size_t>(kept));
  batch->fields.resize(static_cast<size_t>(kept));
  return absl::OkStatus();
}

}  // namespace ebb::data
