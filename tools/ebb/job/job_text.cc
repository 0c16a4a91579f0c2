#include "tools/ebb/job/job_text.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "job/specification.h"
#include "tools/text/console.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::tools {

std::string ChoicesText(const std::vector<job::Choice>& choices) {
  if (choices.empty()) return "";
  return absl::StrCat(
      "Chosen from the data: ",
      absl::StrJoin(choices, "; ",
                    [](std::string* out, const job::Choice& choice) {
                      absl::StrAppend(out, choice.key, " ", choice.value, " (",
                                      choice.reason, ")");
                    }));
}

std::string WorkText(const PreparedJob& prepared, absl::string_view times) {
  const JobPlan& plan = prepared.record.plan;
  const workloads::WorkloadFacts facts = workloads::FactsOf(prepared.job);
  std::string examples = Count(plan.examples, facts.unit);
  if (facts.tasks > 0) return examples;
  return absl::StrCat(examples, times, Count(plan.epochs, "epoch"));
}

std::string SizeText(const JobPlan& plan) {
  const auto sparse = static_cast<int64_t>(plan.sparse_tables.size());
  std::vector<std::string> parts;
  if (plan.parameters > 0 || sparse == 0) {
    parts.push_back(Count(plan.parameters, "parameter"));
  }
  if (sparse > 0) {
    parts.push_back(
        absl::StrCat("the rows of ", Count(sparse, "sparse table")));
  }
  return absl::StrCat(absl::StrJoin(parts, " and "), " in ",
                      Count(plan.partitions, "partition"));
}

}  // namespace ebb::tools
