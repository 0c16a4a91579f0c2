#include "data/formats/text/lost_values.h"

#include <cmath>

#include "absl/numeric/int128.h"
#include "absl/strings/numbers.h"
#include "data/bytes/text.h"

namespace ebb::data::internal {
namespace {

constexpr size_t kMostKeys = size_t{1} << 16;

}  // namespace

void LostValues::Add(size_t feature, absl::string_view text, double scale) {
  double number;
  if (!lost_digits_ || !ParseNumber(text, &number)) return;
  absl::int128 whole;
  if (std::fabs(number) >= LostDigits::kLargeWhole &&
      absl::SimpleAtoi(text, &whole)) {
    lost_digits_->AddLargeWhole(feature, whole);
  }
  lost_digits_->Add(feature, number * scale);
}

std::vector<std::string> LostValues::Remarks(
    const std::function<std::string(size_t feature)>& name) const {
  if (!lost_digits_) return {};
  return lost_digits_->Remarks(
      name,
      "If they are codes, give each an id of its own with the value 1; else "
      "make two features of it");
}

void LostKeyValues::Add(Field field, uint64_t key, absl::string_view text,
                        double scale) {
  if (!values_.looks()) return;
  const Feature feature(field, key);
  auto known = numbers_.find(feature);
  if (known == numbers_.end()) {
    if (features_.size() == kMostKeys) return;
    known = numbers_.emplace(feature, features_.size()).first;
    features_.push_back(feature);
  }
  values_.Add(known->second, text, scale);
}

std::vector<std::string> LostKeyValues::Remarks(
    const std::function<std::string(Field field, uint64_t key)>& name) const {
  return values_.Remarks([&](size_t number) {
    return name(features_[number].first, features_[number].second);
  });
}

}  // namespace ebb::data::internal
