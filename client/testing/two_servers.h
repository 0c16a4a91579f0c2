// A worker's core between two servers that a test makes up.
#ifndef EBB_CLIENT_TESTING_TWO_SERVERS_H_
#define EBB_CLIENT_TESTING_TWO_SERVERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "algorithms/algorithm.h"
#include "client/local_training.h"
#include "client/pulled_values.h"
#include "client/training_core.h"

namespace ebb::client {

inline constexpr SessionId kMe(9);
inline constexpr ServerId kA(0), kB(1);
inline constexpr PartitionId kOfA(0), kOfB(1);
inline constexpr ItemId kFirst{0, 0}, kSecond{0, 1};
inline constexpr int64_t kItem = 8;

using Range = std::pair<int64_t, int64_t>;

// One partition on each of two servers, which judge by marks and answer at
// once, or are down; one epoch of 2 items of 8 examples in batches of 1. The
// gradient of example k is k + 1, everywhere. `algorithm_` has the local rule,
// if the plan says that there is one; its rate is 0.5.
class TwoServersTest : public testing::Test {
 protected:
  explicit TwoServersTest(int32_t batches_in_flight = 1, bool prefetch = true)
      : core_({.session = kMe,
               .batches_in_flight = batches_in_flight,
               .prefetch = prefetch}) {
    record_.id = JobId(7);
    record_.plan.examples = 2 * kItem;
    record_.plan.shard_size = kItem;
    record_.plan.parameters = 4;
    record_.plan.block_floats = 2;
    record_.plan.partitions = 2;
    record_.plan.oracle_width = 1;
    record_.plan.consistency.local_steps = 3;
  }

  void Begin() {
    Do([&](auto* out) { core_.OnSchedulerConnected(now_, out); });
    Hear(LeaseOf(kFirst));
    Do([&](auto* out) {
      core_.OnJobReady(record_.id, absl::OkStatus(), now_, out);
    });
    Place();
  }
  Lease LeaseOf(ItemId item) const {
    Lease lease;
    lease.record = std::make_shared<JobRecord>(record_);
    lease.generation = generation_;
    lease.item = item;
    lease.ttl = absl::Seconds(3);
    return lease;
  }
  // Says where the partitions are; another session is another life of a server.
  void Place() {
    Placement placement;
    placement.job = record_.id;
    placement.generation = generation_;
    for (const PartitionId p : {kOfA, kOfB}) {
      const ServerId server = owner_[p];
      placement.partitions.push_back(
          {p, server, SessionId(100 + 10 * lives_[server] + server.value()),
           Term(term_[p])});
      placement.servers.push_back({server, server == kA ? "a" : "b"});
    }
    Hear(placement);
  }
  void Hear(SchedulerToWorker message) {
    Do([&](auto* out) { core_.OnScheduler(std::move(message), now_, out); });
  }
  // B, or A, comes back as another life, with that mark of the first item.
  void Restart(int64_t mark, ServerId server = kB) {
    const PartitionId p = server == kA ? kOfA : kOfB;
    down_.erase(server);
    ++lives_[server];
    ++term_[p];
    marks_[{p, kFirst}] = mark;
    Place();
  }

  // Ends the present computation; false: there is none.
  bool Compute() {
    if (!computing_) return false;
    const ComputeTask task = *std::exchange(computing_, std::nullopt);
    computed_.push_back(task.begin);
    ComputeResult result;
    const absl::StatusOr<ComputeTask> local = local_training_.Begin(task);
    EXPECT_TRUE(local.ok()) << local.status();
    if (!local.ok()) return false;
    std::vector<float> values(4);
    EXPECT_TRUE(Assemble(record_.plan, *local->values, values).ok());
    computed_from_.push_back(values[0]);
    float sum = 0;
    for (int64_t i = task.begin; i < task.end; ++i) sum += i + 1;
    result.gradient = Payload::Of(std::vector<float>(4, sum));
    result.oracle = Payload::Of(std::vector<uint64_t>{10, 20});
    result.ledger = ExpectedRow(task.item, task.begin, task.end);
    result.loss_sum = 1;
    local_training_.End(task, &result);
    Do([&](auto* out) { core_.OnComputed(std::move(result), now_, out); });
    return true;
  }
  // Computes while there is work, at most this many batches.
  void Work(int batches = 100) {
    for (int i = 0; i < batches && Compute(); ++i) {
    }
  }
  // Then B is away, and what can be computed without it is.
  void LoseBAfter(int batches) {
    Work(batches);
    down_ = {kB};
    Work();
  }
  void BeginAndLoseB() {
    Begin();
    LoseBAfter(2);
  }
  // Time passes, more than any pause.
  void Wait() {
    now_ += absl::Seconds(1);
    Do([&](auto* out) { core_.OnTick(now_, out); });
  }
  int64_t MarkOf(PartitionId p, ItemId item = kFirst) {
    return marks_[{p, item}];
  }
  // The pushes to the partition while it was up, applied or not.
  std::vector<Range> PushedTo(PartitionId p) const {
    std::vector<Range> ranges;
    for (const auto& [to, push] : pushes_) {
      if (to == p) ranges.emplace_back(push.begin, push.end);
    }
    return ranges;
  }
  void ExpectWholeAndDone(ItemId item) {
    for (const PartitionId p : {kOfA, kOfB}) {
      EXPECT_EQ(MarkOf(p, item), kItem) << p.value();
      EXPECT_EQ(sums_[p], kItem * (kItem + 1) / 2) << p.value();
      EXPECT_EQ(ledgers_[p], ExpectedRow(item, 0, kItem)) << p.value();
    }
    EXPECT_THAT(ended_, testing::ElementsAre(LeaseEnd::kDone));
  }

