#include "data/reader.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/internal/input.h"
#include "data/internal/readers.h"
#include "data/internal/survey.h"
#include "data/internal/table_files.h"

namespace ebb::data {
namespace {

using internal::Input;

// The part of another reader's examples that a split selects.
class SplitReader : public Reader {
 public:
  SplitReader(const Split& split, std::unique_ptr<Reader> all)
      : split_(split), all_(std::move(all)) {}

  absl::StatusOr<bool> Next(Example* example) override {
    for (;;) {
      EBB_ASSIGN_OR_RETURN(const bool more, all_->Next(example));
      if (!more) return false;
      if (Selects(split_, next_++)) return true;
    }
  }
  Layout layout() const override { return all_->layout(); }
  int64_t features() const override { return all_->features(); }
  std::optional<ColumnNames> Names() const override { return all_->Names(); }
  std::string ColumnOrder() const override { return all_->ColumnOrder(); }
  std::string Where() const override { return all_->Where(); }
  LeftOut left_out() const override { return all_->left_out(); }
  std::vector<std::string> Remarks() const override { return all_->Remarks(); }
  std::vector<FileFingerprint> Fingerprints() const override {
    return all_->Fingerprints();
  }

 private:
  const Split split_;
  const std::unique_ptr<Reader> all_;
  int64_t next_ = 0;
};

// Opens `path`, or `path`.gz where there is no such file.
absl::StatusOr<Input> OpenEither(const std::string& path,
                                 const OpenBytes& open) {
  absl::StatusOr<Input> plain = Input::Open(path, open);
  if (!absl::IsNotFound(plain.status())) return plain;
  absl::StatusOr<Input> zipped = Input::Open(absl::StrCat(path, ".gz"), open);
  if (!absl::IsNotFound(zipped.status())) return zipped;
  return absl::NotFoundError(absl::StrCat(
      path,
      "[.gz]: there is no such file; an IDX path is what comes before "
      "-images-idx3-ubyte"));
}

// Each table is one input, and so are the two files of IDX.
absl::StatusOr<std::vector<Input>> OpenFiles(const SourceSpec& spec,
                                             const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(spec.Validate());
  std::vector<absl::StatusOr<Input>> opened;
  if (spec.kind != SourceKind::kIdx) {
    opened.push_back(internal::OpenTableFiles(spec, open));
  } else if (spec.path.empty()) {
    opened.push_back(Input::Open(spec.idx.images, open));
    if (spec.has_labels) opened.push_back(Input::Open(spec.idx.labels, open));
  } else {
    opened.push_back(OpenEither(spec.path + "-images-idx3-ubyte", open));
    if (spec.has_labels) {
      opened.push_back(OpenEither(spec.path + "-labels-idx1-ubyte", open));
    }
  }
  std::vector<Input> files;
  for (absl::StatusOr<Input>& file : opened) {
    EBB_RETURN_IF_ERROR(file.status());
    files.push_back(*std::move(file));
  }
  return files;
}

absl::StatusOr<std::unique_ptr<Reader>> OpenWhole(const SourceSpec& spec,
                                                  const Encoding& encoding,
                                                  std::vector<Input> files) {
  switch (spec.kind) {
    case SourceKind::kCsv:
      return internal::OpenCsvReader(spec, encoding, std::move(files[0]));
    case SourceKind::kLibsvm:
      return internal::OpenLibsvmReader(spec, std::move(files[0]));
    case SourceKind::kLibffm:
      return internal::OpenLibffmReader(spec, std::move(files[0]));
    case SourceKind::kRatings:
      return internal::OpenRatingsReader(spec, std::move(files[0]));
    case SourceKind::kCriteo:
      return internal::OpenCriteoReader(spec, std::move(files[0]));
    case SourceKind::kIdx:
      break;
  }
  std::optional<Input> labels;
  if (spec.has_labels) labels = std::move(files[1]);
  return internal::OpenIdxReader(std::move(files[0]), std::move(labels));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Reader>> OpenReader(const SourceSpec& spec,
                                                   const OpenBytes& open,
                                                   const Encoding& encoding) {
  EBB_ASSIGN_OR_RETURN(std::vector<Input> files, OpenFiles(spec, open));
  EBB_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader,
                       OpenWhole(spec, encoding, std::move(files)));
  if (!spec.split.has_value()) return reader;
  return std::make_unique<SplitReader>(*spec.split, std::move(reader));
}

absl::StatusOr<FoundEncoding> FindEncoding(const SourceSpec& spec,
                                           const OpenBytes& open) {
  if (spec.kind != SourceKind::kCsv) return FoundEncoding{};
  EBB_ASSIGN_OR_RETURN(std::vector<Input> files, OpenFiles(spec, open));
  return internal::SurveyTable(spec, std::move(files[0]));
}

absl::StatusOr<std::vector<NamedFingerprint>> FingerprintFiles(
    const SourceSpec& spec, const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(std::vector<Input> inputs, OpenFiles(spec, open));
  std::vector<NamedFingerprint> result;
  std::vector<char> buffer(64 << 10);
  for (Input& input : inputs) {
    for (bool more = true; more;) {
      size_t n = buffer.size();
      while (n == buffer.size()) {
        EBB_ASSIGN_OR_RETURN(n, input.Read(buffer));
      }
      result.push_back({input.path(), input.Fingerprints().back()});
      EBB_ASSIGN_OR_RETURN(more, input.NextFile());
    }
  }
  return result;
}

}  // namespace ebb::data
