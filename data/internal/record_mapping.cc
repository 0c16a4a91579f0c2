#include "data/internal/record_mapping.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "data/internal/options.h"
#include "data/internal/table_files.h"
#include "data/internal/text.h"
#include "data/keys.h"

namespace ebb::data::internal {
namespace {

using As = RecordFeature::As;

absl::string_view WordOf(As as) {
  switch (as) {
    case As::kLabel:
      return "label";
    case As::kDense:
      return "dense";
    case As::kKey:
      return "key";
    case As::kKeys:
      return "keys";
    case As::kBytes:
      return "bytes";
  }
  return "";
}

bool IsKeyed(const SourceSpec& spec) {
  return std::ranges::any_of(spec.features, &RecordFeature::keyed);
}

// A feature that needs none of the keys of RecordFeature has the short form.
bool IsPlainName(absl::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-' ||
           c == '/';
  }) && absl::ascii_isalpha(name[0]);
}

bool IsLabelName(absl::string_view name) {
  constexpr absl::string_view kNames[] = {"label",   "labels", "target",
                                          "y",       "class",  "click",
                                          "clicked", "output", "is_click"};
  const std::string lower = absl::AsciiStrToLower(name);
  return std::ranges::find(kNames, lower) != std::end(kNames);
}

}  // namespace

RecordMapping::RecordMapping(const SourceSpec& spec)
    : scale_(spec.scale),
      label_kind_(spec.label_kind),
      layout_(LayoutOfRecords(spec)) {
  const bool keyed = layout_ == Layout::kKeyed;
  Field next = 0;
  for (const RecordFeature& feature : spec.features) {
    const bool label = feature.as == As::kLabel;
    if (label) label_name_ = feature.name;
    if (label && !spec.has_labels) continue;
    places_.emplace(feature.name, features_.size());
    features_.push_back(feature);
    const Field field = label ? Field{0} : feature.field.value_or(next++);
    fields_.push_back(field);
    offsets_.push_back(width_);
    std::vector<uint64_t>& keys = keys_of_values_.emplace_back();
    if (label) continue;
    if (!keyed) {
      width_ += feature.width;
      continue;
    }
    width_ = std::max(width_, int64_t{field} + 1);
    for (int64_t k = 0; feature.as == As::kDense && k < feature.width; ++k) {
      keys.push_back(KeyOf(
          field, feature.width == 1 ? feature.name
                                    : absl::StrCat(feature.name, "[", k, "]")));
    }
  }
  present_.resize(features_.size());
  if (layout_ == Layout::kDense) values_.resize(width_);
  if (layout_ == Layout::kBytes) bytes_.resize(width_);
}

std::optional<ColumnNames> RecordMapping::Names() const {
  if (layout_ == Layout::kKeyed) return std::nullopt;
  ColumnNames names = {.label = label_name_};
  int64_t bytes = 0;
  for (const RecordFeature& feature : features_) {
    if (feature.as == As::kLabel) continue;
    for (int64_t k = 0; k < feature.width; ++k) {
      names.features.push_back(feature.width == 1
                                   ? feature.name
                                   : absl::StrCat(feature.name, "[", k, "]"));
      bytes += static_cast<int64_t>(names.features.back().size());
      if (bytes > kMaxNameBytes) return std::nullopt;
    }
  }
  return names;
}

std::vector<std::string> RecordMapping::AbsentFeatures() const {
  std::vector<std::string> absent;
  for (size_t i = 0; i < features_.size(); ++i) {
    if (!present_[i]) absent.push_back(features_[i].name);
  }
  return absent;
}

std::string RecordMapping::Shown(absl::string_view name) {
  return absl::Utf8SafeCEscape(name);
}

void RecordMapping::Begin() {
  mistake_ = absl::OkStatus();
  row_.Clear();
}

void RecordMapping::AddNumber(double number) {
  if (selected().keyed()) {
    Mistake(number, " is a number with a fraction; a ", WordOf(selected().as),
            " is a word or a whole number");
    return;
  }
  AddValue(number);
}

void RecordMapping::AddWhole(int64_t number) { AddAnyWhole(number); }
void RecordMapping::AddWhole(uint64_t number) { AddAnyWhole(number); }

template <typename Whole>
void RecordMapping::AddAnyWhole(Whole number) {
  if (selected().keyed()) {
    AddKey(absl::AlphaNum(number).Piece());
  } else {
    AddValue(static_cast<double>(number));
  }
}

