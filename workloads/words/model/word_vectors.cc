// Word vectors by skip-gram with negative sampling (Mikolov et al. 2013,
// "Distributed Representations of Words and Phrases and their
// Compositionality", equation 4). The loss of a pair of a centre c and a word w
// of its context, with words n drawn against w, is
//
//   -log sigmoid(<v(c), u(w)>) - sum over n of log sigmoid(-<v(c), u(n)>)
//
// The loss of a batch is the mean over its pairs, and each of its examples
// counts as having that loss: an example with more pairs weighs more. Which
// pairs there are stands in the batch (workloads/words/model/word_entries.h),
// so the gradient is a function of the values and the batch.
//
// Both v and u start evenly in +-1 / (2 dim), as word2vec's v do. Its u start
// at zero; here all rows are in one table, and so near to zero it makes no
// difference.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "Eigen/Core"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/model.h"
#include "models/registry.h"
#include "workloads/words/model/word_entries.h"

namespace ebb::workloads {
namespace {

using models::BatchStats;
using models::BatchView;
using models::CheckGradientSize;
using models::CheckOnlyUses;
using models::ComputeBackend;
using models::ConfigError;
using models::CsrView;
using models::LabelKind;
using models::Model;
using models::ModelConfig;
using models::ModelDescription;
using models::RefusePenalties;
using models::Registry;

// log(1 + e^x).
double SoftPlus(float x) {
  return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x)));
}

class WordVectors final : public Model {
 public:
  explicit WordVectors(int64_t dim) : dim_(dim) {
    description_.sparse_tables = {
        {kVectorsTable, dim,
         InitRule::Uniform(0.5f / static_cast<float>(dim))}};
    description_.features = kWordFields;
    description_.outputs = 1;
    description_.labels = LabelKind::kNone;
  }

  const ModelDescription& description() const override { return description_; }

