#include "workloads/boosted/tools/boosted_start.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "data/sample.h"

namespace ebb::tools {

namespace {

constexpr int64_t kMostDrawn = 65'536;
constexpr int64_t kLeastDrawn = 4'096;
constexpr int64_t kMostDrawnFloats = int64_t{1} << 26;

// From `low` up to, and without, `high`.
float Between(float low, float high) {
  const auto middle = static_cast<float>((static_cast<double>(low) + high) / 2);
  const float edge = middle >= low && middle < high ? middle : low;
  return std::clamp(edge, std::numeric_limits<float>::lowest(),
                    std::numeric_limits<float>::max());
}

// The values of each feature; of sparse rows those that are there.
std::vector<std::vector<float>> ColumnsOf(const data::ExampleBatch& sample) {
  std::vector<std::vector<float>> columns(sample.features);
  if (sample.sparse) {
    for (size_t i = 0; i < sample.values.size(); ++i) {
      columns[sample.ids[i]].push_back(sample.values[i]);
    }
    return columns;
  }
  for (int64_t f = 0; f < sample.features; ++f) {
    columns[f].resize(sample.rows);
    for (int64_t row = 0; row < sample.rows; ++row) {
      columns[f][row] = sample.values[row * sample.features + f];
    }
  }
  return columns;
}

std::vector<float> BaseOf(std::span<const float> labels, int64_t classes) {
  const auto examples = static_cast<double>(labels.size());
  if (classes == 0) {
    double sum = 0;
    for (const float label : labels) sum += label;
    return {static_cast<float>(sum / examples)};
  }
  // A class that the sample lacks has half an example.
  std::vector<double> counts(classes);
  for (const float label : labels) counts[static_cast<size_t>(label)] += 1;
  for (double& count : counts) count = std::max(count, 0.5);
  if (classes == 2) {
    return {static_cast<float>(std::log(counts[1] / counts[0]))};
  }
  std::vector<float> base;
  for (const double count : counts) {
    base.push_back(static_cast<float>(std::log(count / examples)));
  }
  return base;
}

}  // namespace

std::vector<float> EdgesOf(std::span<float> values, int64_t zeros,
                           int64_t most) {
  const auto end =
      std::remove_if(values.begin(), values.end(),
                     [](float value) { return std::isnan(value); });
  std::sort(values.begin(), end);
  // The different values, ascending, and how often each is there.
  std::vector<std::pair<float, int64_t>> different;
  const auto add = [&](float value, int64_t times) {
    if (times == 0) return;
    if (different.empty() || different.back().first != value) {
      different.emplace_back(value, 0);
    }
    different.back().second += times;
  };
  const auto positive = std::lower_bound(values.begin(), end, 0.0f);
  for (auto it = values.begin(); it != positive; ++it) add(*it, 1);
  add(0, zeros);
  for (auto it = positive; it != end; ++it) add(*it, 1);

  std::vector<float> edges;
  const bool few = std::ssize(different) <= most;
  int64_t left = end - values.begin() + zeros;
  int64_t intervals = most;
  int64_t within = 0;
  for (size_t i = 0; i + 1 < different.size() && intervals > 1; ++i) {
    within += different[i].second;
    if (!few && within * intervals < left) continue;
    edges.push_back(Between(different[i].first, different[i + 1].first));
    left -= within;
    within = 0;
    --intervals;
  }
  return edges;
}

absl::StatusOr<BoostedStart> ChooseBoostedStart(const data::Dataset& train,
                                                int64_t most_bins,
                                                uint64_t seed) {
  if (train.keyed()) {
    return absl::InvalidArgumentError(
        "boosted_trees take columns of numbers, not keys");
  }
  // Sparse rows take less.
  const int64_t by_memory =
      train.sparse() ? kMostDrawn : kMostDrawnFloats / train.features();
  const std::vector<int64_t> numbers = data::DrawSample(
      train.examples(), std::clamp(by_memory, kLeastDrawn, kMostDrawn), seed);
  data::ExampleBatch sample;
  EBB_RETURN_IF_ERROR(train.Gather(numbers, &sample));
  BoostedStart start;
  start.base =
      BaseOf(sample.labels, static_cast<int64_t>(train.index().classes.size()));
  std::vector<std::vector<float>> edges;
  for (std::vector<float>& column : ColumnsOf(sample)) {
    const int64_t zeros =
        sample.sparse ? std::max<int64_t>(0, sample.rows - std::ssize(column))
                      : 0;
    edges.push_back(EdgesOf(column, zeros, most_bins));
    start.bins = std::max(start.bins, std::ssize(edges.back()) + 1);
  }
  for (std::vector<float>& of_feature : edges) {
    of_feature.resize(start.bins - 1, std::numeric_limits<float>::max());
    start.edges.insert(start.edges.end(), of_feature.begin(), of_feature.end());
  }
  return start;
}

std::vector<float> BoostedInitialValues(const BoostedShape& shape,
                                        const BoostedStart& start) {
  std::vector<float> values(shape.Parameters(), 0);
  std::ranges::copy(start.base, values.begin());
  std::ranges::copy(start.edges, values.begin() + shape.EdgesAt());
  // No node is split.
  std::fill(values.begin() + shape.NodesAt(), values.begin() + shape.OpenAt(),
            0.0f);
  for (int64_t at = shape.NodesAt(); at < shape.OpenAt();
       at += BoostedNodeColumns::kCount) {
    values[at + BoostedNodeColumns::kFeature] = -1;
  }
  const std::vector<int64_t> open = shape.FirstOpenNodes();
  values[shape.OpenAt() + 1] = static_cast<float>(open.size());
  std::ranges::copy(open, values.begin() + shape.OpenAt() + 2);
  return values;
}

}  // namespace ebb::tools