void RecordMapping::AddValue(double number) {
  const RecordFeature& feature = selected();
  const int64_t place = count_++;
  if (feature.as == As::kLabel) {
    if (IsLabel(number, label_kind_)) {
      label_ = static_cast<float>(number + 0.0);  // -0 is 0.
      return;
    }
    Mistake(ParseLabel(Exact(number), label_kind_).status().message());
    return;
  }
  if (feature.as == As::kBytes) {
    Mistake("it is a number, but bytes are wanted; is it dense?");
    return;
  }
  if (place >= feature.width) return;  // EndFeature() says so.
  double scaled = number * scale_;
  if (feature.log) {
    scaled = std::copysign(std::log1p(std::fabs(scaled)), scaled);
  }
  if (!(std::fabs(scaled) <= std::numeric_limits<float>::max())) {
    Mistake(ParseFeature(Exact(number), scale_).status().message());
    return;
  }
  const auto value = static_cast<float>(scaled);
  if (layout_ == Layout::kKeyed) {
    row_.Add(fields_[selected_],
             keys_of_values_[selected_][static_cast<size_t>(place)], value);
  } else {
    values_[static_cast<size_t>(offsets_[selected_] + place)] = value;
  }
}

void RecordMapping::AddText(absl::string_view text) {
  const RecordFeature& feature = selected();
  if (feature.keyed()) {
    AddKey(text);
    return;
  }
  if (feature.as != As::kBytes) {
    Mistake(Excerpt(text), " is no number",
            feature.as == As::kLabel
                ? "; labels are numbers"
                : "; say as: key for words, or as: bytes and width for bytes");
    return;
  }
  count_ += static_cast<int64_t>(text.size());
  if (static_cast<int64_t>(text.size()) != feature.width) {
    Mistake("it has ", text.size(), " bytes instead of ", feature.width,
            "; if all have as many, say width: ", text.size());
    return;
  }
  const auto offset = static_cast<size_t>(offsets_[selected_]);
  for (size_t k = 0; k < text.size(); ++k) {
    const auto byte = static_cast<uint8_t>(text[k]);
    if (layout_ == Layout::kBytes) {
      bytes_[k] = byte;
    } else {
      values_[offset + k] = static_cast<float>(byte * scale_);
    }
  }
}

void RecordMapping::AddOther(absl::string_view what) {
  ++count_;
  Mistake("it is ", what, ", which cannot be ", WordOf(selected().as));
}

void RecordMapping::AddMistake(absl::string_view what) {
  ++count_;
  Mistake(what);
}

void RecordMapping::AddKey(absl::string_view word) {
  if (selected().most > 0 && count_ >= selected().most) return;
  ++count_;
  const Field field = fields_[selected_];
  row_.Add(field, KeyOf(field, word), 1);
}

void RecordMapping::EndFeature() {
  const RecordFeature& feature = selected();
  if (count_ > 0) present_[selected_] = true;
  if (!mistake_.ok() || feature.as == As::kKeys) return;
  if (count_ == 0 && feature.missing) {
    // As it stands, in the place of each value.
    for (int64_t k = 0; k < feature.width; ++k) AddValue(*feature.missing);
    return;
  }
  if (count_ == 0) {
    Mistake("the record does not have it",
            feature.as == As::kDense
                ? "; to take a number instead, say missing: and the number"
            : feature.as == As::kKey ? "; if it may be absent, say as: keys"
                                     : "");
    return;
  }
  const bool wide = feature.as == As::kDense || feature.as == As::kBytes;
  const int64_t wanted = wide ? feature.width : 1;
  if (count_ == wanted) return;
  Mistake("it has ", count_, count_ == 1 ? " value" : " values", " instead of ",
          wanted,
          wide ? absl::StrCat("; if all have as many, say width: ", count_)
          : feature.as == As::kKey ? "; for any number of them, say as: keys"
                                   : "");
}

absl::Status RecordMapping::End(Example* example) {
  EBB_RETURN_IF_ERROR(mistake_);
  switch (layout_) {
    case Layout::kKeyed:
      *example = row_.AsExample();
      break;
    case Layout::kBytes:
      *example = {.bytes = bytes_};
      break;
    case Layout::kDense:
    case Layout::kSparse:  // No records are.
      *example = {.values = values_};
      break;
  }
  example->label = label_;
  return absl::OkStatus();
}

Layout LayoutOfRecords(const SourceSpec& spec) {
  if (IsKeyed(spec)) return Layout::kKeyed;
  // They stay bytes in memory if there are no other numbers.
  int64_t bytes = 0;
  int64_t others = 0;
  for (const RecordFeature& feature : spec.features) {
    bytes += feature.as == As::kBytes ? 1 : 0;
    others += feature.as == As::kDense ? 1 : 0;
  }
  return bytes == 1 && others == 0 ? Layout::kBytes : Layout::kDense;
}

