// Submissions by the id that their callers gave them: a repeated one is the job
// of the first. The ids are in the jobs' specifications, so whichever jobs a
// scheduler knows, it knows theirs.
//
// Thread-compatible.
#ifndef EBB_SCHEDULER_ANSWERS_REQUEST_IDS_H_
#define EBB_SCHEDULER_ANSWERS_REQUEST_IDS_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "common/ids.h"
#include "protocol/plan.h"
#include "scheduler/job/training_job.h"

namespace ebb::scheduler {

class RequestIds {
 public:
  using Jobs = std::map<JobId, std::unique_ptr<TrainingJob>>;

  // The job that was submitted under this id, if any. AlreadyExists: its
  // content is another than that of `record` (job::ContentDifference), and the
  // message says what of it. `jobs` are all that there are; of those that were
  // there the last time no specification is read again.
  absl::StatusOr<std::optional<JobId>> Find(const std::string& request_id,
                                            const JobRecord& record,
                                            const Jobs& jobs);

 private:
  std::set<JobId> read_;
  // An older ebb took two jobs of different names under one id.
  std::multimap<std::string, JobId> ids_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_REQUEST_IDS_H_
