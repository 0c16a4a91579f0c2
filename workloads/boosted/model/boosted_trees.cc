// Gradient-boosted trees. The margin of an example is the sum of what the
// leaves that it falls into add. The model pushes the sums of boosting's rounds
// (workloads/boosted/server/boosting.h): for each open node, feature and
// interval those of gradients, second derivatives and examples.
//
// The margin of an example and the intervals of its values are kept, by the
// example's number. They are a function of the example and of the trees, so
// that a worker which lacks them computes the same.
//
// A batch adds to the histograms of one open node after the other: these then
// stay in the cache. Each cell has the sum of the same numbers in the same
// order as if the batch were looked at example by example.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "models/model.h"
#include "models/registry.h"
#include "workloads/boosted/base/boosted_shape.h"

namespace ebb::workloads {
namespace {

using models::BatchStats;
using models::BatchView;
using models::CheckGradientSize;
using models::CheckOnlyUses;
using models::CheckParameterCount;
using models::ComputeBackend;
using models::ConfigError;
using models::CsrView;
using models::LabelKind;
using models::Model;
using models::ModelConfig;
using models::ModelDescription;
using models::Registry;

using Columns = BoostedNodeColumns;

constexpr double kLeastCurvature = 1e-16;

// The draws of the shares of examples and of features a tree learns from.
enum class Drawn : uint64_t { kExamples = 1, kFeatures = 2 };

uint64_t TreeHash(uint64_t seed, Drawn what, int64_t tree) {
  return HashAppend(HashAppend(seed, static_cast<uint64_t>(what)),
                    static_cast<uint64_t>(tree));
}

class BoostedTrees final : public Model {
 public:
  BoostedTrees(const ModelConfig& config, const BoostedShape& shape)
      : shape_(shape),
        classes_(config.classes),
        examples_(config.examples),
        seed_(config.seed),
        row_share_(config.row_share),
        column_share_(config.column_share),
        validation_share_(config.validation_share) {
    const int64_t forest = shape.trees * shape.outputs;
    description_.tables = {
        {"base", {shape.outputs}, InitRule::Zeros(), false},
        {"edges", {shape.features, shape.Edges()}, InitRule::Zeros(), false},
        {"nodes",
         {forest, shape.Nodes(), Columns::kCount},
         InitRule::Constant(-1),
         false},
        {"open", {shape.OpenFloats()}, InitRule::Zeros(), false}};
    if (shape.validates) {
      description_.tables.push_back({"validation",
                                     {BoostedValidation::kCount},
                                     InitRule::Zeros(),
                                     false});
    }
    description_.tables.push_back(
        {"histograms",
         {shape.Slots(), shape.features, shape.bins + 1, BoostedSums::kCount},
         InitRule::Zeros(),
         false});
    description_.features = shape.features;
    description_.outputs = shape.outputs;
    description_.classes = classes_;
    description_.labels = classes_ == 0   ? LabelKind::kValue
                          : classes_ == 2 ? LabelKind::kBinary
                                          : LabelKind::kClass;
  }

  const ModelDescription& description() const override { return description_; }

