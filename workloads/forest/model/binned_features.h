// The features of all examples in intervals, as growing trees takes them.
//
// The intervals of a feature ("bins") are a function of its values in all
// examples. If there are at most `most_bins` different values, each is a bin of
// its own. Otherwise bins have about the same number of examples.
#ifndef EBB_WORKLOADS_FOREST_MODEL_BINNED_FEATURES_H_
#define EBB_WORKLOADS_FOREST_MODEL_BINNED_FEATURES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ebb::workloads::forest {

inline constexpr int64_t kMostBins = 256;

// Immutable once made, so any number of threads may use it at once.
class BinnedFeatures {
 public:
  // Writes features [first, first + count) of all examples to `columns`,
  // (count, rows).
  using ReadColumns = absl::FunctionRef<absl::Status(
      int64_t first, int64_t count, std::span<float> columns)>;

  // `rows` and `features` are at least 1, and `most_bins` is from 2 to
  // kMostBins. Reads each feature once, several of them at once.
  // InvalidArgument: a value is NaN. Else the errors of `read`.
  static absl::StatusOr<BinnedFeatures> Create(int64_t rows, int64_t features,
                                               int64_t most_bins,
                                               ReadColumns read);

  int64_t rows() const { return rows_; }
  int64_t features() const { return static_cast<int64_t>(bins_.size()); }
  int64_t memory_bytes() const;
  // The bin of each example.
  std::span<const uint8_t> Column(int64_t feature) const {
    return std::span(bin_of_).subspan(feature * rows_, rows_);
  }
  int64_t BinCount(int64_t feature) const {
    return static_cast<int64_t>(bins_[feature].size());
  }
  // A number between the values of the two bins, of which `low` is the lower:
  // values of `low` are at most that, and those of `high` are greater.
  float Between(int64_t feature, int64_t low, int64_t high) const;

 private:
  struct Bin {
    float least = 0;
    float most = 0;
  };

  BinnedFeatures(int64_t rows, int64_t features)
      : rows_(rows), bins_(features), bin_of_(rows * features) {}
  // Finds the bins of the feature with these values. `scratch` keeps its
  // memory.
  void Add(int64_t feature, int64_t most_bins, std::span<const float> values,
           std::vector<float>* scratch);

  int64_t rows_;
  std::vector<std::vector<Bin>> bins_;  // By feature, ascending.
  std::vector<uint8_t> bin_of_;         // (features, rows).
};

}  // namespace ebb::workloads::forest

#endif  // EBB_WORKLOADS_FOREST_MODEL_BINNED_FEATURES_H_
