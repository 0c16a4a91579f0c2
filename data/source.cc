#include "data/source.h"

#include <xxhash.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "data/internal/text.h"
#include "data/keys.h"

namespace ebb::data {
namespace {

// Raised when a reader comes to read other values from the same bytes: indexes
// of the older one are then refused.
constexpr int kReaderVersion = 1;

template <typename... Args>
absl::Status Wrong(const Args&... args) {
  return absl::InvalidArgumentError(absl::StrCat(args...));
}

// Seventeen digits name every double exactly.
std::string Exact(double value) { return absl::StrFormat("%.17g", value); }

std::string Quoted(absl::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(text), "'");
}

absl::Status ValidateIdx(const SourceSpec& spec) {
  const bool named = !spec.idx.images.empty() || !spec.idx.labels.empty();
  if (named == !spec.path.empty()) {
    return Wrong(
        "an IDX source needs either a path, the common front of its two "
        "files' names, or images and labels, the files themselves");
  }
  if (!named) return absl::OkStatus();
  if (spec.idx.images.empty()) {
    return Wrong("the IDX source names no images file beside the labels ",
                 spec.idx.labels);
  }
  if (spec.has_labels && spec.idx.labels.empty()) {
    return Wrong("the IDX source names no labels file beside the images ",
                 spec.idx.images, "; name it, or say that it has no labels");
  }
  return absl::OkStatus();
}

absl::Status ValidateCsv(const SourceSpec& spec) {
  if (spec.csv.delimiter.has_value()) {
    const char c = *spec.csv.delimiter;
    if (absl::ascii_isalnum(c) || strchr("\"\r\n+-.", c) != nullptr) {
      return Wrong("delimiter ", Quoted(absl::string_view(&c, 1)),
                   " can be part of a field; use a comma, semicolon, tab, "
                   "bar or space");
    }
  }
  if (!std::isfinite(spec.csv.missing_value)) {
    return Wrong("missing value ", spec.csv.missing_value,
                 " is not a finite number");
  }
  return absl::OkStatus();
}

absl::Status ValidateLibsvm(const SourceSpec& spec) {
  const int64_t features = spec.libsvm.features;
  if (features < 0 || features > internal::kMaxFeatures) {
    return Wrong("features ", features, " is not between 0 (as found) and ",
                 internal::kMaxFeatures);
  }
  if (spec.libsvm.keys && (features != 0 || spec.libsvm.zero_based)) {
    return Wrong(
        "ids that are keys have no number of features and begin nowhere; leave "
        "out features and zero_based, or keys");
  }
  return absl::OkStatus();
}

absl::Status ValidateLibffm(const SourceSpec& spec) {
  const int64_t fields = spec.libffm.fields;
  if (fields < 0 || fields > kMaxFields) {
    return Wrong("fields ", fields, " is not between 0 (as found) and ",
                 kMaxFields);
  }
  return absl::OkStatus();
}

absl::Status ValidateCriteo(const SourceSpec& spec) {
  const auto& [numeric, categories, numbers] = spec.criteo;
  if (numeric < 0 || categories < 0 || numeric > kMaxFields ||
      categories > kMaxFields - numeric || numeric + categories == 0) {
    return Wrong("a click log of ", numeric, " numbers and ", categories,
                 " categories has not between 1 and ", kMaxFields,
                 " columns beside the label");
  }
  return absl::OkStatus();
}

absl::Status ValidateSparse(const SourceSpec& spec) {
  if (spec.standardise) {
    return Wrong(
        "standardise would fill in the zeros of sparse data; leave it out, or "
        "give the data as CSV");
  }
  const bool words = spec.kind == SourceKind::kRatings ||
                     (spec.kind == SourceKind::kCriteo &&
                      spec.criteo.numbers == CriteoOptions::Numbers::kBucket);
  if (words && spec.scale != 1) {
    return Wrong("scale ", spec.scale,
                 " multiplies numbers, but all features of this data are "
                 "words; leave it out");
  }
  return absl::OkStatus();
}

std::string Meaning(const CsvOptions& csv, absl::string_view path) {
  constexpr const char* kHeader[] = {"auto", "yes", "no"};
  std::string missing = "error";
  if (csv.missing == CsvOptions::Missing::kMean) missing = "mean";
  if (csv.missing == CsvOptions::Missing::kConstant) {
    missing = Exact(csv.missing_value);
  }
  const char delimiter = internal::Delimiter(csv, path);
  // Only where there are any: older indexes know of none.
  std::string like;
  if (csv.like.has_value()) {
    std::string bytes;
    for (const std::string& name : csv.like->features) {
      absl::StrAppend(&bytes, name.size(), ":", name);
    }
    absl::StrAppend(&bytes, csv.like->label);
    like =
        absl::StrFormat(" like=%016x", XXH3_64bits(bytes.data(), bytes.size()));
  }
  return absl::StrCat(
      " delimiter=", Quoted(absl::string_view(&delimiter, 1)),
      " header=", kHeader[static_cast<int>(csv.header)],
      " label=", Quoted(csv.label), " ignore=[",
      absl::StrJoin(csv.ignore, ",",
                    [](std::string* out, const std::string& column) {
                      absl::StrAppend(out, Quoted(column));
                    }),
      "] missing=", missing, like);
}

}  // namespace