  absl::Status Gradient(std::span<const float> params, const BatchView& batch,
                        std::span<float> grad, BatchStats* stats) override {
    EBB_RETURN_IF_ERROR(CheckGradientSize(params, grad));
    EBB_RETURN_IF_ERROR(Check(params, batch));
    EBB_RETURN_IF_ERROR(ReadOpen(params));
    std::ranges::fill(grad, 0.0f);
    *stats = {.examples = batch.rows};
    histograms_ = grad.subspan(shape_.HistogramsAt());
    totals_.assign(shape_.Slots() * BoostedSums::kCount, 0);
    BeginDense(params, batch);
    const uint64_t drawn = TreeHash(seed_, Drawn::kExamples, complete_);
    BatchStats kept_back;
    for (int64_t row = 0; row < batch.rows; ++row) {
      const int64_t number = batch.training_numbers.empty()
                                 ? kNoNumber
                                 : batch.training_numbers[row];
      PrefetchRow(row + kRowsAhead);
      const Row example = BeginRow(batch, row);
      const float* const margins = MarginsOf(params, example, number);
      if (shape_.validates && IsKeptBack(seed_, validation_share_, number)) {
        Transform(margins);
        AddLoss(margins, batch.labels[row], &kept_back);
        ++kept_back.examples;
        EndRow();
        continue;
      }
      Differentiate(margins, batch.labels[row], stats);
      if (open_ > 0 &&
          (row_share_ >= 1 ||
           UnitOf(HashAppend(drawn, static_cast<uint64_t>(number))) <
               row_share_)) {
        AddRow(params, example, batch.is_sparse());
      }
      EndRow();
    }
    if (batch.is_sparse()) {
      AddAbsent(params);
    } else {
      AddEntries();
    }
    if (shape_.validates) {
      float* const sums = grad.data() + shape_.ValidationAt();
      sums[BoostedValidation::kLoss] = static_cast<float>(kept_back.loss_sum);
      sums[BoostedValidation::kExamples] =
          static_cast<float>(kept_back.examples);
      // Each example counts once.
      stats->loss_sum += kept_back.loss_sum;
      stats->correct += kept_back.correct;
    }
    if (!std::isfinite(stats->loss_sum)) {
      return absl::OutOfRangeError("the loss is not finite");
    }
    return absl::OkStatus();
  }

  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) override {
    return Walk(params, batch, stats, nullptr);
  }

  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) override {
    return Walk(params, batch, stats, outputs);
  }

  absl::Status Predict(std::span<const float> params, const BatchView& batch,
                       std::vector<float>* outputs) override {
    return Walk(params, batch, nullptr, outputs);
  }

  void KeepAtMost(int64_t bytes) override { most_kept_bytes_ = bytes; }
  int64_t KeptBytes(bool sparse) const override {
    return KeptMargins() * MarginBytes() +
           (sparse ? 0 : KeptBins() * shape_.features);
  }

 private:
  static constexpr int64_t kNoNumber = -1;
  // Rows whose intervals are on their way from memory.
  static constexpr int64_t kRowsAhead = 8;

  // An example: its values, and where they are known their intervals.
  struct Row {
    const float* values = nullptr;
    const uint8_t* bins = nullptr;
  };
  // An example that adds to the histograms of a node.
  struct Entry {
    int32_t added;  // Its place in added_.
    int32_t slot;
    float gradient;
    float curvature;
  };

  // The first so many examples, by their numbers, are kept.
  int64_t MarginBytes() const { return 4 * (shape_.outputs + 1); }
  int64_t KeptMargins() const {
    return std::min(examples_, most_kept_bytes_ / MarginBytes());
  }
  int64_t KeptBins() const {
    const int64_t left = most_kept_bytes_ - KeptMargins() * MarginBytes();
    // And whether there are any.
    return std::min(examples_, left / (shape_.features + 1));
  }

  absl::Status Check(std::span<const float> params,
                     const BatchView& batch) const {
    EBB_RETURN_IF_ERROR(CheckParameterCount(params, shape_.Parameters()));
    if (batch.is_keyed()) {
      return absl::InvalidArgumentError(
          "boosted_trees take columns of numbers, not keys");
    }
    if (batch.features != shape_.features ||
        (!batch.is_sparse() &&
         std::ssize(batch.dense) != batch.rows * shape_.features)) {
      return absl::InvalidArgumentError(
          absl::StrCat("examples of ", batch.features, " features instead of ",
                       shape_.features));
    }
    return absl::OkStatus();
  }

