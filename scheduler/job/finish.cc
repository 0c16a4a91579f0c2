#include "scheduler/job/finish.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "scheduler/job/rollback.h"

namespace ebb::scheduler {

absl::Status Finish::Order(int64_t examples, absl::string_view why,
                           Context* context) {
  if (absl::Status over = job_.NotOver(); !over.ok()) return over;
  const std::string name = absl::StrCat("job ", job_.name());
  if (!job_.plan().endless()) {
    return absl::FailedPreconditionError(absl::StrCat(
        name,
        job_.plan().grows ? " ends already, after "
                          : " trains on data that has an end, after ",
        job_.plan().AllExamples(), " examples"));
  }
  if (std::max(examples, job_.marks.PlaceOfEnd()) <= 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " has not seen any example; ebb cancel ends it without a model"));
  }
  if (examples > job_.leases.reached()) {
    return absl::FailedPreconditionError(absl::StrCat(
        name, " knows of ", job_.leases.reached(), " examples so far, and not ",
        "of ", examples, ": order its end when they are there"));
  }
  context->Tell(EventKind::kJobChanged, job_.id(),
                absl::StrCat("job=", job_.name(), " is to end after ", examples,
                             " examples, or after those that it has: ", why));
  const bool again = job_.finishing();
  // A server may come back with less than the job has now; no job is empty.
  job_.state.finish_at = std::max<int64_t>(1, examples);
  job_.dirty = true;
  // No worker has got an item since the first time.
  if (again || EBB_PLANTED(end_without_new_terms)) return absl::OkStatus();
  asked_ = false;
  // A worker that may work on an item still hears that it is lost before it
  // hears of the new terms, by which pushes of before are refused.
  keeper_.EndAll(context);
  if (job_.started && job_.placement.registered() > 0) {
    granter_.GrantAll(context);
  }
  return absl::OkStatus();
}

bool Finish::AllStored() const {
  for (int32_t p = 0; p < job_.plan().partitions; ++p) {
    const PartitionId id(p);
    if (job_.marks.marks(id) != job_.marks.durable(id)) return false;
  }
  return true;
}

bool Finish::Settle(Context* context) {
  if (!job_.finishing()) return false;
  RollbackRecord record = job_.state.rollback;
  record.versions = VersionsBefore(rounds_.Kept(), 0, job_.state.moved);
  if ((!AllStored() || std::ssize(record.versions) != job_.plan().partitions) &&
      !EBB_PLANTED(end_before_all_is_stored)) {
    if (!std::exchange(asked_, true)) owners_.RequestCheckpoint(context);
    return false;
  }
  int64_t end = std::max(job_.state.finish_at, job_.marks.PlaceOfEnd());
  if (EBB_PLANTED(end_below_a_mark)) {
    end = job_.state.finish_at;
  }
  const auto ends = JobEnd::After(end, job_.plan());
  return rollbacks_.EndAfter(ends, std::move(record), "is finished", context);
}

}  // namespace ebb::scheduler
