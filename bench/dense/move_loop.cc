#include "bench/dense/move_loop.h"

#include <utility>

#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::bench {

absl::StatusOr<std::unique_ptr<MoveLoop>> MoveLoop::Create(
    rpc::Transport* transport, JobRecordPtr record,
    const Placement& placement) {
  server::BlockPoolOptions options;
  options.block_bytes =
      record->plan.block_floats * static_cast<int64_t>(sizeof(float));
  EBB_ASSIGN_OR_RETURN(std::shared_ptr<server::BlockPool> pool,
                       server::BlockPool::Create(options));
  MoveIn order;
  order.generation = placement.generation;
  order.partition = placement.partitions.front().partition;
  order.source = placement.partitions.front().server_session;
  order.source_term = placement.partitions.front().term;
  order.term = order.source_term;
  order.source_address = placement.servers.front().address;
  order.record = std::move(record);
  return std::unique_ptr<MoveLoop>(
      new MoveLoop(transport, std::move(order), std::move(pool)));
}

MoveLoop::MoveLoop(rpc::Transport* transport, MoveIn order,
                   std::shared_ptr<server::BlockPool> pool)
    : pool_(std::move(pool)),
      order_(std::move(order)),
      peers_(transport, [this](const FetchRequest& request,
                               absl::StatusOr<server::Fetched> fetched) {
        OnFetched(request, std::move(fetched));
      }) {}

absl::StatusOr<MoveSample> MoveLoop::Run() {
  const absl::Time begun = SteadyNow();
  MutexLock lock(&mu_);
  // To a term of its own, as every move.
  order_.term = Term(order_.term.value() + 1);
  move_.emplace(order_, pool_);
  blocks_begun_ = absl::InfiniteFuture();
  done_ = false;
  AskLocked();
  // Each request has a deadline.
  while (!done_ && status_.ok()) changed_.Wait(&mu_);
  EBB_RETURN_IF_ERROR(status_);
  const absl::Time end = SteadyNow();
  move_.reset();
  return MoveSample{absl::ToDoubleSeconds(end - begun),
                    absl::ToDoubleSeconds(end - blocks_begun_)};
}

void MoveLoop::AskLocked() {
  const absl::Time now = SteadyNow();
  while (auto task = move_->Next(now)) {
    if (task->request.freeze) {
      // The source goes on serving.
      done_ = true;
      changed_.SignalAll();
      return;
    }
    if (!task->blocks.empty() && now < blocks_begun_) blocks_begun_ = now;
    peers_.Add(*std::move(task));
  }
}

void MoveLoop::OnFetched(const FetchRequest& request,
                         absl::StatusOr<server::Fetched> fetched) {
  MutexLock lock(&mu_);
  if (!move_.has_value()) return;
  status_ = fetched.ok()
                ? move_->OnFetched(request, std::move(fetched), SteadyNow())
                : fetched.status();
  if (status_.ok()) return AskLocked();
  changed_.SignalAll();
}

}  // namespace ebb::bench
