#include "bench/plane/transfer_loop.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/program/daemon.h"
#include "common/shm/shared_heap.h"
#include "common/status_macros.h"
#include "common/steady_time.h"
#include "protocol/ledger.h"

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

rpc::TransportOptions WorkerNetwork(DataPlane plane, int streams) {
  rpc::TransportOptions network;
  network.shared_memory = plane == DataPlane::kShared;
  network.bulk_stream = plane == DataPlane::kBulk;
  network.bulk_streams = streams;
  if (!network.shared_memory) return network;
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

// Not by reset(): what is sent while the channel ends is still sent to it.
TransferLoop::~TransferLoop() = default;

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
      if (batch.empty()) return;
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
  Pushes pushes = {.operations = operations,
                   .in_flight = static_cast<size_t>(in_flight),
                   .result_of = result_of};
  ClientActions actions;
  {
    MutexLock lock(&mu_);
    EBB_RETURN_IF_ERROR(status_);
    pushes_ = &pushes;
    SendPushesLocked(&actions);
  }
  CarryOut(std::move(actions));
  MutexLock lock(&mu_);
  while (status_.ok() && (pushes.sent < operations || pusher_.batches() > 0)) {
    changed_.Wait(&mu_);
  }
  pushes_ = nullptr;
  return status_;
}

void TransferLoop::SendPushesLocked(ClientActions* out) {
  while (pushes_ != nullptr && pushes_->sent < pushes_->operations &&
         pusher_.batches() < pushes_->in_flight) {
    client::ComputeResult* const result = pushes_->result_of(pushes_->sent++);
    const int64_t begin = pushed_++;
    result->ledger = ExpectedRow(item_, begin, begin + 1);
    const client::Pusher::Order order = {.record = *record_,
                                         .generation = Generation(1),
                                         .stamp = stamp_,
                                         .run = {item_, begin, begin + 1},
                                         .result = *result,
                                         .timeout = options_.push_timeout};
    pusher_.Send(order, &held_, &routes_);
    begun_ = Clock::now();
  }
  pusher_.Pump(routes_, SteadyNow(), out);
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
    if (!status_.ok()) return;
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
    if (pushes_ != nullptr && pushes_->in_flight == 1 &&
        pusher_.batches() == 0) {
      latencies_.push_back(
          std::chrono::duration<double>(Clock::now() - begun_).count());
    }
    SendPushesLocked(&actions);
    if (pusher_.batches() == 0) changed_.SignalAll();
  }
  CarryOut(std::move(actions));
}

// --- Pulls -------------------------------------------------------------------

absl::Status TransferLoop::Pull(int64_t operations, int in_flight,
                                RowsOf rows_of, OnPulled on_pulled) {
  Pulls pulls = {.operations = operations,
                 .in_flight = in_flight,
                 .rows_of = rows_of,
                 .on_pulled = on_pulled};
  ClientActions actions;
  {
    MutexLock lock(&mu_);
    EBB_RETURN_IF_ERROR(status_);
    while (static_cast<int>(pullers_.size()) < in_flight) {
      pullers_.push_back(std::make_unique<client::Puller>(record_->plan));
    }
    pulls_ = &pulls;
    SendPullsLocked(&actions);
  }
  CarryOut(std::move(actions));
  MutexLock lock(&mu_);
  while (pulls.telling || (status_.ok() && pulls.told < operations)) {
    changed_.Wait(&mu_);
  }
  pulls_ = nullptr;
  return status_;
}

void TransferLoop::SendPullsLocked(ClientActions* out) {
  if (pulls_ == nullptr) return;
  Pulls& pulls = *pulls_;
  // In turns, so that those begun first are waited for first.
  const auto puller_of = [&](int64_t number) {
    mu_.AssertHeld();
    return pullers_[static_cast<size_t>(number % pulls.in_flight)].get();
  };
  while (pulls.taken < pulls.sent && !puller_of(pulls.taken)->active()) {
    pulls.untold.push_back(puller_of(pulls.taken++)->TakeValues());
  }
  // What is told slowly must not pile up.
  const int64_t end = std::min(
      std::min(pulls.taken, pulls.told + pulls.in_flight) + pulls.in_flight,
      pulls.operations);
  for (; pulls.sent < end; ++pulls.sent) {
    client::Puller* const puller = puller_of(pulls.sent);
    puller->Start({.job = record_->id,
                   .generation = Generation(1),
                   .rows = pulls.rows_of(pulls.sent)});
    AskLocked(puller, out);
  }
}

void TransferLoop::TellPulled() {
  Pulls* pulls = nullptr;
  {
    MutexLock lock(&mu_);
    pulls = pulls_;
    if (pulls == nullptr || pulls->telling) return;
    pulls->telling = true;
  }
  while (true) {
    client::PulledValuesPtr values;
    int64_t number = 0;
    {
      MutexLock lock(&mu_);
      if (!status_.ok() || pulls->untold.empty()) {
        pulls->telling = false;
        if (!status_.ok() || pulls->told == pulls->operations) {
          changed_.SignalAll();
        }
        return;
      }
      values = std::move(pulls->untold.front());
      pulls->untold.pop_front();
      number = pulls->told;
    }
    const absl::Status status = pulls->on_pulled(number, *values);
    values = nullptr;
    ClientActions actions;
    {
      MutexLock lock(&mu_);
      ++pulls->told;
      if (!status.ok()) FailLocked(status);
      if (status_.ok()) SendPullsLocked(&actions);
    }
    if (!actions.empty()) CarryOut(std::move(actions));
  }
}

void TransferLoop::AskLocked(client::Puller* puller, ClientActions* out) {
  const size_t before = out->size();
  puller->Pump(&routes_, stamp_, options_, SteadyNow(), &next_request_, out);
  for (size_t i = before; i < out->size(); ++i) {
    const auto& sent = std::get<client::SendPull>((*out)[i]);
    puller_of_request_.try_emplace(sent.id.request, puller);
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
    if (!status_.ok()) return;
    const auto asked = puller_of_request_.extract(id.request);
    if (!reply.ok() || asked.empty()) {
      return FailLocked(reply.ok() ? absl::InternalError("answered twice")
                                   : reply.status());
    }
    client::Puller* const puller = asked.mapped();
    puller->Reply(id, *std::move(reply), &routes_);
    // A large model comes in several pulls.
    AskLocked(puller, &actions);
    if (puller->state() != client::Puller::State::kDone && actions.empty()) {
      return FailLocked(absl::InternalError("a pull brought no values"));
    }
    SendPullsLocked(&actions);
  }
  CarryOut(std::move(actions));
  TellPulled();
}

}  // namespace ebb::bench
