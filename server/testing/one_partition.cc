#include "server/testing/one_partition.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <variant>

#include "protocol/ledger.h"
#include "protocol/marks.h"
#include "server/memory/block_pool.h"
#include "server/row_arrays.h"
#include "server/testing/adding_rule.h"

namespace ebb::server {

OnePartitionTest::OnePartitionTest() {
  auto record = std::make_shared<JobRecord>();
  record->id = JobId(7);
  record->plan.examples = 4;
  record->plan.shard_size = 4;
  record->plan.parameters = 2;
  record->plan.block_floats = 16;
  record->plan.checkpoint_keep = 1;
  record_ = record;
  Restart({});
}

void OnePartitionTest::Restart(const Inventory& inventory) {
  ServerOptions options;
  options.id = kServer;
  options.session = kSession;
  options.checkpoint_rate = checkpoint_rate_;
  options.at_once = [this](const UpdateTask&) { return at_once_; };
  options.resources =
      [this](const JobRecord&,
             const RollbackRecord& rollback) -> absl::StatusOr<JobResources> {
    rule_factors_.push_back(rollback.rate_factor);
    return JobResources{
        rule_ != nullptr
            ? rule_
            : std::make_shared<AddingRule>(record_->plan.sparse_tables),
        *BlockPool::Create(
            {.block_bytes = 64, .max_bytes = memory_, .shared = false}),
        initial_};
  };
  core_ = std::make_unique<ServerCore>(std::move(options), inventory);
  ServerActions actions;
  core_->OnSchedulerConnected(now_, &actions);
  Do(std::move(actions));
}

void OnePartitionTest::Do(ServerActions actions) {
  std::deque<ServerAction> queue;
  for (auto& action : actions) queue.push_back(std::move(action));
  while (!queue.empty()) {
    ServerAction action = std::move(queue.front());
    queue.pop_front();
    ServerActions more;
    if (std::holds_alternative<RunUpdate>(action) && hold_updates_) {
      held_updates_.push_back(std::move(action));
    } else if (auto* run = std::get_if<RunUpdate>(&action)) {
      run->task.partition->Compute(run->task.update.get());
      core_->OnUpdateDone(std::move(run->task), now_, &more);
    } else if (auto* write = std::get_if<WriteVersion>(&action)) {
      writes_.push_back(std::move(*write));
    } else if (auto* load = std::get_if<LoadVersion>(&action)) {
      loads_.push_back(load->key);
    } else if (auto* initial = std::get_if<FetchInitialValues>(&action)) {
      initial_requests_.push_back(std::move(*initial));
    } else if (auto* push = std::get_if<ReplyPush>(&action)) {
      push_replies_.push_back(push->reply);
    } else if (auto* pull = std::get_if<ReplyPull>(&action)) {
      pull_replies_.push_back(pull->reply);
    } else if (auto* send = std::get_if<SendScheduler>(&action)) {
      if (auto* r = std::get_if<RegisterPartitions>(&send->message)) {
        registrations_.push_back(r->job);
      } else if (auto* m = std::get_if<MarkReport>(&send->message)) {
        reports_.push_back(*m);
        updates_at_report_ = std::exchange(statistics_.updates, 0);
      } else if (auto* s = std::get_if<ServerStatistics>(&send->message)) {
        statistics_ = std::move(*s);
      } else if (std::holds_alternative<ViewRequest>(send->message)) {
        ++view_requests_;
      } else if (std::holds_alternative<ServerAlive>(send->message)) {
        ++alive_;
      }
    } else if (auto* log = std::get_if<LogEvent>(&action)) {
      log_.push_back(std::move(*log));
    } else if (std::holds_alternative<RetrySession>(action)) {
      ++retries_;
    } else if (auto* end = std::get_if<EndProcess>(&action)) {
      ended_ = end->why;
    } else if (auto* gone = std::get_if<DeleteVersions>(&action)) {
      deleted_.insert(deleted_.end(), gone->keys.begin(), gone->keys.end());
    }
    for (auto& next : more) queue.push_back(std::move(next));
  }
}

void OnePartitionTest::GrantTerm(uint64_t term, uint64_t parent,
                                 SessionId session) {
  Grant grant;
  grant.server = kServer;
  grant.session = session;
  grant.record = record_;
  grant.generation = generation_;
  grant.rollback.rate_factor = rate_factor_;
  grant.partitions = {{kP, Term(term), Term(parent)}};
  ServerActions actions;
  core_->OnScheduler(grant, now_, &actions);
  Do(std::move(actions));
}

void OnePartitionTest::Push(uint64_t term, int64_t begin, int64_t sequence) {
  PushRange(term, begin, begin + 1, sequence);
}

void OnePartitionTest::PushRange(uint64_t term, int64_t begin, int64_t end,
                                 int64_t sequence, SessionId worker) {
  PushRequest push;
  push.job = record_->id;
  push.generation = generation_;
  push.stamp.worker = worker;
  push.sequence = sequence;
  push.server_session = kSession;
  push.begin = begin;
  push.end = end;
  push.ledger = ExpectedRow({0, 0}, begin, end);
  push.loss_sum = loss_;
  PushSegment& segment = push.segments.emplace_back();
  segment.partition = kP;
  segment.term = Term(term);
  segment.gradient = gradient_;
  segment.encoding = encoding_;
  segment.rows = rows_;
  ServerActions actions;
  core_->OnPush(1, std::move(push), room_, now_, &actions);
  Do(std::move(actions));
}

void OnePartitionTest::FinishUpdates() {
  hold_updates_ = false;
  Do(std::exchange(held_updates_, {}));
}

void OnePartitionTest::Written(absl::Status status) {
  const VersionKey key = writes_.back().key;
  if (status.ok()) SealRows(&writes_.back().cut);
  ServerActions actions;
  core_->OnVersionWritten(key, status, version_bytes_, now_, &actions);
  Do(std::move(actions));
}

void OnePartitionTest::InitialValues(size_t request,
                                     const absl::Status& status) {
  const FetchInitialValues& asked = initial_requests_[request];
  absl::StatusOr<InitialPartition> values = InitialPartition();
  if (!status.ok()) {
    values = status;
  } else {
    values->dense.weights = *asked.shape->Allocate();
    for (int64_t b = 0; b < asked.shape->blocks(); ++b) {
      std::ranges::fill(asked.shape->Mutable(&values->dense.weights, b), 3.0f);
    }
  }
  ServerActions actions;
  core_->OnInitialValues(asked.job, asked.partition, asked.term,
                         std::move(values), now_, &actions);
  Do(std::move(actions));
}

const ServerStatistics& OnePartitionTest::Statistics() {
  now_ += absl::Seconds(1);
  ServerActions actions;
  core_->OnTick(now_, &actions);
  Do(std::move(actions));
  return statistics_;
}

void OnePartitionTest::Checkpoint() {
  ServerActions actions;
  core_->OnScheduler(CheckpointNow{record_->id}, now_, &actions);
  Do(std::move(actions));
}

void OnePartitionTest::Rounds(int64_t closed, int64_t durable) {
  ServerActions actions;
  core_->OnScheduler(RoundStatus{record_->id, generation_, closed, durable},
                     now_, &actions);
  Do(std::move(actions));
}

Verdict OnePartitionTest::LastVerdict() const {
  return push_replies_.back().segments[0].verdict;
}

int64_t OnePartitionTest::DurableMark(
    const JobRegistration& registration) const {
  const std::string& bytes = registration.partitions[0].durable_marks;
  if (bytes.empty()) return 0;
  return MarkSet::Decode(record_->plan, bytes)->mark({0, 0});
}

}  // namespace ebb::server
