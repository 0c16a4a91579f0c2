#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/bytes/wrong_data.h"
#include "data/dataset/dataset_packed.h"
#include "data/dataset/fit.h"
#include "data/dataset/kernels.h"
#include "data/formats/bad_examples.h"
#include "data/formats/format.h"
#include "data/order.h"
#include "data/pack/packed_set.h"

namespace ebb::data {
namespace {

using internal::kPackedFrom;
using internal::WithColumns;
using internal::WrongData;

// "7 examples and 3 that are left out".
std::string Examples(const Index& index) {
  return absl::StrCat(index.examples, " examples and ", index.left_out,
                      " that are left out");
}

// Returns whether an index of this meaning is of a source that means `spec`, in
// whatever order its columns are.
bool IsOf(absl::string_view index, absl::string_view spec) {
  return absl::ConsumePrefix(&index, spec) &&
         (index.empty() || absl::StartsWith(index, internal::kColumnsAre) ||
          absl::StartsWith(index, kPackedFrom));
}

// kFailedPrecondition when the files of `spec` are not those of `index`.
absl::Status VerifyFiles(const SourceSpec& spec, const Index& index,
                         const OpenBytes& open) {
  EBB_ASSIGN_OR_RETURN(const std::vector<NamedFingerprint> files,
                       FingerprintFiles(spec, open));
  const std::vector<FileFingerprint>& expected = index.files;
  const auto changed = [](const auto&... args) {
    return absl::FailedPreconditionError(absl::StrCat(args...));
  };
  const auto missing = [&](size_t i, absl::string_view where) {
    return changed(spec.Name(), " has ", files.size(), " files, but ",
                   expected.size(), " were indexed: one ", where,
                   " is missing, with ", ToString(expected[i]),
                   "; bring it back, or submit the others as a new job");
  };
  for (size_t i = 0; i < files.size(); ++i) {
    const auto& [path, found] = files[i];
    if (i < expected.size() && found == expected[i]) continue;
    const bool known = std::ranges::find(expected, found) != expected.end();
    if (files.size() > expected.size() && !known) {
      return changed(path, " is not among the ", expected.size(), " files of ",
                     spec.Name(), " that were indexed (", ToString(found),
                     "): take it away, or submit all of them as a new job");
    }
    if (files.size() < expected.size() && known) {
      return missing(i, absl::StrCat("before ", path));
    }
    return changed(
        path, " is not the file that was indexed: expected ",
        i < expected.size() ? ToString(expected[i]) : "no such file",
        ", found ", ToString(found),
        "; bring the old file back, or submit the new one as a new job");
  }
  if (files.size() == expected.size()) return absl::OkStatus();
  return missing(files.size(), absl::StrCat("after ", files.back().path));
}

}  // namespace

absl::StatusOr<Dataset> Dataset::Load(const SourceSpec& spec,
                                      const OpenBytes& open) {
  const CsvOptions& csv = spec.csv;
  const bool table = spec.kind == SourceKind::kCsv;
  if (spec.kind == SourceKind::kText || spec.kind == SourceKind::kImages) {
    EBB_ASSIGN_OR_RETURN(const FoundEncoding found, FindEncoding(spec, open));
    return LoadText(spec, found, open);
  }
  if (!table || (csv.categorical.empty() && csv.dates.empty())) {
    auto numbers = Load(spec, nullptr, {}, open);
    const bool text = table && absl::IsInvalidArgument(numbers.status()) &&
                      spec.Validate().ok();
    if (!text) return numbers;
    const auto found = FindEncoding(spec, open);
    if (!found.ok() || found->encoding.empty()) {
      return found.ok() ? numbers.status() : found.status();
    }
    return LoadText(spec, *found, open);
  }
  EBB_ASSIGN_OR_RETURN(const FoundEncoding found, FindEncoding(spec, open));
  return LoadText(spec, found, open);
}

absl::StatusOr<Dataset> Dataset::LoadText(const SourceSpec& spec,
                                          const FoundEncoding& found,
                                          const OpenBytes& open) {
  if (!found.encoding.columns.empty() && found.encoding.features() == 0) {
    return WrongData(spec.Name(),
                     " has no features: ", absl::StrJoin(found.remarks, "; "));
  }
  EBB_ASSIGN_OR_RETURN(Dataset data, Load(spec, nullptr, found.encoding, open));
  data.remarks_.insert(data.remarks_.begin(), found.remarks.begin(),
                       found.remarks.end());
  return data;
}

absl::StatusOr<Dataset> Dataset::LoadLike(const SourceSpec& spec,
                                          const Index& training,
                                          const OpenBytes& open) {
  return Load(spec, &training, training.encoding, open);
}

Dataset Dataset::OfNumbers(Index index, const std::optional<Split>& split) {
  Dataset data;
  data.index_ = std::move(index);
  data.by_number_ = true;
  if (split) {
    const int64_t all = data.index_.files.front().bytes;
    for (int64_t number = 0; number < all; ++number) {
      if (Selects(*split, number)) data.numbers_.push_back(number);
    }
  }
  return data;
}

absl::StatusOr<Dataset> Dataset::LoadIndexed(const SourceSpec& spec,
                                             const Index& index,
                                             const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(spec.Validate());
  if (!IsOf(index.meaning, spec.Meaning())) {
    return absl::FailedPreconditionError(
        absl::StrCat(spec.Name(), " was indexed with other options: expected [",
                     index.meaning, "], found [", spec.Meaning(), "]"));
  }
  absl::StatusOr<Dataset> loaded = Load(spec, &index, index.encoding, open);
  if (loaded.ok() && loaded->index_ == index) return loaded;
  // The change of the file explains an error better than what cannot be read in
  // the new one.
  EBB_RETURN_IF_ERROR(VerifyFiles(spec, index, open));
  EBB_RETURN_IF_ERROR(loaded.status());
  if (loaded->index_.meaning != index.meaning) {
    return absl::FailedPreconditionError(absl::StrCat(
        spec.Name(),
        " has a header whose columns stand in another order than usual. The "
        "release that indexed it did not read them by their names: expected [",
        index.meaning, "], found [", loaded->index_.meaning,
        "]; submit it as a new job"));
  }
  if (loaded->examples() != index.examples ||
      loaded->index_.left_out != index.left_out) {
    return absl::FailedPreconditionError(absl::StrCat(
        spec.Name(), " has ", Examples(loaded->index_),
        " here, but was indexed with ", Examples(index),
        "; run the release here that the job was submitted with, and wait "
        "until the file is whole if it is being written"));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      spec.Name(), " changed while it was read; wait until it is whole"));
}

