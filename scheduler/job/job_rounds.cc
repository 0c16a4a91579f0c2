#include "scheduler/job/job_rounds.h"

#include <utility>

#include "absl/strings/str_cat.h"

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
  if (!job_.plan().rounds()) return true;
  const int64_t round = job_.plan().RoundOf(job_.plan().ItemAt(ordinal));
  const Rounds::Lease lease = rounds_.MayLease(round);
  // The servers hold as many values as they may: they must be stored first.
  if (lease == Rounds::Lease::kNotDurable && rounds_.WantsCheckpoint(round)) {
    owners_.RequestCheckpoint(context);
  }
  return lease == Rounds::Lease::kMay;
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
