// What the named values of a record become in an example
// (SourceSpec::features): the part that the formats with records share.
#ifndef EBB_DATA_INTERNAL_RECORD_MAPPING_H_
#define EBB_DATA_INTERNAL_RECORD_MAPPING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "data/byte_source.h"
#include "data/internal/input.h"
#include "data/internal/keyed_row.h"
#include "data/reader.h"
#include "data/source.h"

namespace ebb::data::internal {

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
  size_t Find(absl::string_view name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? size() : found->second;
  }

  Layout layout() const { return layout_; }
  int64_t features() const { return width_; }
  // Reader::Names().
  std::optional<ColumnNames> Names() const;

  // Reader::AbsentFeatures().
  std::vector<std::string> AbsentFeatures() const;

  // Whether the selected feature takes words.
  bool takes_keys() const { return selected().keyed(); }

  // Begins an example.
  void Begin();
  // The values that follow are those of this feature. Each is selected once,
  // in their order.
  void Select(size_t i) {
    selected_ = i;
    count_ = 0;
  }
  // Add a value. What does not suit the feature is a mistake.
  void AddNumber(double number);
  void AddWhole(int64_t number);
  void AddWhole(uint64_t number);
  void AddText(absl::string_view text);
  // Says that the feature has a value of another kind: "a list".
  void AddOther(absl::string_view what);
  // Says that the feature has a value that is wrong in itself.
  void AddMistake(absl::string_view what);
  // Ends the values of the feature.
  void EndFeature();
  // Ends the example, which lives until the next Begin(). The error is the
  // first mistake, without its place.
  absl::Status End(Example* example);

 private:
  const RecordFeature& selected() const { return features_[selected_]; }
  template <typename... Args>
  void Mistake(const Args&... args) {
    if (!mistake_.ok()) return;
    mistake_ = absl::InvalidArgumentError(
        absl::StrCat("feature \"", Shown(selected().name), "\": ", args...));
  }
  static std::string Shown(absl::string_view name);
  template <typename Whole>
  void AddAnyWhole(Whole number);
  void AddKey(absl::string_view word);
  void AddValue(double number);

  const double scale_;
  const LabelKind label_kind_;
  std::vector<RecordFeature> features_;
  std::vector<bool> present_;  // Whether a record had the feature.
  absl::flat_hash_map<std::string, size_t> places_;
  std::vector<Field> fields_;     // kKeyed: of each feature.
  std::vector<int64_t> offsets_;  // Else: of the first value of each.
  // kKeyed: the keys of the values of dense features.
  std::vector<std::vector<uint64_t>> keys_of_values_;
  Layout layout_ = Layout::kDense;
  int64_t width_ = 0;
  std::string label_name_;

  // The example.
  size_t selected_ = 0;
  int64_t count_ = 0;  // Values of the selected feature.
  float label_ = 0;
  std::vector<float> values_;
  std::vector<uint8_t> bytes_;
  KeyedRow row_;
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
                                                   Content content);

// An entry of `features` that suits a value: a name, and what it is, "dense".
// An entry without the latter is not proposed.
struct ProposedFeature {
  std::string name;
  std::string as;
};
// Returns the error of a source without features. It shows entries that would
// do.
absl::Status NoFeatures(absl::string_view where,
                        std::vector<ProposedFeature> proposed);

}  // namespace ebb::data::internal

#endif  // EBB_DATA_INTERNAL_RECORD_MAPPING_H_
