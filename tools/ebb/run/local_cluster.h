// The daemons of a cluster on this machine, as processes of this one.
#ifndef EBB_TOOLS_EBB_RUN_LOCAL_CLUSTER_H_
#define EBB_TOOLS_EBB_RUN_LOCAL_CLUSTER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/steady_time.h"
#include "rpc/security.h"
#include "tools/ebb/report/run_folder.h"
#include "tools/process/reserved_port.h"
#include "tools/process/signals.h"
#include "tools/process/slow_motion.h"
#include "tools/process/supervisor.h"

namespace ebb::tools {

// A program of the user's that works in the place of an ebb-worker.
struct WorkerProgram {
  // Its command line. It is killed when this process ends. Empty: there is
  // none.
  std::vector<std::string> argv;
  // Its working folder; empty: this process's.
  std::string folder;
  // "NAME=value", instead of this process's environment.
  std::optional<std::vector<std::string>> environment;

  explicit operator bool() const { return !argv.empty(); }
};

struct LocalClusterOptions {
  int servers = 2;
  int workers = 3;  // At the start.
  // Each worker is a copy of it; none: an ebb-worker.
  WorkerProgram program;
  // Start waits until the servers serve, too.
  bool awaits_servers = false;
  // Start gives up when it returns true: the process that waits for the cluster
  // is gone. It is asked several times a second. Null: it is there.
  std::function<bool()> abandoned;
  // Folder of the daemons' programs.
  std::string program_folder;
  // From the root.
  std::vector<std::string> plugin_folders;
  // The Python of workers; empty: they need none.
  std::string python;
  // --memory of servers and workers; 0: they have no bound.
  int64_t memory_bytes = 0;
  // --shared-checkpoints of servers: a folder from the root, or
  // s3://BUCKET/PREFIX. Empty: a folder in that of the run.
  std::string shared_checkpoints;
  // All daemons speak TLS, with certificates that are made for each start.
  bool tls = false;
  // The scheduler takes data sets, into the folder `data` of the run.
  bool data_sets = false;
  // --sources of workers: the user who starts them all names the data. Empty:
  // they have the flag's default.
  std::string sources = "all";
  // Further flags of the daemons.
  std::vector<std::string> scheduler_flags;
  std::vector<std::string> server_flags;
  std::vector<std::string> worker_flags;
  // Least time of a worker's batch.
  absl::Duration batch_time = absl::ZeroDuration();
  // For single workers, instead: by name.
  std::map<std::string, absl::Duration> batch_times;
  // Returns where others reach the daemon that listens at `address`; empty
  // function: there. Called once for each daemon that serves.
  std::function<absl::StatusOr<std::string>(const std::string& daemon,
                                            const std::string& address)>
      front;
};

// Not thread-safe. The destructor kills what runs.
class LocalCluster {
 public:
  // `port` becomes the scheduler's. Folder and signals are not owned and
  // outlive the cluster.
  LocalCluster(LocalClusterOptions options, ReservedPort port,
               const RunFolder* folder, SignalWaiter* signals)
      : options_(std::move(options)),
        port_(std::move(port)),
        folder_(*folder),
        signals_(*signals),
        supervisor_(RestartPolicy{}) {}

  // Starts the scheduler, waits until it serves, and starts the others.
  // Blocks. FailedPrecondition: a daemon does not start, with its last words.
  // Aborted: a signal came.
  absl::Status Start();
  // Itself, whatever may be in front of it.
  const std::string& scheduler_address() const { return port_.address(); }
  // To reach it as a client.
  const rpc::SecurityPtr& security() const { return security_; }

  // Returns events of the daemons; starts dead ones again. Does not block.
  std::vector<DaemonEvent> Poll();
  absl::Time NextDue() const { return supervisor_.NextDue(); }

