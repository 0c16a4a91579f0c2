// Makes the features of an example from the named values of a record
// (SourceSpec::features): the part that the formats with records share.
#ifndef EBB_DATA_FORMATS_RECORDS_RECORD_MAPPING_H_
#define EBB_DATA_FORMATS_RECORDS_RECORD_MAPPING_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/encoding.h"
#include "data/formats/input.h"
#include "data/formats/lost_digits.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

inline constexpr absl::string_view kDenseColumns = "dense:";

// Makes one example after another of values that a reader finds. Not thread
// safe.
//
//   mapping.Begin();
//   for (size_t i = 0; i < mapping.size(); ++i) {
//     mapping.Select(i);
//     ... mapping.AddNumber(3);
//   }
//   EBB_RETURN_IF_ERROR(mapping.End(&example));
class RecordMapping {
 public:
  // `spec` is valid.
  explicit RecordMapping(const SourceSpec& spec);

  // The number of features that are read: without labels the label is none.
  size_t size() const { return features_.size(); }
  const std::string& name(size_t i) const { return features_[i].name; }
  bool takes_bytes(size_t i) const {
    return features_[i].as == RecordFeature::As::kBytes;
  }
  // The feature of this name; size(): there is none.
  size_t Find(absl::string_view name) const;

  Layout layout() const { return layout_; }
  int64_t features() const { return width_; }
  // Reader::ColumnOrder(): kDenseColumns and the fields of numbers beside keys,
  // each with its width. Width 0: another feature has the field, too.
  std::string ColumnOrder() const;
  // Reader::Names().
  std::optional<ColumnNames> Names() const;

  // Reader::AbsentFeatures().
  std::vector<std::string> AbsentFeatures() const;

  // Reader::LookForConstants(): from now on Remarks() tells of numbers that
  // float32 cannot tell apart. Called before the first Begin().
  void LookForLostDigits();
  // Reader::Remarks().
  std::vector<std::string> Remarks() const;

  // Returns whether the selected feature takes words.
  bool takes_keys() const { return selected().keyed(); }

  // Begins an example.
  void Begin();
  // The values that follow are those of this feature. Each is selected once,
  // in their order.
  void Select(size_t i) {
    selected_ = i;
    target_ = &targets_[i];
    count_ = 0;
  }
  // Add a value. What does not suit the feature is a mistake.
  void AddNumber(double number) {
    if (!AddPlain(number)) AddAnyNumber(number);
  }
  // Adds numbers, whose bytes stand one after another. As many calls of
  // AddNumber() have the same effect.
  void AddFloats(absl::string_view bytes);
  void AddWhole(int64_t number) {
    if (!AddPlain(static_cast<double>(number))) AddAnyWhole(number);
  }
  void AddWhole(uint64_t number) {
    if (!AddPlain(static_cast<double>(number))) AddAnyWhole(number);
  }
  void AddText(absl::string_view text) {
    if (target_->keyed) {
      AddKey(text);
    } else {
      AddBytes(text);
    }
  }
  // Says that the feature has a value of another kind: "a list".
  void AddOther(absl::string_view what);
  // Says that the feature has a value that is wrong in itself.
  void AddMistake(absl::string_view what);
  // Ends the values of the feature.
  void EndFeature() {
    if (count_ > 0) present_[selected_] = 1;
    if (count_ != target_->count && mistake_.ok()) EndOtherFeature();
  }
  // Ends the example, which lives until the next Begin(). The error is the
  // first mistake, without its place.
  absl::Status End(Example* example);

 private:
  // The part of a feature that each of its values needs.
  struct Target {
    RecordFeature::As as = RecordFeature::As::kDense;
    bool keyed = false;
    bool log = false;
    // Its numbers are scaled and stored, without keys and logarithms.
    bool stored = false;
    bool plain = false;          // They are so unseen: lost_digits_ is none.
    Field field = 0;             // kKeyed.
    int64_t width = 0;           // kDense and kBytes.
    int64_t most = 0;            // kKeys.
    int64_t count = 0;           // The number of its values. -1: any.
    int64_t offset = 0;          // Not kKeyed: of its first value.
    int64_t number = 0;          // kDense: that of its first value among all.
    std::vector<uint64_t> keys;  // kKeyed: those of its numbers.
  };

