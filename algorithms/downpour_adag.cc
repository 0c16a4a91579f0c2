// Algorithms whose workers push sums of gradients over several batches, and
// step in a copy of their own meanwhile:
//
//   pull    w <- the servers' values
//   batch   G <- the gradient's sum at w;  A <- A + G;  w <- w - r / B G
//   push    A, or A / its batches;  A <- 0
//
// Downpour SGD: Dean et al. 2012, "Large scale distributed deep networks",
// section 4.1 and algorithm 7.1: n_push and n_fetch are `push_every` and
// `pull_every`, alpha is `local_rate`, and servers have Adagrad.
//
// ADAG, accumulated gradient normalisation: Hermans 2017, "On scalable deep
// learning and parallelizing gradient descent", chapter 4 (and Hermans,
// Spanakis, Moeckel 2017). It is the same, but a push is divided by the number
// of its batches. So it is as long as one gradient, in a direction that several
// explored. Workers pull when they push.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "algorithms/builtin.h"
#include "algorithms/row_rule.h"

namespace ebb {

namespace {

class AccumulatedGradients final : public LocalRule {
 public:
  // `mean`: of the batches is pushed, not the sum.
  AccumulatedGradients(int64_t parameters, bool mean)
      : mean_(mean), values_(parameters), sum_(parameters) {}

  void Begin(std::span<const float> pulled) override {
    Pulled(pulled);
    std::ranges::fill(sum_, 0.0f);
    batches_ = 0;
  }
  void Pulled(std::span<const float> pulled) override {
    std::ranges::copy(pulled, values_.begin());
  }
  std::span<const float> Values() const override { return values_; }

  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override {
    const float rate = step.rate * step.gradient_scale;
    for (size_t i = 0; i < sum_.size(); ++i) {
      sum_[i] += gradient_sum[i];
      values_[i] -= rate * gradient_sum[i];
    }
    ++batches_;
  }

  void Push(const LocalPush& /*push*/, std::span<float> out) override {
    const float scale =
        mean_ && batches_ > 0 ? 1.0f / static_cast<float>(batches_) : 1.0f;
    for (size_t i = 0; i < sum_.size(); ++i) out[i] = scale * sum_[i];
    std::ranges::fill(sum_, 0.0f);
    batches_ = 0;
  }

 private:
  const bool mean_;
  std::vector<float> values_;
  std::vector<float> sum_;
  int64_t batches_ = 0;
};

// In a job with sparse tables. A batch pulls its values, and the run's own
// steps are added to them: pulling no more seldom than that, a copy that forgot
// them would never be anywhere but at the servers' values.
class AccumulatedRows final : public RowRule {
 public:
  explicit AccumulatedRows(bool mean) : mean_(mean) {}

  int vectors() const override { return 2; }  // How far it came, and the sum.
  void Step(const LocalStep& step, std::span<const float> gradient_sum,
            std::span<float> kept) const override {
    const float rate = step.rate * step.gradient_scale;
    const size_t n = gradient_sum.size();
    for (size_t i = 0; i < n; ++i) {
      kept[i] -= rate * gradient_sum[i];
      kept[n + i] += gradient_sum[i];
    }
  }
  void Push(const LocalPush& push, std::span<const float> kept,
            std::span<float> out) const override {
    const float scale = mean_ && push.batches > 0
                            ? 1.0f / static_cast<float>(push.batches)
                            : 1.0f;
    const size_t n = out.size();
    for (size_t i = 0; i < n; ++i) out[i] = scale * kept[n + i];
  }

 private:
  const bool mean_;
};

class Accumulating final : public Algorithm {
 public:
  Accumulating(const AlgorithmConfig& config, bool mean)
      : plan_{.push_batches = config.push_every,
              .pull_batches = config.pull_every,
              .worker_vectors = 2},
        mean_(mean) {}

  AlgorithmPlan Plan() const override { return plan_; }
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    return std::make_unique<AccumulatedGradients>(parameters, mean_);
  }
  std::shared_ptr<const RowRule> MakeRowRule() const override {
    return std::make_shared<AccumulatedRows>(mean_);
  }

 private:
  const AlgorithmPlan plan_;
  const bool mean_;
};

AlgorithmRegistry::Factory FactoryOfAccumulating(bool mean) {
  return [mean](const AlgorithmConfig& config)
             -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
    if (config.push_every < 1 || config.pull_every < 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "algorithm: ", config.kind, " pushes every ", config.push_every,
          " batches and pulls every ", config.pull_every, "; at least 1 each"));
    }
    return std::make_unique<Accumulating>(config, mean);
  };
}

}  // namespace

absl::Status RegisterDownpour(AlgorithmRegistry* registry) {
  return registry->Register(
      "downpour", "pushes sums of several batches, pulls now and then",
      FactoryOfAccumulating(false));
}

absl::Status RegisterAdag(AlgorithmRegistry* registry) {
  return registry->Register("adag", "pushes means of several batches",
                            FactoryOfAccumulating(true));
}

}  // namespace ebb
