// For tests of the scheduler's decisions: a core whose actions are carried out
// by hand, and what servers and workers would say to it.
#ifndef EBB_SCHEDULER_SCHEDULER_FIXTURE_H_
#define EBB_SCHEDULER_SCHEDULER_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/scheduler_core.h"

namespace ebb::scheduler {

inline constexpr LinkId kServerLink(1), kWorkerLink(2), kOtherLink(3);
inline constexpr SessionId kServerSession(101), kWorker(201), kOther(202);
inline constexpr ServerId kServer(0);

// One server with both partitions; one epoch of 4 items of 2 examples.
class SchedulerFixture : public testing::Test {
 protected:
  SchedulerFixture() { Restart({}); }

  static JobRecord Record() {
    JobRecord record;
    record.name = "test";
    record.plan.examples = 8;
    record.plan.shard_size = 2;
    record.plan.partitions = 2;
    record.plan.parameters = 4;
    record.plan.quarantine_after = 2;
    return record;
  }

  void Restart(std::map<std::string, std::string> stored,
               const SchedulerOptions& options = {}) {
    stored_ = std::move(stored);
    core_ = *SchedulerCore::Create(options, stored_, now_);
  }

  // Carries out the actions; keeps the messages of the last event.
  void Do(SchedulerActions actions) {
    to_server_.clear();
    to_server_links_.clear();
    log_.clear();
    to_worker_.clear();
    closed_.clear();
    bool sent = false;
    for (SchedulerAction& action : actions) {
      if (auto* log = std::get_if<LogEvent>(&action)) {
        log_.push_back(log->text);
      } else if (auto* persist = std::get_if<Persist>(&action)) {
        EXPECT_FALSE(sent) << "something was sent before it was stored";
        for (const StoreWrite& write : persist->writes) {
          if (write.value) {
            stored_[write.key] = *write.value;
          } else {
            stored_.erase(write.key);
          }
        }
      } else if (auto* server = std::get_if<SendServer>(&action)) {
        sent = true;
        to_server_.push_back(server->message);
        to_server_links_.push_back(server->link);
      } else if (auto* worker = std::get_if<SendWorker>(&action)) {
        sent = true;
        to_worker_.emplace_back(worker->link, worker->message);
      } else if (auto* close = std::get_if<CloseWorker>(&action)) {
        closed_.push_back(close->link);
      }
    }
  }
  void FromServer(ServerToScheduler message, SessionId session) {
    SchedulerActions actions;
    core_->OnServer(kServerLink, message, now_, &actions);
    Do(std::move(actions));
  }
  void FromWorker(LinkId link, WorkerToScheduler message) {
    SchedulerActions actions;
    core_->OnWorker(link, message, now_, &actions);
    Do(std::move(actions));
  }
  void Tick(absl::Duration later) {
    now_ += later;
    SchedulerActions actions;
    core_->OnTick(now_, &actions);
    Do(std::move(actions));
  }

  void ServerUp(std::vector<JobRegistration> jobs = {}) {
    RegisterServer message;
    message.server = kServer;
    message.session = kServerSession;
    message.address = "here:1";
    message.store = "its store";
    message.jobs = std::move(jobs);
    FromServer(message, kServerSession);
  }
  void ServerGone() {
    SchedulerActions actions;
    core_->OnServerDisconnected(kServerLink, now_, &actions);
    Do(std::move(actions));
  }
  void Submit(const JobRecord& record = Record()) {
    SchedulerActions actions;
    job_ = *core_->Submit(record, now_, &actions);
    Do(std::move(actions));
  }
  std::vector<Grant> Grants() const {
    std::vector<Grant> grants;
    for (const SchedulerToServer& message : to_server_) {
      if (auto* grant = std::get_if<Grant>(&message)) grants.push_back(*grant);
    }
    return grants;
  }
  std::vector<Lease> Leases(LinkId link) const {
    std::vector<Lease> leases;
    for (const auto& [to, message] : to_worker_) {
      if (to != link) continue;
      if (auto* lease = std::get_if<Lease>(&message)) leases.push_back(*lease);
    }
    return leases;
  }

  const TrainingJob& job() const { return *core_->jobs().at(job_); }
  // The server's registration of its partitions, with `full` items done.
  JobRegistration Registration(int32_t full, int32_t durable) const {
    JobRegistration registration;
    registration.record = job().record();
    registration.generation = job().state().generation;
    const auto encode = [&](int32_t items) {
      MarkSet marks(job().plan());
      for (int32_t i = 0; i < items; ++i) {
        EXPECT_TRUE(marks.Raise({0, i}, 2).ok());
      }
      return marks.Encode();
    };
    for (int32_t p = 0; p < 2; ++p) {
      registration.partitions.push_back(
          {PartitionId(p), job().placement().at(PartitionId(p)).drawn, true,
           encode(full), encode(durable)});
    }
    return registration;
  }
  void Register(int32_t full = 0, int32_t durable = 0) {
    FromServer(RegisterPartitions{kServerSession, Registration(full, durable)},
               kServerSession);
  }
  void WorkerUp(LinkId link, SessionId session) {
    FromWorker(link, RegisterWorker{session, "w"});
    FromWorker(link, LeaseRequest{session, 1});
  }
  // A server said that it is in no view, and that all have reached that clock.
  void AsksToJoin(LinkId link, SessionId session, ItemId item,
                  int64_t view_clock = 0) {
    Progress progress{session, job_, job().state().generation, item};
    progress.not_in_view = true;
    progress.view_clock = view_clock;
    FromWorker(link, progress);
  }
  void WorkerGone(LinkId link) {
    SchedulerActions actions;
    core_->OnWorkerDisconnected(link, now_, &actions);
    Do(std::move(actions));
  }
  // It holds the first item, and has not what it takes.
  void CannotBegin(LinkId link, SessionId session) {
    ItemEnd end{session, job_, job().state().generation, {0, 0}};
    end.end = LeaseEnd::kFailed;
    end.error = "data.csv is not there";
    FromWorker(link, end);
  }
  void Ready() {
    ServerUp();
    Submit();
    Register();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::map<std::string, std::string> stored_;
  std::unique_ptr<SchedulerCore> core_;
  JobId job_;
  std::vector<SchedulerToServer> to_server_;
  std::vector<LinkId> to_server_links_;
  std::vector<std::string> log_;
  std::vector<std::pair<LinkId, SchedulerToWorker>> to_worker_;
  std::vector<LinkId> closed_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_SCHEDULER_FIXTURE_H_