  const RecordFeature& selected() const { return features_[selected_]; }
  template <typename... Args>
  void Mistake(const Args&... args) {
    if (!mistake_.ok()) return;
    mistake_ = absl::InvalidArgumentError(
        absl::StrCat("feature \"", Shown(selected().name), "\": ", args...));
  }
  static std::string Shown(absl::string_view name);
  // Returns where the search for a name begins in places_.
  size_t PlaceOf(absl::string_view name) const;
  // Adds the number to a feature that stores it as it comes; false: it is
  // another feature, or the number does not suit it.
  bool AddPlain(double number) {
    if (!target_->plain || count_ >= target_->width) return false;
    const double scaled = number * scale_;
    if (!(std::fabs(scaled) <= std::numeric_limits<float>::max())) return false;
    values_[static_cast<size_t>(target_->offset + count_++)] =
        static_cast<float>(scaled);
    return true;
  }
  void AddAnyNumber(double number);
  template <typename Whole>
  void AddAnyWhole(Whole number);
  void AddBytes(absl::string_view text);
  void AddEntry(Field field, uint64_t key, float value) {
    if (entries_ == entry_keys_.size()) MakeRoomForEntries();
    entry_fields_[entries_] = field;
    entry_keys_[entries_] = key;
    entry_values_[entries_] = value;
    ++entries_;
  }
  void MakeRoomForEntries();
  void AddKey(absl::string_view word);
  void AddValue(double number);
  void EndOtherFeature();
  // Names the value with this number among those of dense features.
  std::string NameOf(size_t number) const;

  const double scale_;
  const LabelKind label_kind_;
  std::vector<RecordFeature> features_;
  std::vector<Target> targets_;  // One for each feature.
  std::vector<char> present_;    // 1: a record had the feature.
  // A hash table of the names with linear probing: numbers of features from 1,
  // 0 where there is none. A power of two of them, at most a quarter used.
  std::vector<uint32_t> places_;
  Layout layout_ = Layout::kDense;
  bool has_bytes_ = false;  // The format has bytes beside texts.
  int64_t width_ = 0;
  std::string label_name_;
  const Encoding no_origins_;
  std::optional<LostDigits> lost_digits_;  // Present: it looks at each number.

  // The example.
  size_t selected_ = 0;
  const Target* target_ = nullptr;  // The selected feature's.
  int64_t count_ = 0;               // Values of the selected feature.
  float label_ = 0;
  std::vector<float> values_;
  std::vector<uint8_t> bytes_;
  // kKeyed: the first entries_ of each are those of the example.
  std::vector<float> entry_values_;
  std::vector<uint64_t> entry_keys_;
  std::vector<Field> entry_fields_;
  size_t entries_ = 0;
  absl::Status mistake_;
};

// The shared members of Format.
Layout LayoutOfRecords(const SourceSpec& spec);
bool HasOnlyWords(const SourceSpec& spec);
absl::Status ValidateRecords(const SourceSpec& spec);
std::string MeaningOfRecords(absl::string_view word, const SourceSpec& spec,
                             absl::string_view common);
// Opens the files of a table as one input.
absl::StatusOr<std::vector<Input>> OpenRecordFiles(const SourceSpec& spec,
                                                   const OpenBytes& open,
                                                   const InputOptions& options);

// An entry of `features` that suits a value: a name, and what it is, "dense".
// An entry without the latter is not proposed.
struct ProposedFeature {
  std::string name;
  std::string as;
};
// Returns the error of a source without features. It shows entries that would
// do, and has them for programs (proposed_features.h).
absl::Status NoFeatures(absl::string_view where,
                        std::vector<ProposedFeature> proposed);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_RECORDS_RECORD_MAPPING_H_
