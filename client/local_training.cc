#include "client/local_training.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/pulled_values.h"
#include "common/plant.h"
#include "common/status_macros.h"

namespace ebb::client {

namespace {

// One that is computed, and the one before it, which may step back.
constexpr size_t kMostTrainedItems = 2;
// No batch begins there.
constexpr int64_t kNowhere = -1;

// The rule's own vector as if it had been pulled.
std::shared_ptr<PulledValues> ValuesOf(const JobPlan& plan,
                                       const PulledValues& pulled,
                                       std::span<const float> values) {
  auto local = std::make_shared<PulledValues>();
  local->job = pulled.job;
  local->generation = pulled.generation;
  local->round = pulled.round;
  local->terms = pulled.terms;
  local->updates = pulled.updates;
  const std::span<const std::byte> bytes = std::as_bytes(values);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    const auto [first, last] = plan.ParameterRange(PartitionId(p));
    const auto at = static_cast<size_t>(first) * sizeof(float);
    const auto size = static_cast<size_t>(last - first) * sizeof(float);
    // The rule outlives the batch.
    local->partitions.emplace_back().Append(nullptr, bytes.subspan(at, size));
  }
  return local;
}

std::vector<float> FloatsOf(const Payload& payload) {
  std::vector<float> floats(payload.size() / sizeof(float));
  payload.CopyTo(std::as_writable_bytes(std::span(floats)));
  return floats;
}

std::string WhereOf(const ComputeTask& task) {
  return absl::StrCat(" by what ends with the batch at ", task.begin,
                      " of item ", ToString(task.item));
}

// No partition's mark can rest on forgotten values: if it has stepped back
// since, the run is computed again.
void SendToDue(const ComputeTask& task, ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  if (std::ranges::find(task.due, false) == task.due.end()) return;
  result->filtered.resize(plan.partitions);
  for (int32_t p = 0; p < plan.partitions; ++p) {
    if (!task.due[p]) continue;
    const FloatRange run =
        PushedRun(plan, result->trained.get(), PartitionId(p));
    result->filtered[p] =
        FilteredGradient{Encoding::kFloat32,
                         result->gradient.Sub(run.first * 4, run.size() * 4)};
  }
}

}  // namespace

LocalTraining::Item* LocalTraining::Find(const ComputeTask& task) {
  const auto it = std::ranges::find_if(items_, [&](const Item& item) {
    return item.record->id == task.record->id &&
           item.generation == task.generation && item.item == task.item;
  });
  if (it == items_.end()) return nullptr;
  items_.splice(items_.begin(), items_, it);
  return &items_.front();
}

absl::StatusOr<LocalTraining::Item*> LocalTraining::FindOrAdd(
    const ComputeTask& task) {
  if (Item* known = Find(task)) return known;
  // The job may have changed since, and the rate of its rule with it.
  std::erase_if(items_, [&](const Item& other) {
    return other.record->id == task.record->id &&
           other.record->specification != task.record->specification;
  });
  Item item;
  // One that is done is not needed, and its rule will do. For a run the rule of
  // any other item will do: the core dropped what was gathered there.
  const JobPlan& plan = task.record->plan;
  const auto done = std::ranges::find_if(items_, [&](const Item& other) {
    return other.record->id == task.record->id &&
           (plan.algorithm.runs || other.position == plan.ItemSize(other.item));
  });
  if (done != items_.end()) {
    item.mathematics = std::move(done->mathematics);
    items_.erase(done);
  } else {
    while (items_.size() >= kMostTrainedItems) items_.pop_back();
    EBB_ASSIGN_OR_RETURN(item.mathematics, maker_(*task.record));
  }
  item.rows = RunRows(item.mathematics.rows, item.mathematics.limits);
  item.record = task.record;
  item.generation = task.generation;
  item.item = task.item;
  item.position = kNowhere;
  items_.push_front(std::move(item));
  return &items_.front();
}

void LocalTraining::BeginRun(Item* item) {
  item->gathered = 0;
  item->batches = 0;
  item->rows.Clear();
  item->ledger = {};
  item->loss_sum = kUnknownLoss;
  item->oracle.clear();
}

absl::Status LocalTraining::TakeValues(const ComputeTask& task, bool begins,
                                       Item* item) {
  const JobPlan& plan = task.record->plan;
  const TrainedRanges* const trained = item->mathematics.trained.get();
  std::vector<float> pulled(plan.parameters);
  EBB_RETURN_IF_ERROR(Assemble(plan, *task.values, pulled));
  if (trained != nullptr) {
    item->whole = std::move(pulled);
    pulled = trained->TrainedOf(item->whole);
  }
  item->pulled = task.values;
  if (!begins) {
    item->mathematics.rule->Pulled(pulled);
    return absl::OkStatus();
  }
  const bool dropped = item->gathered > 0;
  if (plan.algorithm.runs && dropped &&
      EBB_PLANTED(moment_of_a_dead_worker_counts)) {
    item->mathematics.rule->Pulled(pulled);
  } else {
    item->mathematics.rule->Begin(pulled);
  }
  BeginRun(item);
  item->position = task.begin;
  return absl::OkStatus();
}

