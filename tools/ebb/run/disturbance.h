// Deliberate disturbances of a run's daemons.
#ifndef EBB_TOOLS_EBB_RUN_DISTURBANCE_H_
#define EBB_TOOLS_EBB_RUN_DISTURBANCE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "ebb/v1/job.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/report/run_report.h"
#include "tools/ebb/run/local_cluster.h"

namespace ebb::tools {

// A moment of a run, for a Disturbance.
struct RunMoment {
  absl::Time now;
  absl::Duration elapsed;  // Since the job was submitted.
  // The last there was; of one job, or of none yet.
  const v1::GetStatusResponse& status;
};

// Used by one thread; outlives the run.
class Disturbance {
 public:
  virtual ~Disturbance() = default;

  // Before the cluster starts: what it has to be like.
  virtual absl::Status Prepare(const v1::Job& job,
                               LocalClusterOptions* cluster) = 0;
  // Called in each turn while the job runs. Adds its acts to the report;
  // returns lines that a person should read at once.
  virtual std::vector<std::string> Act(const RunMoment& moment,
                                       LocalCluster* cluster,
                                       RunReport* report) = 0;
  // It has done all that it was to do, and the run ends, complete or not. Asked
  // after Act.
  virtual bool EndsRun() const { return false; }
  // After the end.
  virtual void Finish(RunReport* report) {}
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_DISTURBANCE_H_
