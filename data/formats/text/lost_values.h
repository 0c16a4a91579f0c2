// Values of sparse rows of text that float32 cannot tell apart.
#ifndef EBB_DATA_FORMATS_TEXT_LOST_VALUES_H_
#define EBB_DATA_FORMATS_TEXT_LOST_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "data/encoding.h"
#include "data/formats/lost_digits.h"
#include "data/keys.h"

namespace ebb::data::internal {

// Looks at the values of features that count from 0, from Begin() on. Not
// thread safe.
class LostValues {
 public:
  void Begin() { lost_digits_.emplace(no_origins_); }
  bool looks() const { return lost_digits_.has_value(); }
  // `text` is the value of a feature, which ParseFeature() takes.
  void Add(size_t feature, absl::string_view text, double scale);
  // Returns those of Reader::Remarks(); `name` names a feature.
  std::vector<std::string> Remarks(
      const std::function<std::string(size_t feature)>& name) const;

 private:
  const Encoding no_origins_{};
  std::optional<LostDigits> lost_digits_;
};

// Looks at the first 65,536 features that are a field and a key.
class LostKeyValues {
 public:
  void Begin() { values_.Begin(); }
  void Add(Field field, uint64_t key, absl::string_view text, double scale);
  std::vector<std::string> Remarks(
      const std::function<std::string(Field field, uint64_t key)>& name) const;

 private:
  using Feature = std::pair<Field, uint64_t>;

  LostValues values_;
  std::vector<Feature> features_;
  absl::flat_hash_map<Feature, size_t> numbers_;  // In features_.
};

}  // namespace ebb::data::internal

#endif  // EBB_DATA_FORMATS_TEXT_LOST_VALUES_H_
