// The rules of models that learn from ratings of items by users.
#include "workloads/gradients/rules/rules.h"

#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

// Measured in docs/measured/job-defaults.md: with a lower rate factors do not
// arrive within ten epochs. Without the penalty they then learn noise by heart.
constexpr double kRate = 0.005;
constexpr double kL2 = 0.1;
constexpr char kReason[] = "the default of ratings";

class RatingRules final : public GradientRules {
 public:
  Wishes WishesOf(const v1::Job& /*job*/, const job::SourceFacts& /*data*/,
                  int64_t /*parameters*/) const override {
    return {.l2 = Wish{kL2, kReason}, .rate = Wish{kRate, kReason}};
  }

 protected:
  // libffm and criteo do for ratings, too, if they have two fields.
  void CheckKeyed(const v1::Job& job, job::Complaints* found) const override {
    if (job::TraitsOf(job.data().train()).keyed()) {
      GradientRules::CheckKeyed(job, found);
      return;
    }
    found->Add(
        "data.train",
        absl::StrCat("its examples are no ratings of items by users, which ",
                     job.model().kind(), " learns from"),
        "ratings: FILE");
  }
};

}  // namespace

void RegisterRatingsRules(RulesSides* sides) {
  sides->Add("ratings", std::make_unique<RatingRules>());
}

}  // namespace ebb::workloads