absl::StatusOr<ComputeTask> LocalTraining::Begin(const ComputeTask& task) {
  const JobPlan& plan = task.record->plan;
  if (!plan.algorithm.has_local_rule()) return task;
  EBB_ASSIGN_OR_RETURN(Item * item, FindOrAdd(task));
  LocalRule& rule = *item->mathematics.rule;
  const TrainedRanges* const trained = item->mathematics.trained.get();
  const bool goes_on =
      item->position == task.begin && item->gathered == task.gathered;
  if (!goes_on && task.gathered > 0) {
    return absl::AbortedError("the batches before it are not here any more");
  }
  if (plan.algorithm.runs) {
    // Whatever was pulled since: a run begins once, and has its values.
    const bool follows = goes_on && EBB_PLANTED(own_run_counts_twice);
    if (task.gathered == 0 && !follows) {
      EBB_RETURN_IF_ERROR(TakeValues(task, /*begins=*/true, item));
    }
  } else if (!goes_on || item->pulled.lock() != task.values) {
    EBB_RETURN_IF_ERROR(TakeValues(task, !goes_on, item));
  }
  if (trained != nullptr) trained->PutTrained(rule.Values(), item->whole);
  auto values = ValuesOf(
      plan, *task.values,
      trained != nullptr ? std::span<const float>(item->whole) : rule.Values());
  if (task.values->rows != nullptr) {
    values->rows = task.values->rows;
    EBB_ASSIGN_OR_RETURN(values->row_values,
                         item->rows.ValuesOf(plan, *task.values));
  }
  ComputeTask local = task;
  local.values = std::move(values);
  return local;
}

void LocalTraining::End(const ComputeTask& task, ComputeResult* result) {
  if (!task.record->plan.algorithm.has_local_rule()) return;
  Item* const item = Find(task);
  // It cannot be computed; what was gathered before it can.
  if (item == nullptr || !result->error.empty() || result->cancelled) return;
  absl::Status ended = Gather(task, item, *result);
  if (ended.ok() && task.push) {
    ended = EndRun(task, item, result);
    if (ended.ok()) return;
  }
  // No part of it is handed out.
  *result = {};
  result->leaves = ended.ok();
  if (ended.ok()) return;
  item->position = kNowhere;
  result->non_finite = absl::IsOutOfRange(ended);
  result->error = std::string(ended.message());
}

absl::Status LocalTraining::Gather(const ComputeTask& task, Item* item,
                                   const ComputeResult& result) {
  const JobPlan& plan = task.record->plan;
  const double rate = item->mathematics.rate(task.item, task.begin, task.end) *
                      task.rate_factor;
  const LocalStep step = {static_cast<float>(rate),
                          1.0f / static_cast<float>(plan.BatchSize(task.item)),
                          task.end - task.begin};
  EBB_RETURN_IF_ERROR(item->rows.Add(plan, step, result.rows));
  if (!result.gradient.empty()) {
    item->mathematics.rule->Step(step, FloatsOf(result.gradient));
  }
  item->position = task.end;
  item->gathered += task.end - task.begin;
  ++item->batches;
  item->ledger += result.ledger;
  item->loss_sum += result.loss_sum;
  std::vector<uint64_t> oracle(result.oracle.size() / sizeof(uint64_t));
  result.oracle.CopyTo(std::as_writable_bytes(std::span(oracle)));
  item->oracle.resize(oracle.size());
  for (size_t i = 0; i < oracle.size(); ++i) item->oracle[i] += oracle[i];
  return absl::OkStatus();
}

absl::Status LocalTraining::EndRun(const ComputeTask& task, Item* item,
                                   ComputeResult* result) {
  const JobPlan& plan = task.record->plan;
  const bool whole_weight =
      plan.algorithm.runs && EBB_PLANTED(short_run_weighs_as_a_whole);
  const LocalPush push = {
      .examples =
          whole_weight ? plan.PushEnd({task.item.epoch, 0}, 0) : item->gathered,
      .batches = item->batches,
      .whole = task.whole};
  result->rows.clear();
  if (!plan.sparse_tables.empty()) {
    absl::StatusOr<std::vector<std::vector<PushRows>>> rows =
        item->rows.Push(plan, push);
    if (!rows.ok()) {
      return absl::OutOfRangeError(
          absl::StrCat(rows.status().message(), WhereOf(task)));
    }
    result->rows = *std::move(rows);
  }
  if (!result->gradient.empty()) {
    LocalRule& rule = *item->mathematics.rule;
    for (int32_t p = 0; p < static_cast<int32_t>(task.due.size()); ++p) {
      if (task.due[p]) continue;
      const FloatRange run =
          PushedRun(plan, result->trained.get(), PartitionId(p));
      rule.Forget(run.first, run.last);
    }
    std::vector<float> pushed(result->gradient.size() / sizeof(float));
    rule.Push(push, pushed);
    // The gradients are finite, but steps in the copy, and sums, can be too
    // large.
    const auto odd = std::ranges::find_if_not(
        pushed, [](float value) { return std::isfinite(value); });
    if (odd != pushed.end()) {
      return absl::OutOfRangeError(
          absl::StrCat("non-finite change: ", *odd, " of element ",
                       odd - pushed.begin(), WhereOf(task)));
    }
    result->gradient = Payload::Of(std::move(pushed));
    SendToDue(task, result);
  }
  result->leaves = plan.algorithm.keeps_effect && !task.whole;
  result->oracle = Payload::Of(std::move(item->oracle));
  result->ledger = item->ledger;
  result->loss_sum = item->loss_sum;
  BeginRun(item);
  return absl::OkStatus();
}

}  // namespace ebb::client
