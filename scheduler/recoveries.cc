#include "scheduler/recoveries.h"

#include <algorithm>

namespace ebb::scheduler {

namespace {

constexpr absl::Time kNotYet = absl::InfiniteFuture();

}  // namespace

Recoveries::Entry* Recoveries::Add(Recovery::Kind kind) {
  if (entries_.size() == kMost) {
    if (entries_.front().open()) --open_;
    entries_.pop_front();
  }
  Entry& entry = entries_.emplace_back();
  entry.recovery.number = ++last_;
  entry.recovery.kind = kind;
  ++open_;
  return &entry;
}

void Recoveries::Close(Entry* entry, absl::Time now) {
  entry->recovery.counted = now;
  --open_;
}

void Recoveries::SchedulerBack(absl::Time start) {
  Add(Recovery::Kind::kScheduler)->recovery.lost = start;
  ++losses_;
}

void Recoveries::WorkerLost(absl::string_view worker,
                            const std::vector<int64_t>& ordinals,
                            absl::Time now) {
  if (!ordinals.empty()) ++losses_;
  for (const int64_t ordinal : ordinals) {
    Recovery& recovery = Add(Recovery::Kind::kWorker)->recovery;
    recovery.worker = std::string(worker);
    recovery.ordinal = ordinal;
    recovery.lost = now;
  }
}

void Recoveries::ServerLost(ServerId server,
                            const std::vector<PartitionId>& partitions,
                            absl::Time now) {
  if (partitions.empty()) return;
  ++losses_;
  Entry* entry = Add(Recovery::Kind::kServer);
  entry->recovery.server = server;
  entry->recovery.lost = now;
  entry->unserved = {partitions.begin(), partitions.end()};
  entry->uncounted = entry->unserved;
}

// It comes once, before all others.
void Recoveries::NoteLease(absl::Time now) {
  if (entries_.empty()) return;
  Recovery& recovery = entries_.front().recovery;
  if (recovery.kind == Recovery::Kind::kScheduler) {
    recovery.resumed = std::min(recovery.resumed, now);
  }
}

void Recoveries::Leased(absl::Time now) { NoteLease(now); }

void Recoveries::LeasedAgain(int64_t ordinal, absl::string_view from,
                             absl::Time now) {
  NoteLease(now);
  for (Entry& entry : entries_) {
    Recovery& recovery = entry.recovery;
    if (recovery.kind == Recovery::Kind::kWorker &&
        recovery.ordinal == ordinal && recovery.resumed == kNotYet) {
      recovery.resumed = now;
      return;
    }
  }
  Recovery& recovery = Add(Recovery::Kind::kWorker)->recovery;
  recovery.worker = std::string(from);
  recovery.ordinal = ordinal;
  recovery.resumed = now;
}

void Recoveries::Served(PartitionId partition, absl::Time now) {
  for (Entry& entry : entries_) {
    if (entry.unserved.erase(partition) > 0 && entry.unserved.empty()) {
      entry.recovery.resumed = now;
    }
  }
}

void Recoveries::Counted(int64_t ordinal, PartitionId partition,
                         absl::Time now) {
  for (Entry& entry : entries_) {
    if (!entry.open()) continue;
    const Recovery& recovery = entry.recovery;
    switch (recovery.kind) {
      case Recovery::Kind::kWorker:
        // What its last holder had sent may be counted before.
        if (recovery.resumed != kNotYet && recovery.ordinal == ordinal) {
          Close(&entry, now);
        }
        break;
      case Recovery::Kind::kServer:
        entry.uncounted.erase(partition);
        if (entry.uncounted.empty()) Close(&entry, now);
        break;
      case Recovery::Kind::kScheduler:
        Close(&entry, now);
        break;
    }
  }
}

std::vector<Recovery> Recoveries::list() const {
  std::vector<Recovery> all;
  all.reserve(entries_.size());
  for (const Entry& entry : entries_) all.push_back(entry.recovery);
  return all;
}

}  // namespace ebb::scheduler
