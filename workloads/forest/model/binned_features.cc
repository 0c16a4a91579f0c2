#include "workloads/forest/model/binned_features.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace ebb::workloads::forest {

namespace {

// The different values among many, as long as there are few.
class FewValues {
 public:
  explicit FewValues(size_t most) : most_(most) {
    slots_.resize(4 * std::bit_ceil(most));
  }

  // Returns false when there are more than `most`.
  bool Add(float value) {
    Slot& slot = SlotOf(value);
    if (slot.used) return true;
    if (values_.size() == most_) return false;
    slot = {true, 0, value};
    values_.push_back(value);
    return true;
  }
  // All of them, ascending. From now on Place tells where in it a value is.
  const std::vector<float>& Sort() {
    std::ranges::sort(values_);
    for (size_t i = 0; i < values_.size(); ++i) {
      SlotOf(values_[i]).place = static_cast<uint8_t>(i);
    }
    return values_;
  }
  uint8_t Place(float value) { return SlotOf(value).place; }

 private:
  struct Slot {
    bool used = false;
    uint8_t place = 0;
    float value = 0;
  };

  // The slot of the value, or the free one where it belongs.
  Slot& SlotOf(float value) {
    const size_t mask = slots_.size() - 1;
    const auto bits = std::bit_cast<uint32_t>(value);
    // The upper bits: small whole numbers have no others.
    size_t at = (uint64_t{bits} * 0x9e3779b97f4a7c15U >> 40) & mask;
    while (slots_[at].used && slots_[at].value != value) at = (at + 1) & mask;
    return slots_[at];
  }

  const size_t most_;
  std::vector<float> values_;
  std::vector<Slot> slots_;
};

// 0 and -0 are the same number, and have other bits.
float Plain(float value) { return value == 0 ? 0.0f : value; }

}  // namespace

absl::StatusOr<BinnedFeatures> BinnedFeatures::Create(int64_t rows,
                                                      int64_t features,
                                                      int64_t most_bins,
                                                      ReadColumns read) {
  constexpr int64_t kFloatsAtOnce = int64_t{1} << 24;  // 64 MiB.
  BinnedFeatures all(rows, features);
  const int64_t at_once =
      std::clamp<int64_t>(kFloatsAtOnce / rows, 1, features);
  std::vector<float> columns(at_once * rows);
  std::vector<float> scratch;
  for (int64_t first = 0; first < features; first += at_once) {
    const int64_t count = std::min(at_once, features - first);
    const std::span<float> part = std::span(columns).first(count * rows);
    EBB_RETURN_IF_ERROR(read(first, count, part));
    for (int64_t i = 0; i < count; ++i) {
      const std::span<float> values = part.subspan(i * rows, rows);
      for (float& value : values) {
        if (std::isnan(value)) {
          return absl::InvalidArgumentError(absl::StrCat(
              "feature ", first + i, " of an example is no number"));
        }
        value = Plain(value);
      }
      all.Add(first + i, most_bins, values, &scratch);
    }
  }
  return all;
}

void BinnedFeatures::Add(int64_t feature, int64_t most_bins,
                         std::span<const float> values,
                         std::vector<float>* scratch) {
  std::vector<Bin>& bins = bins_[feature];
  FewValues few(static_cast<size_t>(most_bins));
  uint8_t* const to = bin_of_.data() + feature * rows_;
  if (std::ranges::all_of(values, [&](float v) { return few.Add(v); })) {
    for (const float value : few.Sort()) bins.push_back({value, value});
    for (int64_t row = 0; row < rows_; ++row) to[row] = few.Place(values[row]);
    return;
  }
  scratch->assign(values.begin(), values.end());
  std::ranges::sort(*scratch);
  const std::vector<float>& sorted = *scratch;
  // A bin ends behind its share of the examples, with whole runs of the same
  // value.
  for (int64_t begin = 0; begin < rows_;) {
    const int64_t left = most_bins - static_cast<int64_t>(bins.size());
    const int64_t share = (rows_ - begin + left - 1) / left;
    const float most = sorted[std::min(begin + share, rows_) - 1];
    const int64_t end =
        std::upper_bound(sorted.begin() + begin, sorted.end(), most) -
        sorted.begin();
    bins.push_back({sorted[begin], most});
    begin = end;
  }
  for (int64_t row = 0; row < rows_; ++row) {
    const auto it = std::ranges::lower_bound(bins, values[row], {}, &Bin::most);
    to[row] = static_cast<uint8_t>(it - bins.begin());
  }
}

int64_t BinnedFeatures::memory_bytes() const {
  auto bytes = static_cast<int64_t>(bin_of_.size());
  for (const auto& bins : bins_) {
    bytes += static_cast<int64_t>(bins.size() * sizeof(Bin));
  }
  return bytes;
}

float BinnedFeatures::Between(int64_t feature, int64_t low,
                              int64_t high) const {
  const double least = bins_[feature][low].most;
  const double above = bins_[feature][high].least;
  const auto middle = static_cast<float>(least + (above - least) / 2);
  // Rounding must not move the upper values below.
  return middle < static_cast<float>(above) ? middle
                                            : static_cast<float>(least);
}

}  // namespace ebb::workloads::forest
