#include "tools/ebb/run/stopped_job.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "job/base/traits.h"
#include "job/job_change.h"
#include "tools/ebb/status/status_watcher.h"
#include "tools/text/daemon_names.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::tools {

namespace {

using Quarantined = v1::JobStatus::Quarantined;

// The batch that waits for a decision; null: there is none.
const Quarantined* WaitingBatch(const v1::JobStatus& job) {
  if (job.summary().state() != v1::JOB_STATE_PAUSED) return nullptr;
  const auto bad = std::ranges::find_if(
      job.quarantined(), [](const auto& one) { return !one.skip_wanted(); });
  return bad == job.quarantined().end() ? nullptr : &*bad;
}

// A partition has it, or no batch of the item was begun.
bool CannotBeLeftOut(const Quarantined& bad) {
  return bad.failed_end() == bad.position() || bad.applied_somewhere();
}

// A tenth of the rate: large steps are too large by factors, not by percents.
std::string LowerRate(const v1::Job& job) {
  if (job.algorithm().program_steps()) {  // The job file does not have it.
    return "a lower rate of the program's optimizer, or with on_nonfinite and "
           "on_divergence: rollback, which lower it";
  }
  const double rate = job::GradientRuleOf(job).rate();
  return job::ChangeFlag(
      absl::StrCat(job::GradientRuleKey(job), ".rate"),
      rate > 0 ? absl::StrFormat("%.6g", rate / 10) : std::string("RATE"));
}

constexpr absl::string_view kSmallerNumbers =
    "the data has numbers that are too large to compute with: correct them, or "
    "make all smaller (data: {train: {scale: 1e-6}} or standardise: true), and "
    "begin a new run";

// Ways on with a lower rate, the surest first.
std::vector<std::string> LowerRateHints(const v1::Job& job,
                                        const SoundVersions& stored,
                                        bool all_applied) {
  const std::string rate = LowerRate(job);
  if (all_applied) {
    return {
        absl::StrCat("every example is applied, so nothing is left to train "
                     "at a lower rate: begin a new run with ",
                     rate)};
  }
  // A run whose program differs is another one, which does not go on.
  if (job.algorithm().program_steps()) {
    return {absl::StrCat("begin a new run with ", rate)};
  }
  switch (stored.kind) {
    case SoundVersions::Kind::kNewest:
      return {absl::StrCat("--resume ", rate, " goes on at a lower rate")};
    case SoundVersions::Kind::kOlder:
      return {absl::StrCat(
          "--resume --to ",
          absl::FormatTime("%Y-%m-%dT%H:%M:%E3S",
                           absl::FromUnixMillis(stored.unix_ms),
                           absl::LocalTimeZone()),
          " ", rate,
          " goes back to the newest stored values that are not far off, and on "
          "at a lower rate")};
    case SoundVersions::Kind::kNone:
      return {absl::StrCat(
          "no stored version has usable values: begin a new run with ", rate)};
    case SoundVersions::Kind::kUnknown:
      break;
  }
  const bool rounds = job.consistency().kind() == v1::Consistency::KIND_ROUNDS;
  return {absl::StrCat("--resume ",
                       rounds ? "--to-round N " : "--versions-ago 1 ", rate,
                       " goes back ",
                       rounds ? "to the newest stored round up to N"
                              : "to the stored version before the newest",
                       ", and on at a lower rate")};
}

}  // namespace

std::string WhyStopped(const v1::JobStatus& job) {
  const v1::JobState state = job.summary().state();
  if (state == v1::JOB_STATE_CANCELLED) return "the job was cancelled";
  if (const Quarantined* bad = WaitingBatch(job)) {
    return absl::StrCat(
        "the job is paused", AfterFailures(bad->failures()), ": item ",
        ItemName(bad->item().epoch(), bad->item().shard()), ", ", bad->error(),
        bad->non_finite() && !job.divergence().empty()
            ? absl::StrCat("; before it, ", job.divergence())
            : "");
  }
  if (state == v1::JOB_STATE_PAUSED && job.quarantined().empty() &&
      job.paused_for_divergence()) {
    return absl::StrCat("the job is paused: ", job.divergence());
  }
  return "";
}

bool ValuesMatter(const v1::JobStatus& job) {
  const Quarantined* bad = WaitingBatch(job);
  return bad != nullptr ? bad->non_finite() : job.paused_for_divergence();
}

std::string WhatHelps(const v1::JobStatus& job, const v1::Job& specification,
                      const SoundVersions& stored) {
  const Quarantined* bad = WaitingBatch(job);
  if (bad == nullptr && !job.paused_for_divergence()) return "";
  const bool values_lost = stored.kind == SoundVersions::Kind::kOlder ||
                           stored.kind == SoundVersions::Kind::kNone;
  std::vector<std::string> hints;
  if (bad != nullptr && !bad->non_finite()) {
    hints.push_back("mend the cause and go on with --resume");
  }
  const bool all_applied = job.summary().items() > 0 &&
                           job.summary().full_items() == job.summary().items();
  if (ValuesMatter(job) && !workloads::FactsOf(specification).diverges) {
    // So it comes from the data.
    hints.emplace_back(kSmallerNumbers);
  } else if (bad != nullptr && bad->non_finite() && job.examples() > 0 &&
             job.applied_max() == 0) {
    hints.emplace_back(
        "mend the data or the model and begin a new run: no batch was applied "
        "yet, so a lower rate does not help");
  } else if (ValuesMatter(job)) {
    hints = LowerRateHints(specification, stored, all_applied);
  }
  // Where the values are lost, the next batch fails as this one did; where they
  // are good, the batch is what is wrong.
  if (bad != nullptr && !CannotBeLeftOut(*bad) && !values_lost) {
    const bool first = stored.kind == SoundVersions::Kind::kNewest;
    hints.insert(first ? hints.begin() : hints.end(),
                 "--resume --skip goes on without the batch");
  }
  if (bad == nullptr) {
    hints.push_back(all_applied ? "--resume ends the run with these values"
                                : "--resume goes on from here as it is");
  }
  return absl::StrCat("hint: ", absl::StrJoin(hints, "; or "));
}

}  // namespace ebb::tools
