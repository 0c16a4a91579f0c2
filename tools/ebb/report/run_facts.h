// The facts that a run keeps in its folder for --resume, and the check of them.
#ifndef EBB_TOOLS_EBB_REPORT_RUN_FACTS_H_
#define EBB_TOOLS_EBB_REPORT_RUN_FACTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "protocol/plan.h"
#include "tools/ebb/report/run_folder.h"

namespace ebb::tools {

struct RunFacts {
  int servers = 2;
  int workers = 3;
  // All is applied and audited, and the report is written: there is nothing to
  // go on with.
  bool complete = false;
  // Servers share copies of their checkpoints here: a folder from the root, or
  // s3://BUCKET/PREFIX. Empty: in the folder of the run.
  std::string shared_checkpoints;
};

// InvalidArgument: the job in `file` begins with more workers than a run
// starts, and would wait for ever.
absl::Status CheckWorkers(const JobPlan& plan, absl::string_view file,
                          int workers);

// Says that workers stay idle because the job takes fewer at once; empty: it
// takes them all.
std::string IdleWorkersText(const JobPlan& plan, int workers);
// The same for `ebb predict`, whose job takes one worker for each part.
std::string IdlePredictorsText(const JobPlan& plan, int workers);

// In the folder as "key value" lines. NotFound: there are none.
// InvalidArgument, naming the file: they cannot be read.
absl::StatusOr<RunFacts> ReadFacts(const RunFolder& folder);
absl::Status WriteFacts(const RunFolder& folder, const RunFacts& facts);

// The specification of the job that the run is of.
absl::Status WriteSpecification(const RunFolder& folder,
                                const std::string& specification);
// Empty where an older ebb kept none.
absl::StatusOr<std::string> ReadSpecification(const RunFolder& folder);

// Returns the keys in which the job that is `given` now, on the present data,
// differs from the run's job; empty: none. Both are specifications. The stored
// job may have ended early (job::EndsEarlyAs).
// InvalidArgument, naming them: a run cannot go on with these changes
// (job::CheckChange); or the stored one cannot be read.
absl::StatusOr<std::vector<std::string>> ChangesOf(const RunFolder& folder,
                                                   absl::string_view stored,
                                                   absl::string_view given);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_REPORT_RUN_FACTS_H_
