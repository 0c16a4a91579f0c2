// Several jobs, and operators who change them: for tests.
#ifndef EBB_SCHEDULER_SCHEDULER_CONTROL_FIXTURE_H_
#define EBB_SCHEDULER_SCHEDULER_CONTROL_FIXTURE_H_

#include <string>
#include <utility>
#include <vector>

#include "scheduler/scheduler_fixture.h"

namespace ebb::scheduler {

class SchedulerControlTest : public SchedulerFixture {
 protected:
  static LinkId Link(int i) { return LinkId(10 + i); }
  static SessionId Worker(int i) { return SessionId(300 + i); }

  // A job of 4 items that both partitions of are served.
  JobId Begin(const std::string& name, int32_t priority, int32_t min = 1,
              int32_t max = 0) {
    JobRecord record = Record();
    record.name = name;
    record.plan.priority = priority;
    record.plan.quarantine_after = 100;
    record.plan.min_workers = min;
    record.plan.max_workers = max;
    Submit(record);
    Register();
    return job_;
  }
  void WorkersUp(int n) {
    for (int i = 0; i < n; ++i) WorkerUp(Link(i), Worker(i));
  }
  const TrainingJob& Job(JobId id) const { return *core_->jobs().at(id); }
  size_t Has(JobId id) const { return core_->allotment().Of(id).size(); }
  template <typename Change>
  absl::Status Operate(Change change) {
    SchedulerActions actions;
    absl::Status status = change(&actions);
    Do(std::move(actions));
    return status;
  }
  absl::Status Pause(JobId id) {
    return Operate([&](auto* out) { return core_->Pause(id, now_, out); });
  }
  absl::Status EndPause(JobId id) {
    return Operate([&](auto* out) { return core_->EndPause(id, now_, out); });
  }
  absl::Status Scale(JobId id, int32_t workers) {
    return Operate([&](auto* out) {
      return core_->ScaleJob(id, {.workers = workers}, now_, out);
    });
  }
  // Which worker lost which item, as the last event said.
  std::vector<std::pair<LinkId, ItemId>> Lost() const {
    std::vector<std::pair<LinkId, ItemId>> lost;
    for (const auto& [link, message] : to_worker_) {
      if (const auto* one = std::get_if<LeaseLost>(&message)) {
        lost.emplace_back(link, one->item);
      }
    }
    return lost;
  }
  void Applied(JobId id, ItemId item, int64_t mark) {
    MarkReport report;
    report.session = kServerSession;
    report.job = id;
    report.generation = Job(id).state().generation;
    for (int32_t p = 0; p < 2; ++p) {
      PartitionMarkReport& one = report.partitions.emplace_back();
      one.partition = PartitionId(p);
      one.term = Job(id).placement().at(PartitionId(p)).drawn;
      one.marks = {{item, mark}};
    }
    FromServer(report, kServerSession);
  }
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_CONTROL_FIXTURE_H_
