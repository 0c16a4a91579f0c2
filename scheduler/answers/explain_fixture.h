// For tests of what is said about jobs and workers: a core, the messages of
// servers and workers to it, and an observer.
#ifndef EBB_SCHEDULER_ANSWERS_EXPLAIN_FIXTURE_H_
#define EBB_SCHEDULER_ANSWERS_EXPLAIN_FIXTURE_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "scheduler/answers/explain.h"
#include "scheduler/scheduler_core.h"

namespace ebb::scheduler {

inline constexpr LinkId kServerLink(1), kFirstLink(2), kSecondLink(3);
inline constexpr SessionId kServerSession(101), kFirst(201), kSecond(202);

// One server, two partitions, one epoch of 4 items of 2 examples; up to two
// workers, "a" and "b". Messages to them go nowhere.
class ExplainFixture : public ::testing::Test {
 protected:
  ExplainFixture() {
    record_.name = "test";
    record_.plan.examples = 8;
    record_.plan.shard_size = 2;
    record_.plan.partitions = 2;
    record_.plan.parameters = 4;
    record_.plan.quarantine_after = 1;
    Restart({});
  }

  void Restart(SchedulerOptions options,
               const std::map<std::string, std::string>& stored = {}) {
    core_ = *SchedulerCore::Create(options, stored, now_);
  }
  void Store(const SchedulerActions& actions) {
    for (const SchedulerAction& action : actions) {
      const auto* persist = std::get_if<Persist>(&action);
      if (persist == nullptr) continue;
      for (const StoreWrite& write : persist->writes) {
        if (write.value) {
          stored_[write.key] = *write.value;
        } else {
          stored_.erase(write.key);
        }
      }
    }
  }
  void FromServer(ServerToScheduler message) {
    sent_.clear();
    core_->OnServer(kServerLink, message, now_, &sent_);
    Store(sent_);
  }
  void FromWorker(LinkId link, WorkerToScheduler message) {
    SchedulerActions actions;
    core_->OnWorker(link, message, now_, &actions);
  }
  void ServerUp(int32_t id = 0, SessionId session = kServerSession) {
    RegisterServer message;
    message.server = ServerId(id);
    message.session = session;
    message.address = "here:1";
    message.shared_folder = folder_;
    FromServer(message);
  }
  // The connection of the first server breaks, and time goes by.
  void ServerGoes(absl::Duration then) {
    SchedulerActions actions;
    core_->OnServerDisconnected(kServerLink, now_, &actions);
    now_ += then;
  }
  void Submit() {
    SchedulerActions actions;
    job_ = *core_->Submit(record_, now_, &actions);
    Store(actions);
  }
  const TrainingJob& job() const { return *core_->jobs().at(job_); }
  // The server says that it has `full` items, all durable or none.
  void Register(int32_t full = 0, bool durable = false) {
    MarkSet marks(job().plan());
    for (int32_t i = 0; i < full; ++i) {
      ASSERT_TRUE(marks.Raise(job().plan().ItemAt(i), 2).ok());
    }
    RegisterPartitions message{kServerSession, {}};
    message.job.record = job().record();
    message.job.generation = job().state().generation;
    for (int32_t p = 0; p < 2; ++p) {
      message.job.partitions.push_back(
          {PartitionId(p), job().placement().at(PartitionId(p)).drawn, true,
           marks.Encode(),
           durable ? marks.Encode() : MarkSet(job().plan()).Encode()});
    }
    FromServer(message);
  }
  void Applied(PartitionId partition, ItemId item, int64_t mark) {
    MarkReport report;
    report.session = kServerSession;
    report.job = job_;
    report.generation = job().state().generation;
    PartitionMarkReport& one = report.partitions.emplace_back();
    one.partition = partition;
    one.term = job().placement().at(partition).drawn;
    one.marks = {{item, mark}};
    FromServer(report);
  }
  void WorkerUp(LinkId link, SessionId session, const std::string& name) {
    FromWorker(link, RegisterWorker{session, name});
    FromWorker(link, LeaseRequest{session, 1});
  }
  // The server's report of the job, without problems.
  ServerStatistics Statistics() const {
    ServerStatistics statistics;
    statistics.session = kServerSession;
    statistics.job = job_;
    return statistics;
  }
  void Ready() {
    ServerUp();
    Submit();
    Register();
  }
  // Worker a is too far ahead of worker b.
  void FirstIsParkedBySsp() {
    record_.plan.consistency.kind = ConsistencyKind::kSsp;
    record_.plan.consistency.clock_bound = 4;
    Ready();
    WorkerUp(kFirstLink, kFirst, "a");
    WorkerUp(kSecondLink, kSecond, "b");
    AsksToJoin(kFirstLink, kFirst, {0, 0});
    AsksToJoin(kSecondLink, kSecond, {0, 1});
    Say(kFirstLink, kFirst, {0, 0}, 7, true);
    Say(kSecondLink, kSecond, {0, 1}, 2, false);
  }
  // Worker a has the open item of round 0, and nothing is open for worker b.
  void FirstHoldsARound() {
    record_.plan.consistency.kind = ConsistencyKind::kRounds;
    record_.plan.consistency.round_items = 2;
    ServerUp();
    Submit();
    Register(1);
    WorkerUp(kFirstLink, kFirst, "a");
    WorkerUp(kSecondLink, kSecond, "b");
  }
  void Say(LinkId link, SessionId session, ItemId item, int64_t clock,
           bool parked) {
    Progress progress{session, job_, job().state().generation, item};
    progress.clock = clock;
    progress.parked = parked;
    progress.position = 1;
    progress.examples = 1;
    FromWorker(link, progress);
  }
  // The first worker fails at examples [begin, end) of the first item.
  void Fails(int64_t begin, int64_t end) {
    ItemEnd message{kFirst, job_, job().state().generation, {0, 0}};
    message.end = LeaseEnd::kFailed;
    message.error = "bad row";
    message.position = begin;
    message.failed_end = end;
    FromWorker(kFirstLink, message);
  }
  void AsksToJoin(LinkId link, SessionId session, ItemId item) {
    Progress progress{session, job_, job().state().generation, item};
    progress.not_in_view = true;
    FromWorker(link, progress);
  }
  // The worker does not reach the server.
  void DoesNotReach(LinkId link, SessionId session, bool goes_on = false,
                    const CallFailure& why = {CallCause::kName,
                                              "ps-0 does not resolve"}) {
    PlacementRequest message{session, job_, {}, goes_on};
    message.unreached.push_back(
        {ServerId(0), kServerSession, "ps-0:7001", absl::Seconds(2), 9, why});
    FromWorker(link, message);
  }
  void ServerSpeaks() {
    now_ += absl::Milliseconds(10);
    FromServer(ServerAlive{kServerSession});
  }
  void Wait(absl::Duration time) {
    watch_.Look(*core_, now_);
    now_ += time;
    watch_.Look(*core_, now_);
  }

  std::vector<v1::WaitReason> Explain() {
    return ExplainJob({*core_, watch_, now_, store_problem_, of_a_run_}, job());
  }
  // The only reason, of this kind.
  std::string Only(v1::WaitReason::Kind kind) {
    const std::vector<v1::WaitReason> reasons = Explain();
    EXPECT_EQ(reasons.size(), 1u);
    if (reasons.empty()) return "";
    EXPECT_EQ(reasons[0].kind(), kind) << reasons[0].text();
    return reasons[0].text();
  }

  JobRecord record_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  std::string folder_;  // The server's shared one.
  std::unique_ptr<SchedulerCore> core_;
  Watch watch_{now_};
  std::string store_problem_;
  bool of_a_run_ = false;
  // The records that the core wrote.
  std::map<std::string, std::string> stored_;
  SchedulerActions sent_;  // Upon the server's last message.
  JobId job_;
};

}  // namespace ebb::scheduler

#endif  // EBB_SCHEDULER_ANSWERS_EXPLAIN_FIXTURE_H_
