#include "scheduler/job/worker_demand.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"

namespace ebb::scheduler {

namespace {

std::string AtMostWorkers(int32_t workers) {
  if (workers == 0) return "any number of workers";
  return absl::StrCat(workers, workers == 1 ? " worker" : " workers",
                      " at most");
}

}  // namespace

WorkerClaim WorkerDemand::Claim(int64_t able, int64_t has,
                                int64_t* limit) const {
  *limit =
      max_workers() > 0 ? max_workers() : std::numeric_limits<int64_t>::max();
  WorkerClaim claim;
  claim.priority = job_.plan().priority;
  claim.begun = HasBegun();
  if (job_.state.phase == JobPhase::kPaused && !job_.state.paused_by_operator) {
    return claim;  // Workers that have an item may end it.
  }
  if (job_.state.phase != JobPhase::kRunning) {
    *limit = 0;
    return claim;
  }
  // While a server is away nothing can be gained, and what it has it keeps.
  int64_t most =
      job_.started && job_.placement.AllRegistered() ? OpenWork() : has;
  claim.min = std::min<int64_t>(job_.plan().min_workers, most);
  claim.most = std::min({most, *limit, able});
  return claim;
}

// In rounds a round's items at any time, or its workers would be taken away at
// the end of each round and given back at the beginning of the next.
int64_t WorkerDemand::OpenWork() const {
  if (job_.state.phase != JobPhase::kRunning || job_.finishing()) return 0;
  const int64_t unfinished = std::max<int64_t>(0, job_.leases.Unfinished());
  if (!job_.plan().rounds() || unfinished == 0) return unfinished;
  return std::min<int64_t>(job_.plan().consistency.round_items,
                           job_.plan().shards());
}

int32_t WorkerDemand::max_workers() const {
  return job_.state.scaled_workers >= 0 ? job_.state.scaled_workers
                                        : job_.plan().max_workers;
}

absl::Status WorkerDemand::Scale(int32_t workers, Context* context) {
  if (absl::Status over = job_.NotOver(); !over.ok()) return over;
  if (workers < 0 || (workers > 0 && workers < job_.plan().min_workers)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "job ", job_.name(), " cannot take ", workers,
        " workers at most: it takes ", job_.plan().min_workers,
        " at least (workers.min); name as many, or 0 for no limit"));
  }
  if (workers == max_workers()) return absl::OkStatus();
  context->Tell(
      EventKind::kJobScaled, job_.id(),
      absl::StrCat("job=", job_.name(), " takes ", AtMostWorkers(workers),
                   " instead of ", AtMostWorkers(max_workers()),
                   ": an operator said so (ebb scale)"));
  job_.state.scaled_workers = workers;
  job_.dirty = true;
  return absl::OkStatus();
}

bool WorkerDemand::HasBegun() const {
  return begun_ || job_.marks.marks(PartitionId(0)).examples() > 0;
}

void WorkerDemand::WarnOfTooMany(Context* context) const {
  if (max_workers() <= 0 || job_.state.phase != JobPhase::kRunning) return;
  const int64_t able = context->cluster->WorkersFor(job_.id());
  if (able <= max_workers()) return;
  context->Log(absl::StrCat("job=", job_.name(), " takes ", max_workers(),
                            " workers at once (workers.max); of the ", able,
                            " that are there the others wait, or work on "
                            "other jobs"));
}

// With the first that is too many; the next are nothing new.
void WorkerDemand::WorkerArrived(Context* context) const {
  if (max_workers() > 0 &&
      context->cluster->WorkersFor(job_.id()) == max_workers() + 1) {
    WarnOfTooMany(context);
  }
}

}  // namespace ebb::scheduler
