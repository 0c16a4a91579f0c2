#include "scheduler/job/job_rounds.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::scheduler {

void JobRounds::Registered(const PartitionRegistration& registration) {
  rounds_.Registered(registration);
  operations_.Registered(registration);
}

void JobRounds::Reported(const PartitionMarkReport& report) {
  rounds_.Stored(report);
  operations_.Reported(report);
}

void JobRounds::BeginGeneration() {
  rounds_.BeginGeneration();
  operations_.BeginGeneration();
}

bool JobRounds::MayLease(int64_t ordinal, Context* context) {
  if (job_.training_facts.epochs_in_order) {
    return job_.plan().ItemAt(ordinal).epoch <= job_.marks.EpochsFull() ||
           EBB_PLANTED(older_contribution_replaces_newer);
  }
  if (!job_.plan().rounds()) return true;
  const int64_t round = job_.plan().RoundOf(job_.plan().ItemAt(ordinal));
  const std::optional<int64_t> ends = operations_.ends_after();
  if (ends && round >= *ends && !EBB_PLANTED(ended_job_goes_on)) return false;
  const Rounds::Lease lease = rounds_.MayLease(round);
  // The servers hold as many values as they may: they must be stored first.
  if (lease == Rounds::Lease::kNotDurable && rounds_.WantsCheckpoint(round)) {
    owners_.RequestCheckpoint(context);
  }
  return lease == Rounds::Lease::kMay;
}

std::optional<JobRounds::End> JobRounds::EndsNow(Context* context) {
  const std::optional<int64_t> ends = operations_.ends_after();
  if (!ends || job_.marks.RoundsClosed() < *ends) return std::nullopt;
  if (job_.marks.RoundsDurable() < *ends) {
    if (rounds_.WantsCheckpoint(*ends)) owners_.RequestCheckpoint(context);
    return std::nullopt;
  }
  Rollback newest = RollbackToRound(Kept(), *ends, OfRound::kOpen);
  // A server may have told its marks, and its versions not yet.
  if (newest.to_round != *ends ||
      std::ssize(newest.record.versions) != job_.plan().partitions) {
    return std::nullopt;
  }
  return End{static_cast<int32_t>(*ends / job_.plan().RoundsPerEpoch()),
             std::move(newest.record)};
}

std::map<int64_t, double> JobRounds::LossSums() const {
  std::map<int64_t, double> sums = operations_.loss_sums();
  if (sums.empty()) return sums;  // It may have no rounds.
  sums.erase(sums.lower_bound(job_.marks.RoundsClosed()), sums.end());
  return sums;
}

std::optional<Validation> JobRounds::LatestValidation() const {
  const std::map<int64_t, Validation>& known = operations_.validations();
  if (known.empty()) return std::nullopt;  // It may have no rounds.
  const auto open = known.lower_bound(job_.marks.RoundsClosed());
  if (open == known.begin()) return std::nullopt;
  return std::prev(open)->second;
}

void JobRounds::Tell(Context* context) {
  TellStatus(context);
  if (job_.plan().algorithm.operated) OrderOperations(context);
}

void JobRounds::TellStatus(Context* context) {
  const auto news =
      rounds_.Advance(job_.id(), job_.state.generation, job_.marks);
  if (!news) return;
  if (news->revokes) {
    keeper_.RevokeWhere(
        [&](ItemId item) {
          return job_.plan().RoundOf(item) > news->status.closed_everywhere;
        },
        context);
  }
  context->ToOwners(job_.placement, news->status);
}

void JobRounds::OrderOperations(Context* context) {
  RoundOperations::News news = operations_.Advance(job_.marks, job_.placement);
  if (!news.text.empty()) {
    context->Log(absl::StrCat("job=", job_.name(), " ", news.text));
  }
  for (RoundOperations::Order& order : news.orders) {
    context->ToServer(context->cluster->servers.at(order.server),
                      ApplyOperation{job_.id(), job_.state.generation,
                                     std::move(order.operation)});
  }
}

}  // namespace ebb::scheduler
