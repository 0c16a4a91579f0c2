#include "tools/ebb/audit/stored_audit.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "rpc/convert.h"

namespace ebb::tools {

namespace {

// 3 of "ps-3"; of a folder with another name 0.
int ServerOf(absl::string_view name) {
  int number = 0;
  absl::ConsumePrefix(&name, "ps-");
  return absl::SimpleAtoi(name, &number) ? number : 0;
}

}  // namespace

absl::StatusOr<AuditReport> AuditVersions(CheckpointSource* source) {
  EBB_ASSIGN_OR_RETURN(const std::vector<VersionInfo> versions, source->List());
  const auto newest =
      NewestVersions(source->job().plan, source->line(), versions);
  if (!newest.ok()) {
    return absl::Status(
        newest.status().code(),
        absl::StrCat(newest.status().message(), ": ", source->WhyNoVersion()));
  }
  std::map<int, v1::GetLedgersResponse> servers;
  for (const VersionInfo& version : *newest) {
    EBB_ASSIGN_OR_RETURN(v1::PartitionLedger ledger, source->Ledger(version));
    *servers[ServerOf(version.server)].add_partitions() = std::move(ledger);
  }
  std::vector<v1::GetLedgersResponse> ledgers;
  for (auto& [server, answer] : servers) {
    answer.set_server(server);
    ledgers.push_back(std::move(answer));
  }
  AuditReport report = AuditJob(source->job().plan, ledgers);
  NoteData(rpc::ToProto(source->job()), &report);
  report.nonfinite_rollbacks = source->line().rollback.nonfinite;
  report.rate_factor = source->line().rollback.rate_factor;
  return report;
}

}  // namespace ebb::tools