  // Reads what the round looks at. The values come from servers: none of them
  // is taken for a place without a look.
  absl::Status ReadOpen(std::span<const float> params) {
    const std::span<const float> open = params.subspan(shape_.OpenAt());
    complete_ = static_cast<int64_t>(open[0]);
    open_ = static_cast<int64_t>(open[1]);
    if (complete_ < 0 || complete_ > shape_.trees || open_ < 0 ||
        open_ > shape_.Slots() || (complete_ == shape_.trees && open_ > 0)) {
      return absl::InvalidArgumentError(absl::StrCat("the table `open` names ",
                                                     open[0], " trees and ",
                                                     open[1], " nodes"));
    }
    slot_of_.assign(shape_.outputs * shape_.Nodes(), -1);
    for (int64_t slot = 0; slot < open_; ++slot) {
      const auto node = static_cast<int64_t>(open[2 + slot]);
      if (node < 0 || node >= std::ssize(slot_of_)) {
        return absl::InvalidArgumentError(
            absl::StrCat("the table `open` names node ", node));
      }
      slot_of_[node] = static_cast<int32_t>(slot);
    }
    sampled_.clear();
    const uint64_t drawn = TreeHash(seed_, Drawn::kFeatures, complete_);
    for (int64_t f = 0; f < shape_.features; ++f) {
      if (column_share_ >= 1 ||
          UnitOf(HashAppend(drawn, static_cast<uint64_t>(f))) < column_share_) {
        sampled_.push_back(static_cast<int32_t>(f));
      }
    }
    // A tree of no feature would learn nothing.
    if (sampled_.empty()) {
      sampled_.push_back(
          static_cast<int32_t>(drawn % static_cast<uint64_t>(shape_.features)));
    }
    is_sampled_.assign(shape_.features, 0);
    for (const int32_t f : sampled_) is_sampled_[f] = 1;
    return absl::OkStatus();
  }

  // Finds the intervals of the examples of a dense batch that are kept.
  void BeginDense(std::span<const float> params, const BatchView& batch) {
    row_bins_.clear();
    entries_.clear();
    added_.clear();
    if (batch.is_sparse()) return;
    const int64_t features = shape_.features;
    const auto number_of = [&](int64_t row) {
      return batch.training_numbers.empty() ? kNoNumber
                                            : batch.training_numbers[row];
    };
    if (bins_.empty()) {
      has_bins_.resize(KeptBins(), 0);
      bins_.resize(KeptBins() * features);
    }
    const auto kept = std::ssize(has_bins_);
    for (int64_t row = 0; row < batch.rows; ++row) {
      const int64_t number = number_of(row);
      uint8_t* bins = nullptr;
      if (number >= 0 && number < kept) {
        bins = bins_.data() + number * features;
        if (std::exchange(has_bins_[number], 1) == 0) {
          FindBins(params, batch.dense.data() + row * features, bins);
        }
      }
      row_bins_.push_back(bins);
    }
    // Then no pointer into it becomes invalid.
    scratch_bins_.clear();
    scratch_bins_.reserve(std::ranges::count(row_bins_, nullptr) * features);
  }

  // Trees look all over the intervals of a row.
  void PrefetchRow(int64_t row) const {
    constexpr int64_t kMost = 2048;
    if (row >= std::ssize(row_bins_) || row_bins_[row] == nullptr) return;
    PrefetchBins(row_bins_[row], 0, std::min(shape_.features, kMost));
  }
  static void PrefetchBins(const uint8_t* bins, int64_t first, int64_t last) {
    constexpr int64_t kLine = 64;
    for (int64_t f = first; f < last; f += kLine) __builtin_prefetch(bins + f);
  }

  void FindBins(std::span<const float> params, const float* values,
                uint8_t* bins) const {
    for (int64_t f = 0; f < shape_.features; ++f) {
      bins[f] = static_cast<uint8_t>(BinOf(params, f, values[f]));
    }
  }

  // Also fills present_ of a sparse row. A column that the row names twice has
  // the sum.
  Row BeginRow(const BatchView& batch, int64_t row) {
    if (!batch.is_sparse()) {
      return {.values = batch.dense.data() + row * shape_.features,
              .bins = row_bins_.empty() ? nullptr : row_bins_[row]};
    }
    scattered_.resize(shape_.features, 0);
    is_present_.resize(shape_.features, 0);
    const CsrView& sparse = batch.sparse;
    for (int64_t at = sparse.row_offsets[row]; at < sparse.row_offsets[row + 1];
         ++at) {
      const int32_t f = sparse.columns[at];
      scattered_[f] += sparse.values[at];
      if (is_present_[f] != 0) continue;
      is_present_[f] = 1;
      present_.push_back(f);
    }
    return {.values = scattered_.data()};
  }
  void EndRow() {
    for (const int32_t f : present_) {
      scattered_[f] = 0;
      is_present_[f] = 0;
    }
    present_.clear();
  }

