#include "scheduler/check_job.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "scheduler/actions.h"
#include "scheduler/placement.h"

namespace ebb::scheduler {

namespace {

// Each costs the scheduler and the servers some bytes for as long as the job
// is there.
constexpr int64_t kMostItems = int64_t{1} << 24;

}  // namespace

absl::Status CheckPlan(const JobRecord& record) {
  EBB_RETURN_IF_ERROR(record.plan.Validate());
  // A job on data that grows pays for epochs that are open.
  const int64_t items =
      record.plan.grows ? record.plan.shards() : record.plan.items();
  if (items > kMostItems) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job ", record.name, " has ", items, " items (", record.plan.epochs,
        " epochs of ", record.plan.shards(), "); at most ", kMostItems,
        " fit in the memory of scheduler and servers: make items larger "
        "(train.item_examples) or train fewer epochs"));
  }
  return absl::OkStatus();
}

absl::Status CheckRegistration(const JobRegistration& registration) {
  if (registration.record == nullptr) {
    return absl::InvalidArgumentError("it names no job");
  }
  const JobRecord& record = *registration.record;
  uint64_t highest =
      std::max(record.id.value(), registration.generation.value());
  for (const PartitionRegistration& one : registration.partitions) {
    highest = std::max({highest, one.term.value(), one.stored_term.value()});
  }
  if (!NumberSource::Plausible(highest)) {
    return absl::DataLossError(absl::StrCat(
        "the number ", highest, " was never drawn, its storage is damaged"));
  }
  return CheckPlan(record);
}

bool HasData(const RegisterServer& message) {
  return std::ranges::any_of(message.jobs, [](const JobRegistration& job) {
    return std::ranges::any_of(job.partitions,
                               [](const PartitionRegistration& one) {
                                 return ClaimedTerm(one) != Term();
                               }) &&
           CheckRegistration(job).ok();
  });
}

}  // namespace ebb::scheduler
