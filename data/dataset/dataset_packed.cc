// A data set that is a packed set: its windows are data sets of their own.
#include "data/dataset/dataset_packed.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "data/away.h"
#include "data/bytes/text.h"
#include "data/bytes/wrong_data.h"
#include "data/dataset.h"
#include "data/dataset/fit.h"
#include "data/formats/format.h"
#include "data/pack/packed_set.h"

namespace ebb::data {

namespace {

using internal::kPackedFrom;
using internal::WrongData;

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
    return WrongData(spec.Name(), " was packed from ", found,
                     ", but the training data from ", wanted);
  }
  if (DenseShapeIn(footer.index.meaning) != DenseShapeIn(constants.meaning)) {
    return WrongData(spec.Name(),
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
  return WrongData(
      spec.Name(), " was packed with ",
      one == found.end() ? absl::StrCat(found.size(), " columns")
                         : absl::StrCat("the column ", *one, " as number ",
                                        one - found.begin() + 1),
      ", but the training data has ",
      other == wanted.end() ? absl::StrCat(wanted.size(), " columns") : *other,
      "\nhint: pack both at once: ebb data pack JOB.yaml FOLDER");
}

// The set has what the model looks at.
absl::Status CheckUse(const SourceSpec& spec, const pack::Footer& footer,
                      bool labels) {
  const bool keyed = footer.layout == Layout::kKeyed;
  if (keyed != spec.packed.keyed) {
    return WrongData(spec.Name(),
                     keyed ? " has examples of 64-bit keys, but the "
                             "model learns from columns of numbers"
                           : " has columns of numbers, but the model "
                             "learns from 64-bit keys");
  }
  if (footer.rows() && spec.standardise) {
    return WrongData(
        spec.Name(),
        " is sparse, and standardise would fill in its zeros\nhint: "
        "standardise: false");
  }
  if (labels && !footer.has_labels) {
    return WrongData(spec.Name(), " was packed without labels");
  }
  const bool classes = internal::HasClasses(spec);
  if (classes && SourceOf(footer) == "ratings") {
    return WrongData(spec.Name(),
                     " was packed from ratings, and the model would "
                     "take these for classes\nhint: train on the "
                     "ratings themselves, or model: "
                     "matrix_factorisation");
  }
  if (classes && footer.index.classes.empty()) {
    return WrongData("the labels of ", spec.Name(), " are not classes",
                     internal::kIfNumbers);
  }
  if (spec.numbers() && spec.looks_at_labels &&
      !footer.index.encoding.classes.empty()) {
    return WrongData("the labels of ", spec.Name(),
                     " are texts, and no numbers");
  }
  return absl::OkStatus();
}

// The constants of a packed set that is trained on, scaled.
Index PackedConstants(const SourceSpec& spec, const pack::Footer& footer) {
  Index index = footer.index;
  if (!internal::HasClasses(spec)) index.classes.clear();
  for (double& mean : index.mean) mean *= spec.scale;
  for (double& stddev : index.stddev) stddev *= std::fabs(spec.scale);
  for (double& origin : index.encoding.origins) origin *= spec.scale;
  internal::KeepUnitsOfCategories(spec, std::fabs(spec.scale), &index);
  if (!spec.numbers()) index.labels.reset();
  return index;
}

// The set fits the training data, whose constants these are.
absl::Status CheckPackedFit(const SourceSpec& spec, const pack::Footer& footer,
                            const Index& constants) {
  EBB_RETURN_IF_ERROR(internal::CheckFit(
      spec,
      {footer.layout, footer.index.features,
       footer.layout != Layout::kSparse && footer.layout != Layout::kKeyed,
       internal::ShapeIn(footer.index.meaning)},
      constants));
  Encoding encoding = footer.index.encoding;
  for (double& origin : encoding.origins) origin *= spec.scale;
  if (encoding != constants.encoding) {
    return WrongData(
        spec.Name(), " was packed with other categories",
        encoding.origins != constants.encoding.origins ? " or origins" : "",
        " than the training data; pack both at once");
  }
  EBB_RETURN_IF_ERROR(CheckSource(spec, footer, constants));
  EBB_RETURN_IF_ERROR(CheckColumns(spec, footer));
  if (footer.index.features > constants.features) {
    return WrongData(spec.Name(), " has ", footer.index.features,
                     " features, but the training data has ",
                     constants.features);
  }
  for (const float label : footer.index.classes) {
    if (!internal::HasClasses(spec) ||
        internal::ClassOf(constants.classes, label) >= 0) {
      continue;
    }
    return WrongData(spec.Name(), " has a label ", label,
                     " that is no class of the training data");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Dataset> Dataset::Packed::LoadWindow(
    int64_t number, std::optional<Dataset> old) const {
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
  EBB_RETURN_IF_ERROR(set->Read(
      number, &window,
      as_they_are ? pack::PackedSet::Way::kMap : pack::PackedSet::Way::kCopy));
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
      const double scaled = value * spec.scale;
      // Missing values are NaN.
      if (std::fabs(scaled) > std::numeric_limits<float>::max()) {
        return WrongData(spec.path, ": window ", number, " has a value ", value,
                         ", which the scale ", spec.scale,
                         " makes too large for a feature; name a smaller "
                         "scale");
      }
      value = static_cast<float>(scaled);
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

absl::StatusOr<Dataset> Dataset::LoadPacked(const SourceSpec& spec,
                                            const Index* constants,
                                            const OpenBytes& open) {
  EBB_RETURN_IF_ERROR(spec.Validate());
  EBB_ASSIGN_OR_RETURN(auto set, pack::PackedSet::Open(spec.path, open));
  const pack::Footer& footer = set->footer();
  // A model that does not look at labels needs none.
  const bool labels =
      spec.has_labels && (footer.has_labels || spec.looks_at_labels);
  EBB_RETURN_IF_ERROR(CheckUse(spec, footer, labels));
  Dataset data;
  Index& index = data.index_;
  data.layout_ = footer.layout;
  data.window_ = footer.window;
  data.packed_labels_ = labels;
  data.names_ = footer.names;
  if (constants == nullptr) {
    index = PackedConstants(spec, footer);
  } else {
    EBB_RETURN_IF_ERROR(CheckPackedFit(spec, footer, *constants));
    index = *constants;
    index.examples = footer.index.examples;
    index.left_out = footer.index.left_out;
  }
  index.meaning = internal::WithColumns(
      absl::StrCat(spec.Meaning(), kPackedFrom, SourceOf(footer)),
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
    if (!gathered.ok()) return MarkAway(std::move(gathered));
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

}  // namespace ebb::data
