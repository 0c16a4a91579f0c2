// The packed set behind a Dataset: what only the sources of Dataset include.
#ifndef EBB_DATA_DATASET_DATASET_PACKED_H_
#define EBB_DATA_DATASET_DATASET_PACKED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "data/dataset.h"
#include "data/dataset/window_cache.h"
#include "data/index.h"
#include "data/pack/packed_set.h"
#include "data/source.h"

namespace ebb::data {

struct Dataset::Packed {
  using Cache = internal::WindowCache<Dataset>;

  explicit Packed(std::shared_ptr<const pack::PackedSet> opened)
      : set(std::move(opened)),
        cache([this](int64_t window, std::optional<Dataset> old) {
          return LoadWindow(window, std::move(old));
        }) {}

  // A window as a data set of its own, in the memory of `old`. New memory would
  // be filled with zeros first, by the system too.
  absl::StatusOr<Dataset> LoadWindow(int64_t number,
                                     std::optional<Dataset> old) const;

  const std::shared_ptr<const pack::PackedSet> set;
  SourceSpec spec;
  Index constants;  // The part of the index for windows.
  double row_sum = 0;
  Cache cache;
};

}  // namespace ebb::data

#endif  // EBB_DATA_DATASET_DATASET_PACKED_H_