  // The interval of a value; `bins` of a missing one.
  int64_t BinOf(std::span<const float> params, int64_t feature,
                float value) const {
    if (std::isnan(value)) return shape_.bins;
    const float* const edges =
        params.data() + shape_.EdgesAt() + feature * shape_.Edges();
    return std::lower_bound(edges, edges + shape_.Edges(), value) - edges;
  }

  // Returns whether the example goes right at a node that splits this feature.
  bool GoesRight(std::span<const float> params, const Row& row, const float* at,
                 int64_t feature) const {
    const auto bin = static_cast<int64_t>(at[Columns::kBin]);
    if (row.bins != nullptr) {
      const int64_t own = row.bins[feature];
      return own == shape_.bins ? at[Columns::kMissing] != 0 : own > bin;
    }
    const float value = row.values[feature];
    if (std::isnan(value)) return at[Columns::kMissing] != 0;
    return bin < shape_.Edges() &&
           value > params[shape_.EdgesAt() + feature * shape_.Edges() +
                          std::max<int64_t>(0, bin)];
  }

  // The node of the tree at which the row ends.
  int64_t NodeOf(std::span<const float> params, int64_t tree,
                 const Row& row) const {
    const float* const nodes =
        params.data() + shape_.NodesAt() + tree * shape_.TreeFloats();
    int64_t node = 0;
    // A child has a higher number than its parent.
    for (int64_t steps = 0; steps < shape_.Nodes(); ++steps) {
      const float* const at = nodes + node * Columns::kCount;
      const auto feature = static_cast<int64_t>(at[Columns::kFeature]);
      if (feature < 0 || feature >= shape_.features) return node;
      const int64_t next = static_cast<int64_t>(at[Columns::kLeft]) +
                           (GoesRight(params, row, at, feature) ? 1 : 0);
      if (next <= node || next >= shape_.Nodes()) return node;
      node = next;
    }
    return node;
  }

  // Adds the trees [first, last) to the margins.
  void AddTrees(std::span<const float> params, const Row& row, int64_t first,
                int64_t last, float* margins) const {
    for (int64_t tree = first; tree < last; ++tree) {
      for (int64_t k = 0; k < shape_.outputs; ++k) {
        const int64_t number = tree * shape_.outputs + k;
        const int64_t node = NodeOf(params, number, row);
        margins[k] += params[shape_.NodesAt() + number * shape_.TreeFloats() +
                             node * Columns::kCount + Columns::kValue];
      }
    }
  }

  const float* MarginsOf(std::span<const float> params, const Row& row,
                         int64_t number) {
    const int64_t outputs = shape_.outputs;
    if (known_trees_.empty()) {
      known_trees_.resize(KeptMargins(), -1);
      margins_.resize(KeptMargins() * outputs);
      scratch_.resize(outputs);
    }
    float* margins = scratch_.data();
    int32_t none = -1;
    int32_t* known = &none;
    if (number >= 0 && number < std::ssize(known_trees_)) {
      known = &known_trees_[number];
      margins = margins_.data() + number * outputs;
    }
    // An older round has fewer trees, and sums are not taken back.
    if (*known < 0 || *known > complete_) {
      std::copy_n(params.data(), outputs, margins);
      *known = 0;
    }
    AddTrees(params, row, *known, complete_, margins);
    *known = static_cast<int32_t>(complete_);
    return margins;
  }

  // Fills outputs_ from the margins.
  void Transform(const float* margins) {
    outputs_.resize(shape_.outputs);
    if (classes_ == 0) {
      outputs_[0] = margins[0];
    } else if (classes_ == 2) {
      outputs_[0] = 1 / (1 + std::exp(-double{margins[0]}));
    } else {
      const double most = *std::max_element(margins, margins + classes_);
      double sum = 0;
      for (int64_t k = 0; k < classes_; ++k) {
        sum += outputs_[k] = std::exp(margins[k] - most);
      }
      for (double& output : outputs_) output /= sum;
      log_sum_ = most + std::log(sum);
    }
  }

