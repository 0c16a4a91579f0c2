#include "scheduler/job/job_tables.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::scheduler {

namespace {

// A specification that cannot be read is nothing to fail of here: it is told
// where the job is worked on.
job::TrainingFacts FactsOf(const SchedulerOptions& options,
                           const JobRecord& record) {
  if (options.training_facts == nullptr) return {};
  return options.training_facts(record).value_or(job::TrainingFacts());
}

}  // namespace

JobTables::JobTables(const SchedulerOptions& options, JobRecordPtr job_record,
                     JobState job_state)
    : options(options),
      record(std::move(job_record)),
      known{record->id, record->name, record->plan, ""},
      training_facts(FactsOf(options, *record)),
      state(std::move(job_state)),
      placement(known.plan.partitions),
      marks(known.plan),
      leases(known.plan, marks) {
  state.owners.resize(placement.size(), Ownership::kNobody);
  state.owned_since.resize(placement.size());
  state.durable_in.resize(placement.size());
  state.durable_term.resize(placement.size());
  state.moved.resize(placement.size());
  for (int32_t p = 0; p < placement.size(); ++p) {
    Ownership& one = placement.at(PartitionId(p));
    one.owner = state.owners[p];
    one.drawn = state.owned_since[p];
    one.kept = one.owner != Ownership::kNobody;
  }
}

absl::Status JobTables::NotOver() const {
  if (!over()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("job ", name(), " is ", JobPhaseName(state.phase)));
}

void JobTables::TakeRecord(JobRecordPtr other) {
  if (other->specification == record->specification) return;
  record = std::move(other);
  known.plan = record->plan;
  training_facts = FactsOf(options, *record);
  new_record = !EBB_PLANTED(change_is_not_stored);
}

}  // namespace ebb::scheduler
