#include "data/formats/records/record_mapping.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "common/status_macros.h"
#include "data/bytes/text.h"
#include "data/formats/options.h"
#include "data/formats/table_files.h"
#include "data/keys.h"
#include "data/proposed_features.h"

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

// The entries of a job file for the features, the label's for `label`.
std::string EntriesOf(const std::vector<ProposedFeature>& proposed,
                      std::vector<ProposedFeature>::const_iterator label) {
  constexpr size_t kMost = 4096;
  std::string entries;
  for (auto feature = proposed.begin(); feature != proposed.end(); ++feature) {
    if (feature->as.empty() || entries.size() > kMost) continue;
    absl::StrAppend(
        &entries, entries.empty() ? "" : ", ",
        IsPlainName(feature->name)
            ? feature->name
            : absl::StrCat("\"", absl::Utf8SafeCEscape(feature->name), "\""),
        ": ", feature == label ? "label" : feature->as);
  }
  return entries;
}

}  // namespace

RecordMapping::RecordMapping(const SourceSpec& spec)
    : scale_(spec.scale),
      label_kind_(spec.label_kind),
      layout_(LayoutOfRecords(spec)),
      has_bytes_(spec.kind != SourceKind::kJsonLines) {
  const bool keyed = layout_ == Layout::kKeyed;
  Field next = 0;
  int64_t numbers = 0;
  for (const RecordFeature& feature : spec.features) {
    const bool label = feature.as == As::kLabel;
    if (label) label_name_ = feature.name;
    if (label && !spec.has_labels) continue;
    features_.push_back(feature);
    const Field field = label ? Field{0} : feature.field.value_or(next++);
    const bool wide = feature.as == As::kDense || feature.as == As::kBytes;
    Target& target = targets_.emplace_back(
        Target{.as = feature.as,
               .keyed = feature.keyed(),
               .log = feature.log,
               .stored = feature.as == As::kDense && !feature.log &&
                         layout_ == Layout::kDense,
               .field = field,
               .width = feature.width,
               .most = feature.most,
               .count = feature.as == As::kKeys ? -1
                        : wide                  ? feature.width
                                                : 1,
               .offset = width_,
               .number = numbers});
    target.plain = target.stored;
    if (feature.as == As::kDense) numbers += feature.width;
    if (label) continue;
    if (!keyed) {
      width_ += feature.width;
      continue;
    }
    width_ = std::max(width_, int64_t{field} + 1);
    for (int64_t k = 0; feature.as == As::kDense && k < feature.width; ++k) {
      target.keys.push_back(KeyOf(
          field, feature.width == 1 ? feature.name
                                    : absl::StrCat(feature.name, "[", k, "]")));
    }
  }
  present_.resize(features_.size());
  places_.resize(std::bit_ceil(4 * features_.size() + 1));
  for (size_t i = 0; i < features_.size(); ++i) {
    size_t at = PlaceOf(features_[i].name);
    while (places_[at] != 0) at = (at + 1) & (places_.size() - 1);
    places_[at] = static_cast<uint32_t>(i + 1);
  }
  if (layout_ == Layout::kDense) values_.resize(width_);
  if (layout_ == Layout::kBytes) bytes_.resize(width_);
}

size_t RecordMapping::PlaceOf(absl::string_view name) const {
  return XXH3_64bits(name.data(), name.size()) & (places_.size() - 1);
}

