// A run from the start of its daemons until the last of them has ended.
#ifndef EBB_TOOLS_EBB_RUN_WATCHED_RUN_H_
#define EBB_TOOLS_EBB_RUN_WATCHED_RUN_H_

#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/report/run_facts.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/report/run_report.h"
#include "tools/ebb/report/run_samples.h"
#include "tools/ebb/run/daemon_record.h"
#include "tools/ebb/run/disturbance.h"
#include "tools/ebb/run/local_cluster.h"
#include "tools/ebb/run/programs.h"
#include "tools/ebb/run/run_job.h"
#include "tools/ebb/run/scale_plan.h"
#include "tools/ebb/run/screen.h"
#include "tools/ebb/run/status_poller.h"
#include "tools/ebb/status/full_disk.h"
#include "tools/ebb/status/full_table.h"
#include "tools/ebb/status/known_marks.h"
#include "tools/ebb/status/recovery_log.h"
#include "tools/ebb/status/run_tally.h"
#include "tools/ebb/status/status_watcher.h"
#include "tools/process/reserved_port.h"
#include "tools/process/signals.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

struct WatchOptions {
  // The run goes on with an earlier one.
  bool resumed = false;
  // Starts and ends daemons as the job is scaled (ebb scale). False: the
  // Disturbance decides which there are.
  bool follow_scale = false;
  // With `follow_scale`: the number of workers that the job was scaled to
  // before this run counts, too.
  bool follow_earlier_scale = true;
  // Disturbs the daemons meanwhile; null: nothing does. Not owned.
  Disturbance* disturbance = nullptr;
  // As soon as this is not the parent of the process any more, the run ends as
  // on Ctrl-C; 0: it may outlive its parent.
  pid_t parent = 0;
  // The progress line also shows how late updates are.
  bool details = false;
  // The workers are these programs, and the job of the run is the newest that
  // they submitted; null: it is there when the watch begins. Not owned.
  Programs* programs = nullptr;
  // Each status is appended here, a line of JSON; empty: none is.
  std::string statuses_file;
};

// Runs the daemons and follows the job: shows its progress and news, takes
// samples, scales and disturbs the cluster, and audits the job at its end. What
// it finds goes into the report, where also its errors become problems.
//
//   WatchedRun run(options, &job, &facts, &folder, &signals, &screen, &report);
//   absl::Status begun = run.StartDaemons(cluster_options, std::move(port));
//   ... begin the job on run.cluster() ...
//   if (begun.ok()) run.Watch(run_job);
//   run.EndDaemons();  // In any case.
//   run.CompleteReport();
//
// Not thread-safe. The destructor kills daemons that run.
class WatchedRun {
 public:
  // None of the pointers is owned; all outlive it. Reads the samples of earlier
  // parts of the run. `facts` follow the size of the cluster, also in the
  // folder.
  WatchedRun(const WatchOptions& options, const v1::Job* job, RunFacts* facts,
             const RunFolder* folder, SignalWaiter* signals, Screen* screen,
             RunReport* report);
  WatchedRun(const WatchedRun&) = delete;
  WatchedRun& operator=(const WatchedRun&) = delete;

  // Blocks. The errors of LocalCluster::Start.
  absl::Status StartDaemons(LocalClusterOptions options, ReservedPort port);
  // From StartDaemons to EndDaemons.
  const LocalCluster& cluster() const { return *cluster_; }
  // Starts the programs, of which `job` will be the newest job.
  absl::Status StartPrograms(RunJob* job) {
    return options_.programs->Start(cluster_.get(), job);
  }
  // The job was rolled back on the way to Watch.
  void NoteRollback() { tally_.AddRollback(); }

