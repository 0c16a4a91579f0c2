// Records what becomes of the daemons of a run: their ends, restarts, and files
// in the wrong place.
#ifndef EBB_TOOLS_EBB_RUN_DAEMON_RECORD_H_
#define EBB_TOOLS_EBB_RUN_DAEMON_RECORD_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "ebb/v1/scheduler.pb.h"
#include "tools/ebb/report/run_report.h"
#include "tools/process/supervisor.h"

namespace ebb::tools {

// Puts the events of daemons into the report of their run, and says what to
// show of them at once. A run withstands what others do to its daemons, and a
// disk that is full or read-only for a while: that is a warning. A daemon that
// ends by itself has a fault: that is a problem, whatever the job came to. Not
// thread-safe.
class DaemonRecord {
 public:
  // Returns the last words in the log of a daemon that ended (last_words.h).
  using LastWords = std::function<std::string(absl::string_view daemon)>;

  // `folder` is the run's, as a person would write it. Workers write into the
  // folder `predictions`; empty: they write no predictions. `last_words` is
  // called for faults only. The report is not owned and outlives the record.
  DaemonRecord(std::string folder, std::string predictions,
               LastWords last_words, RunReport* report)
      : folder_(std::move(folder)),
        predictions_(std::move(predictions)),
        last_words_(std::move(last_words)),
        report_(*report) {}

  // The processes of a status were seen: the scheduler that was asked, and the
  // daemons that it knows. How others come and go is not noticed.
  void See(const v1::GetStatusResponse& status);

  // A daemon died while the job ran. Returns the line to show.
  std::string AddDeath(const DaemonEvent& event);
  // A daemon ended otherwise than it was told to.
  void AddUnwantedEnd(const DaemonEvent& event);
  // A daemon was started again.
  void AddRestart(absl::string_view daemon);
  // A daemon will not be started again.
  void AddGivenUp(const DaemonEvent& event);

  // Files that daemons have open to write outside the folder of the run. Those
  // in the folder of the predictions belong there.
  void AddStrayFiles(const std::vector<std::string>& files);
  // Adds each stray file to the problems, once. Call it at the end.
  void ReportStrayFiles();

  // A run without one of its daemons cannot go on.
  bool any_given_up() const { return any_given_up_; }

 private:
  const std::string folder_;
  const std::string predictions_;
  const LastWords last_words_;
  RunReport& report_;  // Not owned.
  std::set<int64_t> seen_;
  std::set<std::string> stray_;
  std::set<std::string> could_not_begin_;
  bool any_given_up_ = false;
};

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_RUN_DAEMON_RECORD_H_
