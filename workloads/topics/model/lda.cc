// Latent Dirichlet allocation by online variational Bayes (Hoffman, Blei and
// Bach 2010).
//
// Servers keep `counts` (words, topics): how many of the words of all documents
// each topic is expected to have made. With the prior of a topic added, they
// are the paper's lambda. A batch infers the topics of its documents, and from
// these what the counts would be if all documents were like its own. What it
// pushes is minus that, so that a server with a weight decay of 1 makes
//
//   counts' = counts - rate (counts - mean) = (1 - rate) counts + rate mean
//
// the step along the natural gradient. The server itself subtracts the counts
// that it has, so a step of a late push is right, too, and no count falls below
// 0. All counts are 0 before the first step. `start` says how much is left of
// what makes topics differ then: it is 1, nothing is pushed for it, and so it
// decays as old counts do.
//
// A rate of 1 in rounds of an epoch is variational Bayes of all data at once.
//
// With `algorithm: gibbs` servers have the same counts, and these are of topics
// that were drawn (topic_sampler.h). A row of `assignments` has the topics of
// some words of a document. The worker draws them (workloads/topics/worker),
// and this model judges and predicts by the counts.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "models/model.h"
#include "models/registry.h"
#include "workloads/topics/model/topic_inference.h"
#include "workloads/topics/model/topic_sampler.h"

namespace ebb::workloads {
namespace {

using models::BatchStats;
using models::BatchView;
using models::CheckGradientSize;
using models::CheckOnlyUses;
using models::CheckParameterCount;
using models::ComputeBackend;
using models::ConfigError;
using models::LabelKind;
using models::Model;
using models::ModelConfig;
using models::ModelDescription;
using models::RefusePenalties;
using models::Registry;

class Lda final : public Model {
 public:
  Lda(const TopicPriors& priors, int64_t words, int64_t documents, bool draws)
      : topics_(priors.topics),
        words_(words),
        documents_(static_cast<double>(documents)),
        draws_(draws),
        inference_(priors, words) {
    description_.tables = {
        {"counts", {words, topics_}, InitRule::Zeros(), false}};
    if (draws) {
      description_.sparse_tables = {
          {"assignments", kAssignmentsOfARow, InitRule::Zeros()}};
    } else {
      description_.tables.push_back(
          {"start", {1}, InitRule::Constant(1), false});
    }
    description_.features = words;
    description_.outputs = topics_;
    for (int64_t k = 0; k < topics_; ++k) {
      description_.output_names.push_back(absl::StrCat(k));
    }
    description_.labels = LabelKind::kNone;
  }

  const ModelDescription& description() const override { return description_; }

  absl::Status Gradient(std::span<const float> params, const BatchView& batch,
                        std::span<float> grad, BatchStats* stats) override {
    if (draws_) {
      return absl::UnimplementedError("topics that are drawn have no gradient");
    }
    EBB_RETURN_IF_ERROR(CheckGradientSize(params, grad));
    EBB_RETURN_IF_ERROR(Begin(params, batch));
    std::ranges::fill(grad, 0.0f);
    *stats = {.examples = batch.rows};
    for (int64_t row = 0; row < batch.rows; ++row) {
      const Document document = DocumentOf(batch, row);
      inference_.Infer(document);
      inference_.AddShares(document, -documents_, grad);
      AddLoss(document, stats);
    }
    if (!std::isfinite(stats->loss_sum)) {
      return absl::OutOfRangeError("the likelihood of the words is not finite");
    }
    return absl::OkStatus();
  }

  // Document completion: every second word of a document tells its topics, and
  // these are judged by the others.
  absl::Status Evaluate(std::span<const float> params, const BatchView& batch,
                        BatchStats* stats) override {
    EBB_RETURN_IF_ERROR(Begin(params, batch));
    *stats = {.examples = batch.rows};
    for (int64_t row = 0; row < batch.rows; ++row) {
      const Document document = DocumentOf(batch, row);
      Halve(document);
      inference_.Infer({document.words, seen_});
      AddLoss({document.words, unseen_}, stats);
    }
    return absl::OkStatus();
  }

