// Elastic averaging: Zhang, Choromanska, LeCun 2015, "Deep learning with
// elastic averaging SGD", section 3 and algorithms 1 (asynchronous EASGD) and 2
// (EAMSGD). A worker trains a copy x of its own; now and then it and the
// servers' values, the center c, go a part alpha of the way to each other:
//
//   batch   v <- delta v - r g(x + delta v);  x <- x + v      (aeasgd: delta 0)
//   push    e = alpha (x - c);  x <- x - e;  the servers c <- c + e
//
// c is pulled for the batch with which a push ends.
//
// One thing is not in the paper: a copy lives as long as its item. With the
// item's last push, and with that of a worker that leaves, all of x - c is
// pushed, so that no marked part stays behind; the next item begins at the
// center.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "algorithms/builtin.h"

namespace ebb {

namespace {

// Keeps y = x + delta v instead of x: where the gradient is taken. So
//   v' = delta v - r g;  y' = x' + delta v' = y - r g + delta v'
class ElasticCopy final : public LocalRule {
 public:
  ElasticCopy(int64_t parameters, double moving_rate, double momentum)
      : moving_rate_(static_cast<float>(moving_rate)),
        momentum_(static_cast<float>(momentum)),
        center_(parameters),
        ahead_(parameters),
        velocity_(momentum > 0 ? parameters : 0) {}

  void Begin(std::span<const float> pulled) override {
    Pulled(pulled);
    ahead_ = center_;
    std::ranges::fill(velocity_, 0.0f);
  }
  void Pulled(std::span<const float> pulled) override {
    std::ranges::copy(pulled, center_.begin());
  }
  std::span<const float> Values() const override { return ahead_; }

  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override {
    const float rate = step.rate * step.gradient_scale;
    for (size_t i = 0; i < ahead_.size(); ++i) {
      ahead_[i] -= rate * gradient_sum[i];
    }
    for (size_t i = 0; i < velocity_.size(); ++i) {
      velocity_[i] = momentum_ * velocity_[i] - rate * gradient_sum[i];
      ahead_[i] += momentum_ * velocity_[i];
    }
  }

  void Push(const LocalPush& push, std::span<float> out) override {
    const float part = push.whole ? 1.0f : moving_rate_;
    for (size_t i = 0; i < ahead_.size(); ++i) {
      const float x =
          velocity_.empty() ? ahead_[i] : ahead_[i] - momentum_ * velocity_[i];
      out[i] = part * (x - center_[i]);
      ahead_[i] -= out[i];
      // The servers' value, as far as is known until the next pull.
      center_[i] += out[i];
    }
  }

  void Forget(size_t first, size_t last) override {
    for (size_t i = first; i < last; ++i) ahead_[i] = center_[i];
    if (velocity_.empty()) return;
    std::fill(velocity_.begin() + static_cast<std::ptrdiff_t>(first),
              velocity_.begin() + static_cast<std::ptrdiff_t>(last), 0.0f);
  }

 private:
  const float moving_rate_;  // The paper's alpha.
  const float momentum_;     // Its delta.
  std::vector<float> center_;
  std::vector<float> ahead_;
  std::vector<float> velocity_;  // Empty without momentum.
};

class ElasticAveraging final : public Algorithm {
 public:
  ElasticAveraging(const AlgorithmConfig& config, double momentum)
      : config_(config), momentum_(momentum) {}

  AlgorithmPlan Plan() const override {
    return {.push_batches = config_.push_every,
            .pull_batches = config_.push_every,
            .pulls_to_push = true,
            .worker_vectors = momentum_ > 0 ? 3 : 2,
            .keeps_effect = true};
  }
  PushKind Pushes() const override { return PushKind::kChanges; }
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    return std::make_unique<ElasticCopy>(parameters, config_.moving_rate,
                                         momentum_);
  }

 private:
  const AlgorithmConfig config_;
  const double momentum_;
};

AlgorithmRegistry::Factory FactoryOfAveraging(bool momentum) {
  return [momentum](const AlgorithmConfig& config)
             -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
    if (config.push_every < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("algorithm.push_every: ", config.push_every,
                       " batches, at least 1 needed"));
    }
    if (!(config.moving_rate > 0 && config.moving_rate <= 1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("algorithm.moving_rate: ", config.moving_rate,
                       " is not above 0 and at most 1"));
    }
    if (momentum && !(config.momentum >= 0 && config.momentum < 1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("algorithm.momentum: ", config.momentum,
                       " is not at least 0 and below 1"));
    }
    return std::make_unique<ElasticAveraging>(config,
                                              momentum ? config.momentum : 0);
  };
}

}  // namespace

absl::Status RegisterElasticAveraging(AlgorithmRegistry* registry) {
  absl::Status plain = registry->Register(
      "aeasgd", "workers' copies and the servers' draw each other",
      FactoryOfAveraging(false));
  if (!plain.ok()) return plain;
  return registry->Register("eamsgd", "aeasgd with momentum in the workers",
                            FactoryOfAveraging(true));
}

}  // namespace ebb
