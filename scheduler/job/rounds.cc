#include "scheduler/job/rounds.h"

namespace ebb::scheduler {

void Rounds::Registered(const PartitionRegistration& registration) {
  PartitionRounds& kept = kept_[registration.partition.value()];
  kept.live.oldest = registration.oldest_round;
  kept.stored = registration.stored;
}

void Rounds::Stored(const PartitionMarkReport& report) {
  if (report.stored.empty()) return;
  kept_[report.partition.value()].stored = report.stored;
}

const std::vector<PartitionRounds>& Rounds::Kept(const MarkTable& marks) {
  for (int32_t p = 0; plan_.rounds() && p < plan_.partitions; ++p) {
    kept_[p].live.open = marks.marks(PartitionId(p)).first_open_round();
  }
  return kept_;
}

std::optional<Rollback> Rounds::MustRollBack(const MarkTable& marks,
                                             OfRound which) {
  return DecideRollback(Kept(marks), which);
}

std::optional<Rounds::News> Rounds::Advance(JobId job, Generation generation,
                                            const MarkTable& marks) {
  const RoundStatus now{job, generation, marks.RoundsClosed(),
                        marks.RoundsDurable()};
  if (told_ && told_->closed_everywhere == now.closed_everywhere &&
      told_->durable_everywhere == now.durable_everywhere) {
    return std::nullopt;
  }
  // The first time in any case: servers may believe an earlier scheduler's, and
  // workers may hold items that it leased. Else if a server came back with an
  // older round: workers that wait for later ones hold all they may, and no
  // worker could take the items that are open again.
  const bool revokes =
      !told_ || now.closed_everywhere < told_->closed_everywhere;
  told_ = now;
  return News{now, revokes};
}

Rounds::Lease Rounds::MayLease(int64_t round) const {
  if (!told_ || round > told_->closed_everywhere) return Lease::kNotOpen;
  return round - plan_.consistency.rounds_in_memory < told_->durable_everywhere
             ? Lease::kMay
             : Lease::kNotDurable;
}

bool Rounds::WantsCheckpoint(int64_t round) {
  if (checkpoint_asked_ == round) return false;
  checkpoint_asked_ = round;
  return true;
}

}  // namespace ebb::scheduler
