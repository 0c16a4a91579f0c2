#include "data/formats/tables/number_columns.h"

#include <algorithm>

namespace ebb::data::internal {

NumberColumns::Kind NumberColumns::KindOf(absl::string_view field) const {
  if (missing_.Has(field)) return Kind::kOpen;
  return IsNumber(field) ? Kind::kNumber : Kind::kOther;
}

void NumberColumns::Look(const std::vector<absl::string_view>& fields) {
  if (records_ == 0) columns_.assign(fields.size(), Kind::kOpen);
  if (fields.size() != columns_.size()) return;
  ++records_;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (columns_[i] == Kind::kOther) continue;
    const Kind kind = KindOf(fields[i]);
    if (kind != Kind::kOpen) columns_[i] = kind;
  }
}

bool NumberColumns::Any() const {
  return std::find(columns_.begin(), columns_.end(), Kind::kNumber) !=
         columns_.end();
}

std::vector<size_t> NumberColumns::Words(
    const std::vector<absl::string_view>& fields) const {
  if (fields.size() != columns_.size()) return {};
  std::vector<size_t> words;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (columns_[i] != Kind::kNumber) continue;
    if (KindOf(fields[i]) != Kind::kOther) return {};
    words.push_back(i);
  }
  // One word may be a mistake, or a rare category among codes such as 3+.
  constexpr int64_t kEnough = 20;
  if (words.size() == 1 && records_ < kEnough) return {};
  return words;
}

}  // namespace ebb::data::internal
