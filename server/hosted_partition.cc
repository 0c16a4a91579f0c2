#include "server/hosted_partition.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/plant.h"

namespace ebb::server {

PartitionRegistration HostedPartition::Registration(
    PartitionId id, const StoredJob& job) const {
  PartitionRegistration registration;
  registration.partition = id;
  registration.serving = serving();
  registration.term = registration.serving ? term : highest_seen;
  registration.stored_term = versions.NewestTerm(job.generation, job.rollback);
  if (!registration.serving) return registration;
  registration.marks = values->marks().Encode();
  if (EBB_PLANTED(durable_confused_with_applied)) {
    registration.durable_marks = registration.marks;
  } else if (base_durable && durable.has_value()) {
    registration.durable_marks = durable->Encode();
  }
  registration.skipped = values->tally().ledger().skipped();
  if (job.record->plan.rounds()) {
    registration.oldest_round = values->rounds().held().oldest;
    registration.operations = values->rounds().Operations();
  }
  registration.stored = StoredVersions(job);
  return registration;
}

std::vector<RoundVersion> HostedPartition::StoredVersions(
    const StoredJob& job) const {
  auto stored = job.record->plan.rounds()
                    ? versions.OfRounds(job.generation, job.rollback)
                    : versions.OfTheLine(job.generation, job.rollback);
  const size_t most = std::min<size_t>(most_told, kMostReportedVersions);
  if (stored.size() > most) {
    stored.erase(stored.begin(), stored.end() - static_cast<ptrdiff_t>(most));
  }
  return stored;
}

std::optional<PartitionMarkReport> HostedPartition::TakeReport(
    PartitionId id, const StoredJob& job) {
  if (values == nullptr) return std::nullopt;
  const bool new_versions = std::exchange(changed_versions, false);
  const bool new_figures = std::exchange(changed_figures, false) && held;
  const bool operated = std::exchange(new_operation, false);
  if (changed.empty() && changed_durable.empty() && !new_versions &&
      !new_figures && !operated) {
    return std::nullopt;
  }
  PartitionMarkReport report;
  report.partition = id;
  report.term = term;
  for (const ItemId item : std::exchange(changed, {})) {
    report.marks.push_back({item, values->marks().mark(item)});
    if (EBB_PLANTED(durable_confused_with_applied)) {
      report.durable.push_back(report.marks.back());
    }
  }
  for (const ItemId item : std::exchange(changed_durable, {})) {
    report.durable.push_back({item, durable->mark(item)});
  }
  if (new_versions) report.stored = StoredVersions(job);
  if (new_figures) {
    report.figures = {values->rounds().open(), held->update->figures()};
  }
  if (operated) {
    auto operations = values->rounds().Operations();
    if (!operations.empty()) {
      report.operations.push_back(std::move(operations.back()));
    }
  }
  return report;
}

void HostedPartition::ResetReport() {
  changed.clear();
  changed_durable.clear();
  changed_versions = false;
  changed_figures = held.has_value();  // A registration does not tell them.
  new_operation = false;
}

void HostedPartition::BeginTerm(Term now) {
  highest_seen = now;
  term = now;
  next_sequence = 0;
}

void HostedPartition::DropValues() {
  values.reset();
  next_grant.reset();
  room = {};
  to_load.clear();
  listing = false;
  initial_asked = false;
  load_waits = false;
  incoming.reset();
  base_durable = false;
  cut_wanted = cut_asked = false;
  durable.reset();
  unsaved.clear();
  changed.clear();
  changed_durable.clear();
}

}  // namespace ebb::server