  // Watches the job, which has just begun on the cluster, until the run is
  // over: complete and audited, interrupted, or unable to go on. A run of
  // programs is over when they have finished, or failed. Blocks. `job` is not
  // owned and outlives this.
  void Watch(const RunJob& job);
  // Audits an earlier job of the programs, between Watch and EndDaemons.
  // Repeats that while a server is silent, which may have to come back first;
  // for a minute, whichever jobs there are. A signal interrupts the run.
  // Blocks.
  absl::StatusOr<AuditReport> AuditEarlier(const RunJob& job);
  // Ends the daemons in good order, and kills every process that is left, which
  // is a problem unless programs may have started it. A second signal makes it
  // quicker. Blocks.
  void EndDaemons();
  // Adds what only all statuses of the run tell together. Call it last.
  void CompleteReport();

  // Empty: the job did not stop by itself (stopped_job.h).
  const std::string& why_stopped() const { return why_stopped_; }
  const RunSamples& samples() const { return samples_; }
  // Writes what could not be written while the run went on: samples, and how
  // many daemons there are.
  absl::Status WriteRest();

 private:
  // One turn of Watch; false: it is over.
  bool Turn();
  // The same for programs, up to their audit.
  bool ProgramsTurn(absl::Time now);
  // Fills in the problem that stops the job from going on. False: there is one.
  bool CanGoOn(absl::Time now);
  void HandleDaemons(absl::Time now);
  void HandleStatus(absl::Time now);
  // Appends the status that was just heard to the file of statuses.
  void WriteStatus();
  // Carries out what the job was scaled to.
  void FollowScale(absl::Time now);
  void NoteSize();
  void Disturb(absl::Time now);
  // The programs have a new job: what was counted was of the one before.
  void BeginAnew();
  // A program that leaves a job that is over is not lost.
  void LetProgramsLeave();
  // Asks the programs to leave, and takes the last figures of their job. False:
  // a signal asks to be quicker.
  bool LeavePrograms();
  StatusWatcher MakeWatcher();
  bool JobEnded() const { return completed_ != absl::InfiniteFuture(); }
  bool Orphaned() const {
    return options_.parent != 0 && getppid() != options_.parent;
  }
  // Returns whether this is over, for good or bad: servers that were just
  // killed may have to come back first.
  bool Audit();
  // Audits a run that stops before its end.
  void AuditUnfinished();
  // The latest status, with the last known marks in place of unknown ones.
  PolledStatus LatestStatus();
  Progress CurrentProgress(const PolledStatus& polled) const;
  void Problem(absl::string_view text) { report_.problems.emplace_back(text); }
  // Writes how many daemons there are; on an error, again later.
  absl::Status WriteSize();
  // Says once that samples wait for room, and once that they have it.
  void NoteSample(const absl::Status& written, absl::Time now);

  const WatchOptions options_;
  const v1::Job& job_;  // Not owned, like all references below.
  RunFacts& facts_;     // A run that goes on with this one starts so.
  const RunFolder& folder_;
  SignalWaiter& signals_;
  Screen& screen_;
  RunReport& report_;
  std::unique_ptr<LocalCluster> cluster_;  // Null: before and after.
  std::ofstream statuses_;                 // Closed: they are not kept.
  const RunJob* run_job_ = nullptr;        // Not owned; since Watch.
  std::unique_ptr<StatusPoller> poller_;   // From Watch to EndDaemons.
  ScalePlan scale_;
  DaemonRecord daemons_;
  StatusWatcher watcher_ = MakeWatcher();
  RunTally tally_;
  RecoveryLog recoveries_;
  FullDisk full_disk_;
  std::optional<FullTable> full_table_;
  RunSamples samples_;
  bool samples_wait_ = false;  // For room.
  bool size_waits_ = false;
  KnownMarks marks_;
  int64_t seen_ = 0;  // PolledStatus::number of the last one handled ...
  absl::Time seen_when_ = absl::InfinitePast();  // ... when it came ...
  v1::GetStatusResponse polled_;                 // ... and what it says.
  absl::Time submitted_ = absl::InfiniteFuture();
  absl::Time completed_ = absl::InfiniteFuture();
  absl::Time finished_ = absl::InfiniteFuture();  // All programs.
  // AuditEarlier was called then for the first time.
  absl::Time audits_since_ = absl::InfiniteFuture();
  absl::Time stray_looked_ = absl::InfinitePast();
  std::string why_stopped_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_WATCHED_RUN_H_
