#include "scheduler/watch.h"

namespace ebb::scheduler {

namespace {

constexpr absl::Duration kWindow = absl::Seconds(4);

}  // namespace

void Speed::Add(absl::Time now, double value) {
  samples_.emplace_back(now, value);
  while (samples_.size() > 2 && now - samples_[1].first >= kWindow) {
    samples_.pop_front();
  }
}

double Speed::per_second() const {
  if (samples_.size() < 2) return 0;
  const double seconds =
      absl::ToDoubleSeconds(samples_.back().first - samples_.front().first);
  if (seconds <= 0) return 0;
  return (samples_.back().second - samples_.front().second) / seconds;
}

double AppliedCount::Look(const TrainingJob& job) {
  seen_.resize(job.plan().partitions);
  int64_t added = 0;
  int32_t compared = 0;
  sum_ = 0;
  for (int32_t p = 0; p < job.plan().partitions; ++p) {
    const Ownership& one = job.placement().at(PartitionId(p));
    const Seen now = {one.registered ? one.drawn : Term(),
                      job.marks().marks(PartitionId(p)).examples()};
    sum_ += now.examples;
    if (now.term == seen_[p].term && now.term != Term()) {
      added += now.examples - seen_[p].examples;
      ++compared;
    }
    seen_[p] = now;
  }
  if (compared > 0) count_ += static_cast<double>(added) / compared;
  return count_;
}

void Watch::Look(const SchedulerCore& core, absl::Time now) {
  for (const auto& [id, job] : core.jobs()) {
    const auto [it, added] = jobs_.try_emplace(id);
    JobWatch& watch = it->second;
    const int64_t before = watch.count.sum();
    watch.applied.Add(now, watch.count.Look(*job));
    // Less is an advance, too: of knowing what a server that came back has.
    if (added || watch.count.sum() != before) watch.advanced = now;
    const JobPhase phase = job->state().phase;
    if (phase == JobPhase::kCompleted || phase == JobPhase::kCancelled) {
      watch.finished = std::min(watch.finished, now);
      watch.leased = {};
    } else {
      watch.finished = absl::InfiniteFuture();
    }
  }
  const auto& workers = core.cluster().workers;
  std::erase_if(workers_,
                [&](const auto& one) { return !workers.contains(one.first); });
  for (const auto& [session, worker] : workers) {
    WorkerWatch& watch = workers_[session];
    watch.examples.Add(now, static_cast<double>(worker.examples));
    watch.parked_since = worker.parked ? std::min(watch.parked_since, now)
                                       : absl::InfiniteFuture();
  }
}

void Watch::Leased(LinkId to, const Lease& lease) {
  const auto it = jobs_.find(lease.record->id);
  if (it == jobs_.end()) return;
  const auto [leased, first] =
      it->second.leased.try_emplace(lease.record->plan.Ordinal(lease.item), to);
  if (!first && leased->second != to) {
    ++it->second.leases_repeated;
    leased->second = to;
  }
}

const JobWatch* Watch::job(JobId id) const {
  const auto it = jobs_.find(id);
  return it == jobs_.end() ? nullptr : &it->second;
}

const WorkerWatch* Watch::worker(SessionId session) const {
  const auto it = workers_.find(session);
  return it == workers_.end() ? nullptr : &it->second;
}

}  // namespace ebb::scheduler
