#include "scheduler/answers/stored_where.h"

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "scheduler/answers/reasons.h"

namespace ebb::scheduler {

namespace {

// "ps-0, ps-1 and ps-2", or "ps-0, …, ps-7 and 56 more".
std::string ServerNames(const std::set<ServerId>& servers) {
  const auto all = static_cast<int64_t>(servers.size());
  std::string names;
  int64_t said = 0;
  for (const ServerId server : servers) {
    const bool rest = said == kMostListed && all > kMostListed + 1;
    const bool last = said + 1 == all;
    absl::StrAppend(&names,
                    said == 0      ? ""
                    : rest || last ? " and "
                                   : ", ",
                    rest ? absl::StrCat(all - said, " more")
                         : absl::StrCat("ps-", server.value()));
    if (rest) break;
    ++said;
  }
  return names;
}

}  // namespace

std::string StoredWhere(const TrainingJob& job) {
  if (job.state().phase != JobPhase::kCompleted) return "";
  std::set<ServerId> owners;
  int64_t copied = 0;
  const int32_t partitions = job.plan().partitions;
  for (int32_t p = 0; p < partitions; ++p) {
    owners.insert(job.placement().at(PartitionId(p)).owner);
    copied += job.state().durable_in[p].empty() ? 0 : 1;
  }
  const std::string there = absl::StrCat(
      "its values are in the --state-dir of ", ServerNames(owners));
  if (copied == partitions) {
    return absl::StrCat(there, ", and a copy is in --shared-checkpoints");
  }
  return absl::StrCat(
      there,
      copied == 0 ? " only; there is no copy"
                  : absl::StrCat("; --shared-checkpoints has a copy of ",
                                 copied, " of ", partitions,
                                 " partitions, and nothing of the others"),
      ". `ebb checkpoint export ", job.record()->name,
      " -o FILE.safetensors` takes the model home");
}

}  // namespace ebb::scheduler
