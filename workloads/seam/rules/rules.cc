#include "workloads/seam/rules/rules.h"

#include "job/base/traits.h"

namespace ebb::workloads {

// Generated: adds all of them.
void RegisterRulesSides(RulesSides* sides);

namespace {

const RulesSides& AllSides() {
  static const auto* const sides = new RulesSides(RegisterRulesSides);
  return *sides;
}

}  // namespace

const Rules& RulesOf(const v1::Model& model) { return *AllSides().Of(model); }

const Rules* RulesOf(v1::Algorithm::Kind algorithm) {
  const std::string& named = job::TraitsOf(algorithm).workload();
  return named.empty() ? nullptr : AllSides().Find(named).get();
}

WorkloadFacts FactsOf(const v1::Job& job) {
  WorkloadFacts facts = RulesOf(job.model()).Facts(job);
  facts.tokens = job.data().train().positions().tokens();
  if (facts.tokens > 0) facts.unit = "sequence";
  return facts;
}

const v1::AlgorithmTraits& AlgorithmTraitsOf(const v1::Job& job) {
  return job::TraitsOf(FactsOf(job).tasks > 0 ? v1::Algorithm::KIND_TASKS
                                              : job.algorithm().kind());
}

}  // namespace ebb::workloads