absl::StatusOr<Dataset> Dataset::Load(const SourceSpec& spec,
                                      const Index* constants,
                                      const Encoding& encoding,
                                      const OpenBytes& open) {
  if (spec.kind == SourceKind::kPacked)
    return LoadPacked(spec, constants, open);
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec, open, encoding));
  Dataset data;
  data.layout_ = reader->layout();
  data.index_.encoding = encoding;
  if (constants == nullptr) {
    reader->LookForConstants();
  } else {
    EBB_RETURN_IF_ERROR(internal::CheckFit(
        spec, internal::FittingOf(spec, *reader), *constants));
    data.index_.features = constants->features;
    data.index_.classes = constants->classes;
    data.index_.mean = constants->mean;
    data.index_.stddev = constants->stddev;
    data.index_.labels = constants->labels;
  }
  EBB_RETURN_IF_ERROR(data.ReadAll(*reader, spec, constants != nullptr));
  if (constants == nullptr && encoding.origins.empty()) {
    Encoding with = encoding;
    with.origins = reader->Origins();
    if (!with.origins.empty()) {
      data = Dataset();  // The rows are read anew.
      return Load(spec, nullptr, with, open);
    }
  }
  std::string absent = internal::AbsentFeature(*reader);
  if (constants == nullptr && data.examples() > 0 && !absent.empty()) {
    return WrongData(spec.Name(), ": ", absent);
  }
  // Single examples may be without features, but something is to be learnt.
  const bool no_features =
      constants == nullptr &&
      (reader->features() == 0 || (data.keyed() && data.values_.empty()));
  if (data.examples() == 0 || no_features) {
    const std::vector<std::string> remarks = reader->Remarks();
    return WrongData(spec.Name(), " has no ",
                     data.examples() == 0 ? "examples" : "features",
                     spec.split.has_value() ? " in this part of its split" : "",
                     spec.split.has_value() && data.examples() == 0
                         ? ": it has too few in all, or the split leaves too "
                           "small a part"
                         : "",
                     spec.kind == SourceKind::kText && !remarks.empty()
                         ? absl::StrCat(": ", remarks.front())
                         : "");
  }
  data.index_.meaning = WithColumns(spec.Meaning(), reader->ColumnOrder());
  data.index_.files = reader->Fingerprints();
  data.names_ = reader->Names();
  data.remarks_ = reader->Remarks();
  data.zones_of_dates_ = reader->ZonesOfDates();
  if (!absent.empty()) data.remarks_.push_back(std::move(absent));
  if (constants == nullptr) {
    EBB_RETURN_IF_ERROR(internal::CheckNames(spec, data.names_));
  }
  if (constants == nullptr) {
    data.index_.features = reader->features();
    EBB_RETURN_IF_ERROR(data.FindMoments(spec));
    internal::KeepUnitsOfCategories(spec, 1, &data.index_);
    if (spec.numbers()) data.FindLabelMoments();
  }
  data.Finish(spec);
  EBB_RETURN_IF_ERROR(data.FindBeside(spec));
  return data;
}

