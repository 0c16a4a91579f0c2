#include "workloads/seam/rules/rules.h"

#include "job/base/workload.h"

namespace ebb::workloads {

// Generated: adds all of them.
void RegisterRulesSides(RulesSides* sides);

const Rules& RulesSides::Find(const std::string& workload) const {
  const auto own = rules_.find(workload);
  return own != rules_.end() ? *own->second : *rules_.at(job::kGradients);
}

const Rules& RulesOf(const v1::Model& model) {
  static const auto* const sides = [] {
    auto* all = new RulesSides;
    RegisterRulesSides(all);
    return all;
  }();
  return sides->Find(job::WorkloadOf(model));
}

}  // namespace ebb::workloads
