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
#include "data/internal/bad_examples.h"
#include "data/internal/fit.h"
#include "data/internal/format.h"
#include "data/internal/kernels.h"
#include "data/internal/text.h"
#include "data/internal/window_cache.h"
#include "data/order.h"
#include "data/pack/packed_set.h"

namespace ebb::data {
namespace {

using internal::kPackedFrom;
using internal::WithColumns;

// Examples that are brought into the cache before they are copied.
constexpr size_t kAhead = 8;

// Brings at most the first few lines of a row into the cache. The processor
// guesses those after them.
void Prefetch(const char* row, int64_t bytes) {
  constexpr int64_t kLine = 64;
  constexpr int64_t kMost = 4 * kLine;
  for (int64_t at = 0; at < std::min(bytes, kMost); at += kLine) {
    __builtin_prefetch(row + at);
  }
}

template <typename... Args>
absl::Status Wrong(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// "7 examples and 3 that are left out".
std::string Examples(const Index& index) {
  return absl::StrCat(index.examples, " examples and ", index.left_out,
                      " that are left out");
}

// Whether an index of this meaning is of a source that means `spec`, in
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
    return Wrong(spec.Name(),
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
  if (spec.kind == SourceKind::kPacked) return LoadPacked(spec, constants);
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
  std::string absent = internal::AbsentFeature(*reader);
  if (constants == nullptr && data.examples() > 0 && !absent.empty()) {
    return Wrong(spec.Name(), ": ", absent);
  }
  // Single examples may be without features, but something is to be learnt.
  const bool no_features =
      constants == nullptr &&
      (reader->features() == 0 || (data.keyed() && data.values_.empty()));
  if (data.examples() == 0 || no_features) {
    const std::vector<std::string> remarks = reader->Remarks();
    return Wrong(spec.Name(), " has no ",
                 data.examples() == 0 ? "examples" : "features",
                 spec.split.has_value() ? " in this part of its split" : "",
                 spec.kind == SourceKind::kText && !remarks.empty()
                     ? absl::StrCat(": ", remarks.front())
                     : "");
  }
  data.index_.meaning = WithColumns(spec.Meaning(), reader->ColumnOrder());
  data.index_.files = reader->Fingerprints();
  data.names_ = reader->Names();
  data.remarks_ = reader->Remarks();
  if (!absent.empty()) data.remarks_.push_back(std::move(absent));
  if (constants == nullptr) {
    EBB_RETURN_IF_ERROR(internal::CheckNames(spec, data.names_));
  }
  if (constants == nullptr) {
    data.index_.features = reader->features();
    EBB_RETURN_IF_ERROR(data.FindMoments(spec));
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

struct Dataset::Packed {
  using Cache = internal::WindowCache<Dataset>;

  explicit Packed(std::shared_ptr<const pack::PackedSet> opened)
      : set(std::move(opened)),
        cache([this](int64_t window, std::optional<Dataset> old) {
          return LoadWindow(window, std::move(old));
        }) {}

  // A window as a data set of its own, in the memory of `old`. New memory would
  // be filled with zeros first, by the system too.
  absl::StatusOr<Dataset> LoadWindow(int64_t number,
                                     std::optional<Dataset> old) const {
    pack::Window window;
    if (old) {
      window.labels = std::move(old->labels_);
      window.bytes = std::move(old->bytes_);
      window.values = std::move(old->values_);
      window.ids = std::move(old->ids_);
      window.keys = std::move(old->keys_);
      window.fields = std::move(old->fields_);
      window.offsets = std::move(old->offsets_);
      old.reset();
    }
    // What is changed below needs memory of its own.
    const bool as_they_are = set->footer().layout == Layout::kBytes ||
                             (spec.scale == 1 && !spec.standardise &&
                              spec.csv.missing != CsvOptions::Missing::kMean);
    EBB_RETURN_IF_ERROR(set->Read(number, &window,
                                  as_they_are ? pack::PackedSet::Way::kMap
                                              : pack::PackedSet::Way::kCopy));
    Dataset data;
    data.layout_ = set->footer().layout;
    data.index_ = constants;
    data.index_.examples = window.examples;
    if (spec.has_labels) data.labels_ = std::move(window.labels);
    data.bytes_ = std::move(window.bytes);
    data.values_ = std::move(window.values);
    data.ids_ = std::move(window.ids);
    data.keys_ = std::move(window.keys);
    data.fields_ = std::move(window.fields);
    data.offsets_ = std::move(window.offsets);
    data.mapped_ = std::move(window.mapped);
    if (spec.scale != 1) {
      for (float& value : data.values_) {
        value = static_cast<float>(value * spec.scale);
      }
    }
    if (internal::HasClasses(spec)) {
      const std::vector<float>& classes = constants.classes;
      const auto count = static_cast<float>(classes.size());
      for (float& label : data.labels_) {
        // Most classes are 0, 1, 2 and so on, and need no search.
        const bool in_range = label >= 0 && label < count;
        if (in_range && classes[static_cast<size_t>(label)] == label) continue;
        const int64_t c = internal::ClassOf(classes, label);
        if (c < 0) {
          return absl::DataLossError(absl::StrCat(
              spec.path, ": window ", number, " has a label ", label,
              ", which is no class of the training data; pack again"));
        }
        label = static_cast<float>(c);
      }
    }
    data.Finish(spec);
    return data;
  }

  const std::shared_ptr<const pack::PackedSet> set;
  SourceSpec spec;
  Index constants;  // What windows need of the index.
  double row_sum = 0;
  Cache cache;
};

namespace {

// The format of the source: the first word of what it means.
std::string SourceOf(const pack::Footer& footer) {
  const std::string& meaning = footer.index.meaning;
  return meaning.substr(0, meaning.find(' '));
}

// Other formats make other keys of the same things.
absl::Status CheckSource(const SourceSpec& spec, const pack::Footer& footer,
                         const Index& constants) {
  const size_t at = constants.meaning.rfind(std::string(kPackedFrom));
  if (!footer.rows() || at == std::string::npos) return absl::OkStatus();
  const std::string found = SourceOf(footer);
  std::string wanted = constants.meaning.substr(at + kPackedFrom.size());
  wanted.resize(
      std::min(wanted.size(), wanted.find(std::string(internal::kColumnsAre))));
  if (found != wanted) {
    return Wrong(spec.Name(), " was packed from ", found,
                 ", but the training data from ", wanted);
  }
  if (DenseShapeIn(footer.index.meaning) != DenseShapeIn(constants.meaning)) {
    return Wrong(spec.Name(),
                 " was packed with other dense features than the training "
                 "data; pack both at once");
  }
  return absl::OkStatus();
}

// Columns are those of the training data, in its order: windows have no names.
absl::Status CheckColumns(const SourceSpec& spec, const pack::Footer& footer) {
  if (!spec.like.has_value() || !footer.names.has_value()) {
    return absl::OkStatus();
  }
  const std::vector<std::string>& wanted = spec.like->features;
  const std::vector<std::string>& found = footer.names->features;
  const auto [one, other] = std::ranges::mismatch(found, wanted);
  if (one == found.end() && other == wanted.end()) return absl::OkStatus();
  return Wrong(
      spec.Name(), " was packed with ",
      one == found.end() ? absl::StrCat(found.size(), " columns")
                         : absl::StrCat("the column ", *one, " as number ",
                                        one - found.begin() + 1),
      ", but the training data has ",
      other == wanted.end() ? absl::StrCat(wanted.size(), " columns") : *other,
      "\nhint: pack both at once: ebb data pack JOB.yaml FOLDER");
}

}  // namespace

absl::StatusOr<Dataset> Dataset::LoadPacked(const SourceSpec& spec,
                                            const Index* constants) {
  EBB_RETURN_IF_ERROR(spec.Validate());
  EBB_ASSIGN_OR_RETURN(auto set, pack::PackedSet::Open(spec.path));
  const pack::Footer& footer = set->footer();
  const bool keyed = footer.layout == Layout::kKeyed;
  if (keyed != spec.packed.keyed) {
    return Wrong(spec.Name(), keyed ? " has examples of 64-bit keys, but the "
                                      "model learns from columns of numbers"
                                    : " has columns of numbers, but the model "
                                      "learns from 64-bit keys");
  }
  if (footer.rows() && spec.standardise) {
    return Wrong(spec.Name(),
                 " is sparse, and standardise would fill in its zeros\nhint: "
                 "standardise: false");
  }
  // A model that does not look at labels needs none.
  const bool labels =
      spec.has_labels && (footer.has_labels || spec.looks_at_labels);
  if (labels && !footer.has_labels) {
    return Wrong(spec.Name(), " was packed without labels");
  }
  const bool classes = internal::HasClasses(spec);
  if (classes && SourceOf(footer) == "ratings") {
    return Wrong(spec.Name(),
                 " was packed from ratings, and the model would "
                 "take these for classes\nhint: train on the "
                 "ratings themselves, or model: "
                 "matrix_factorisation");
  }
  if (classes && footer.index.classes.empty()) {
    return Wrong("the labels of ", spec.Name(), " are not classes",
                 internal::kIfNumbers);
  }
  if (spec.numbers() && spec.looks_at_labels &&
      !footer.index.encoding.classes.empty()) {
    return Wrong("the labels of ", spec.Name(), " are texts, and no numbers");
  }
  Dataset data;
  Index& index = data.index_;
  data.layout_ = footer.layout;
  data.window_ = footer.window;
  data.packed_labels_ = labels;
  data.names_ = footer.names;
  if (constants == nullptr) {
    index = footer.index;
    if (!classes) index.classes.clear();
    for (double& mean : index.mean) mean *= spec.scale;
    for (double& stddev : index.stddev) stddev *= std::fabs(spec.scale);
    if (!spec.numbers()) index.labels.reset();
  } else {
    EBB_RETURN_IF_ERROR(internal::CheckFit(
        spec,
        {footer.layout, footer.index.features,
         footer.layout != Layout::kSparse && footer.layout != Layout::kKeyed,
         internal::ShapeIn(footer.index.meaning)},
        *constants));
    if (footer.index.encoding != constants->encoding) {
      return Wrong(spec.Name(),
                   " was packed with other categories than the training data; "
                   "pack both at once");
    }
    EBB_RETURN_IF_ERROR(CheckSource(spec, footer, *constants));
    EBB_RETURN_IF_ERROR(CheckColumns(spec, footer));
    if (footer.index.features > constants->features) {
      return Wrong(spec.Name(), " has ", footer.index.features,
                   " features, but the training data has ",
                   constants->features);
    }
    for (const float label : footer.index.classes) {
      if (!classes || internal::ClassOf(constants->classes, label) >= 0) {
        continue;
      }
      return Wrong(spec.Name(), " has a label ", label,
                   " that is no class of the training data");
    }
    index = *constants;
    index.examples = footer.index.examples;
    index.left_out = footer.index.left_out;
  }
  index.meaning =
      WithColumns(absl::StrCat(spec.Meaning(), kPackedFrom, SourceOf(footer)),
                  internal::ShapeIn(footer.index.meaning) +
                      DenseShapeIn(footer.index.meaning));
  index.files = {set->id()};
  data.left_out_ = {index.left_out, "in the files that were packed"};
  data.packed_ = std::make_shared<Packed>(std::move(set));
  Packed& packed = *data.packed_;
  packed.spec = spec;
  packed.spec.has_labels = labels;
  // Gaps become means or stay, as those of tables that say so.
  packed.spec.csv.missing =
      !packed.set->footer().gaps ? CsvOptions::Missing::kError
      : spec.packed.keep_missing ? CsvOptions::Missing::kKeep
                                 : CsvOptions::Missing::kMean;
  packed.constants = index;
  packed.row_sum = packed.set->footer().absolute_sum * std::fabs(spec.scale) /
                   static_cast<double>(index.examples);
  EBB_RETURN_IF_ERROR(data.FindBeside(spec));
  return data;
}

int Dataset::order_version() const {
  return window_ == 0 ? kOrderVersion : kWindowOrderVersion;
}

void Dataset::Expect(int64_t window) const {
  if (packed_ != nullptr) packed_->cache.Expect(window);
}

absl::Status Dataset::ReadAll(Reader& reader, const SourceSpec& spec,
                              bool constants) {
  const bool classes = internal::HasClasses(spec);
  const bool rows = sparse() || keyed();
  if (rows) offsets_.push_back(0);
  // Those that the reader gave, but the training data has no place for.
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

int64_t Dataset::memory_bytes() const {
  const auto of = [](const auto& values) {
    return static_cast<int64_t>(values.capacity() * sizeof(values[0]));
  };
  if (packed_ != nullptr) {
    const pack::Footer& footer = packed_->set->footer();
    // Two windows, and the compressed bytes of one column of each.
    const int64_t held = std::min<int64_t>(2, std::ssize(footer.windows));
    return held * (footer.MostMemoryBytes() + footer.MostStoredBytes());
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
    if (moments.count()[j] == 0) {
      return Wrong(spec.Name(), ": feature ", j + 1, " of ", features(),
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

absl::Status Dataset::Gather(std::span<const int64_t> examples,
                             ExampleBatch* out) const {
  for (const int64_t example : examples) {
    if (example < 0 || example >= index_.examples) {
      return Wrong("there is no example ", example, "; the data has ",
                   index_.examples, ", counted from 0");
    }
  }
  EBB_RETURN_IF_ERROR(GatherAll(examples, out));
  return beside_ == nullptr ? absl::OkStatus() : beside_->Split(out);
}

absl::Status Dataset::GatherAll(std::span<const int64_t> examples,
                                ExampleBatch* out) const {
  if (packed_ != nullptr) return GatherPacked(examples, out);
  out->beside_width = 0;
  out->beside.clear();
  out->rows = static_cast<int64_t>(examples.size());
  out->features = features();
  out->sparse = sparse();
  out->keyed = keyed();
  out->ids.clear();
  out->keys.clear();
  out->fields.clear();
  out->offsets.clear();
  out->labels.clear();
  if (has_labels()) {
    for (const int64_t example : examples) {
      out->labels.push_back(labels_[example]);
    }
  }
  out->numbers.clear();
  if (by_number_) {
    out->values.clear();
    for (const int64_t example : examples) {
      out->numbers.push_back(NumberOf(example));
    }
  } else if (sparse() || keyed()) {
    GatherRows(examples, out);
  } else {
    GatherDense(examples, out);
  }
  return absl::OkStatus();
}

// Batches to train on are of one window; others are put together.
absl::Status Dataset::GatherPacked(std::span<const int64_t> examples,
                                   ExampleBatch* out) const {
  std::vector<int64_t> within;
  ExampleBatch part;
  for (size_t begin = 0; begin < examples.size() || begin == 0;) {
    const int64_t window = examples.empty() ? 0 : examples[begin] / window_;
    within.clear();
    size_t end = begin;
    while (end < examples.size() && examples[end] / window_ == window) {
      within.push_back(examples[end++] % window_);
    }
    const bool first = begin == 0;
    const auto gather = [&](const Dataset& held) -> absl::Status {
      EBB_RETURN_IF_ERROR(held.Gather(within, first ? out : &part));
      if (held.mapped_ == nullptr || !held.mapped_->lost()) {
        return absl::OkStatus();
      }
      return absl::UnavailableError(
          absl::StrCat(packed_->set->folder(), ": window ", window,
                       " cannot be read any more, or is written to"));
    };
    absl::Status gathered = packed_->cache.Use(window, gather);
    // The window is read anew then, and its checksum compared.
    if (absl::IsUnavailable(gathered)) {
      gathered = packed_->cache.Use(window, gather);
    }
    EBB_RETURN_IF_ERROR(gathered);
    if (!first) {
      const auto append = [](const auto& from, auto* to) {
        to->insert(to->end(), from.begin(), from.end());
      };
      out->rows += part.rows;
      const int64_t entries = std::ssize(out->values);
      append(part.labels, &out->labels);
      append(part.values, &out->values);
      append(part.ids, &out->ids);
      append(part.keys, &out->keys);
      append(part.fields, &out->fields);
      for (size_t row = 1; row < part.offsets.size(); ++row) {
        out->offsets.push_back(entries + part.offsets[row]);
      }
    }
    if (examples.empty()) break;
    begin = end;
  }
  return absl::OkStatus();
}

const uint8_t* Dataset::dense_bytes() const {
  if (layout_ != Layout::kBytes) return nullptr;
  return mapped_ == nullptr
             ? bytes_.data()
             : reinterpret_cast<const uint8_t*>(mapped_->bytes().data());
}

const float* Dataset::dense_values() const {
  if (layout_ != Layout::kDense) return nullptr;
  // Columns are aligned in the file.
  return mapped_ == nullptr
             ? values_.data()
             : reinterpret_cast<const float*>(mapped_->bytes().data());
}

void Dataset::GatherDense(std::span<const int64_t> examples,
                          ExampleBatch* out) const {
  out->values.resize(examples.size() * features());
  float* to = out->values.data();
  const bool bytes = layout_ != Layout::kDense;
  const int64_t row_bytes =
      features() * (bytes ? 1 : static_cast<int64_t>(sizeof(float)));
  const char* const rows = bytes
                               ? reinterpret_cast<const char*>(dense_bytes())
                               : reinterpret_cast<const char*>(dense_values());
  for (size_t i = 0; i < examples.size(); ++i) {
    const int64_t example = examples[i];
    // Examples lie anywhere: the next ones come while this one is copied.
    if (i + kAhead < examples.size()) {
      Prefetch(rows + examples[i + kAhead] * row_bytes, row_bytes);
    }
    GatherRun(example * features(), 0, features(), to);
    to += features();
  }
}

void Dataset::GatherRun(int64_t begin, int64_t feature, int64_t count,
                        float* to) const {
  if (layout_ == Layout::kDense) {
    std::copy_n(dense_values() + begin, count, to);
    return;
  }
  const std::span bytes(dense_bytes() + begin, static_cast<size_t>(count));
  if (term_.empty()) {
    internal::ScaleBytes(bytes, factor_[0], to);
  } else {
    internal::ScaleBytes(bytes, factor_.data() + feature,
                         term_.data() + feature, to);
  }
}

absl::Status Dataset::GatherColumns(int64_t first, int64_t count,
                                    std::span<float> out) const {
  if (packed_ != nullptr) {
    return Wrong("a packed set is read by windows, not by columns");
  }
  if (by_number_ || sparse() || keyed() || first < 0 || count < 0 ||
      first + count > features() || std::ssize(out) != count * examples()) {
    return Wrong("there are no dense features from ", first, " to ",
                 first + count, "; the data has ", features());
  }
  // A few rows at once, so that whole lines of the cache are written.
  constexpr int64_t kRows = 16;
  std::vector<float> part(kRows * count);
  for (int64_t begin = 0; begin < examples(); begin += kRows) {
    const int64_t rows = std::min(kRows, examples() - begin);
    for (int64_t row = 0; row < rows; ++row) {
      GatherRun((begin + row) * features() + first, first, count,
                part.data() + row * count);
    }
    for (int64_t f = 0; f < count; ++f) {
      float* const to = out.data() + f * examples() + begin;
      for (int64_t row = 0; row < rows; ++row) to[row] = part[row * count + f];
    }
  }
  return absl::OkStatus();
}

void Dataset::GatherRows(std::span<const int64_t> examples,
                         ExampleBatch* out) const {
  out->values.clear();
  out->offsets.assign(1, 0);
  for (const int64_t example : examples) {
    const auto append = [&](const auto& from, auto* to) {
      to->insert(to->end(), from.begin() + offsets_[example],
                 from.begin() + offsets_[example + 1]);
    };
    append(values_, &out->values);
    if (sparse()) {
      append(ids_, &out->ids);
    } else {
      append(keys_, &out->keys);
      append(fields_, &out->fields);
    }
    out->offsets.push_back(static_cast<int64_t>(out->values.size()));
  }
}

absl::StatusOr<std::string> PlaceOf(const SourceSpec& spec, const Index& index,
                                    int64_t example, const OpenBytes& open,
                                    absl::FunctionRef<bool()> stop) {
  constexpr int kNowAndThen = 1000;  // Examples.
  if (example < 0 || example >= index.examples) {
    return Wrong(spec.Name(), " has no example ", example, ", but ",
                 Examples(index));
  }
  if (spec.kind == SourceKind::kPacked) {
    // As `ebb data cat --from` counts.
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