  absl::Status Gradient(std::span<const float> params, const BatchView& batch,
                        std::span<float> grad, BatchStats* stats) override {
    EBB_RETURN_IF_ERROR(Check(params, batch));
    EBB_RETURN_IF_ERROR(CheckGradientSize(params, grad));
    std::ranges::fill(grad, 0.0f);
    *stats = Sum(params, batch, grad);
    if (!std::isfinite(stats->loss_sum)) {
      return absl::OutOfRangeError(
          absl::StrCat("the loss of the batch at epoch ", batch.epoch + 1,
                       ", shard ", batch.shard + 1, ", position ",
                       batch.first_position, " is not finite"));
    }
    return absl::OkStatus();
  }

  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) override {
    EBB_RETURN_IF_ERROR(Check(params, batch));
    *stats = Sum(params, batch, {});
    // Without pairs there is nothing to judge.
    if (PairsOf(batch, 0, batch.rows) == 0) stats->examples = 0;
    return absl::OkStatus();
  }

  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) override {
    EBB_RETURN_IF_ERROR(Evaluate(params, batch, stats));
    return Predict(params, batch, outputs);
  }

  // The mean loss of the pairs of each example.
  absl::Status Predict(std::span<const float> params, const BatchView& batch,
                       std::vector<float>* outputs) override {
    EBB_RETURN_IF_ERROR(Check(params, batch));
    outputs->resize(batch.rows);
    for (int64_t row = 0; row < batch.rows; ++row) {
      const int64_t pairs = PairsOf(batch, row, row + 1);
      const double loss = AddRow(params, batch, row, 1, {});
      (*outputs)[row] = static_cast<float>(
          pairs == 0 ? 0 : loss / static_cast<double>(pairs));
    }
    return absl::OkStatus();
  }

 private:
  using Row = Eigen::Map<Eigen::ArrayXf>;
  using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

  absl::Status Check(std::span<const float> params,
                     const BatchView& batch) const {
    if (batch.features != kWordFields ||
        std::ssize(params) != batch.distinct_keys * dim_) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a batch of ", batch.features, " fields and ", batch.distinct_keys,
          " keys with ", params.size(), " values; word_vectors takes ",
          kWordFields, " fields and ", dim_, " values for each key"));
    }
    const CsrView& csr = batch.sparse;
    if (std::ssize(csr.row_offsets) != batch.rows + 1 ||
        csr.columns.size() != batch.fields.size() ||
        csr.row_offsets.front() < 0 ||
        csr.row_offsets.back() > std::ssize(csr.columns) ||
        !std::is_sorted(csr.row_offsets.begin(), csr.row_offsets.end())) {
      return absl::InvalidArgumentError(
          absl::StrCat("the entries of a batch of ", batch.rows,
                       " examples do not fit together"));
    }
    for (int64_t row = 0; row < batch.rows; ++row) {
      for (int64_t e = csr.row_offsets[row]; e < csr.row_offsets[row + 1];
           ++e) {
        const bool first = e == csr.row_offsets[row];
        if (csr.columns[e] >= 0 && csr.columns[e] < batch.distinct_keys &&
            batch.fields[e] < kWordFields &&
            (!first || batch.fields[e] == kCentreField)) {
          continue;
        }
        return absl::InvalidArgumentError(absl::StrCat(
            "example ", row, " of a batch of word vectors: entry ", e,
            " names no row, or stands where no such entry can"));
      }
    }
    return absl::OkStatus();
  }

  static int64_t PairsOf(const BatchView& batch, int64_t begin, int64_t end) {
    const auto first = batch.fields.begin() + batch.sparse.row_offsets[begin];
    const auto last = batch.fields.begin() + batch.sparse.row_offsets[end];
    return std::count(first, last, kContextField);
  }

  BatchStats Sum(std::span<const float> params, const BatchView& batch,
                 std::span<float> grad) const {
    BatchStats stats = {.examples = batch.rows};
    if (batch.rows == 0) return stats;
    const int64_t pairs = PairsOf(batch, 0, batch.rows);
    if (pairs == 0) return stats;
    const double share =
        static_cast<double>(batch.rows) / static_cast<double>(pairs);
    double loss = 0;
    for (int64_t row = 0; row < batch.rows; ++row) {
      loss += AddRow(params, batch, row, static_cast<float>(share), grad);
    }
    stats.loss_sum = loss * share;
    return stats;
  }

  // Returns the losses of the example's pairs. Unless `grad` is empty, adds
  // their gradients to it, times `share`.
  double AddRow(std::span<const float> params, const BatchView& batch,
                int64_t row, float share, std::span<float> grad) const {
    const auto row_of = [&](int64_t entry) {
      return batch.sparse.columns[entry] * dim_;
    };
    double loss = 0;
    int64_t centre = 0;
    for (int64_t e = batch.sparse.row_offsets[row];
         e < batch.sparse.row_offsets[row + 1]; ++e) {
      if (batch.fields[e] == kCentreField) {
        centre = row_of(e);
        continue;
      }
      const ConstRow v(params.data() + centre, dim_);
      const ConstRow u(params.data() + row_of(e), dim_);
      const float score = (v * u).sum();
      const bool together = batch.fields[e] == kContextField;
      loss += SoftPlus(together ? -score : score);
      if (grad.empty()) continue;
      const float sigmoid = 1 / (1 + std::exp(-score));
      const float delta = share * (sigmoid - (together ? 1.0f : 0.0f));
      Row(grad.data() + centre, dim_) += delta * u;
      Row(grad.data() + row_of(e), dim_) += delta * v;
    }
    return loss;
  }

  const int64_t dim_;
  ModelDescription description_;
};

// It computes in ordinary memory, whatever the back end.
absl::StatusOr<std::unique_ptr<Model>> CreateWordVectors(
    const ModelConfig& config, ComputeBackend* /*backend*/) {
  EBB_RETURN_IF_ERROR(CheckOnlyUses(config, {"dim"}));
  constexpr int64_t kDefaultDim = 100;
  const int64_t dim = config.dim == 0 ? kDefaultDim : config.dim;
  constexpr int64_t kMostDim = int64_t{1} << 20;
  if (dim < 1 || dim > kMostDim) {
    return ConfigError("model.dim",
                       absl::StrCat(dim, " numbers are not possible; 1 to ",
                                    kMostDim, " are"));
  }
  EBB_RETURN_IF_ERROR(RefusePenalties(config, "word_vectors does not take it"));
  return std::make_unique<WordVectors>(dim);
}

}  // namespace

absl::Status RegisterWordsModel(Registry* registry) {
  return registry->Register("word_vectors", "a vector for each word of a text",
                            CreateWordVectors);
}

}  // namespace ebb::workloads
