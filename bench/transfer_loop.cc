#include "bench/transfer_loop.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/daemon.h"
#include "common/protocol/ledger.h"
#include "common/shm/shared_heap.h"
#include "common/status_macros.h"

namespace ebb::bench {

namespace {

using client::ClientActions;

constexpr int64_t kExamples = int64_t{1} << 40;

}  // namespace

absl::StatusOr<JobRecordPtr> EndlessJob(JobId id, JobRecord record) {
  record.id = id;
  record.plan.examples = kExamples;
  record.plan.shard_size = kExamples;
  EBB_RETURN_IF_ERROR(record.plan.Validate());
  return std::make_shared<const JobRecord>(std::move(record));
}

rpc::TransportOptions WorkerNetwork(bool shared_memory) {
  rpc::TransportOptions network;
  network.shared_memory = shared_memory;
  if (!shared_memory) return network;
  auto heap = shm::SharedHeap::Create(shm::SharedHeap::kMostBytes);
  if (heap.ok()) network.heap = *std::move(heap);
  return network;
}

TransferLoop::TransferLoop(rpc::Transport* transport, JobRecordPtr record,
                           const Placement& placement, int64_t pushed)
    : record_(std::move(record)),
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

TransferLoop::~TransferLoop() { channel_.reset(); }

std::vector<double> TransferLoop::TakeLatencies() {
  MutexLock lock(&mu_);
  return std::exchange(latencies_, {});
}

void TransferLoop::FailLocked(absl::Status status) {
  if (status_.ok()) status_ = std::move(status);
  changed_.SignalAll();
}

void TransferLoop::CarryOut(ClientActions actions) {
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

absl::Status TransferLoop::Push(int64_t operations, int in_flight,
                                ResultOf result_of) {
  const auto most = static_cast<size_t>(in_flight);
  for (int64_t i = 0; i < operations; ++i) {
    client::ComputeResult* const result = result_of(i);
    ClientActions actions;
    {
      MutexLock lock(&mu_);
      while (status_.ok() && pusher_.batches() >= most) changed_.Wait(&mu_);
      EBB_RETURN_IF_ERROR(status_);
      const int64_t begin = pushed_++;
      result->ledger = ExpectedRow(item_, begin, begin + 1);
      const client::Pusher::Order order = {.record = *record_,
                                           .generation = Generation(1),
                                           .stamp = stamp_,
                                           .run = {item_, begin, begin + 1},
                                           .result = *result,
                                           .timeout = options_.push_timeout};
      pusher_.Send(order, &held_, &routes_);
      pusher_.Pump(routes_, absl::Now(), &actions);
    }
    const auto begun = Clock::now();
    CarryOut(std::move(actions));
    if (in_flight > 1) continue;
    MutexLock lock(&mu_);
    while (status_.ok() && pusher_.batches() > 0) changed_.Wait(&mu_);
    latencies_.push_back(
        std::chrono::duration<double>(answered_ - begun).count());
  }
  MutexLock lock(&mu_);
  while (status_.ok() && pusher_.batches() > 0) changed_.Wait(&mu_);
  return status_;
}

void TransferLoop::Do(client::SendPush action) {
  channel_->Push(std::move(action.request), action.timeout,
                 [this, id = action.id](absl::StatusOr<PushReply> reply) {
                   OnPushReply(id, std::move(reply));
                 });
}

void TransferLoop::OnPushReply(const client::PushId& id,
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

absl::Status TransferLoop::Pull(int64_t operations, int in_flight,
                                RowsOf rows_of, OnPulled on_pulled) {
  {
    MutexLock lock(&mu_);
    while (static_cast<int>(pulls_.size()) < in_flight) {
      pulls_.push_back(std::make_unique<OnePull>(record_->plan));
    }
  }
  int64_t started = 0, done = 0;
  client::PulledValuesPtr values;
  while (done < operations) {
    ClientActions actions;
    {
      MutexLock lock(&mu_);
      // In turns, so that those begun first are waited for first.
      OnePull& next = *pulls_[done % in_flight];
      if (next.under_way) {
        while (status_.ok() && next.puller.active()) changed_.Wait(&mu_);
        EBB_RETURN_IF_ERROR(status_);
        values = next.puller.TakeValues();
        next.under_way = false;
        ++done;
      }
      for (; started < std::min(done + in_flight, operations); ++started) {
        OnePull& pull = *pulls_[started % in_flight];
        pull.puller.Start({.job = record_->id,
                           .generation = Generation(1),
                           .rows = rows_of(started)});
        pull.under_way = true;
        AskLocked(&pull, &actions);
      }
    }
    CarryOut(std::move(actions));
    if (values == nullptr) continue;
    absl::Status status = on_pulled(done - 1, *values);
    values = nullptr;
    MutexLock lock(&mu_);
    if (!status.ok()) {
      FailLocked(status);
      return status;
    }
  }
  return absl::OkStatus();
}

void TransferLoop::AskLocked(OnePull* pull, ClientActions* out) {
  const size_t before = out->size();
  pull->puller.Pump(&routes_, stamp_, options_, absl::Now(), &next_request_,
                    out);
  for (size_t i = before; i < out->size(); ++i) {
    const auto& sent = std::get<client::SendPull>((*out)[i]);
    pull_of_request_.try_emplace(sent.id.request, pull);
  }
}

void TransferLoop::Do(client::SendPull action) {
  channel_->Pull(action.request, action.timeout,
                 [this, id = action.id](absl::StatusOr<PullReply> reply) {
                   OnPullReply(id, std::move(reply));
                 });
}

void TransferLoop::OnPullReply(const client::PullId& id,
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

}  // namespace ebb::bench
