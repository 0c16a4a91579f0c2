// Does what the partitions contain agree with the data? Computed from the
// ledgers and integer tables that the servers keep with their values, and from
// the plan of the job; marks are looked at too, but no figure comes from them.
#ifndef EBB_TOOLS_EBB_CLUSTER_AUDIT_H_
#define EBB_TOOLS_EBB_CLUSTER_AUDIT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ebb/v1/parameter_server.pb.h"
#include "ebb/v1/scheduler.pb.h"
#include "protocol/ledger.h"
#include "protocol/plan.h"
#include "rpc/security.h"
#include "tools/ebb/status/silent_servers.h"
#include "tools/text/json.h"

namespace ebb::tools {

struct PartitionAudit {
  int32_t partition = 0;
  // -1: no server answered for it, and the members below are not set.
  int server = -1;
  AuditResult ledger;
  // Examples below its marks, for comparison.
  int64_t marked = 0;
  int64_t durable = 0;
  bool marks_agree = false;  // With the ledger.
  int64_t updates = 0;       // Pushes applied since the initial values.
  bool oracle_exact = true;  // True also without an integer table.
  std::vector<SkippedRange> skipped;
  std::string problem;  // Empty: none.
};

struct AuditReport {
  // All but `partitions` is of the partition that is worst off, so `expected`
  // is the number of examples times epochs.
  AuditResult worst;
  AuditResult sum;  // Over the partitions that answered.
  // Their partitions are unknown: they need not be empty.
  std::vector<SilentServer> silent;
  bool oracle_checked = false;
  // Every example counts once, but a part of its effect is lost where a worker
  // was, which kept back what the job's filter or algorithm did not send.
  bool effect_approximate = false;
  int64_t updates = 0;  // Pushes applied, by all partitions together.
  // Bad examples of the training data, which the job leaves out.
  int64_t left_out = 0;
  // Tokens of each example; 0: they are not sequences of as many.
  int64_t example_tokens = 0;
  // The latest rollback, how often the job made one by itself, and at how much
  // of its rate it has trained since.
  std::string rolled_back;
  int32_t nonfinite_rollbacks = 0;
  double rate_factor = 1;
  std::vector<PartitionAudit> partitions;

  // Every partition holds every example exactly once, except decided skips;
  // integer tables and marks agree.
  bool exact() const;
  // The partitions that answered have applied all examples.
  bool all_applied() const { return sum.missing == 0; }
  // Returns what is wrong, a line each. In a job that is not complete, missing
  // examples are not wrong.
  std::vector<std::string> Problems(bool complete = true) const;
};

// `ledgers` are the answers of the servers, `silent` the servers that gave
// none. A partition that is in neither has no server.
AuditReport AuditJob(const JobPlan& plan,
                     const std::vector<v1::GetLedgersResponse>& ledgers,
                     const std::vector<SilentServer>& silent = {});

// The value that each of the partition's integer sums must have by definition:
// a function of the plan and of the skipped ranges alone.
std::vector<uint64_t> ExpectedOracle(const JobPlan& plan, int32_t partition,
                                     const std::vector<SkippedRange>& skipped);

// Notes what the job says of its training data: the bad examples that it leaves
// out, and the tokens of each. A job of another program has a specification of
// its own, and says neither.
void NoteData(const v1::JobRecord& record, AuditReport* report);

// The tokens of so many examples, or the greatest number that there is.
int64_t TokensOf(int64_t examples, int64_t each);

// "8,809 sequences of 64 tokens, 563,776 tokens in all"; empty: the examples
// are not sequences of as many.
std::string TokensText(const AuditReport& audit);

// Asks the servers of the job's placement. InvalidArgument, DataLoss: the job's
// plan cannot be read. A server that does not answer is in the report.
absl::StatusOr<AuditReport> FetchAudit(const v1::GetJobResponse& job,
                                       absl::Duration deadline,
                                       const rpc::SecurityPtr& security);

// `complete` as for Problems(). Where a partition did not answer, figures are
// null.
Json AuditJson(const AuditReport& audit, bool complete);

}  // namespace ebb::tools

#endif  // EBB_TOOLS_EBB_CLUSTER_AUDIT_H_
