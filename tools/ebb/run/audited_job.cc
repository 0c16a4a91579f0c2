#include "tools/ebb/run/audited_job.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/ebb/status/status_text.h"

namespace ebb::tools {

bool AllAnswered(const AuditReport& audit) {
  return std::ranges::none_of(
      audit.partitions, [](const PartitionAudit& p) { return p.server < 0; });
}

std::string WrongWithJob(const v1::JobSummary& job,
                         const absl::StatusOr<AuditReport>& audit) {
  if (audit.ok() && audit->exact()) return "";
  const std::string begin =
      absl::StrCat(job.name(), " is ", StateWord(job.state()), ", and ");
  if (!audit.ok()) {
    return absl::StrCat(begin,
                        "its audit is not known: ", audit.status().message());
  }
  if (!audit->silent.empty() && audit->sum.missing + audit->sum.doubled == 0) {
    return absl::StrCat(begin, "its audit is not known: ",
                        absl::StrJoin(audit->Problems(), "; "));
  }
  return absl::StrCat(begin, "its audit is not exact: ", audit->sum.missing,
                      " missing, ", audit->sum.doubled,
                      " doubled, in all partitions together");
}

}  // namespace ebb::tools
