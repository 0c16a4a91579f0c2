// The filters of a job: that of its pushes and that of its pulls.
#ifndef EBB_COMMON_FILTERS_FILTER_H_
#define EBB_COMMON_FILTERS_FILTER_H_

#include <cstdint>

#include "common/filters/encoding.h"

namespace ebb {

// The numbers are those of ebb.v1.Plan.Filter.Kind, less one.
enum class FilterKind : uint8_t {
  kNone,  // float32.
  kBfloat16,
  kFloat16,
  kInt8,
  // In pushes only: values that are not sent are added to the next gradient of
  // the item; its last gradient is sent whole.
  kThreshold,  // Values above `threshold`.
  kTopK,       // The largest `share` of all.
};

struct Filter {
  FilterKind kind = FilterKind::kNone;
  double threshold = 0;
  double share = 0;
  friend bool operator==(const Filter&, const Filter&) = default;
};

struct FilterPlan {
  Filter push;
  Filter pull;
  friend bool operator==(const FilterPlan&, const FilterPlan&) = default;
};

// The form in which the filter sends all values.
constexpr Encoding EncodingOf(const Filter& filter) {
  switch (filter.kind) {
    case FilterKind::kNone:
      return Encoding::kFloat32;
    case FilterKind::kBfloat16:
      return Encoding::kBfloat16;
    case FilterKind::kFloat16:
      return Encoding::kFloat16;
    case FilterKind::kInt8:
      return Encoding::kInt8;
    case FilterKind::kThreshold:
    case FilterKind::kTopK:
      return Encoding::kSparse;
  }
  return Encoding::kFloat32;
}

// Returns whether a part of a gradient may stay with the worker for a while.
constexpr bool KeepsResiduals(const Filter& filter) {
  return filter.kind == FilterKind::kTopK ||
         (filter.kind == FilterKind::kThreshold && filter.threshold > 0);
}

}  // namespace ebb

#endif  // EBB_COMMON_FILTERS_FILTER_H_