size_t RecordMapping::Find(absl::string_view name) const {
  for (size_t at = PlaceOf(name);; at = (at + 1) & (places_.size() - 1)) {
    const size_t place = places_[at];
    if (place == 0) return size();
    if (features_[place - 1].name == name) return place - 1;
  }
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

std::string RecordMapping::ColumnOrder() const {
  std::string order;
  if (layout_ != Layout::kKeyed) return order;
  std::vector<Field> told;
  for (size_t i = 0; i < targets_.size(); ++i) {
    const Field field = targets_[i].field;
    if (targets_[i].as != As::kDense ||
        std::ranges::find(told, field) != told.end()) {
      continue;
    }
    told.push_back(field);
    bool shared = false;
    for (size_t k = 0; k < targets_.size(); ++k) {
      shared |=
          k != i && targets_[k].as != As::kLabel && targets_[k].field == field;
    }
    absl::StrAppend(&order, order.empty() ? kDenseColumns : ",", field, "/",
                    shared ? 0 : targets_[i].width);
  }
  return order;
}

std::vector<std::string> RecordMapping::AbsentFeatures() const {
  std::vector<std::string> absent;
  for (size_t i = 0; i < features_.size(); ++i) {
    if (present_[i] == 0) absent.push_back(features_[i].name);
  }
  return absent;
}

void RecordMapping::LookForLostDigits() {
  lost_digits_.emplace(no_origins_);
  for (Target& target : targets_) target.plain = false;
}

std::string RecordMapping::NameOf(size_t number) const {
  size_t i = 0;
  const auto ends = [&] { return targets_[i].number + features_[i].width; };
  while (targets_[i].as != As::kDense || std::cmp_greater_equal(number, ends()))
    ++i;
  const std::string place =
      features_[i].width == 1
          ? ""
          : absl::StrCat("[", static_cast<int64_t>(number) - targets_[i].number,
                         "]");
  return absl::StrCat("feature \"", Shown(features_[i].name), place, "\"",
                      features_[i].log ? " (log: true)" : "");
}

std::vector<std::string> RecordMapping::Remarks() const {
  if (!lost_digits_) return {};
  return lost_digits_->Remarks(
      [this](size_t number) { return NameOf(number); },
      "If they are codes, say as: key; else make two features of it");
}

std::string RecordMapping::Shown(absl::string_view name) {
  return absl::Utf8SafeCEscape(name);
}

void RecordMapping::Begin() {
  mistake_ = absl::OkStatus();
  entries_ = 0;
}

void RecordMapping::AddAnyNumber(double number) {
  if (target_->keyed) {
    // 7.0 may be 7 that another program made a number of floating point.
    const bool whole = number == std::trunc(number) && std::fabs(number) < 1e15;
    const std::string text =
        whole ? absl::StrCat(static_cast<int64_t>(number)) : "";
    Mistake(whole ? absl::StrCat(text, ".0 is a number of floating point")
                  : absl::StrCat(number, " is a number with a fraction"),
            "; a ", WordOf(selected().as), " is a word or a whole number",
            whole ? absl::StrCat(", such as ", text) : "");
    return;
  }
  AddValue(number);
}

void RecordMapping::AddFloats(absl::string_view bytes) {
  const size_t count = bytes.size() / sizeof(float);
  const auto number = [&](size_t i) {
    float value;
    std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(value));
    return value;
  };
  // They are the floats that they become.
  if (target_->stored && scale_ == 1 &&
      std::cmp_less_equal(count, target_->width - count_)) {
    bool finite = true;
    for (size_t i = 0; i < count; ++i) {
      finite &= std::fabs(number(i)) <= std::numeric_limits<float>::max();
    }
    if (finite) {
      std::memcpy(values_.data() + target_->offset + count_, bytes.data(),
                  count * sizeof(float));
      count_ += static_cast<int64_t>(count);
      return;
    }
  }
  for (size_t i = 0; i < count; ++i) AddNumber(number(i));
}

template <typename Whole>
void RecordMapping::AddAnyWhole(Whole number) {
  if (target_->keyed) {
    AddKey(absl::AlphaNum(number).Piece());
    return;
  }
  const auto value = static_cast<double>(number);
  if (lost_digits_ && target_->as == As::kDense && count_ < target_->width &&
      std::fabs(value) >= LostDigits::kLargeWhole) {
    lost_digits_->AddLargeWhole(static_cast<size_t>(target_->number + count_),
                                number);
  }
  AddValue(value);
}
template void RecordMapping::AddAnyWhole(int64_t number);
template void RecordMapping::AddAnyWhole(uint64_t number);

