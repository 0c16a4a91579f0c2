#include "bench/dense_worker.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/limits.h"
#include "common/daemon.h"
#include "common/job/specification.h"
#include "common/job/validate.h"
#include "common/job/yaml.h"
#include "common/protocol/ledger.h"
#include "common/status_macros.h"
#include "server/optimizer/gradient.h"

namespace ebb::bench {

namespace {

using client::ClientActions;

constexpr int64_t kExamples = int64_t{1} << 40;

}  // namespace

absl::StatusOr<JobRecordPtr> DenseJob(JobId id, int64_t bytes,
                                      DenseJobOptions options) {
  if (options.optimizer.empty()) {
    options.optimizer =
        absl::StrFormat("{kind: sgd, rate: %.17g}", kTransferRate);
  }
  const std::string name = absl::StrCat("dense-", id.value());
  const job::JobFile file = job::ReadJob(
      absl::StrCat("name: ", name,
                   "\nmodel: softmax\n"
                   "data: {train: {csv: none.csv}}\n"
                   "train: {batch: 1}\n"
                   "optimizer: ",
                   options.optimizer,
                   "\ncheckpoint: {every: ", options.checkpoint_every, "}\n"),
      name);
  if (!file.ok()) return absl::InternalError(job::ToString(file.mistakes));
  job::JobFacts facts;
  facts.tables = {{"w", bytes / int64_t{sizeof(float)}, InitRule::Zeros()}};
  facts.examples = 1;
  EBB_ASSIGN_OR_RETURN(JobRecord record, job::MakeJobRecord(file.job, facts));
  record.id = id;
  // One item, which never ends.
  record.plan.examples = kExamples;
  record.plan.shard_size = kExamples;
  EBB_RETURN_IF_ERROR(record.plan.Validate());
  return std::make_shared<const JobRecord>(std::move(record));
}

DenseWorker::DenseWorker(rpc::Transport* transport, JobRecordPtr record,
                         const Placement& placement, int64_t pushed,
                         std::shared_ptr<shm::SharedHeap> heap)
    : record_(std::move(record)),
      pool_(/*keep=*/1, std::move(heap)),
      stamp_{.worker = NewSession()},
      routes_(record_->plan.partitions),
      held_{
          client::ItemProgress(item_, kExamples, {}, record_->plan.partitions),
          {},
          {}},
      pusher_(options_.push_bytes, options_.push_window_bytes),
      channel_(transport->ConnectPs(placement.servers.front().address)) {
  MutexLock lock(&mu_);
  pushed_ = pushed;
  for (int32_t p = 0; p < record_->plan.partitions; ++p) {
    held_.Acknowledged(PartitionId(p), pushed);
  }
  routes_.Update(placement);
}

DenseWorker::~DenseWorker() { channel_.reset(); }

// Again once the server reads the worker's memory, as that of every batch is
// made anew.
void DenseWorker::MakeGradient() {
  result_.gradient = {};
  client::FloatBufferPtr gradient = pool_.Take(record_->plan.parameters);
  const std::span<float> floats = gradient->span();
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = GradientAt(i);
  result_.gradient = client::FloatPool::AsPayload(std::move(gradient));
}

absl::StatusOr<TransferSample> DenseWorker::Run(const Transfer& transfer) {
  TransferSample sample;
  if (transfer.direction == Direction::kPush) MakeGradient();
  const double cpu = CpuSeconds(0);
  sample.seconds = SecondsOf([&] {
    if (transfer.direction == Direction::kPush) {
      PushAll(transfer);
    } else {
      PullAll(transfer);
    }
  });
  sample.worker_cpu_seconds = CpuSeconds(0) - cpu;
  MutexLock lock(&mu_);
  sample.latencies = std::exchange(latencies_, {});
  EBB_RETURN_IF_ERROR(status_);
  return sample;
}

void DenseWorker::FailLocked(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
  changed_.SignalAll();
}

void DenseWorker::CarryOut(ClientActions actions) {
  {
    MutexLock lock(&mu_);
    for (auto& action : actions) outgoing_.push_back(std::move(action));
    if (carrying_out_) return;
    carrying_out_ = true;
  }
  std::deque<client::ClientAction> batch;
  while (true) {
    {
      MutexLock lock(&mu_);
      batch = std::exchange(outgoing_, {});
      carrying_out_ = !batch.empty();
      if (batch.empty()) {
        changed_.SignalAll();
        return;
      }
    }
    for (client::ClientAction& action : batch) {
      if (auto* push = std::get_if<client::SendPush>(&action)) {
        Do(std::move(*push));
      } else if (auto* pull = std::get_if<client::SendPull>(&action)) {
        Do(std::move(*pull));
      }
    }
  }
}

// --- Pushes ------------------------------------------------------------------

void DenseWorker::PushAll(const Transfer& transfer) {
  const auto in_flight = static_cast<size_t>(transfer.in_flight);
  for (int64_t i = 0; i < transfer.operations; ++i) {
    ClientActions actions;
    {
      MutexLock lock(&mu_);
      while (status_.ok() && pusher_.batches() >= in_flight) {
        changed_.Wait(&mu_);
      }
      if (!status_.ok()) return;
      const int64_t begin = pushed_++;
      result_.ledger = ExpectedRow(item_, begin, begin + 1);
      const client::Pusher::Order order = {.record = *record_,
                                           .generation = Generation(1),
                                           .stamp = stamp_,
                                           .run = {item_, begin, begin + 1},
                                           .result = result_,
                                           .timeout = options_.push_timeout};
      pusher_.Send(order, &held_, &routes_);
      pusher_.Pump(routes_, absl::Now(), &actions);
    }
    const auto begun = Clock::now();
    CarryOut(std::move(actions));
    if (transfer.in_flight > 1) continue;
    MutexLock lock(&mu_);
    while (status_.ok() && pusher_.batches() > 0) changed_.Wait(&mu_);
    latencies_.push_back(
        std::chrono::duration<double>(answered_ - begun).count());
  }
  MutexLock lock(&mu_);
  while (status_.ok() && pusher_.batches() > 0) changed_.Wait(&mu_);
}

void DenseWorker::Do(client::SendPush action) {
  channel_->Push(std::move(action.request), action.timeout,
                 [this, id = action.id](absl::StatusOr<PushReply> reply) {
                   OnPushed(id, std::move(reply));
                 });
}

void DenseWorker::OnPushed(const client::PushId& id,
                           absl::StatusOr<PushReply> reply) {
  ClientActions actions;
  {
    MutexLock lock(&mu_);
    const auto push = pusher_.Take(id);
    if (!reply.ok() || !push) {
      return FailLocked(reply.ok() ? absl::InternalError("answered twice")
                                   : reply.status());
    }
    for (const PushSegmentReply& segment : reply->segments) {
      if (segment.verdict != Verdict::kApplied) {
        return FailLocked(absl::InternalError(
            absl::StrCat("a push to partition ", segment.partition.value(),
                         " was not "
                         "applied: ",
                         VerdictName(segment.verdict))));
      }
      held_.Acknowledged(segment.partition, segment.mark);
      pusher_.Settle(push->batch, /*refused=*/false);
    }
    answered_ = Clock::now();
    pusher_.Pump(routes_, absl::Now(), &actions);
    changed_.SignalAll();
  }
  CarryOut(std::move(actions));
}

// --- Pulls -------------------------------------------------------------------

void DenseWorker::PullAll(const Transfer& transfer) {
  {
    MutexLock lock(&mu_);
    while (static_cast<int>(pulls_.size()) < transfer.in_flight) {
      pulls_.push_back(std::make_unique<Pull>(record_->plan));
    }
  }
  int64_t started = 0, done = 0;
  client::PulledValuesPtr values;
  while (done < transfer.operations) {
    ClientActions actions;
    {
      MutexLock lock(&mu_);
      // In turns, so that those begun first are waited for first.
      Pull& next = *pulls_[done % transfer.in_flight];
      if (next.under_way) {
        while (status_.ok() && next.puller.active()) changed_.Wait(&mu_);
        if (!status_.ok()) return;
        values = next.puller.TakeValues();
        next.under_way = false;
        ++done;
      }
      for (; started < std::min(done + transfer.in_flight, transfer.operations);
           ++started) {
        Pull& pull = *pulls_[started % transfer.in_flight];
        pull.puller.Start({.job = record_->id, .generation = Generation(1)});
        pull.under_way = true;
        AskLocked(&pull, &actions);
      }
    }
    CarryOut(std::move(actions));
    if (values == nullptr) continue;
    const absl::Status status = CheckPulled(*values);
    values = nullptr;
    MutexLock lock(&mu_);
    if (!status.ok()) return FailLocked(status);
  }
}

void DenseWorker::AskLocked(Pull* pull, ClientActions* out) {
  const size_t before = out->size();
  pull->puller.Pump(&routes_, stamp_, options_, absl::Now(), &next_request_,
                    out);
  for (size_t i = before; i < out->size(); ++i) {
    const auto& sent = std::get<client::SendPull>((*out)[i]);
    pull_of_request_.try_emplace(sent.id.request, pull);
  }
}

void DenseWorker::Do(client::SendPull action) {
  channel_->Pull(action.request, action.timeout,
                 [this, id = action.id](absl::StatusOr<PullReply> reply) {
                   OnPulled(id, std::move(reply));
                 });
}

void DenseWorker::OnPulled(const client::PullId& id,
                           absl::StatusOr<PullReply> reply) {
  ClientActions actions;
  {
    MutexLock lock(&mu_);
    const auto pull = pull_of_request_.extract(id.request);
    if (!reply.ok() || pull.empty()) {
      return FailLocked(reply.ok() ? absl::InternalError("answered twice")
                                   : reply.status());
    }
    client::Puller& puller = pull.mapped()->puller;
    puller.Reply(id, *std::move(reply), &routes_);
    // A large model comes in several pulls.
    AskLocked(pull.mapped(), &actions);
    if (puller.state() != client::Puller::State::kDone && actions.empty()) {
      return FailLocked(absl::InternalError("a pull brought no values"));
    }
    changed_.SignalAll();
  }
  CarryOut(std::move(actions));
}

// Reads every value. Partitions are pulled apart, maybe while pushes go on.
absl::Status DenseWorker::CheckPulled(
    const client::PulledValues& values) const {
  for (size_t p = 0; p < values.partitions.size(); ++p) {
    uint32_t sum = 0;
    server::GradientCursor floats(values.partitions[p]);
    while (floats.remaining() > 0) {
      const server::GradientView run = floats.Next(floats.remaining());
      sum += WordSum({run.bytes(), run.size() * sizeof(float)});
    }
    const int64_t pushes = values.updates[p];
    const auto [first, last] =
        record_->plan.ParameterRange(PartitionId(static_cast<int32_t>(p)));
    const uint32_t expected =
        SumAfter(pushes, static_cast<size_t>(first), static_cast<size_t>(last));
    if (sum == expected) continue;
    return absl::InternalError(
        absl::StrCat("pulled values of partition ", p, " whose sum is ", sum,
                     ", but must be ", expected, " after ", pushes, " pushes"));
  }
  return absl::OkStatus();
}

}  // namespace ebb::bench
