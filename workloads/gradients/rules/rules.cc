#include "workloads/gradients/rules/rules.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "job/base/traits.h"
#include "job/base/workload.h"

namespace ebb::workloads {

void GradientRules::Check(const v1::Job& job, job::Complaints* found) const {
  const v1::Model& model = job.model();
  const v1::DataSource& train = job.data().train();
  const v1::FormatTraits& format = job::TraitsOf(train);
  if (format.text() || format.bags()) {
    if (job::TraitsOf(model).topics()) return;
    found->Add("data.train",
               absl::StrCat("its examples are documents of words, which ",
                            model.kind(), " does not learn from"),
               "model: word_vectors");
    return;
  }
  if (format.packed()) return;  // Only its footer says what it has.
  // The data shows which would do when it is opened.
  if (format.records() && train.features().empty()) return;
  if (!job::TraitsOf(model).keyed()) {
    if (!job::HasKeys(train)) return;
    found->Add("data.train",
               absl::StrCat("its examples are 64-bit keys, but ", model.kind(),
                            " learns from columns of numbers"),
               format.records() ? "features with as: dense, or another model"
                                : "libsvm: FILE, without keys");
    return;
  }
  // A source without a format is refused elsewhere.
  if (job::FormatOf(train) != nullptr) CheckKeyed(job, found);
}

void GradientRules::CheckKeyed(const v1::Job& job,
                               job::Complaints* found) const {
  const v1::DataSource& train = job.data().train();
  if (job::IsSparse(train)) return;
  found->Add("data.train",
             absl::StrCat("its examples are columns of numbers, but ",
                          job.model().kind(), " learns from 64-bit keys"),
             job::TraitsOf(train).records() ? "features with as: key or keys"
                                            : "libsvm: FILE, or libffm: FILE");
}

void RegisterGradientsRules(RulesSides* sides) {
  sides->Add(job::kGradients, std::make_unique<GradientRules>());
}

}  // namespace ebb::workloads