absl::Status Dataset::FindBeside(const SourceSpec& spec) {
  if (!spec.dense_beside || !keyed()) return absl::OkStatus();
  auto found = DenseBeside::Of(index_.meaning, index_.features);
  if (!found.ok()) {
    return absl::Status(
        found.status().code(),
        absl::StrCat(spec.Name(), ": ", found.status().message()));
  }
  if (found->width() == 0) return absl::OkStatus();
  beside_ = std::make_shared<const DenseBeside>(*std::move(found));
  return absl::OkStatus();
}

absl::Status Dataset::ReadAll(Reader& reader, const SourceSpec& spec,
                              bool constants) {
  const bool classes = internal::HasClasses(spec);
  const bool rows = sparse() || keyed();
  if (rows) offsets_.push_back(0);
  // The examples that the reader gave, but the training data has no place for.
  internal::BadExamples bad(spec.on_bad_example);
  Example example;
  for (;;) {
    EBB_ASSIGN_OR_RETURN(const bool more, reader.Next(&example));
    if (!more) break;
    if (constants) {
      const absl::Status fits =
          internal::CheckExample(reader, example, classes, index_);
      if (!fits.ok()) {
        EBB_RETURN_IF_ERROR(bad.Add(fits));
        continue;
      }
    } else if (classes) {
      EBB_RETURN_IF_ERROR(internal::AddClass(reader, example.label,
                                             index_.encoding, &index_.classes,
                                             &class_places_));
    }
    bad.AddGood();
    ++index_.examples;
    if (spec.has_labels) labels_.push_back(example.label);
    bytes_.insert(bytes_.end(), example.bytes.begin(), example.bytes.end());
    values_.insert(values_.end(), example.values.begin(), example.values.end());
    ids_.insert(ids_.end(), example.ids.begin(), example.ids.end());
    keys_.insert(keys_.end(), example.keys.begin(), example.keys.end());
    fields_.insert(fields_.end(), example.fields.begin(), example.fields.end());
    if (rows) offsets_.push_back(static_cast<int64_t>(values_.size()));
  }
  EBB_RETURN_IF_ERROR(bad.Judge(spec.Name()));
  left_out_ = reader.left_out();
  if (left_out_.examples == 0) left_out_.first = bad.left_out().first;
  left_out_.examples += bad.left_out().examples;
  index_.left_out = left_out_.examples;
  if (classes) {
    for (float& label : labels_) {
      label = static_cast<float>(internal::ClassOf(index_.classes, label));
    }
  }
  return absl::OkStatus();
}

int Dataset::order_version() const {
  return window_ == 0 ? kOrderVersion : kWindowOrderVersion;
}

bool Dataset::fetches() const {
  return packed_ != nullptr && packed_->set->fetched_bytes() > 0;
}

void Dataset::Expect(int64_t window) const {
  if (packed_ != nullptr) packed_->cache.Expect(window);
}

int64_t Dataset::memory_bytes() const {
  const auto of = [](const auto& values) {
    return static_cast<int64_t>(values.capacity() * sizeof(values[0]));
  };
  if (packed_ != nullptr) {
    const pack::Footer& footer = packed_->set->footer();
    // Two windows, and the compressed bytes of one column of each.
    const int64_t held = std::min<int64_t>(2, std::ssize(footer.windows));
    return held * (footer.MostMemoryBytes() + footer.MostStoredBytes() +
                   packed_->set->fetched_bytes());
  }
  return of(labels_) + of(bytes_) + of(values_) + of(ids_) + of(keys_) +
         of(fields_) + of(offsets_) + of(numbers_);
}

