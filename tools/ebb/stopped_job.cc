#include "tools/ebb/stopped_job.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/ebb/daemon_names.h"
#include "tools/ebb/status_watcher.h"

namespace ebb::tools {

namespace {

// What helps where this failed. The rate is no cause that --resume could mend:
// it makes another job.
std::string HintOf(const v1::JobStatus::Quarantined& bad) {
  const bool stays =
      bad.failed_end() == bad.position() || bad.applied_somewhere();
  if (!bad.non_finite()) {
    return absl::StrCat("mend the cause and go on with --resume",
                        stays ? "" : ", or without its batch: --resume --skip");
  }
  return absl::StrCat(
      stays ? "" : "--resume --skip goes on without the batch; ",
      "another rate, on_nonfinite or data make another job, to be begun anew; "
      "on a cluster that goes on, `ebb checkpoint rollback --rate-factor` goes "
      "back");
}

}  // namespace

std::string WhyStopped(const v1::JobStatus& job) {
  const v1::JobState state = job.summary().state();
  if (state == v1::JOB_STATE_CANCELLED) return "the job was cancelled";
  if (state != v1::JOB_STATE_PAUSED) return "";
  const auto bad = std::ranges::find_if(
      job.quarantined(), [](const auto& one) { return !one.skip_wanted(); });
  if (bad == job.quarantined().end()) {
    if (!job.paused_for_divergence()) return "";
    return absl::StrCat(
        "the job is paused: ", job.divergence(),
        "\nhint: --resume --set on_divergence=warn goes on from here; another "
        "rate makes another job, to be begun anew; on a cluster that goes on, "
        "`ebb checkpoint rollback --rate-factor` goes back");
  }
  return absl::StrCat("the job is paused", AfterFailures(bad->failures()),
                      ": item ",
                      ItemName(bad->item().epoch(), bad->item().shard()), ", ",
                      bad->error(), "\nhint: ", HintOf(*bad));
}

}  // namespace ebb::tools
