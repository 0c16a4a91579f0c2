#include "scheduler/answers/request_ids.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "job/content_difference.h"
#include "job/specification.h"

namespace ebb::scheduler {

absl::StatusOr<std::optional<JobId>> RequestIds::Find(
    const std::string& request_id, const JobRecord& record, const Jobs& jobs) {
  for (const auto& [id, job] : jobs) {
    if (!read_.insert(id).second) continue;
    const auto known = job::ReadSpecification(*job->record());
    if (known.ok() && !known->request_id().empty()) {
      ids_.emplace(known->request_id(), id);
    }
  }
  std::string refusal;
  const auto [first, last] = ids_.equal_range(request_id);
  for (auto it = first; it != last; ++it) {
    const auto job = jobs.find(it->second);
    if (job == jobs.end()) continue;
    const JobRecord& known = *job->second->record();
    const std::string difference = job::ContentDifference(known, record);
    if (difference.empty()) return job->first;
    refusal =
        absl::StrCat("request id ", request_id, " is that of job ", known.name,
                     " (id ", known.id.value(), "), whose ", difference,
                     " is another: choose another id for another submission");
  }
  if (!refusal.empty()) return absl::AlreadyExistsError(refusal);
  return std::nullopt;
}

}  // namespace ebb::scheduler
