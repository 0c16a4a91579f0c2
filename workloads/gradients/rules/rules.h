// The rules of models that learn by gradients. Those of other workloads derive
// from them.
#ifndef EBB_WORKLOADS_GRADIENTS_RULES_RULES_H_
#define EBB_WORKLOADS_GRADIENTS_RULES_RULES_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "ebb/v1/job.pb.h"
#include "job/base/complaints.h"
#include "job/base/data_facts.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

class GradientRules : public Rules {
 public:
  // Only documents have a perplexity.
  std::optional<OtherFigure> InPlaceOf(const v1::Job& job,
                                       absl::string_view figure) const override;
  // Checks what data there is. Only some other workloads tell missing values
  // from others.
  void Check(const v1::Job& job, job::Complaints* found) const override;
  // Refuses tasks, which are parts of models.
  void CheckAlgorithm(const v1::Job& job,
                      job::Complaints* found) const override;
  // Checks whether its labels are such as the model predicts.
  void CheckTrain(const v1::Job& job, const job::SourceFacts& train,
                  job::Complaints* found) const override;

 protected:
  // Checks whether the training data has examples such as the model learns
  // from.
  void CheckExamples(const v1::Job& job, job::Complaints* found) const;
  // The same for a model over keys, and data that says what it has.
  virtual void CheckKeyed(const v1::Job& job, job::Complaints* found) const;
};

}  // namespace ebb::workloads

#endif  // EBB_WORKLOADS_GRADIENTS_RULES_RULES_H_
