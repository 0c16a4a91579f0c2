// `ebb chaos`: a plan is carried out on the daemons of a run, and what the
// workers alive made of it is measured.
#ifndef EBB_TOOLS_EBB_RUN_CHAOS_RUN_H_
#define EBB_TOOLS_EBB_RUN_CHAOS_RUN_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/chaos/events.h"
#include "tools/chaos/goodput.h"
#include "tools/chaos/plan.h"
#include "tools/ebb/run/chaos_network.h"
#include "tools/ebb/run/disturbance.h"
#include "tools/ebb/run/live_events.h"

namespace ebb::tools {

struct ChaosOptions {
  std::vector<chaos::ChaosEvent> events;
  uint64_t seed = 0;  // Seed of the choice of daemons for roles.
  // How long one worker is alone at the start; its rate is that of goodput.
  // Zero: no goodput is measured.
  absl::Duration warm_up;
  // Workers that are there when the plan begins.
  int workers = 0;
  // The plan, as a trace, says when its last worker went: the goodput is of the
  // time until then.
  bool goodput_until_done = false;
  // The job may end before all of the plan was done.
  bool may_end_early = false;
  // The run ends this long after the plan began; infinite: when the job does.
  absl::Duration ends_after = absl::InfiniteDuration();
  // Least time of a worker's batch.
  absl::Duration batch_time;
  // Events come from this file, too. The run ends when the file has ended and
  // all of them are done. Absent: all are known. It is not closed.
  std::optional<int> live;
};

class ChaosRun final : public Disturbance {
 public:
  explicit ChaosRun(ChaosOptions options)
      : options_(std::move(options)), plan_(options_.events, options_.seed) {
    if (options_.live) live_.emplace(*options_.live);
  }

  absl::Status Prepare(const v1::Job& job,
                       LocalClusterOptions* cluster) override;
  std::vector<std::string> Act(const RunMoment& moment, LocalCluster* cluster,
                               RunReport* report) override;
  bool EndsRun() const override {
    return begun_ && (last_.at - begun_->at >= options_.ends_after ||
                      (live_ && live_->over() && plan_.done()));
  }
  void Finish(RunReport* report) override;

 private:
  // The scheduler's view of the job.
  struct Seen {
    absl::Duration at;  // Since the submission.
    int64_t counted = 0;
    int64_t examples = 0;
    bool trains = false;  // A worker holds an item, or something is counted.
  };

  // nullopt: the scheduler was not heard from since.
  std::optional<Seen> Look(const RunMoment& moment);
  // False: no worker trains yet, or one worker is still alone.
  bool Begins(const Seen& seen);
  // False: the daemon was not there, or, if it is to be added, is. Appends
  // notes to `did`.
  absl::StatusOr<bool> CarryOut(const chaos::Disturb& disturb,
                                const std::string& daemon, absl::Duration at,
                                LocalCluster* cluster, std::string* did);
  void NoteEnds(absl::Duration at, const LocalCluster& cluster,
                RunReport* report);
  // Adds the events that have come since to the plan.
  void TakeLive(absl::Duration since_begin, RunReport* report);

  const ChaosOptions options_;
  chaos::ChaosPlan plan_;
  std::optional<LiveEvents> live_;         // Absent: all events are known.
  std::unique_ptr<ChaosNetwork> network_;  // Null: the plan leaves it alone.
  chaos::WorkerSpans spans_;
  std::map<std::string, pid_t> ending_;  // Told to end, and their process.
  chaos::RateMeter meter_;
  int64_t status_ms_ = 0;  // Time of the last status that was looked at.
  Seen last_;
  std::optional<absl::Duration> first_counted_;  // An example, of the warm-up.
  // The moment when the plan began, with the counts at that time.
  std::optional<Seen> begun_;
  std::optional<Seen> done_;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_CHAOS_RUN_H_