  absl::Status EvaluateAndPredict(std::span<const float> params,
                                  const BatchView& batch, BatchStats* stats,
                                  std::vector<float>* outputs) override {
    EBB_RETURN_IF_ERROR(Evaluate(params, batch, stats));
    return Predict(params, batch, outputs);
  }

  // The share of each topic in each document.
  absl::Status Predict(std::span<const float> params, const BatchView& batch,
                       std::vector<float>* outputs) override {
    EBB_RETURN_IF_ERROR(Begin(params, batch));
    outputs->resize(batch.rows * topics_);
    for (int64_t row = 0; row < batch.rows; ++row) {
      inference_.Infer(DocumentOf(batch, row));
      inference_.TopicShares(
          std::span(*outputs).subspan(row * topics_, topics_));
    }
    return absl::OkStatus();
  }

 private:
  static Document DocumentOf(const BatchView& batch, int64_t row) {
    const int64_t begin = batch.sparse.row_offsets[row];
    const int64_t size = batch.sparse.row_offsets[row + 1] - begin;
    return {batch.sparse.columns.subspan(begin, size),
            batch.sparse.values.subspan(begin, size)};
  }

  absl::Status Begin(std::span<const float> params, const BatchView& batch) {
    EBB_RETURN_IF_ERROR(
        CheckParameterCount(params, description_.ParameterCount()));
    if (!batch.is_sparse() || batch.is_keyed() || batch.features != words_) {
      return absl::InvalidArgumentError(
          absl::StrCat("lda takes counts of ", words_, " words"));
    }
    for (const int32_t word : batch.sparse.columns) {
      if (word >= 0 && word < words_) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("word ", word, " of ", words_));
    }
    for (const float count : batch.sparse.values) {
      if (count >= 0 && std::isfinite(count)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("a word occurs ", count, " times"));
    }
    if (draws_) return inference_.Begin(params, 0, batch.sparse.columns);
    return inference_.Begin(params.first(params.size() - 1), params.back(),
                            batch.sparse.columns);
  }

  void AddLoss(const Document& document, BatchStats* stats) {
    stats->loss_sum -= inference_.LogLikelihood(document);
    for (const float count : document.counts) stats->words += count;
  }

  // Sets seen_ and unseen_: of all words in their order the first, third, ...
  // and the others.
  void Halve(const Document& document) {
    seen_.resize(document.counts.size());
    unseen_.resize(document.counts.size());
    bool odd = false;  // The next word is one of the others.
    for (size_t i = 0; i < document.counts.size(); ++i) {
      const float count = std::floor(document.counts[i]);
      const float half = std::floor(count / 2);
      const bool one_more = count != 2 * half;
      seen_[i] = half + (one_more && !odd ? 1 : 0);
      unseen_[i] = half + (one_more && odd ? 1 : 0);
      if (one_more) odd = !odd;
    }
  }

  const int64_t topics_;
  const int64_t words_;
  const double documents_;
  const bool draws_;
  ModelDescription description_;
  TopicInference inference_;
  std::vector<float> seen_;
  std::vector<float> unseen_;
};

absl::StatusOr<std::unique_ptr<Model>> CreateLda(const ModelConfig& config,
                                                 ComputeBackend* /*backend*/) {
  EBB_RETURN_IF_ERROR(
      CheckOnlyUses(config, {"topics", "document_prior", "topic_prior"}));
  if (config.topics < 1) {
    return ConfigError("model.topics",
                       absl::StrCat(config.topics, " is not at least 1"),
                       "topics: 20");
  }
  constexpr int64_t kMostParameters = int64_t{1} << 31;
  if (config.topics > kMostParameters / config.features) {
    return ConfigError("model.topics",
                       absl::StrCat(config.topics, " topics of ",
                                    config.features, " words are too many"));
  }
  EBB_RETURN_IF_ERROR(
      RefusePenalties(config, "lda learns counts, which it would change"));
  TopicPriors priors = {.topics = config.topics, .seed = config.seed};
  priors.document = PriorOf(config.document_prior, config.topics);
  priors.topic = PriorOf(config.topic_prior, config.topics);
  return std::make_unique<Lda>(priors, config.features, config.examples,
                               config.draws_topics);
}

}  // namespace

absl::Status RegisterTopicsModel(Registry* registry) {
  return registry->Register("lda", "topics of documents", CreateLda);
}

}  // namespace ebb::workloads