  // Adds the loss of the margins, whose outputs_ are there.
  void AddLoss(const float* margins, float label, BatchStats* stats) const {
    if (classes_ == 0) {
      const double error = double{margins[0]} - label;
      stats->loss_sum += error * error / 2;
    } else if (classes_ == 2) {
      const bool is_one = label == 1;
      const double margin = is_one ? margins[0] : -double{margins[0]};
      stats->loss_sum += margin > 0 ? std::log1p(std::exp(-margin))
                                    : std::log1p(std::exp(margin)) - margin;
      stats->correct += (margins[0] > 0) == is_one ? 1 : 0;
    } else {
      stats->loss_sum += log_sum_ - margins[static_cast<int64_t>(label)];
      const auto best = std::max_element(margins, margins + classes_);
      stats->correct += best - margins == static_cast<int64_t>(label) ? 1 : 0;
    }
  }

  // The gradient and second derivative by output, and the loss.
  void Differentiate(const float* margins, float label, BatchStats* stats) {
    Transform(margins);
    AddLoss(margins, label, stats);
    gradients_.resize(shape_.outputs);
    curvatures_.resize(shape_.outputs);
    for (int64_t k = 0; k < shape_.outputs; ++k) {
      const double p = outputs_[k];
      if (classes_ == 0) {
        gradients_[k] = static_cast<float>(p - label);
        curvatures_[k] = 1;
        continue;
      }
      const bool is_one =
          classes_ == 2 ? label == 1 : k == static_cast<int64_t>(label);
      gradients_[k] = static_cast<float>(p - (is_one ? 1 : 0));
      // Each of several classes moves all the others.
      const double curvature = (classes_ == 2 ? 1 : 2) * p * (1 - p);
      curvatures_[k] = static_cast<float>(std::max(curvature, kLeastCurvature));
    }
  }

  void AddRow(std::span<const float> params, const Row& row, bool sparse) {
    bool added = false;
    for (int64_t k = 0; k < shape_.outputs; ++k) {
      const int64_t tree = complete_ * shape_.outputs + k;
      const int64_t node = NodeOf(params, tree, row);
      const int32_t slot = slot_of_[k * shape_.Nodes() + node];
      if (slot < 0) continue;
      if (sparse) {
        AddPresent(params, row.values, slot, k);
        continue;
      }
      if (!std::exchange(added, true)) added_.push_back(BinsOf(params, row));
      entries_.push_back({static_cast<int32_t>(added_.size()) - 1, slot,
                          gradients_[k], curvatures_[k]});
    }
  }

  // The intervals of a row's values, which stay where they are for the batch.
  const uint8_t* BinsOf(std::span<const float> params, const Row& row) {
    if (row.bins != nullptr) return row.bins;
    const size_t at = scratch_bins_.size();
    scratch_bins_.resize(at + shape_.features);
    FindBins(params, row.values, scratch_bins_.data() + at);
    return scratch_bins_.data() + at;
  }

  // Adds the examples of a dense batch, node by node, each in their order. A
  // few features at once: their histograms of a node stay in the nearest cache,
  // and their intervals of all examples in the next one.
  void AddEntries() {
    constexpr int64_t kCellsAtOnce = 1536;
    slot_begins_.assign(open_ + 1, 0);
    for (const Entry& entry : entries_) ++slot_begins_[entry.slot + 1];
    for (int64_t slot = 0; slot < open_; ++slot) {
      slot_begins_[slot + 1] += slot_begins_[slot];
    }
    sorted_.resize(entries_.size());
    next_.assign(slot_begins_.begin(), slot_begins_.end());
    for (const Entry& entry : entries_) sorted_[next_[entry.slot]++] = entry;
    const auto at_once = static_cast<size_t>(
        std::max<int64_t>(1, kCellsAtOnce / (shape_.bins + 1)));
    for (size_t first = 0; first < sampled_.size(); first += at_once) {
      const std::span<const int32_t> features = std::span(sampled_).subspan(
          first, std::min(at_once, sampled_.size() - first));
      GatherBins(features);
      for (int64_t slot = 0; slot < open_; ++slot) {
        AddToSlot(slot, features,
                  std::span(sorted_).subspan(
                      slot_begins_[slot],
                      slot_begins_[slot + 1] - slot_begins_[slot]));
      }
    }
  }

