// The trials of a sweep as jobs of a scheduler.
#ifndef EBB_TOOLS_EBB_SWEEP_TRIAL_JOBS_H_
#define EBB_TOOLS_EBB_SWEEP_TRIAL_JOBS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ebb/v1/scheduler.pb.h"
#include "rpc/security.h"
#include "sweep/sweep.h"
#include "sweep/sweep_file.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/status/known_marks.h"

namespace ebb::tools {

// The place of the tokens of trials (tools/ebb/cluster/token_files.h): one file
// for all of them, or a file each in the folder.
struct TrialTokens {
  std::string file;  // Empty: in the folder.
  std::string folder;
};

// Not thread-safe. Every method asks the scheduler, and blocks for some seconds
// at most. Unavailable: the scheduler does not answer now.
class TrialJobs {
 public:
  // The sweep outlives it. Without `tokens` the trials get none.
  TrialJobs(const sweep::SweepFile* file, std::string scheduler,
            rpc::SecurityPtr security, std::optional<TrialTokens> tokens = {})
      : file_(*file),
        scheduler_(std::move(scheduler)),
        security_(std::move(security)),
        tokens_(std::move(tokens)) {}

  // All trials that the scheduler knows, by number. FailedPrecondition: it has
  // jobs of these names that are not of this sweep, or evaluations without the
  // sweep's metric.
  absl::StatusOr<std::vector<sweep::Trial>> Read();
  // Submits the trial. A second time it is the same job.
  absl::Status Submit(int64_t number, const PreparedJob& prepared);
  // OK: it is cancelled, or was over.
  absl::Status Cancel(uint64_t job);

 private:
  // The choices of a job; asks once.
  absl::StatusOr<sweep::Choices> ChoicesOf(int64_t number,
                                           const v1::JobSummary& job);
  absl::StatusOr<sweep::Trial> TrialOf(int64_t number,
                                       const v1::JobStatus& status);

  const sweep::SweepFile& file_;  // Not owned.
  const std::string scheduler_;
  const rpc::SecurityPtr security_;
  const std::optional<TrialTokens> tokens_;
  std::map<uint64_t, sweep::Choices> choices_;  // By job.
  std::map<uint64_t, KnownMarks> marks_;        // By job.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_SWEEP_TRIAL_JOBS_H_