void RecordMapping::AddValue(double number) {
  const Target& feature = *target_;
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
  if (lost_digits_) {
    lost_digits_->Add(static_cast<size_t>(feature.number + place), scaled);
  }
  const auto value = static_cast<float>(scaled);
  if (layout_ == Layout::kKeyed) {
    AddEntry(feature.field, feature.keys[static_cast<size_t>(place)], value);
  } else {
    values_[static_cast<size_t>(feature.offset + place)] = value;
  }
}

void RecordMapping::AddBytes(absl::string_view text) {
  const Target& feature = *target_;
  if (feature.as != As::kBytes) {
    double number;
    if (ParseNumber(text, &number)) {
      Mistake(Excerpt(text), " is a text, and a number is wanted; write ", text,
              has_bytes_ ? " as a number" : " without quotes");
      return;
    }
    Mistake(Excerpt(text), " is no number",
            feature.as == As::kLabel ? "; labels are numbers"
            : has_bytes_
                ? "; say as: key for words, or as: bytes and width for bytes"
                : "; say as: key for words");
    return;
  }
  count_ += static_cast<int64_t>(text.size());
  if (static_cast<int64_t>(text.size()) != feature.width) {
    Mistake("it has ", text.size(), " bytes instead of ", feature.width,
            "; if all have as many, say width: ", text.size());
    return;
  }
  if (layout_ == Layout::kBytes) {
    std::memcpy(bytes_.data(), text.data(), text.size());
    return;
  }
  const auto offset = static_cast<size_t>(feature.offset);
  for (size_t k = 0; k < text.size(); ++k) {
    values_[offset + k] =
        static_cast<float>(static_cast<uint8_t>(text[k]) * scale_);
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
  if (target_->most > 0 && count_ >= target_->most) return;
  ++count_;
  AddEntry(target_->field, KeyOf(target_->field, word), 1);
}

void RecordMapping::MakeRoomForEntries() {
  const size_t room = std::max<size_t>(64, 2 * entries_);
  entry_values_.resize(room);
  entry_keys_.resize(room);
  entry_fields_.resize(room);
}

void RecordMapping::EndOtherFeature() {
  const RecordFeature& feature = selected();
  if (feature.as == As::kKeys) return;
  if (count_ == 0 && feature.missing) {
    // It stands in the place of each value.
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
  const int64_t wanted = target_->count;
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
      *example = {.values = std::span(entry_values_).first(entries_),
                  .keys = std::span(entry_keys_).first(entries_),
                  .fields = std::span(entry_fields_).first(entries_)};
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

absl::StatusOr<std::vector<Input>> OpenRecordFiles(
    const SourceSpec& spec, const OpenBytes& open,
    const InputOptions& options) {
  EBB_ASSIGN_OR_RETURN(Input input, OpenTableFiles(spec, open, options));
  std::vector<Input> files;
  files.push_back(std::move(input));
  return files;
}

absl::Status NoFeatures(absl::string_view where,
                        std::vector<ProposedFeature> proposed) {
  std::ranges::sort(proposed, {}, &ProposedFeature::name);
  const auto is_number = [](const ProposedFeature& feature) {
    return feature.as == "dense";
  };
  auto label = std::ranges::find_if(proposed, [&](const ProposedFeature& one) {
    return is_number(one) && IsLabelName(one.name);
  });
  const bool labelled = label != proposed.end();
  const std::string entries = EntriesOf(proposed, label);
  if (entries.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where,
                     ": the record has no values of which examples "
                     "could be made"));
  }
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(
      where, ": the job does not say what the values are; for this record ",
      "features: {", entries, "} would do",
      labelled ? "" : ", with label for the one that is to be predicted"));
  for (auto one = proposed.begin(); !labelled && one != proposed.end(); ++one) {
    if (is_number(*one)) label = one;  // The last one, as of a table.
  }
  if (label != proposed.end()) {
    ProposeFeatures(EntriesOf(proposed, label), &status);
  }
  return status;
}

}  // namespace ebb::data::internal