  // Fills near_bins_, (added rows, features).
  void GatherBins(std::span<const int32_t> features) {
    near_bins_.resize(added_.size() * features.size());
    uint8_t* to = near_bins_.data();
    for (size_t i = 0; i < added_.size(); ++i) {
      if (i + kRowsAhead < added_.size()) {
        PrefetchBins(added_[i + kRowsAhead], features.front(),
                     features.back() + 1);
      }
      const uint8_t* const bins = added_[i];
      for (const int32_t f : features) *to++ = bins[f];
    }
  }

  // Cells of four numbers, of which the last is 0, are added as one.
  void AddToSlot(int64_t slot, std::span<const int32_t> features,
                 std::span<const Entry> entries) {
    constexpr int64_t kCell = 4;
    float* const of_slot = histograms_.data() + slot * shape_.NodeFloats();
    const auto width = std::ssize(features);
    const int64_t cells = shape_.bins + 1;
    // A copy of the cells is more work than the examples are.
    if (2 * std::ssize(entries) < cells) {
      for (const Entry& entry : entries) {
        const uint8_t* bins = near_bins_.data() + entry.added * width;
        for (const int32_t f : features) {
          float* const cell = of_slot + f * shape_.HistogramFloats() +
                              *bins++ * BoostedSums::kCount;
          cell[BoostedSums::kGradient] += entry.gradient;
          cell[BoostedSums::kCurvature] += entry.curvature;
          cell[BoostedSums::kExamples] += 1;
        }
      }
      return;
    }
    wide_.assign(width * cells * kCell, 0);
    for (const Entry& entry : entries) {
      const uint8_t* const bins = near_bins_.data() + entry.added * width;
      float add[kCell] = {};
      add[BoostedSums::kGradient] = entry.gradient;
      add[BoostedSums::kCurvature] = entry.curvature;
      add[BoostedSums::kExamples] = 1;
      float* histogram = wide_.data();
      for (int64_t f = 0; f < width; ++f) {
        float* const cell = histogram + bins[f] * kCell;
        for (int64_t j = 0; j < kCell; ++j) cell[j] += add[j];
        histogram += cells * kCell;
      }
    }
    const float* from = wide_.data();
    for (const int32_t f : features) {
      float* to = of_slot + f * shape_.HistogramFloats();
      for (int64_t bin = 0; bin < cells; ++bin) {
        to = std::copy_n(from, BoostedSums::kCount, to);
        from += kCell;
      }
    }
  }

  // Adds a sparse row. What it lacks is added for all rows at once.
  void AddPresent(std::span<const float> params, const float* values,
                  int64_t slot, int64_t k) {
    double* const total = totals_.data() + slot * BoostedSums::kCount;
    total[BoostedSums::kGradient] += gradients_[k];
    total[BoostedSums::kCurvature] += curvatures_[k];
    total[BoostedSums::kExamples] += 1;
    float* const of_slot = histograms_.data() + slot * shape_.NodeFloats();
    for (const int32_t f : present_) {
      if (is_sampled_[f] == 0) continue;
      float* const cell = of_slot + f * shape_.HistogramFloats() +
                          BinOf(params, f, values[f]) * BoostedSums::kCount;
      cell[BoostedSums::kGradient] += gradients_[k];
      cell[BoostedSums::kCurvature] += curvatures_[k];
      cell[BoostedSums::kExamples] += 1;
    }
  }

  void AddAbsent(std::span<const float> params) {
    for (int64_t slot = 0; slot < open_; ++slot) {
      const double* const total = totals_.data() + slot * BoostedSums::kCount;
      if (total[BoostedSums::kExamples] == 0) continue;
      for (const int32_t f : sampled_) {
        float* const histogram = histograms_.data() +
                                 slot * shape_.NodeFloats() +
                                 f * shape_.HistogramFloats();
        double present[BoostedSums::kCount] = {};
        for (int64_t bin = 0; bin <= shape_.bins; ++bin) {
          for (int64_t i = 0; i < BoostedSums::kCount; ++i) {
            present[i] += histogram[bin * BoostedSums::kCount + i];
          }
        }
        if (present[BoostedSums::kExamples] == total[BoostedSums::kExamples]) {
          continue;
        }
        float* const cell =
            histogram + BinOf(params, f, 0) * BoostedSums::kCount;
        for (int64_t i = 0; i < BoostedSums::kCount; ++i) {
          cell[i] += static_cast<float>(total[i] - present[i]);
        }
      }
    }
  }