  template <typename Event>
  void Do(Event event) {
    ClientActions out;
    event(&out);
    for (ClientAction& action : out) actions_.push_back(std::move(action));
    if (carrying_) return;
    carrying_ = true;
    while (!actions_.empty()) {
      ClientAction action = std::move(actions_.front());
      actions_.pop_front();
      if (auto* pull = std::get_if<SendPull>(&action)) {
        Answer(*pull);
      } else if (auto* push = std::get_if<SendPush>(&action)) {
        Answer(*push);
      } else if (auto* compute = std::get_if<client::Compute>(&action)) {
        computing_ = compute->task;
      } else if (auto* send = std::get_if<SendScheduler>(&action)) {
        if (const auto* end = std::get_if<ItemEnd>(&send->message)) {
          ended_.push_back(end->end);
        }
        const auto* progress = std::get_if<Progress>(&send->message);
        if (progress != nullptr && progress->awaits) {
          asked_.push_back(*progress);
        }
      }
    }
    carrying_ = false;
  }

  absl::Time now_ = absl::FromUnixSeconds(1000);
  JobRecord record_;
  Generation generation_{1};
  TrainingCore core_;
  std::map<PartitionId, ServerId> owner_{{kOfA, kA}, {kOfB, kB}};
  std::map<PartitionId, uint64_t> term_{{kOfA, 5}, {kOfB, 5}};
  std::map<ServerId, int> lives_;
  std::set<ServerId> down_;
  std::optional<Verdict> refusal_;  // The answer to every push to B.
  int64_t busy_end_ = -1;  // B has no room, once, for a share that ends here.
  std::map<std::pair<PartitionId, ItemId>, int64_t> marks_;
  std::map<PartitionId, float> sums_;
  std::map<PartitionId, uint64_t> oracles_;
  std::map<PartitionId, LedgerRow> ledgers_;
  std::vector<std::pair<PartitionId, PushRequest>> pushes_;
  std::vector<int64_t> computed_;  // The starts of the batches …
  // … and from which values: those pulled are as many as the pushes before.
  std::vector<float> computed_from_;
  std::unique_ptr<const Algorithm> algorithm_;
  std::map<PartitionId, int64_t> applied_;  // Pushes.
  std::vector<LeaseEnd> ended_;
  std::vector<Progress> asked_;  // Under careful leases.

 private:
  void Answer(const SendPull& pull) {
    if (down_.contains(pull.id.server)) {
      return Do([&](auto* out) { core_.OnPullFailed(pull.id, {}, now_, out); });
    }
    PullReply reply;
    reply.job = record_.id;
    reply.generation = generation_;
    reply.worker = kMe;
    for (const PullSegmentRequest& segment : pull.request.segments) {
      PullSegment& one = reply.segments.emplace_back();
      one.partition = segment.partition;
      one.term = segment.term;
      one.values = Payload::Of(
          std::vector<float>(2, static_cast<float>(applied_[one.partition])));
      one.updates = applied_[one.partition];
      if (segment.term != Term(term_[segment.partition])) {
        one.result = PullResult::kWrongPlacement;
      }
    }
    Do([&](auto* out) { core_.OnPullReply(pull.id, reply, now_, out); });
  }
  void Answer(const SendPush& push) {
    if (down_.contains(push.id.server)) {
      return Do([&](auto* out) { core_.OnPushFailed(push.id, {}, now_, out); });
    }
    PushReply reply;
    reply.job = record_.id;
    reply.generation = generation_;
    reply.worker = kMe;
    reply.item = push.request.item;
    for (const PushSegment& segment : push.request.segments) {
      pushes_.emplace_back(segment.partition, push.request);
      reply.segments.push_back(Judge(push.request, segment));
    }
    Do([&](auto* out) { core_.OnPushReply(push.id, reply, now_, out); });
  }
  PushSegmentReply Judge(const PushRequest& push, const PushSegment& segment) {
    const PartitionId p = segment.partition;
    int64_t& mark = marks_[{p, push.item}];
    PushSegmentReply reply{p, Verdict::kApplied, mark, Term(term_[p])};
    if (segment.term != reply.term) {
      reply.verdict = Verdict::kWrongPlacement;
    } else if (refusal_ && p == kOfB) {
      reply.verdict = *refusal_;
    } else if (p == kOfB && push.end == busy_end_ &&
               push.end - push.begin > 1) {
      reply.verdict = Verdict::kBusy;
      busy_end_ = -1;
    } else if (push.end <= mark) {
      reply.verdict = Verdict::kDuplicate;
    } else if (push.begin != mark) {
      reply.verdict = push.begin > mark ? Verdict::kGap : Verdict::kOverlap;
    } else {
      reply.mark = mark = push.end;
      ++applied_[p];
      std::array<float, 2> gradient{};
      if (!segment.gradient.empty()) {
        segment.gradient.CopyTo(std::as_writable_bytes(std::span(gradient)));
      }
      std::array<uint64_t, 1> oracle{};
      if (!push.skip) {
        segment.oracle.CopyTo(std::as_writable_bytes(std::span(oracle)));
      }
      sums_[p] += gradient[1];
      oracles_[p] += oracle[0];
      ledgers_[p] += push.ledger;
    }
    return reply;
  }

  LocalTraining local_training_{
      [this](const JobRecord& record) -> absl::StatusOr<LocalMathematics> {
        return LocalMathematics{
            algorithm_->MakeLocalRule(record.plan.parameters),
            [](ItemId, int64_t, int64_t) { return 0.5; }};
      }};
  std::deque<ClientAction> actions_;
  bool carrying_ = false;
  std::optional<ComputeTask> computing_;
};

}  // namespace ebb::client

#endif  // EBB_CLIENT_TESTING_TWO_SERVERS_H_
