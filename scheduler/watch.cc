#include "scheduler/watch.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ebb::scheduler {

namespace {

constexpr absl::Duration kWindow = absl::Seconds(4);
constexpr size_t kMostGone = 1024;

const WorkerInfo* WorkerAt(const SchedulerCore& core, LinkId link) {
  for (const auto& [session, worker] : core.cluster().workers) {
    if (worker.link == link) return &worker;
  }
  return nullptr;
}

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

JobWatch& Watch::Of(JobId job, absl::Time now) {
  const auto [it, added] = jobs_.try_emplace(job);
  JobWatch& watch = it->second;
  if (added) {
    watch.advanced = now;
    // Ids are drawn from the clock: it is from before.
    const auto drawn = absl::FromUnixMicros(static_cast<int64_t>(job.value()));
    if (drawn < since_) watch.recoveries.SchedulerBack(since_);
  }
  return watch;
}

void Watch::Look(const SchedulerCore& core, absl::Time now) {
  std::erase_if(jobs_, [&](const auto& one) {
    return !core.jobs().contains(one.first);  // It was forgotten.
  });
  for (const auto& [id, job] : core.jobs()) {
    JobWatch& watch = Of(id, now);
    const int64_t before = watch.count.sum();
    watch.applied.Add(now, watch.count.Look(*job));
    // Less is an advance, too: of knowing what a server that came back has.
    if (watch.count.sum() != before) watch.advanced = now;
    watch.worker_time += static_cast<int64_t>(core.allotment().Of(id).size()) *
                         std::max(absl::ZeroDuration(), now - looked_);
    for (; watch.silent_workers < job->parts().held.silent_workers();
         ++watch.silent_workers) {
      watch.recoveries.WorkerSilent();
    }
    absl::erase_if(watch.leased, [&job = job](const auto& leased) {
      return job->marks().FullEverywhere(leased.first);
    });
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
  looked_ = now;
}

void Watch::WorkerCloses(const SchedulerCore& core, LinkId link,
                         absl::Time now) {
  const WorkerInfo* worker = WorkerAt(core, link);
  if (worker == nullptr) return;
  gone_[link] = worker->name;
  if (gone_.size() > kMostGone) gone_.erase(gone_.begin());
  for (const auto& [id, job] : core.jobs()) {
    std::vector<int64_t> alone = job->leases().HeldBy(worker->session);
    std::erase_if(alone, [&job = job](int64_t ordinal) {
      return job->leases().backups().contains(ordinal);  // Another goes on.
    });
    Of(id, now).recoveries.WorkerLost(worker->name, alone, now);
  }
}

void Watch::ServerCloses(const SchedulerCore& core, LinkId link,
                         absl::Time now) {
  for (const auto& [server, info] : core.cluster().servers) {
    if (!info.connected || info.link != link) continue;
    for (const auto& [id, job] : core.jobs()) {
      std::vector<PartitionId> owned;
      for (int32_t p = 0; p < job->plan().partitions; ++p) {
        const Ownership& one = job->placement().at(PartitionId(p));
        if (one.owner == server && one.registered) owned.emplace_back(p);
      }
      Of(id, now).recoveries.ServerLost(server, owned, now);
    }
  }
}

void Watch::WorkerSays(const SchedulerCore& core, LinkId link,
                       const WorkerToScheduler& message, absl::Time now) {
  if (std::holds_alternative<WorkerGoodbye>(message)) {
    WorkerCloses(core, link, now);
    return;
  }
  const auto* end = std::get_if<ItemEnd>(&message);
  if (end == nullptr || end->end != LeaseEnd::kDone) return;
  const auto job = core.jobs().find(end->job);
  if (job == core.jobs().end() || !job->second->plan().HasItem(end->item)) {
    return;
  }
  JobWatch& watch = Of(end->job, now);
  if (end->generation != watch.generation) return;
  // A server may lose it, but no worker did.
  watch.leased.erase(job->second->plan().Ordinal(end->item));
}

void Watch::ServerSays(const SchedulerCore& core, LinkId link,
                       const ServerToScheduler& message, absl::Time now) {
  if (std::holds_alternative<ServerGoodbye>(message)) {
    ServerCloses(core, link, now);
    return;
  }
  const auto* report = std::get_if<MarkReport>(&message);
  if (report == nullptr || !core.jobs().contains(report->job)) return;
  const TrainingJob& job = *core.jobs().at(report->job);
  Recoveries& recoveries = Of(report->job, now).recoveries;
  if (!recoveries.open()) return;
  for (const PartitionMarkReport& one : report->partitions) {
    if (one.partition.value() < 0 ||
        one.partition.value() >= job.plan().partitions ||
        !job.placement().at(one.partition).registered ||
        job.placement().at(one.partition).drawn != one.term) {
      continue;
    }
    const MarkSet& known = job.marks().marks(one.partition);
    for (const ItemMark& mark : one.marks) {
      if (!job.plan().HasItem(mark.item) ||
          mark.mark <= known.mark(mark.item)) {
        continue;
      }
      recoveries.Counted(job.plan().Ordinal(mark.item), one.partition, now);
    }
  }
}

void Watch::ServerSaid(const SchedulerCore& core,
                       const ServerToScheduler& message, absl::Time now) {
  const auto* registered = std::get_if<RegisterPartitions>(&message);
  if (registered == nullptr || registered->job.record == nullptr) return;
  const auto job = core.jobs().find(registered->job.record->id);
  if (job == core.jobs().end()) return;
  for (const PartitionRegistration& one : registered->job.partitions) {
    if (one.partition.value() < 0 ||
        one.partition.value() >= job->second->plan().partitions ||
        !job->second->placement().at(one.partition).registered) {
      continue;
    }
    Of(job->first, now).recoveries.Served(one.partition, now);
  }
}

void Watch::Leased(const SchedulerCore& core, LinkId to, const Lease& lease,
                   absl::Time now) {
  JobWatch& job = Of(lease.record->id, now);
  const int64_t ordinal = lease.record->plan.Ordinal(lease.item);
  // After a rollback all items are leased anew, without a loss.
  if (std::exchange(job.generation, lease.generation) != lease.generation) {
    job.leased.clear();
  }
  const auto [leased, first] = job.leased.try_emplace(ordinal, to);
  if (first || leased->second == to) {
    job.recoveries.Leased(now);
    return;
  }
  const LinkId before = std::exchange(leased->second, to);
  const WorkerInfo* worker = WorkerAt(core, to);
  const auto known = core.jobs().find(lease.record->id);
  if (worker != nullptr && known != core.jobs().end()) {
    const LeaseTable::Held* held =
        known->second->leases().Find(ordinal, worker->session);
    if (held != nullptr && held->helped) return;  // It was not lost.
  }
  ++job.leases_repeated;
  const auto gone = gone_.find(before);
  const WorkerInfo* from = WorkerAt(core, before);
  // It is well: a server came back with less, or has yet to say what it has.
  if (from != nullptr && !from->silent && !from->draining) {
    job.recoveries.Leased(now);
    return;
  }
  job.recoveries.LeasedAgain(ordinal,
                             from != nullptr       ? from->name
                             : gone != gone_.end() ? gone->second
                                                   : "",
                             now);
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