  // Leaves out those that are null.
  absl::Status Walk(std::span<const float> params, const BatchView& batch,
                    BatchStats* stats, std::vector<float>* outputs) {
    EBB_RETURN_IF_ERROR(Check(params, batch));
    EBB_RETURN_IF_ERROR(ReadOpen(params));
    if (stats != nullptr) *stats = {.examples = batch.rows};
    if (outputs != nullptr) outputs->resize(batch.rows * shape_.outputs);
    scratch_.resize(shape_.outputs);
    row_bins_.clear();  // They are of another batch.
    for (int64_t row = 0; row < batch.rows; ++row) {
      const Row example = BeginRow(batch, row);
      std::copy_n(params.data(), shape_.outputs, scratch_.data());
      AddTrees(params, example, 0, complete_, scratch_.data());
      EndRow();
      Transform(scratch_.data());
      if (stats != nullptr) AddLoss(scratch_.data(), batch.labels[row], stats);
      if (outputs == nullptr) continue;
      std::ranges::copy(outputs_, outputs->begin() + row * shape_.outputs);
    }
    return absl::OkStatus();
  }

  const BoostedShape shape_;
  const int64_t classes_;  // 0: labels are values.
  const int64_t examples_;
  const uint64_t seed_;
  const double row_share_;
  const double column_share_;
  const double validation_share_;
  ModelDescription description_;

  // The place that the batch looks at.
  int64_t complete_ = 0;
  int64_t open_ = 0;
  std::vector<int32_t> slot_of_;  // By node; -1: none.
  std::vector<int32_t> sampled_;  // Ascending.
  std::vector<uint8_t> is_sampled_;
  std::span<float> histograms_;
  std::vector<double> totals_;  // By slot, for sparse rows.

  // The row.
  std::vector<float> scattered_;
  std::vector<uint8_t> is_present_;
  std::vector<int32_t> present_;
  std::vector<float> scratch_;
  std::vector<double> outputs_;
  double log_sum_ = 0;
  std::vector<float> gradients_;
  std::vector<float> curvatures_;

  // The batch, if it is dense.
  std::vector<const uint8_t*> row_bins_;  // By row.
  std::vector<uint8_t> scratch_bins_;     // Rows that are not kept.
  // Rows that add to some node: their intervals, and what they add.
  std::vector<const uint8_t*> added_;
  std::vector<Entry> entries_;
  std::vector<Entry> sorted_;  // By slot.
  std::vector<int64_t> slot_begins_;
  std::vector<int64_t> next_;
  std::vector<uint8_t> near_bins_;
  std::vector<float> wide_;  // The histograms of a node.

  int64_t most_kept_bytes_ = int64_t{1} << 30;
  // By the number of the example. The trees in its margin; -1: none, and it
  // begins anew.
  std::vector<int32_t> known_trees_;
  std::vector<float> margins_;
  std::vector<uint8_t> bins_;
  std::vector<uint8_t> has_bins_;
};

absl::StatusOr<std::unique_ptr<Model>> CreateBoostedTrees(
    const ModelConfig& config, ComputeBackend* /*backend*/) {
  EBB_RETURN_IF_ERROR(
      CheckOnlyUses(config, {"trees", "depth", "leaves", "bins", "row_share",
                             "column_share", "validation_share"}));
  if (config.clip_norm != 0) {
    return ConfigError("train.clip_norm",
                       "boosted_trees have no gradient to shorten",
                       "leave it out");
  }
  const BoostedShape shape = {
      .features = config.features,
      .outputs = config.classes > 2 ? config.classes : 1,
      .trees = config.trees,
      .depth = config.depth,
      .leaves = config.leaves,
      .bins = config.bins,
      .validates = config.validation_share > 0};
  EBB_RETURN_IF_ERROR(shape.Validate());
  return std::make_unique<BoostedTrees>(config, shape);
}

}  // namespace

absl::Status RegisterBoostedModel(Registry* registry) {
  return registry->Register("boosted_trees",
                            "trees that correct those before them",
                            CreateBoostedTrees);
}

}  // namespace ebb::workloads
