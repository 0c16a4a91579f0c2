// `ebb audit`.
#include <iostream>
#include <memory>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "tools/command/command.h"
#include "tools/ebb/audit/stored_audit.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/checkpoint/stored_job_flags.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/audit.h"
#include "tools/ebb/status/status_text.h"
#include "tools/text/console.h"
#include "tools/text/daemon_names.h"
#include "tools/text/progress_line.h"

namespace ebb::tools {

namespace {

struct AuditFlags {
  CheckpointPlace place;
  bool json = false;
};

// Says what the job's policies left out, by decision.
std::string SkippedText(const AuditReport& audit) {
  if (audit.worst.skipped == 0) return "";
  return absl::StrCat(", but for ", WithCommas(audit.worst.skipped), " of ",
                      WithCommas(audit.worst.expected), " that were skipped");
}

// The state of stored versions is unknown: JOB_STATE_UNSPECIFIED.
std::string AuditText(const AuditReport& audit, v1::JobState state,
                      const Console& console) {
  TextTable table({"PARTITION", "SERVER", "APPLIED", "EXPECTED", "MISSING",
                   "DOUBLED", "SKIPPED", "MARKED", "DURABLE"},
                  {0, 2, 3, 4, 5, 6, 7, 8});
  for (const PartitionAudit& partition : audit.partitions) {
    if (partition.server < 0) continue;  // Among the problems.
    table.Add({absl::StrCat(partition.partition), ServerName(partition.server),
               WithCommas(partition.ledger.applied),
               WithCommas(partition.ledger.expected),
               WithCommas(partition.ledger.missing),
               WithCommas(partition.ledger.doubled),
               WithCommas(partition.ledger.skipped),
               WithCommas(partition.marked), WithCommas(partition.durable)});
  }
  std::string out = table.ToString();
  const bool complete = state == v1::JOB_STATE_COMPLETE;
  for (const std::string& problem : audit.Problems(complete)) {
    absl::StrAppend(&out, Paint(console, Ink::kRed, "error:"), " ", problem,
                    "\n");
  }
  absl::StrAppend(
      &out,
      audit.exact()
          ? Paint(console, Ink::kGreen,
                  absl::StrCat(
                      "exact: every example was applied exactly once in each "
                      "of ",
                      Count(audit.sum.partitions, "partition"),
                      SkippedText(audit),
                      audit.oracle_checked ? "; the integer table agrees" : ""))
      : !audit.silent.empty()
          ? Paint(console, Ink::kRed,
                  absl::StrCat(
                      "NOT KNOWN to be exact: ", audit.sum.partitions, " of ",
                      Count(audit.partitions.size(), "partition"), " answered"))
      : complete || audit.all_applied()
          ? Paint(console, Ink::kRed, "NOT EXACT")
          : Paint(
                console, Ink::kYellow,
                absl::StrCat(state == v1::JOB_STATE_UNSPECIFIED
                                 ? "not exact: the newest versions that are "
                                   "stored are those of a job that is not done"
                                 : absl::StrCat("not exact yet: the job is ",
                                                StateWord(state)),
                             ", with ", WithCommas(audit.worst.applied), " of ",
                             WithCommas(audit.worst.expected),
                             " examples in the partition that has the least")),
      "\n");
  if (const std::string tokens = TokensText(audit); !tokens.empty()) {
    absl::StrAppend(&out, tokens, "\n");
  }
  if (audit.left_out > 0) {
    absl::StrAppend(&out, Count(audit.left_out, "bad example"),
                    " left out of the data, as on_bad_example says\n");
  }
  if (!audit.rolled_back.empty()) {
    absl::StrAppend(&out, "the job rolled back ", audit.rolled_back, "\n");
  }
  if (const std::string rate =
          RateText(audit.rate_factor, audit.nonfinite_rollbacks);
      !rate.empty()) {
    absl::StrAppend(&out, "it trains at ", rate, "\n");
  }
  if (audit.effect_approximate) {
    absl::StrAppend(&out,
                    "counted once, effect approximate: what a worker kept back "
                    "for the job's filter or algorithm is lost with it\n");
  }
  return out;
}

int Print(const AuditReport& audit, v1::JobState state, bool json) {
  std::cout
      << (json ? AuditJson(audit, state == v1::JOB_STATE_COMPLETE).ToString()
               : AuditText(audit, state, DetectConsole()));
  return audit.exact() ? kExitGood : kExitFailed;
}

int AuditStored(CheckpointSource* source, bool json) {
  const bool damaged = WarnOfDamage(*source);
  const auto audit = AuditVersions(source);
  if (!audit.ok()) return Report(audit.status());
  const int code = Print(*audit, v1::JOB_STATE_UNSPECIFIED, json);
  return damaged ? kExitFailed : code;
}

int Audit(const AuditFlags& flags) {
  const auto found = FindCheckpoints(flags.place);
  if (!found.ok()) return Report(found.status());
  const auto* const job = std::get_if<v1::GetJobResponse>(&*found);
  if (job == nullptr) {
    return AuditStored(
        std::get<std::unique_ptr<CheckpointSource>>(*found).get(), flags.json);
  }
  const auto audit =
      FetchAudit(*job, absl::Seconds(30), flags.place.access.security);
  if (!audit.ok()) return Report(audit.status());
  return Print(*audit, job->summary().state(), flags.json);
}

}  // namespace

void AddAuditCommand(CLI::App* app, int* exit_code) {
  const auto flags = std::make_shared<AuditFlags>();
  CLI::App* command = app->add_subcommand(
      "audit", "Proves that every example was applied exactly once");
  AddAccessFlags(command, &flags->place.access);
  command
      ->add_option("JOB", flags->place.name,
                   "Name or number of the job; or the folder of an ebb run, a "
                   "--state-dir of an ebb-ps, a folder with several of these, "
                   "or a folder or s3://BUCKET/PREFIX of "
                   "--shared-checkpoints")
      ->required();
  AddStoredJobFlag(command, &flags->place.job);
  command->add_flag("--json", flags->json, "Print JSON, for programs");
  command->footer(R"(
Compares what every partition contains, by its ledger, with the data. Marks are
listed, and must agree; no figure is derived from them. For a folder or a
bucket, the newest stored versions are read whole.
Exits 1 unless every server answered, the job is complete and the audit is
exact.
Examples:
  ebb audit --scheduler localhost:7000 fashion-mlp
  ebb audit runs/fashion-mlp-1
  ebb audit s3://my-bucket/cluster-1)");
  command->callback([=] {
    const absl::Status open = flags->place.access.Open();
    *exit_code = open.ok() ? Audit(*flags) : Report(open);
  });
}

}  // namespace ebb::tools
