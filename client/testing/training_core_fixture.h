// A worker's core, and what servers and the scheduler say to it, for tests.
#ifndef EBB_CLIENT_TESTING_TRAINING_CORE_FIXTURE_H_
#define EBB_CLIENT_TESTING_TRAINING_CORE_FIXTURE_H_

#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/testing/kept_actions.h"
#include "client/training_core.h"
#include "gtest/gtest.h"

namespace ebb::client::testing {

inline constexpr SessionId kMe(9);
inline constexpr ServerId kA(0), kB(1);

// One partition on each of two servers; one epoch of 3 items of 2 examples in
// batches of 1.
class TrainingCoreTest : public KeptActions {
 protected:
  explicit TrainingCoreTest(ClientOptions options = {.session = kMe})
      : core_(std::move(options)) {
    auto record = std::make_shared<JobRecord>();
    record->id = JobId(7);
    record->plan.examples = 6;
    record->plan.shard_size = 2;
    record->plan.parameters = 4;
    record->plan.block_floats = 2;
    record->plan.partitions = 2;
    record_ = record;
  }

  void UseEvaluations() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.evaluate_every = 1;
    record_ = record;
  }
  void Use(ConsistencyPlan consistency) {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.consistency = consistency;
    record_ = record;
  }

  void Connect() {
    On([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
  }
  void FromScheduler(SchedulerToWorker message) {
    On([&](auto* out) { core_.OnScheduler(std::move(message), now_, out); });
  }
  void Tick(absl::Duration later) {
    now_ += later;
    On([&](auto* out) { core_.OnTick(now_, out); });
  }
  Lease LeaseOf(int32_t shard, uint64_t generation = 1) const {
    Lease lease;
    lease.record = record_;
    lease.generation = Generation(generation);
    lease.item = {0, shard};
    lease.ttl = absl::Seconds(3);
    return lease;
  }
  static EvaluationLease EvaluationOf(const JobRecordPtr& record) {
    EvaluationLease lease;
    lease.record = record;
    lease.generation = Generation(1);
    lease.snapshot = 50;
    return lease;
  }
  Placement PlacementOf(uint64_t term, uint64_t generation = 1) const {
    Placement placement;
    placement.job = record_->id;
    placement.generation = Generation(generation);
    for (const ServerId server : {kA, kB}) {
      placement.partitions.push_back({PartitionId(server.value()), server,
                                      SessionId(100 + server.value()),
                                      Term(term)});
      placement.servers.push_back({server, "here"});
    }
    return placement;
  }
  // Leased, prepared and placed: it pulls.
  void Begin(Lease lease) {
    Connect();
    FromScheduler(std::move(lease));
    On([&](auto* out) {
      core_.OnJobReady(record_->id, absl::OkStatus(), now_, out);
    });
    FromScheduler(PlacementOf(5));
  }
  void Answer(const SendPull& pull, PullResult result = PullResult::kValues,
              int64_t view_clock = 0) {
    PullReply reply;
    reply.view_clock = view_clock;
    reply.job = record_->id;
    reply.generation = pull.request.generation;
    reply.worker = kMe;
    for (const PullSegmentRequest& segment : pull.request.segments) {
      PullSegment& one = reply.segments.emplace_back();
      one.partition = segment.partition;
      one.term = segment.term;
      one.result = result;
    }
    On([&](auto* out) { core_.OnPullReply(pull.id, reply, now_, out); });
  }
  // Answers every pull so far, and those that follow.
  void AnswerPulls() {
    while (!open_pulls_.empty()) {
      const std::vector<SendPull> pulls = std::exchange(open_pulls_, {});
      std::vector<ComputeTask> computes = std::exchange(computes_, {});
      for (const SendPull& pull : pulls) {
        Answer(pull);
        computes.insert(computes.end(), computes_.begin(), computes_.end());
      }
      computes_ = std::move(computes);
    }
  }
  void Computed() {
    ComputeResult result;
    result.gradient = Payload::Of(std::vector<float>(4, 1.0f));
    On([&](auto* out) { core_.OnComputed(std::move(result), now_, out); });
  }
  // Hands in what a filter that keeps values makes, for some of the partitions.
  void Filtered(bool leaves, const std::vector<bool>& there) {
    ComputeResult result;
    result.gradient = Payload::Of(std::vector<float>(4, 1.0f));
    result.leaves = leaves;
    for (const bool one : there) {
      result.filtered.emplace_back();
      if (!one) continue;
      result.filtered.back() = FilteredGradient{
          Encoding::kSparse, Payload::Of(std::vector<char>(8))};
    }
    On([&](auto* out) { core_.OnComputed(std::move(result), now_, out); });
  }
  void UseTopK() {
    auto record = std::make_shared<JobRecord>(*record_);
    record->plan.shard_size = 3;
    record->plan.filters.push = {.kind = FilterKind::kTopK, .share = 0.5};
    record->plan.filters.pull = {FilterKind::kInt8};
    record_ = record;
  }
  void Answer(const SendPush& push, Verdict verdict, int64_t mark,
              uint64_t term = 5, uint64_t generation = 1) {
    PushReply reply;
    reply.job = record_->id;
    reply.generation = Generation(generation);
    reply.worker = kMe;
    reply.item = push.request.item;
    for (const PushSegment& segment : push.request.segments) {
      reply.segments.push_back({segment.partition, verdict, mark, Term(term)});
    }
    On([&](auto* out) { core_.OnPushReply(push.id, reply, now_, out); });
  }
  // The first batch is on its way, as first_ to the servers; the second is
  // being computed.
  void PushFirst() {
    AnswerPulls();
    Computed();
    first_ = pushes_;
  }

  template <typename Message>
  std::vector<Message> Sent() const {
    std::vector<Message> found;
    for (const WorkerToScheduler& message : sent_) {
      if (auto* one = std::get_if<Message>(&message)) found.push_back(*one);
    }
    return found;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  JobRecordPtr record_;
  TrainingCore core_;
  std::vector<SendPush> first_;
};

}  // namespace ebb::client::testing

#endif  // EBB_CLIENT_TESTING_TRAINING_CORE_FIXTURE_H_