absl::Status Dataset::FindMoments(const SourceSpec& spec) {
  if (sparse() || keyed()) return absl::OkStatus();
  const bool bytes = layout_ == Layout::kBytes;
  internal::Moments moments(features());
  for (int64_t row = 0; row < examples(); ++row) {
    const int64_t begin = row * features();
    if (bytes) {
      moments.AddRow(std::span(bytes_).subspan(begin, features()));
    } else {
      moments.AddRow(std::span(values_).subspan(begin, features()));
    }
  }
  index_.mean = moments.mean();
  index_.stddev = moments.Stddev();
  for (int64_t j = 0; j < features(); ++j) {
    if (moments.count()[j] == 0 &&
        spec.csv.missing == CsvOptions::Missing::kKeep) {
      remarks_.push_back(
          absl::StrCat("feature ", j + 1, " of ", features(),
                       internal::NameOf(index_.encoding, names_, j),
                       " has no value at all, so nothing is learnt from it"));
    } else if (moments.count()[j] == 0) {
      return WrongData(spec.Name(), ": feature ", j + 1, " of ", features(),
                       internal::NameOf(index_.encoding, names_, j),
                       " has no value at all, so no mean; ignore its column");
    }
    if (bytes) {  // Text is scaled already.
      index_.mean[j] *= spec.scale;
      index_.stddev[j] *= std::fabs(spec.scale);
    }
  }
  return absl::OkStatus();
}

void Dataset::FindLabelMoments() {
  internal::Moments moments(1);
  for (const float& label : labels_) moments.AddRow(std::span(&label, 1));
  index_.labels = LabelMoments{moments.mean()[0], moments.Stddev()[0]};
}

void Dataset::StandardiseLabels() {
  if (!index_.labels) return;
  const double mean = index_.labels->mean;
  const double unit = index_.labels->unit();
  for (float& label : labels_) {
    label = static_cast<float>((label - mean) / unit);
  }
}

int64_t Dataset::entries() const {
  if (packed_ != nullptr) return packed_->set->footer().entries();
  return sparse() || keyed() ? static_cast<int64_t>(values_.size()) : 0;
}

double Dataset::mean_row_sum() const {
  if (packed_ != nullptr) return packed_->row_sum;
  if (entries() == 0) return 0;
  double sum = 0;
  for (const float value : values_) sum += std::fabs(value);
  return sum / static_cast<double>(std::max<int64_t>(examples(), 1));
}

void Dataset::Finish(const SourceSpec& spec) {
  if (spec.standardise_labels && spec.numbers()) StandardiseLabels();
  const bool standardise = spec.standardise;
  if (layout_ == Layout::kBytes) {
    if (!standardise) factor_ = {static_cast<float>(spec.scale)};
    for (int64_t j = 0; standardise && j < features(); ++j) {
      const double deviation = index_.stddev[j];
      factor_.push_back(deviation == 0 ? 0 : spec.scale / deviation);
      term_.push_back(deviation == 0 ? 0 : -index_.mean[j] / deviation);
    }
  }
  const bool gaps = spec.csv.missing == CsvOptions::Missing::kMean;
  if (layout_ != Layout::kDense || (!standardise && !gaps)) return;
  float* x = values_.data();
  for (int64_t row = 0; row < examples(); ++row) {
    for (int64_t j = 0; j < features(); ++j, ++x) {
      const double value = std::isnan(*x) ? index_.mean[j] : *x;
      const double deviation = index_.stddev[j];
      if (!standardise) {
        *x = static_cast<float>(value);
      } else if (deviation == 0) {
        *x = 0;
      } else {
        *x = static_cast<float>((value - index_.mean[j]) / deviation);
      }
    }
  }
}

absl::StatusOr<std::string> PlaceOf(const SourceSpec& spec, const Index& index,
                                    int64_t example, const OpenBytes& open,
                                    absl::FunctionRef<bool()> stop) {
  constexpr int kNowAndThen = 1000;  // Examples.
  if (example < 0 || example >= index.examples) {
    return WrongData(spec.Name(), " has no example ", example, ", but ",
                     Examples(index));
  }
  if (spec.kind == SourceKind::kPacked) {
    // This is how `ebb data cat --from` counts.
    return absl::StrCat("example ", example, " of ", spec.path);
  }
  EBB_ASSIGN_OR_RETURN(const std::unique_ptr<Reader> reader,
                       OpenReader(spec, open, index.encoding));
  EBB_RETURN_IF_ERROR(
      internal::CheckFit(spec, internal::FittingOf(spec, *reader), index));
  Example read;
  int64_t number = 0;
  for (int64_t all = 0;; ++all) {
    if (all % kNowAndThen == 0 && stop()) {
      return absl::CancelledError(absl::StrCat(
          "example ", example, " of ", spec.Name(), " is not looked for"));
    }
    EBB_ASSIGN_OR_RETURN(const bool more, reader->Next(&read));
    if (!more) break;
    // As when they were loaded, others are left out.
    if (!internal::CheckExample(*reader, read, internal::HasClasses(spec),
                                index)
             .ok())
      continue;
    if (number++ == example) return reader->Where();
  }
  return absl::FailedPreconditionError(
      absl::StrCat(spec.Name(), " has fewer than ", Examples(index), " now"));
}

}  // namespace ebb::data
