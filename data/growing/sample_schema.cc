#include "data/growing/sample_schema.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "data/growing/message_decoder.h"
#include "data/reader.h"

namespace ebb::data::growing {
namespace {

constexpr char kSamplePath[] = "first messages";

// Labels are classes if they can be, else numbers.
absl::StatusOr<Dataset> LoadSample(SourceSpec* spec, const OpenBytes& open) {
  spec->label_kind = LabelKind::kClass;
  auto classes = Dataset::Load(*spec, open);
  if (!spec->has_labels || !absl::IsInvalidArgument(classes.status())) {
    return classes;
  }
  spec->label_kind = LabelKind::kReal;
  auto numbers = Dataset::Load(*spec, open);
  // A mistake beside the labels occurs both times.
  return absl::IsInvalidArgument(numbers.status()) ? std::move(classes)
                                                   : std::move(numbers);
}

}  // namespace

absl::Status FindSchema(const SourceSpec& given,
                        std::span<const absl::string_view> messages,
                        About* about) {
  if (!IsMessageFormat(given.kind)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the format ", given.format_word(),
        " has no messages of one line each; csv, libsvm, libffm, ratings, "
        "criteo and json_lines have"));
  }
  SourceSpec spec = given;
  spec.path = kSamplePath;
  spec.further_paths.clear();
  spec.on_bad_example = about->on_bad == OnBad::kAside ? OnBadExample::kSkip
                                                       : OnBadExample::kStop;
  const OpenBytes open = OpenMemory(
      {{kSamplePath, absl::StrCat(absl::StrJoin(messages, "\n"), "\n")}});
  EBB_ASSIGN_OR_RETURN(const Dataset sample, LoadSample(&spec, open));
  // The reader says which form its examples have.
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec, open, sample.index().encoding));
  Example first;
  EBB_RETURN_IF_ERROR(reader->Next(&first).status());
  about->names = sample.names();
  about->header_line.clear();
  if (about->names && spec.kind != SourceKind::kJsonLines) {
    about->header_line = std::string(messages.front());
  }
  about->index = sample.index();
  spec.on_bad_example = OnBadExample::kStop;
  about->index.meaning = spec.Meaning();
  about->index.files.clear();
  about->index.examples = about->index.left_out = 0;
  about->schema.layout = reader->layout();
  about->schema.has_labels = spec.has_labels;
  about->schema.gaps = spec.csv.missing == CsvOptions::Missing::kMean ||
                       spec.csv.missing == CsvOptions::Missing::kKeep;
  about->schema.features = about->index.features;
  about->sampled = std::ssize(messages);
  return absl::OkStatus();
}

}  // namespace ebb::data::growing
