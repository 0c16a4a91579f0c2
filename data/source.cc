#include "data/source.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
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

absl::Status ValidateText(const TextOptions& text) {
  if (!text.delimiter.has_value() || *text.delimiter == kWhitespace) {
    return absl::OkStatus();
  }
  const std::string& delimiter = *text.delimiter;
  const bool part_of_a_field =
      std::any_of(delimiter.begin(), delimiter.end(), [](char c) {
        return c == '\0' || absl::ascii_isalnum(c) ||
               absl::StrContains("\"\r\n+-.", c);
      });
  if (!delimiter.empty() && delimiter.size() <= kMaxDelimiterBytes &&
      !part_of_a_field) {
    return absl::OkStatus();
  }
  return Wrong("delimiter ", Quoted(delimiter),
               " can be part of a field; use a comma, semicolon, tab, "
               "bar, space or whitespace");
}

absl::Status ValidateCsv(const SourceSpec& spec) {
  EBB_RETURN_IF_ERROR(ValidateText(spec.csv.text));
  if (!std::isfinite(spec.csv.missing_value)) {
    return Wrong("missing value ", spec.csv.missing_value,
                 " is not a finite number");
  }
  constexpr int64_t kMost = 1 << 20;
  if (spec.csv.one_hot < 0 || spec.csv.one_hot > kMost) {
    return Wrong("one_hot ", spec.csv.one_hot, " is not between 0 and ", kMost);
  }
  if (spec.csv.hash_buckets < 1 || spec.csv.hash_buckets > kMost) {
    return Wrong("hash_buckets ", spec.csv.hash_buckets,
                 " is not between 1 and ", kMost);
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
        "keys: true takes neither features nor zero_based, for keys are any "
        "numbers; leave out features and zero_based, or keys");
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
  EBB_RETURN_IF_ERROR(ValidateText(spec.criteo.text));
  const int64_t numeric = spec.criteo.numeric;
  const int64_t categories = spec.criteo.categories;
  if (numeric < 0 || categories < 0 || numeric > kMaxFields ||
      categories > kMaxFields - numeric || numeric + categories == 0) {
    return Wrong("a click log of ", numeric, " numbers and ", categories,
                 " categories is not possible; beside the label there must be "
                 "between 1 and ",
                 kMaxFields, " columns");
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

std::string QuotedList(const std::vector<std::string>& texts) {
  return absl::StrCat("[",
                      absl::StrJoin(texts, ",",
                                    [](std::string* out, const auto& text) {
                                      absl::StrAppend(out, Quoted(text));
                                    }),
                      "]");
}

// All options below have a meaning only where they are used: indexes from
// before such an option do not contain it.
void AppendNamed(absl::string_view key, absl::string_view value,
                 std::string* meaning) {
  if (value.empty()) return;
  absl::StrAppend(meaning, " ", key, "=", Quoted(value));
}

void AppendList(absl::string_view key, const std::vector<std::string>& values,
                std::string* meaning) {
  if (values.empty()) return;
  absl::StrAppend(meaning, " ", key, "=", QuotedList(values));
}

// Without the delimiter, which tables always have. `quotes` is how releases
// read whose indexes do not contain it.
std::string Meaning(const TextOptions& text, bool quotes) {
  std::string meaning;
  if (text.quotes != quotes) {
    absl::StrAppend(&meaning, " quotes=", text.quotes ? "yes" : "no");
  }
  AppendList("missing_values", text.missing_values, &meaning);
  return meaning;
}

std::string Meaning(const RatingsOptions& ratings) {
  std::string meaning;
  AppendNamed("delimiter", ratings.text.delimiter.value_or(""), &meaning);
  AppendNamed("user", ratings.user, &meaning);
  AppendNamed("item", ratings.item, &meaning);
  AppendNamed("rating", ratings.rating, &meaning);
  return meaning + Meaning(ratings.text, false);
}

std::string Meaning(const CriteoOptions& criteo) {
  const bool buckets = criteo.numbers == CriteoOptions::Numbers::kBucket;
  std::string meaning = absl::StrCat(" numeric=", criteo.numeric,
                                     " categories=", criteo.categories,
                                     " numbers=", buckets ? "bucket" : "value");
  AppendNamed("delimiter", criteo.text.delimiter.value_or(""), &meaning);
  AppendNamed("label", criteo.label, &meaning);
  AppendList("ignore", criteo.ignore, &meaning);
  return meaning + Meaning(criteo.text, false);
}

// What becomes of text, where it is not as by default.
std::string MeaningOfText(const CsvOptions& csv) {
  const CsvOptions usual;
  std::string meaning;
  AppendList("categorical", csv.categorical, &meaning);
  if (!csv.categories_by_text) absl::StrAppend(&meaning, " text=error");
  if (csv.one_hot != usual.one_hot) {
    absl::StrAppend(&meaning, " one_hot=", csv.one_hot);
  }
  if (csv.hash_buckets != usual.hash_buckets) {
    absl::StrAppend(&meaning, " hash_buckets=", csv.hash_buckets);
  }
  AppendList("dates", csv.dates, &meaning);
  if (csv.date_parts) absl::StrAppend(&meaning, " date_parts=yes");
  if (csv.day_first.has_value()) {
    absl::StrAppend(&meaning, " day_first=", *csv.day_first ? "yes" : "no");
  }
  return meaning;
}

std::string Meaning(const CsvOptions& csv, absl::string_view path) {
  constexpr const char* kHeader[] = {"auto", "yes", "no"};
  std::string missing = "error";
  if (csv.missing == CsvOptions::Missing::kMean) missing = "mean";
  if (csv.missing == CsvOptions::Missing::kConstant) {
    missing = Exact(csv.missing_value);
  }
  return absl::StrCat(" delimiter=", Quoted(internal::Delimiter(csv, path)),
                      " header=", kHeader[static_cast<int>(csv.header)],
                      " label=", Quoted(csv.label),
                      " ignore=", QuotedList(csv.ignore), " missing=", missing,
                      Meaning(csv.text, true), MeaningOfText(csv));
}

// Only where there are any: older indexes know of none.
std::string MeaningOfNames(const std::optional<ColumnNames>& like) {
  if (!like.has_value()) return "";
  std::string bytes;
  for (const std::string& name : like->features) {
    absl::StrAppend(&bytes, name.size(), ":", name);
  }
  absl::StrAppend(&bytes, like->label);
  return absl::StrFormat(" like=%016x",
                         XXH3_64bits(bytes.data(), bytes.size()));
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
      EBB_RETURN_IF_ERROR(ValidateText(ratings.text));
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
  // Only if it is so: older indexes do not contain these.
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
  if (kind == SourceKind::kRatings) {
    absl::StrAppend(&text, data::Meaning(ratings));
  }
  if (kind == SourceKind::kCriteo) {
    absl::StrAppend(&text, data::Meaning(criteo));
  }
  const bool columns = kind == SourceKind::kCsv ||
                       kind == SourceKind::kRatings ||
                       kind == SourceKind::kCriteo;
  return columns ? text + MeaningOfNames(like) : text;
}

}  // namespace ebb::data
