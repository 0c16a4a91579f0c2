// GEO, delta exchange: workers step by themselves in what they have of the
// model, and now and then send how far it came. As in PaddlePaddle's parameter
// server (its GeoCommunicator, the "geo" mode of its asynchronous training,
// made for sparse tables):
//
//   run     d <- 0
//   batch   d <- d - r / B G, G the gradient's sum at the pulled values + d
//   push    share * d; its default is 1 / workers, so that workers that go the
//           same way together go it once
//   servers w <- w + what was pushed
//
// There a worker keeps its rows from push to push, and with them the part of d
// that it does not push. Here the next run begins at the pulled values, so that
// no part of a marked range stays in a worker.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/strings/str_cat.h"
#include "algorithms/builtin.h"
#include "algorithms/row_rule.h"

namespace ebb {

namespace {

class GeoRule final : public RowRule {
 public:
  explicit GeoRule(double share) : share_(static_cast<float>(share)) {}

  int vectors() const override { return 1; }
  void Step(const LocalStep& step, std::span<const float> gradient_sum,
            std::span<float> kept) const override {
    const float rate = step.rate * step.gradient_scale;
    for (size_t i = 0; i < gradient_sum.size(); ++i) {
      kept[i] -= rate * gradient_sum[i];
    }
  }
  void Push(const LocalPush& /*push*/, std::span<const float> kept,
            std::span<float> out) const override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = share_ * kept[i];
  }

 private:
  const float share_;
};

class Geo final : public Algorithm {
 public:
  explicit Geo(const AlgorithmConfig& config)
      : rule_(std::make_shared<GeoRule>(config.share)),
        plan_{.push_batches = config.push_every,
              .pull_batches = 1,
              .worker_vectors = RunVectors(*rule_)} {}

  AlgorithmPlan Plan() const override { return plan_; }
  PushKind Pushes() const override { return PushKind::kChanges; }
  std::unique_ptr<LocalRule> MakeLocalRule(int64_t parameters) const override {
    return MakeRunRule(rule_, parameters);
  }
  std::shared_ptr<const RowRule> MakeRowRule() const override { return rule_; }

 private:
  const std::shared_ptr<const GeoRule> rule_;
  const AlgorithmPlan plan_;
};

}  // namespace

absl::Status RegisterGeo(AlgorithmRegistry* registry) {
  return registry->Register(
      "geo", "pushes how far several batches took the rows",
      [](const AlgorithmConfig& config)
          -> absl::StatusOr<std::unique_ptr<const Algorithm>> {
        if (config.push_every < 1 || !(config.share > 0 && config.share <= 1)) {
          return absl::InvalidArgumentError(
              absl::StrCat("algorithm: geo pushes every ", config.push_every,
                           " batches a share of ", config.share,
                           "; at least 1, and above 0 up to 1"));
        }
        return std::make_unique<Geo>(config);
      });
}

}  // namespace ebb
