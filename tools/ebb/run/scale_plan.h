// Which daemons `ebb run` starts and ends when its job is scaled: as a
// StatefulSet does, by number, the highest last to come and first to go.
#ifndef EBB_TOOLS_EBB_RUN_SCALE_PLAN_H_
#define EBB_TOOLS_EBB_RUN_SCALE_PLAN_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "ebb/v1/scheduler.pb.h"

namespace ebb::tools {

struct ClusterSize {
  int servers = 0;
  int workers = 0;
};

struct ScaleStep {
  enum class Kind {
    kTell,   // Nothing to do.
    kStart,  // For the first time, or again.
    kDrain,  // It is asked to end, and not started again.
  };
  Kind kind = Kind::kTell;
  bool server = false;
  int number = 0;
  std::string daemon;
  std::string text;  // For people; empty: nothing to say yet.
};

// Decides; the owner of the daemons carries it out.
//
//   for (const ScaleStep& step : plan.Next(status, process_of)) ...
//   if (auto text = plan.Ended("ps-2", ok)) ...  // One that was drained.
//
// Not thread-safe.
class ScalePlan {
 public:
  // `now` are the present daemons, by number from 0, and `most` their limits.
  // An earlier scaling of the job counts for its workers only if
  // `follow_before`.
  ScalePlan(ClusterSize now, ClusterSize most, bool follow_before)
      : size_(now), wished_(now), most_(most), follow_before_(follow_before) {}

  // Returns the steps to do now, by a status that is newer than all earlier
  // steps. A job that was not scaled, or to no limit, keeps its daemons.
  // `process_of` a daemon is 0 if it does not run just now.
  std::vector<ScaleStep> Next(
      const v1::GetStatusResponse& status,
      absl::FunctionRef<int64_t(const std::string&)> process_of);

  // A daemon ended: what to say of it, if it was to be drained. nullopt: it was
  // not, or did not end `as_told`.
  std::optional<std::string> Ended(const std::string& daemon, bool as_told);

  // The daemons that there are to be, those included that are still leaving.
  ClusterSize size() const;

 private:
  void Wish(const v1::JobStatus& job, std::vector<ScaleStep>* steps);
  int AtMost(const char* role, int wished, int most, absl::string_view more,
             std::vector<ScaleStep>* steps) const;
  void ScaleWorkers(const v1::GetStatusResponse& status,
                    std::vector<ScaleStep>* steps);
  void ScaleServers(const v1::GetStatusResponse& status,
                    absl::FunctionRef<int64_t(const std::string&)> process_of,
                    std::vector<ScaleStep>* steps);
  void JudgeLeft(const v1::GetStatusResponse& status,
                 std::vector<ScaleStep>* steps);
  std::string Why(bool servers) const;

  ClusterSize size_;  // Without those that are leaving.
  ClusterSize wished_;
  const ClusterSize most_;
  const bool follow_before_;
  bool first_ = true;
  int32_t workers_said_ = -1;  // By the job, last; -1: no limit.
  int32_t servers_said_ = -1;
  std::set<std::string> leaving_;
  // One server leaves at a time: others have room for what it has, and the time
  // that it waits for them is its own.
  bool server_leaving_ = false;
  bool server_left_ = false;  // Its process ended; was all handed over?
  int in_vain_ = 0;           // So often in a row it was not.
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_SCALE_PLAN_H_
