// `ebb run`: a whole cluster on this machine trains one job, watched from the
// first to the last moment.
#ifndef EBB_TOOLS_EBB_RUN_LOCAL_RUN_H_
#define EBB_TOOLS_EBB_RUN_LOCAL_RUN_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/ebb/job/submission.h"
#include "tools/ebb/report/run_report.h"
#include "tools/ebb/rollback/rollback_request.h"
#include "tools/ebb/run/disturbance.h"

namespace ebb::tools {

struct RunOptions {
  JobChoice job;
  // Processes. Absent: 2 servers and 3 workers, or what a resumed run had.
  std::optional<int> servers;
  std::optional<int> workers;
  // --memory of servers and workers; 0: they have no bound.
  int64_t memory_bytes = 0;
  // Servers share copies of their checkpoints here: a folder, or
  // s3://BUCKET/PREFIX. Empty: in the folder of the run, or as before.
  std::string shared_checkpoints;
  // Daemons and this process speak by TLS, with certificates of this run only.
  bool tls = false;
  // A folder for the run; empty: runs/NAME-N.
  std::string folder;
  // Goes on with the run in the folder; without one, with the newest.
  bool resume = false;
  // With `resume`: the batch that the job is paused for is left out, and not
  // tried again.
  bool skip = false;
  // With `resume`: it first goes back to older versions; absent: it goes on
  // from the newest.
  std::optional<RollbackWish> back;
  // Starts and ends daemons as the job is scaled (ebb scale). False: the
  // Disturbance decides which there are.
  bool follow_scale = false;
  // Disturbs the daemons meanwhile; null: nothing does. Not owned.
  Disturbance* disturbance = nullptr;
  // Workers take at least this long for a batch; the names are those of workers
  // that take another time. Zero and empty: as long as computing takes.
  absl::Duration batch_time;
  std::map<std::string, absl::Duration> batch_times;
  // The report is also written here; empty: only into the run's folder.
  std::string report_file;
  // Each answer of the scheduler is appended here as it comes, as a line of
  // what `ebb status --json` prints; empty: none is.
  std::string statuses_file;
  // As soon as this is not the parent of the process any more, the run ends as
  // on Ctrl-C; 0: it may outlive its parent.
  pid_t parent = 0;
  // Workers get a Python, whatever the job's model is.
  bool python = false;
  // Prints only errors.
  bool quiet = false;
  // Also prints how late updates were, what each worker computed, and the like.
  bool details = false;
};

// Does the whole run, and prints as it goes. Returns an error if something is
// wrong before the start, or if a run cannot be continued; its files are then
// unchanged. The report has whatever happens later. All processes have ended
// when it returns. For a run that is complete already it starts no process and
// keeps the files; the report has its job, folder and verdict only.
// InvalidArgument: the verdict cannot be read.
absl::StatusOr<RunReport> RunLocally(const RunOptions& options);

// The same with a job that is prepared already, and that no file describes.
// `options.job` says only where its plugins are. It cannot be gone on with.
absl::StatusOr<RunReport> RunPrepared(const RunOptions& options,
                                      PreparedJob prepared);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_LOCAL_RUN_H_
