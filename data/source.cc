#include "data/source.h"

#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "data/folds.h"
#include "data/formats/format.h"
#include "data/formats/options.h"

namespace ebb::data {
namespace {

using internal::Exact;
using internal::Format;
using internal::FormatOf;
using internal::Quoted;
using internal::WrongOption;

// Raised when a reader comes to read other values from the same bytes: indexes
// of the older one are then refused.
constexpr int kReaderVersion = 1;

bool IsSparse(Layout layout) {
  return layout == Layout::kSparse || layout == Layout::kKeyed;
}

absl::Status ValidateSparse(const Format& format, const SourceSpec& spec) {
  if (spec.standardise) {
    return WrongOption(
        "standardise would fill in the zeros of sparse data; leave it out, or "
        "give the data as CSV");
  }
  if (format.only_words && format.only_words(spec) && spec.scale != 1) {
    return WrongOption("scale ", spec.scale,
                       " multiplies numbers, but all features of this data are "
                       "words; leave it out");
  }
  return absl::OkStatus();
}

absl::Status ValidateFolds(const SourceSpec& spec) {
  const Folds& folds = spec.split->folds;
  if (folds.count < 2 || folds.count > kMostFolds) {
    return WrongOption("there are ", folds.count, " folds, not 2 to ",
                       kMostFolds);
  }
  if (folds.test < 0 || folds.test >= folds.count) {
    return WrongOption("fold ", folds.test, " is not one of ", folds.count,
                       ", which count from 0");
  }
  const bool classes = spec.has_labels && spec.label_kind == LabelKind::kClass;
  if (folds.stratified && !classes) {
    return WrongOption(
        "stratified folds need labels that are classes; leave stratified out");
  }
  if (folds.group.empty()) return absl::OkStatus();
  if (folds.stratified) {
    return WrongOption(
        "folds by group cannot be stratified: all examples of a group are in "
        "one fold; leave stratified out");
  }
  if (spec.kind != SourceKind::kCsv) {
    return WrongOption("folds by group need a column, and ",
                       FormatOf(spec.kind).word,
                       " has no columns for it; give the data as CSV");
  }
  return absl::OkStatus();
}

}  // namespace

bool Selects(const Split& split, int64_t example) {
  if (split.folds.count > 0) {
    const int64_t fold =
        FoldOf(split.seed, kAllExamples, example, split.folds.count);
    return (fold == split.folds.test) == (split.part == Split::Part::kTest);
  }
  constexpr uint64_t kSplitVersion = 2;  // 1 is the order's.
  const uint64_t hash =
      HashAppend(HashAppend(HashAppend(0, kSplitVersion), split.seed),
                 static_cast<uint64_t>(example));
  // The upper 53 bits as a number in [0, 1), exactly.
  const bool test =
      std::ldexp(static_cast<double>(hash >> 11), -53) < split.test_fraction;
  return test == (split.part == Split::Part::kTest);
}

bool SourceSpec::numbers() const {
  return has_labels && label_kind == LabelKind::kReal;
}

std::string SourceSpec::Name() const {
  const std::string& first = !path.empty()              ? path
                             : kind == SourceKind::kIdx ? idx.images
                             : npy.features.empty()     ? npy.data
                                                        : npy.features;
  const size_t more = further_paths.size();
  if (more == 0) return first;
  return absl::StrCat(first, " and ", more, " more path", more == 1 ? "" : "s");
}

absl::string_view SourceSpec::format_word() const {
  return FormatOf(kind).word;
}

bool SourceSpec::keyed() const {
  return FormatOf(kind).layout(*this) == Layout::kKeyed;
}

bool SourceSpec::hashes_words() const { return FormatOf(kind).hashes_words; }

absl::Status SourceSpec::Validate() const {
  const Format& format = FormatOf(kind);
  if (format.validate) EBB_RETURN_IF_ERROR(format.validate(*this));
  if (IsSparse(format.layout(*this))) {
    EBB_RETURN_IF_ERROR(ValidateSparse(format, *this));
  }
  if (!format.files && path.empty()) {
    return WrongOption("the data source has no path; name the file to read");
  }
  if (!std::isfinite(scale) || scale == 0 ||
      std::fabs(scale) > std::numeric_limits<float>::max()) {
    return WrongOption("scale ", scale, " is not a finite number other than 0");
  }
  if (split.has_value() && split->folds.count > 0) {
    return ValidateFolds(*this);
  }
  if (split.has_value() &&
      !(split->test_fraction > 0 && split->test_fraction < 1)) {
    return WrongOption("the test fraction of the split is ",
                       split->test_fraction,
                       "; it lies between 0 and 1, for example 0.2");
  }
  return absl::OkStatus();
}

std::string SourceSpec::Meaning() const {
  std::string common = absl::StrCat(
      " reader=", kReaderVersion, " labels=",
      !has_labels                       ? "none"
      : label_kind == LabelKind::kClass ? "class"
                                        : "real",
      " scale=", Exact(scale), " standardise=", standardise ? "yes" : "no");
  if (split.has_value()) {
    const absl::string_view part =
        split->part == Split::Part::kTrain ? "train" : "test";
    if (split->folds.count > 0) {
      absl::StrAppend(&common, " folds=", part, "/", FoldsMeaning(split->folds),
                      "/", split->seed);
    } else {
      absl::StrAppend(&common, " split=", part, "/",
                      Exact(split->test_fraction), "/", split->seed);
    }
  }
  // Only if it is so: older indexes do not contain these.
  if (standardise_labels && numbers()) {
    absl::StrAppend(&common, " standardise_labels=yes");
  }
  if (on_bad_example == OnBadExample::kSkip) {
    absl::StrAppend(&common, " bad=skip");
  }
  if (!comment.empty()) absl::StrAppend(&common, " comment=", Quoted(comment));
  return FormatOf(kind).meaning(*this, common);
}

}  // namespace ebb::data
