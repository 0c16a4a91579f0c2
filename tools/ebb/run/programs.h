// The programs that a run starts in the place of workers, and their jobs.
#ifndef EBB_TOOLS_EBB_RUN_PROGRAMS_H_
#define EBB_TOOLS_EBB_RUN_PROGRAMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/ebb/run/local_cluster.h"
#include "tools/ebb/run/program_ends.h"
#include "tools/ebb/run/run_job.h"
#include "tools/process/supervisor.h"

namespace ebb::tools {

// The program of a run.
struct ProgramCommand {
  std::string script;                  // The path as it was typed.
  std::vector<std::string> arguments;  // The words behind "--".
};

// The command that goes on with the run in `folder`, for a shell.
std::string CommandToGoOn(const ProgramCommand& command,
                          absl::string_view folder);

// True while a job is paused until a person decides about failing examples.
bool IsHeld(const v1::JobStatus& job);

// Follows the programs of a run from their starts to their ends, and the jobs
// that they submit, of which the newest counts most. Says when the run is over.
// Not thread-safe.
class Programs {
 public:
  // There are `count` programs, run by the interpreter `python`. The folder is
  // not owned and outlives them.
  Programs(ProgramCommand command, std::string python, int count,
           const RunFolder* folder);

  // Starts them on the cluster, which serves. `job` will be the newest one;
  // both are not owned and outlive them.
  absl::Status Start(LocalCluster* cluster, RunJob* job);

  bool Has(absl::string_view daemon) const;
  // One of them ended. Returns the line to show.
  std::string AddEnd(const DaemonEvent& event);
  bool AllFinished() const;

  // A status of all jobs: leaves only the newest job in it. Returns whether
  // that is another one than before.
  bool See(v1::GetStatusResponse* status);
  // All jobs, as they were seen last.
  const std::vector<v1::JobStatus>& jobs() const { return jobs_; }
  bool has_job() const { return !jobs_.empty(); }
  // Nothing is left to compute for the newest job, so programs leave it.
  bool JobIsOver() const;
  std::vector<std::string> Names() const;

  // Asks what the newest job is, once it is another, and writes program.yaml of
  // it. Returns whether it has just been learned; blocks on the scheduler.
  bool LearnJob();
  // The newest job, as far as it has been learned.
  const v1::Job& job() const { return job_; }

  // Why the run is over though not all have finished, and what helps: a program
  // fails, or a job is held and a program has said why. Empty: it goes on.
  std::string WhyOver(absl::Time now);
  // The same about held jobs alone, without waiting for last words.
  std::string WhyHeld() const;

 private:
  std::string LastWords(const DaemonEvent& event) const;
  bool JobIsThere() const;
  void WriteJob(const v1::JobSummary& summary);

  const ProgramCommand command_;
  const std::string python_;
  const int count_;
  const RunFolder& folder_;  // Not owned.
  LocalCluster* cluster_ = nullptr;
  RunJob* run_job_ = nullptr;
  ProgramEnds ends_;
  std::map<std::string, size_t> log_begins_;  // By living program.
  std::string problem_;     // A program's end that ends the run.
  std::string last_words_;  // The program that failed last wrote them.
  absl::Time held_since_ = absl::InfiniteFuture();
  std::vector<v1::JobStatus> jobs_;
  v1::Job job_;
  uint64_t learned_ = 0;  // The number of that job.
  uint64_t written_ = 0;  // The number of the job in program.yaml.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_PROGRAMS_H_