bool HasOnlyWords(const SourceSpec& spec) {
  return IsKeyed(spec) &&
         std::ranges::none_of(spec.features, [](const RecordFeature& feature) {
           return feature.as == As::kDense;
         });
}

absl::Status ValidateRecords(const SourceSpec& spec) {
  if (spec.path.empty()) {
    return WrongOption("the data source has no path; name the file to read");
  }
  if (spec.features.empty()) return absl::OkStatus();  // Open() says so.
  const bool keyed = IsKeyed(spec);
  int64_t labels = 0;
  int64_t others = 0;
  int64_t width = 0;
  int64_t fields = 0;
  for (const RecordFeature& feature : spec.features) {
    if (feature.as == As::kLabel) {
      ++labels;
      continue;
    }
    ++others;
    fields += feature.field ? 1 : 0;
    if (feature.width < 1 || feature.width > kMaxExampleBytes / 4) {
      return WrongOption("the width ", feature.width, " of feature ",
                         Quoted(feature.name), " is not between 1 and ",
                         kMaxExampleBytes / 4);
    }
    width += feature.width;
    if (keyed && feature.as == As::kBytes) {
      return WrongOption("feature ", Quoted(feature.name),
                         " is bytes, but other features are keys, and keys "
                         "have no bytes beside them; leave one of them out");
    }
    if (feature.missing && !std::isfinite(*feature.missing)) {
      return WrongOption("missing of feature ", Quoted(feature.name),
                         " is not a finite number");
    }
  }
  if (width > kMaxExampleBytes / 4) {
    return WrongOption("the features have ", width,
                       " numbers together, but an example has at most ",
                       kMaxExampleBytes / 4);
  }
  if (others == 0) {
    return WrongOption("the features are the label alone; name one more");
  }
  if (labels > 1 || (spec.has_labels && labels == 0)) {
    return WrongOption(
        labels == 0 ? "no feature is the label" : "two features are the label",
        "; say as: label for one of them");
  }
  if (fields != 0 && fields != others) {
    return WrongOption("only ", fields, " of ", others,
                       " features have a field; give each its field, or none");
  }
  if (others > kMaxFields) {
    return WrongOption("there are ", others, " features, but at most ",
                       kMaxFields);
  }
  return absl::OkStatus();
}

std::string MeaningOfRecords(absl::string_view word, const SourceSpec& spec,
                             absl::string_view common) {
  std::string meaning = absl::StrCat(word, common);
  for (const RecordFeature& feature : spec.features) {
    absl::StrAppend(&meaning, " ", Quoted(feature.name), "=",
                    WordOf(feature.as));
    if (feature.width != 1) absl::StrAppend(&meaning, "/", feature.width);
    if (feature.field) absl::StrAppend(&meaning, "/field=", *feature.field);
    if (feature.most > 0) absl::StrAppend(&meaning, "/most=", feature.most);
    if (feature.log) absl::StrAppend(&meaning, "/log");
    if (feature.missing) {
      absl::StrAppend(&meaning, "/missing=", Exact(*feature.missing));
    }
  }
  return meaning;
}

absl::StatusOr<std::vector<Input>> OpenRecordFiles(const SourceSpec& spec,
                                                   const OpenBytes& open,
                                                   Content content) {
  EBB_ASSIGN_OR_RETURN(Input input,
                       OpenTableFiles(spec, open, {.content = content}));
  std::vector<Input> files;
  files.push_back(std::move(input));
  return files;
}

absl::Status NoFeatures(absl::string_view where,
                        std::vector<ProposedFeature> proposed) {
  constexpr size_t kMost = 4096;
  std::ranges::sort(proposed, {}, &ProposedFeature::name);
  std::string entries;
  bool labelled = false;
  for (const ProposedFeature& feature : proposed) {
    if (feature.as.empty() || entries.size() > kMost) continue;
    const bool label =
        !labelled && feature.as == "dense" && IsLabelName(feature.name);
    labelled = labelled || label;
    absl::StrAppend(
        &entries, entries.empty() ? "" : ", ",
        IsPlainName(feature.name)
            ? feature.name
            : absl::StrCat("\"", absl::Utf8SafeCEscape(feature.name), "\""),
        ": ", label ? "label" : feature.as);
  }
  if (entries.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where,
                     ": the record has no values of which examples "
                     "could be made"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      where, ": the job does not say what the values are; for this record ",
      "features: {", entries, "} would do",
      labelled ? "" : ", with label for the one that is to be predicted"));
}

}  // namespace ebb::data::internal
