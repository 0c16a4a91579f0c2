#include "workloads/seam/server/server.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/specification.h"

namespace ebb::workloads {

// Generated: adds all of them.
void RegisterServerSides(ServerSides* sides);

absl::StatusOr<std::unique_ptr<const RoundRule>> RoundRuleOf(
    const v1::Specification& specification, const JobPlan& plan) {
  static const auto* const sides = new ServerSides(RegisterServerSides);
  return sides->Of(specification.job().model())(specification, plan);
}

absl::StatusOr<std::shared_ptr<const Coordinator>> CoordinatorOf(
    const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(record));
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<const RoundRule> rule,
                       RoundRuleOf(specification, record.plan));
  if (rule == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(
        "rounds of job ", record.name, " are closed by no operations"));
  }
  // It has the life of the rule.
  const Coordinator* const coordinator = &rule->coordinator();
  return std::shared_ptr<const Coordinator>(std::move(rule), coordinator);
}

}  // namespace ebb::workloads
