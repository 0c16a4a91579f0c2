#include "data/reader.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/folds.h"
#include "data/formats/format.h"
#include "data/formats/input.h"
#include "data/formats/table_files.h"
#include "data/pack/packed_set.h"

namespace ebb::data {
namespace {

using internal::Input;

// The part of another reader's examples that a split selects.
class SplitReader : public Reader {
 public:
  SplitReader(const SourceSpec& spec, const Encoding& encoding,
              std::unique_ptr<Reader> all)
      : split_(*spec.split), name_(spec.Name()), all_(std::move(all)) {
    if (split_.folds.count == 0) return;
    const bool classes = spec.has_labels && spec.looks_at_labels &&
                         spec.label_kind == LabelKind::kClass;
    folds_.emplace(split_.seed, split_.folds, classes, encoding);
  }

  absl::StatusOr<bool> Next(Example* example) override {
    for (;;) {
      EBB_ASSIGN_OR_RETURN(const bool more, all_->Next(example));
      if (!more) {
        if (folds_) EBB_RETURN_IF_ERROR(folds_->CheckAll(name_));
        return false;
      }
      if (Takes(*example)) return true;
    }
  }
  Layout layout() const override { return all_->layout(); }
  int64_t features() const override { return all_->features(); }
  std::optional<ColumnNames> Names() const override { return all_->Names(); }
  std::string ColumnOrder() const override { return all_->ColumnOrder(); }
  std::string Where() const override { return all_->Where(); }
  LeftOut left_out() const override { return all_->left_out(); }
  std::vector<std::string> Remarks() const override { return all_->Remarks(); }
  std::vector<TimeZones> ZonesOfDates() const override {
    return all_->ZonesOfDates();
  }
  std::vector<std::string> AbsentFeatures() const override {
    return all_->AbsentFeatures();
  }
  void LookForConstants() override { all_->LookForConstants(); }
  std::vector<double> Origins() const override { return all_->Origins(); }
  std::vector<FileFingerprint> Fingerprints() const override {
    return all_->Fingerprints();
  }

 private:
  bool Takes(const Example& example) {
    if (!folds_) return Selects(split_, next_++);
    const bool test =
        folds_->Next(example.label, example.group) == split_.folds.test;
    return test == (split_.part == Split::Part::kTest);
  }

  const Split split_;
  const std::string name_;
  const std::unique_ptr<Reader> all_;
  std::optional<FoldCounter> folds_;  // Absent: the split has none.
  int64_t next_ = 0;
};

absl::StatusOr<std::vector<Input>> OpenFiles(const SourceSpec& spec,
                                             const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(spec.Validate());
  const internal::Format& format = internal::FormatOf(spec.kind);
  if (format.files) return format.files(spec, open);
  EBB_ASSIGN_OR_RETURN(Input table, internal::OpenTableFiles(spec, open));
  std::vector<Input> files;
  files.push_back(std::move(table));
  return files;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> OpenReader(const SourceSpec& spec,
                                                   const OpenBytes& open,
                                                   const Encoding& encoding) {
  const internal::Format& format = internal::FormatOf(spec.kind);
  if (format.open_set) {
    EBB_RETURN_IF_ERROR(spec.Validate());
    return format.open_set(spec, open);
  }
  EBB_ASSIGN_OR_RETURN(std::vector<Input> files, OpenFiles(spec, open));
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader,
                       format.open(spec, encoding, std::move(files)));
  if (!spec.split.has_value()) return reader;
  return std::make_unique<SplitReader>(spec, encoding, std::move(reader));
}

absl::StatusOr<FoundEncoding> FindEncoding(const SourceSpec& spec,
                                           const OpenBytes& open) {
  const auto survey = internal::FormatOf(spec.kind).survey;
  if (!survey) return FoundEncoding{};
  EBB_ASSIGN_OR_RETURN(std::vector<Input> files, OpenFiles(spec, open));
  return survey(spec, std::move(files[0]));
}

absl::StatusOr<std::vector<NamedFingerprint>> FingerprintFiles(
    const SourceSpec& spec, const OpenBytes& open) {
  std::vector<NamedFingerprint> result;
  if (spec.kind == SourceKind::kPacked) {
    EBB_RETURN_IF_ERROR(spec.Validate());
    EBB_ASSIGN_OR_RETURN(const auto set,
                         pack::PackedSet::Open(spec.path, open));
    result.push_back({spec.path, set->id()});
    return result;
  }
  EBB_ASSIGN_OR_RETURN(std::vector<Input> inputs, OpenFiles(spec, open));
  std::vector<char> buffer(64 << 10);
  for (Input& input : inputs) {
    for (bool more = true; more;) {
      size_t n = buffer.size();
      while (n == buffer.size()) {
        EBB_ASSIGN_OR_RETURN(n, input.Read(buffer));
      }
      EBB_ASSIGN_OR_RETURN(more, input.NextFile());
    }
    const std::vector<FileFingerprint> files = input.Fingerprints();
    const bool together = files.size() < input.paths().size();
    for (size_t i = 0; i < files.size(); ++i) {
      result.push_back({together ? spec.path : input.paths()[i], files[i]});
    }
  }
  return result;
}

}  // namespace ebb::data
