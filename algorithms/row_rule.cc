#include "algorithms/row_rule.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace ebb {

namespace {

class RunRule final : public LocalRule {
 public:
  RunRule(std::shared_ptr<const RowRule> rule, int64_t parameters)
      : rule_(std::move(rule)),
        pulled_(parameters),
        values_(parameters),
        kept_(rule_->vectors() * parameters) {}

  void Begin(std::span<const float> pulled) override {
    std::ranges::fill(kept_, 0.0f);
    Pulled(pulled);
  }
  void Pulled(std::span<const float> pulled) override {
    std::ranges::copy(pulled, pulled_.begin());
    Move();
  }
  std::span<const float> Values() const override { return values_; }

  void Step(const LocalStep& step,
            std::span<const float> gradient_sum) override {
    rule_->Step(step, gradient_sum, kept_);
    Move();
  }

  void Push(const LocalPush& push, std::span<float> out) override {
    rule_->Push(push, kept_, out);
    // Until the next pull they are where the run came to.
    pulled_ = values_;
    std::ranges::fill(kept_, 0.0f);
  }

 private:
  void Move() {
    for (size_t i = 0; i < values_.size(); ++i) {
      values_[i] = pulled_[i] + kept_[i];
    }
  }

  const std::shared_ptr<const RowRule> rule_;
  std::vector<float> pulled_;
  std::vector<float> values_;
  std::vector<float> kept_;
};

}  // namespace

std::unique_ptr<LocalRule> MakeRunRule(std::shared_ptr<const RowRule> rule,
                                       int64_t parameters) {
  return std::make_unique<RunRule>(std::move(rule), parameters);
}

}  // namespace ebb
