// Packed sets (docs/formats/packed.md), from the first example to the last.
// Training reads them by windows instead (dataset.h).
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/formats/format.h"
#include "data/formats/options.h"
#include "data/pack/packed_set.h"

namespace ebb::data::internal {
namespace {

// Gives features as they are packed: only a data set scales them.
class PackedReader : public Reader {
 public:
  explicit PackedReader(std::shared_ptr<const pack::PackedSet> set)
      : set_(std::move(set)) {}

  absl::StatusOr<bool> Next(Example* example) override {
    while (row_ == window_.examples) {
      if (next_ == std::ssize(set_->footer().windows)) return false;
      EBB_RETURN_IF_ERROR(set_->Read(next_++, &window_));
      row_ = 0;
    }
    *example = {};
    if (!window_.labels.empty()) example->label = window_.labels[row_];
    const int64_t features = this->features();
    switch (layout()) {
      case Layout::kBytes:
        example->bytes =
            std::span(window_.bytes).subspan(row_ * features, features);
        break;
      case Layout::kDense:
        example->values =
            std::span(window_.values).subspan(row_ * features, features);
        break;
      case Layout::kSparse:
      case Layout::kKeyed: {
        const int64_t begin = window_.offsets[row_];
        const int64_t count = window_.offsets[row_ + 1] - begin;
        example->values = std::span(window_.values).subspan(begin, count);
        if (layout() == Layout::kSparse) {
          example->ids = std::span(window_.ids).subspan(begin, count);
        } else {
          example->keys = std::span(window_.keys).subspan(begin, count);
          example->fields = std::span(window_.fields).subspan(begin, count);
        }
        break;
      }
    }
    ++row_;
    ++examples_;
    return true;
  }

  Layout layout() const override { return set_->footer().layout; }
  int64_t features() const override { return set_->footer().index.features; }
  std::optional<ColumnNames> Names() const override {
    return set_->footer().names;
  }
  std::string Where() const override {
    return absl::StrCat("example ", examples_, " of ", set_->folder());
  }
  LeftOut left_out() const override {
    return {set_->footer().index.left_out, "in the files that were packed"};
  }
  std::vector<FileFingerprint> Fingerprints() const override {
    return {set_->id()};
  }

 private:
  const std::shared_ptr<const pack::PackedSet> set_;
  pack::Window window_;
  int64_t next_ = 0;      // The window after `window_`.
  int64_t row_ = 0;       // The next example in `window_`.
  int64_t examples_ = 0;  // So many were given out.
};

absl::Status ValidatePacked(const SourceSpec& spec) {
  if (spec.path.empty()) {
    return WrongOption(
        "the packed set has no folder; name the one that `ebb "
        "data pack` made");
  }
  if (!spec.further_paths.empty() || spec.split.has_value()) {
    return WrongOption(
        "a packed set is one folder, and was split when it was "
        "packed; `ebb data pack --split` packs it so");
  }
  return absl::OkStatus();
}

std::string MeaningOfPacked(const SourceSpec& spec, absl::string_view common) {
  // Only if it is so: older indexes do not contain it.
  return absl::StrCat("packed", common,
                      spec.packed.keep_missing ? " missing=keep" : "");
}

absl::StatusOr<std::unique_ptr<Reader>> OpenPacked(const SourceSpec& spec,
                                                   const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(auto set, pack::PackedSet::Open(spec.path, open));
  return std::make_unique<PackedReader>(std::move(set));
}

Layout LayoutOfPacked(const SourceSpec& spec) {
  return spec.packed.keyed ? Layout::kKeyed : Layout::kDense;
}

}  // namespace

Format PackedFormat() {
  return {.kind = SourceKind::kPacked,
          .word = "packed",
          .layout = LayoutOfPacked,
          .validate = ValidatePacked,
          .meaning = MeaningOfPacked,
          .open_set = OpenPacked};
}

}  // namespace ebb::data::internal