bool Selects(const Split& split, int64_t example) {
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
  const std::string& first = path.empty() ? idx.images : path;
  const size_t more = further_paths.size();
  if (more == 0) return first;
  return absl::StrCat(first, " and ", more, " more path", more == 1 ? "" : "s");
}

bool SourceSpec::keyed() const {
  return kind == SourceKind::kLibffm || kind == SourceKind::kRatings ||
         kind == SourceKind::kCriteo ||
         (kind == SourceKind::kLibsvm && libsvm.keys);
}

absl::Status SourceSpec::Validate() const {
  switch (kind) {
    case SourceKind::kIdx:
      EBB_RETURN_IF_ERROR(ValidateIdx(*this));
      break;
    case SourceKind::kCsv:
      EBB_RETURN_IF_ERROR(ValidateCsv(*this));
      break;
    case SourceKind::kLibsvm:
      EBB_RETURN_IF_ERROR(ValidateLibsvm(*this));
      break;
    case SourceKind::kLibffm:
      EBB_RETURN_IF_ERROR(ValidateLibffm(*this));
      break;
    case SourceKind::kRatings:
      break;
    case SourceKind::kCriteo:
      EBB_RETURN_IF_ERROR(ValidateCriteo(*this));
      break;
  }
  if (keyed() || kind == SourceKind::kLibsvm) {
    EBB_RETURN_IF_ERROR(ValidateSparse(*this));
  }
  if (kind != SourceKind::kIdx && path.empty()) {
    return Wrong("the data source has no path; name the file to read");
  }
  if (kind == SourceKind::kIdx && !further_paths.empty()) {
    return Wrong("an IDX source is one pair of files; join them first");
  }
  if (kind == SourceKind::kIdx && !comment.empty()) {
    return Wrong("IDX files have no lines, so none that begin with ",
                 Quoted(comment), "; leave out comment");
  }
  if (!std::isfinite(scale) || scale == 0 ||
      std::fabs(scale) > std::numeric_limits<float>::max()) {
    return Wrong("scale ", scale, " is not a finite number other than 0");
  }
  if (split.has_value() &&
      !(split->test_fraction > 0 && split->test_fraction < 1)) {
    return Wrong("the test fraction of the split is ", split->test_fraction,
                 "; it lies between 0 and 1, for example 0.2");
  }
  return absl::OkStatus();
}

std::string SourceSpec::Meaning() const {
  constexpr const char* kKind[] = {"idx",    "csv",     "libsvm",
                                   "libffm", "ratings", "criteo"};
  std::string text = absl::StrCat(
      kKind[static_cast<int>(kind)],
      kind == SourceKind::kLibsvm && libsvm.keys ? "-keys" : "",
      " reader=", kReaderVersion, " labels=",
      !has_labels                       ? "none"
      : label_kind == LabelKind::kClass ? "class"
                                        : "real",
      " scale=", Exact(scale), " standardise=", standardise ? "yes" : "no");
  if (split.has_value()) {
    absl::StrAppend(
        &text, " split=", split->part == Split::Part::kTrain ? "train" : "test",
        "/", Exact(split->test_fraction), "/", split->seed);
  }
  // Only where it is so: older indexes know nothing of these.
  if (standardise_labels && numbers()) {
    absl::StrAppend(&text, " standardise_labels=yes");
  }
  if (on_bad_example == OnBadExample::kSkip) {
    absl::StrAppend(&text, " bad=skip");
  }
  if (!comment.empty()) absl::StrAppend(&text, " comment=", Quoted(comment));
  if (kind == SourceKind::kCsv) {
    absl::StrAppend(&text, data::Meaning(csv, path));
  }
  if (kind == SourceKind::kLibsvm) {
    absl::StrAppend(&text, " features=", libsvm.features,
                    " zero_based=", libsvm.zero_based ? "yes" : "no");
  }
  if (kind == SourceKind::kLibffm) {
    absl::StrAppend(&text, " fields=", libffm.fields);
  }
  if (kind == SourceKind::kCriteo) {
    const bool buckets = criteo.numbers == CriteoOptions::Numbers::kBucket;
    absl::StrAppend(&text, " numeric=", criteo.numeric,
                    " categories=", criteo.categories,
                    " numbers=", buckets ? "bucket" : "value");
  }
  return text;
}

}  // namespace ebb::data
