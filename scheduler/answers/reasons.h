// The reasons of one job that does not advance, and words that they share.
#ifndef EBB_SCHEDULER_ANSWERS_REASONS_H_
#define EBB_SCHEDULER_ANSWERS_REASONS_H_

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ebb/v1/scheduler.pb.h"
#include "scheduler/cluster.h"
#include "scheduler/job/training_job.h"
#include "scheduler/scheduler_shell.h"

namespace ebb::scheduler {

// The most reasons of one kind that are listed.
inline constexpr int64_t kMostListed = 8;
// A server sends several messages a second: one that was silent for this long
// stands still, or the network to it is cut.
inline constexpr absl::Duration kUnheard = absl::Seconds(3);

// Thread-compatible.
class Reasons {
 public:
  // `to_do`: a clause that follows "What to do: ". If a person need not do
  // anything, it begins with "nothing" and says what the job waits for.
  // `lasts`: for how long already; zero: that is not known.
  void Add(v1::WaitReason::Kind kind, std::string subject,
           absl::string_view text, absl::string_view to_do,
           absl::Duration lasts = absl::ZeroDuration());
  bool empty() const { return reasons_.empty(); }
  std::vector<v1::WaitReason> Take() { return std::move(reasons_); }

 private:
  std::vector<v1::WaitReason> reasons_;
};

v1::WaitReason::Kind ReasonOf(ServerProblem problem);
// The remedy for a problem that the server `name` ("ps 0") reports.
std::string ToDoAbout(ServerProblem problem, absl::string_view name);
// Returns what to do about daemons that are not there: `by_hand`, unless a run
// starts them again. `them`: "it", "servers".
std::string ToStart(const SchedulerShell::Picture& picture,
                    absl::string_view them, absl::string_view by_hand);
// "1.5 s".
std::string Seconds(absl::Duration duration);
// "worker 3", "worker-3", "a worker that is gone".
std::string NameOf(const Cluster& cluster, SessionId session);

// The reasons given about servers, so that they are not given again.
struct SaidOfServers {
  std::set<ServerId> problems;  // The servers whose problem was told.
  bool quiet = false;           // One is connected and says nothing.
};
// Adds the servers that the job waits for: explain_servers.cc.
SaidOfServers ExplainServers(const SchedulerShell::Picture& picture,
                             const TrainingJob& job, Reasons* reasons);
// Adds the daemons that do not reach a server of the job: explain_reach.cc.
void ExplainUnreached(const SchedulerShell::Picture& picture,
                      const TrainingJob& job, Reasons* reasons);

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_REASONS_H_