  // --- On purpose; false: the daemon does not run now ------------------------
  // Kills it; it comes back, not before `away` has passed.
  bool KillFor(const std::string& daemon, absl::Duration away) {
    return supervisor_.Kill(daemon, SteadyNow() + away);
  }
  // Kills it; it comes back, and where `then_at` names a point, kills itself
  // there.
  bool Kill(const std::string& daemon, const std::string& then_at = "");
  // Asks it to leave; it comes back. After `grace` it is killed.
  bool Terminate(const std::string& daemon, absl::Duration grace);
  // Sends it any signal.
  bool Signal(const std::string& daemon, int signal) {
    return supervisor_.Signal(daemon, signal);
  }
  bool Freeze(const std::string& daemon);
  bool Thaw(const std::string& daemon);
  // Its machine: each life of the daemon gets `share` of the time (1: all of
  // it) ...
  bool Slow(const std::string& daemon, double share);
  // ... and may write no byte to a file, or again.
  bool SetDiskFull(const std::string& daemon, bool full);
  // Folder of its store.
  std::string StateFolder(const std::string& daemon) const {
    return folder_.State(daemon);
  }
  // Adds a new worker, or a new life of a removed one; kills the rest of the
  // old life.
  absl::Status AddWorker(const std::string& name);
  // Does the same for a program. It finds the cluster by EBB_SCHEDULER and has
  // its name in EBB_NAME, the folder of the run in EBB_RUN_NAME, and
  // NoteOf(name) in EBB_LAST_ERROR.
  absl::Status AddProgram(const std::string& name,
                          const WorkerProgram& program);
  // The worker or program leaves within `grace` (zero: it is killed) and does
  // not come back.
  void RemoveWorker(const std::string& name, absl::Duration grace);
  // Does the same for a server; a scheduler that starts again waits for the
  // present number of servers.
  absl::Status AddServer(int server);
  // They get the time that they take to leave in good order.
  void DrainServer(int server);
  void DrainWorker(int worker);
  // The daemons that run now, but for those that are leaving.
  std::vector<std::string> Daemons() const { return supervisor_.Names(); }
  // It runs, or is about to be started again.
  bool Keeps(const std::string& daemon) const {
    return supervisor_.Kept(daemon);
  }
  pid_t Pid(absl::string_view daemon) const { return supervisor_.Pid(daemon); }
  // A program ended with exit code 0, and will not be started again.
  bool Finished(const std::string& worker) const {
    return supervisor_.Finished(worker);
  }
  // The file in which a program notes that its own error ended it
  // (python/ebb/tracebacks.py).
  std::string NoteOf(const std::string& worker) const {
    return folder_.File("logs/" + worker + ".error");
  }

  // Ends workers, then the scheduler, then servers, each in good order: they
  // finish batches and write checkpoints. No partition moves, and each keeps
  // its older versions. Blocks. `on_death` hears of every daemon that ended
  // otherwise than it was told; one that took too long and was killed is added
  // to `problems`. Aborted: a signal asks to be quicker; destroy the cluster
  // then.
  using OnDeath = absl::FunctionRef<void(const DaemonEvent&)>;
  absl::Status Stop(OnDeath on_death, std::vector<std::string>* problems);
  // The first part of that. Programs are asked as by Ctrl-C, and one that
  // takes too long is killed without a word.
  absl::Status StopWorkers(OnDeath on_death,
                           std::vector<std::string>* problems);

  // Files that daemons have open to write, as of now, outside the folder of the
  // run and that of the shared checkpoints.
  std::vector<std::string> StrayFiles() const;
  // The last words in the log of a daemon that ended (last_words.h).
  std::string LastWords(absl::string_view daemon) const;

 private:
  ProcessSpec Spec(const std::string& daemon, absl::string_view program,
                   const std::vector<std::string>& arguments) const;
  absl::Status StartOne(const std::string& daemon, const ProcessSpec& spec);
  absl::Status MakeCertificates();
  absl::Status StartServer(int server);
  ProcessSpec SchedulerSpec(int servers) const;
  // For the next lives of the scheduler.
  void AwaitServers();
  void AddMemory(std::vector<std::string>* arguments) const;
  absl::Duration BatchTimeOf(const std::string& worker) const;
  // Lets the present lives of the daemons have what their machines have.
  void ApplyMachines();
  std::string AddressFile(const std::string& server) const {
    return folder_.File("tmp/" + server + ".address");
  }
  absl::Status AwaitFile(const std::string& path, const std::string& daemon);
  absl::Status StopGroup(const std::vector<std::string>& daemons,
                         absl::Duration grace, OnDeath on_death,
                         std::vector<std::string>* problems);

  const LocalClusterOptions options_;
  const ReservedPort port_;
  const RunFolder& folder_;  // Not owned.
  SignalWaiter& signals_;    // Not owned.
  Supervisor supervisor_;
  rpc::SecurityPtr security_;
  std::map<std::string, ProcessSpec> specs_;  // By daemon.
  std::set<std::string> workers_;             // All that there ever were.
  std::set<int> servers_;                     // Also all.
  std::string scheduler_front_;               // Daemons reach it here.
  std::vector<ReservedPort> server_ports_;    // The ports behind a front.

  struct Machine {
    double share = 1;
    bool disk_full = false;
    pid_t limited = 0;    // The life whose files may not grow.
    pid_t slowed = 0;     // The life that is slow.
    bool frozen = false;  // Stands still, so it is not to be continued.
  };
  std::map<std::string, Machine> machines_;  // Machines that something ails.
  SlowMotion slow_motion_;
};

// Kills all processes that descend from this one, and describes them. For the
// end, when none should be left: call AdoptDescendants first.
std::vector<std::string> EndDescendants();
// From now on, processes left behind by a child become children of this
// process.
void AdoptDescendants();

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_LOCAL_CLUSTER_H_
