#include "client/batch_work.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "common/plant.h"

namespace ebb::client {

bool BatchWork::Start(absl::Time now, ClientActions* out) {
  const auto window = static_cast<size_t>(job_.limits().batches_in_flight +
                                          pulls_.batches_per_pull() - 1);
  int64_t begin = 0;
  while (LeasedItem* held = job_.items.Next(&begin)) {
    if (job_.worker.computation.busy() || job_.worker.within_evaluation ||
        job_.pusher.batches() >= window) {
      return true;
    }
    if (!Reachable(*held, begin, now)) {
      if (!job_.routes.Complete()) reach_.AskForPlacement(now, out);
      return false;
    }
    if (!held->Skips(begin)) {
      Compute(*held, begin, now, out);
      return true;
    }
    if (!PushSkipped(held, begin)) {
      reach_.AskForPlacement(now, out);
      return false;
    }
  }
  return false;
}

bool BatchWork::Reachable(const LeasedItem& held, int64_t begin,
                          absl::Time now) const {
  for (int32_t i = 0; i < job_.plan().partitions; ++i) {
    const PartitionId p(i);
    if (held.Next(p) != begin || shares_.CanKeep(held, p, begin)) continue;
    // A share goes first; on its way to a server that does not answer it finds
    // out whether that does so again.
    if (held.SharePending(p)) return false;
    if (held.ShareUnderWay(p) && job_.routes.Away(p)) return false;
    const Routes::Route& route = job_.routes.at(p);
    if (!route.known || job_.routes.server(route.server).retry_at > now) {
      return false;
    }
  }
  return true;
}

int64_t BatchWork::PushEnd(const LeasedItem& held, int64_t begin) const {
  int64_t end = job_.plan().PushEnd(held.progress.item(), begin);
  for (const SkippedRange& range : held.skipped) {
    if (range.begin >= begin) end = std::min(end, range.begin);
  }
  return end;
}

void BatchWork::Compute(const LeasedItem& held, int64_t begin, absl::Time now,
                        ClientActions* out) {
  const JobPlan& plan = job_.plan();
  const ItemId item = held.progress.item();
  const int64_t push_end = PushEnd(held, begin);
  const auto& gathered = job_.items.gathered();
  int64_t from = begin;
  if (gathered && gathered->run.item == item && gathered->run.begin == begin &&
      gathered->run.end < push_end) {
    from = gathered->run.end;
  } else {
    // What was gathered is gone: a worker that leaves has nothing to push of
    // it.
    if (plan.algorithm.runs && gathered) {
      job_.items.Find(gathered->run.item)->left_over = false;
    }
    job_.items.DropGathered();
  }
  // A run has the values that it began with.
  const PulledValuesPtr values = plan.algorithm.runs && gathered
                                     ? gathered->values
                                     : pulls_.ValuesFor(held, from);
  if (values == nullptr) return;
  const LeasedItems::Run run{item, from, plan.BatchEnd(item, from)};
  if (!leases_.MayBegin(run, now, out)) return;
  ComputeTask task{job_.record, job_.generation, item, run.begin,
                   run.end,     values,          {}};
  // A worker that leaves pushes what there is; but a round's items are whole.
  const bool leaves = job_.worker.draining && !plan.rounds();
  task.push = run.end == push_end || leaves;
  task.whole = task.push && (run.end == plan.ItemSize(item) || leaves);
  task.gathered = from - begin;
  task.rate_factor = rate_factor_;
  task.ahead = job_.items.Ahead(plan, &run, kMostAhead);
  if (plan.KeepsEffect()) {
    task.due.resize(plan.partitions);
    for (int32_t p = 0; p < plan.partitions; ++p) {
      task.due[p] = held.Next(PartitionId(p)) == begin;
    }
  }
  job_.worker.computation.Begin({job_.record->id, job_.generation, run, begin,
                                 gathered ? gathered->values : values,
                                 task.push, job_.skips, now,
                                 job_.worker.preparing > 0});
  out->push_back(client::Compute{std::move(task)});
  pulls_.Begun(run, values);
}

void BatchWork::OnComputed(const Computation::Batch& batch,
                           const ComputeResult& result, absl::Time now,
                           ClientActions* out) {
  if (batch.generation != job_.generation) return;
  const JobPlan& plan = job_.plan();
  job_.items.Advanced(now);
  if (!batch.after_load) pulls_.Computed(now - batch.since);
  LeasedItem* held = job_.items.Find(batch.run.item);
  if (held == nullptr) return;
  job_.items.DropGathered();
  LeasedItems::Run run{batch.run.item, batch.push_begin, batch.run.end};
  if (batch.push && EBB_PLANTED(run_counts_without_its_tail)) {
    run.end = PushEnd(*held, run.begin);
  }
  // Decided while it was computed.
  if (held->SkipsAny(run.begin, run.end)) return;
  // In rounds its values may have in them what is left out, though its lease
  // was lost meanwhile, and given again.
  if (plan.algorithm.runs && plan.rounds() && batch.skips != job_.skips) return;
  if (!result.error.empty()) return leases_.Fail(batch.run, result, out);
  shares_.Send(held, false, now);
  held->left_over = result.leaves && !plan.rounds();
  if (!batch.push) return job_.items.Gather({run, batch.values});
  shares_.Keep(held, job_.OrderFor(run, result, batch.values.get(), false),
               out);
  Push(held, run, result, batch.values.get(), false);
}

bool BatchWork::PushSkipped(LeasedItem* held, int64_t begin) {
  const ItemId item = held->progress.item();
  const int64_t end = job_.plan().BatchEnd(item, begin);
  ComputeResult nothing;
  nothing.ledger = ExpectedRow(item, begin, end);
  return Push(held, {item, begin, end}, nothing, nullptr, true);
}

bool BatchWork::Push(LeasedItem* held, const LeasedItems::Run& run,
                     const ComputeResult& result, const PulledValues* values,
                     bool skip) {
  return job_.pusher.Send(job_.OrderFor(run, result, values, skip), held,
                          &job_.routes);
}

}  // namespace ebb::client
