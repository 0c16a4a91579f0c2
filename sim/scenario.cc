#include "sim/scenario.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace ebb::sim {

// Written down once more, as people would do it by hand.
int32_t JudgedEpochs(const Scenario& s) {
  const int32_t epochs = s.plan.epochs, every = s.plan.evaluate_every;
  std::optional<double> best, kept;
  int32_t kept_epoch = -1;
  int64_t without = 0;
  for (int32_t epoch = 0; epoch < epochs; ++epoch) {
    const bool last = epoch + 1 == epochs;
    if ((epoch + 1) % every != 0 && !last) continue;
    const double loss = s.losses[epoch];
    ++without;
    if (!std::isnan(loss) && (!best || loss < *best - s.min_delta)) {
      best = loss;
      without = 0;
    }
    if (!std::isnan(loss) && (!kept || loss < *kept)) {
      kept = loss;
      kept_epoch = epoch;
    }
    if (!last && (s.stop_after == 0 || without < s.stop_after)) continue;
    return (s.keep_best && kept ? kept_epoch : epoch) + 1;
  }
  return epochs;
}

Scenario ScaleScenario(int workers, int servers, int batches) {
  Scenario s;
  s.servers = servers;
  s.workers = workers;
  JobPlan& plan = s.plan;
  plan.epochs = 2;
  plan.batch_by_epoch = {1};
  const int64_t per_epoch = int64_t{workers} * batches / plan.epochs;
  plan.shard_size = std::max(1, batches / 4);
  plan.examples = per_epoch;
  plan.partitions = servers;
  plan.block_floats = Scenario::kBlockFloats;
  plan.parameters = servers * Scenario::kBlockFloats;
  plan.oracle_width = 1;
  plan.checkpoint_interval_ms = 5'000;
  s.scheduler.min_servers = servers;
  s.compute = {absl::Milliseconds(500), absl::Milliseconds(1500)};
  s.update = {absl::ZeroDuration(), absl::ZeroDuration()};
  s.dense_values = false;
  s.most_events = std::numeric_limits<int64_t>::max();
  return s;
}

namespace {

std::string RowsText(const SparseTablePlan& table) {
  constexpr absl::string_view kKinds[] = {"", " to add to", " of counts",
                                          " to write once"};
  std::string text = absl::StrCat(", rows of ", table.width,
                                  kKinds[static_cast<int>(table.kind)]);
  if (table.clock_bound == SparseTablePlan::kNoBound) {
    absl::StrAppend(&text, " in ASP");
  } else if (table.clock_bound >= 0) {
    absl::StrAppend(&text, " in SSP(", table.clock_bound, ")");
  }
  if (table.cache_rows > 0) {
    absl::StrAppend(&text, " of which ", table.cache_rows, " are kept");
  }
  if (table.cache_batches > 0) {
    absl::StrAppend(&text, " for ", table.cache_batches, " batches");
  }
  return text;
}

}  // namespace

std::string Scenario::Describe() const {
  const ConsistencyPlan& how = plan.consistency;
  std::string consistency = "ASP";
  if (how.kind == ConsistencyKind::kSsp) {
    consistency = absl::StrCat("SSP(", how.clock_bound, ")");
  } else if (how.kind == ConsistencyKind::kRounds) {
    consistency = absl::StrCat("rounds of ", how.round_items,
                               " items, K=", how.rounds_in_memory);
  }
  std::string text = absl::StrCat(
      servers, " servers, ", workers, " workers, ", plan.partitions,
      " partitions of ", plan.parameters, " parameters, ", plan.epochs,
      " epochs of ", plan.examples, " examples in shards of ", plan.shard_size,
      ", batch ", plan.batch_by_epoch[0], ", ", consistency);
  if (tasks) absl::StrAppend(&text, ", of tasks");
  if (contributions) absl::StrAppend(&text, ", of contributions");
  for (const SparseTablePlan& table : plan.sparse_tables) {
    absl::StrAppend(&text, RowsText(table));
  }
  if (!row_options.empty()) absl::StrAppend(&text, " that come and go");
  if (how.max_staleness_updates >= 0) {
    absl::StrAppend(&text, ", staleness at most ", how.max_staleness_updates);
  }
  if (how.local_steps > 0) {
    absl::StrAppend(&text, ", local steps at most ", how.local_steps);
  }
  if (plan.filters.push.kind != FilterKind::kNone) {
    absl::StrAppend(&text, ", pushes in ",
                    EncodingName(EncodingOf(plan.filters.push)));
  }
  if (algorithm.kind != AlgorithmConfig().kind) {
    absl::StrAppend(&text, ", ", algorithm.kind, ", pushes of ",
                    algorithm.push_every, " and pulls for ",
                    algorithm.pull_every, " batches");
  }
  if (plan.algorithm.runs) {
    absl::StrAppend(
        &text, ", runs of ",
        plan.rounds() ? "items"
                      : absl::StrCat(plan.algorithm.push_batches, " batches"));
  }
  if (window > 0) {
    absl::StrAppend(&text, ", windows of ", window, " examples, of which ",
                    windows_in_memory, " are in memory");
  }
  if (plan.algorithm.operated) {
    absl::StrAppend(&text, ", closed by operations",
                    epochs_beyond > 0 ? " of which one ends the job" : "");
  }
  if (averages) absl::StrAppend(&text, ", averages of statistics");
  if (trained != nullptr) {
    absl::StrAppend(&text, ", ", plan.parameters - trained->floats(), " of ",
                    plan.parameters, " dense values frozen");
  }
  const auto frozen = std::ranges::count(frozen_rows, true);
  if (frozen > 0) {
    absl::StrAppend(&text, ", ", frozen, " of ", plan.sparse_tables.size(),
                    " tables of rows frozen");
  }
  if (plan.evaluate_every > 0) {
    absl::StrAppend(&text, ", evaluation every ", plan.evaluate_every);
  }
  if (Judged()) {
    absl::StrAppend(&text, keep_best ? ", the best version is kept" : "",
                    stop_after > 0 ? absl::StrCat(", ends after ", stop_after,
                                                  " evaluations without a "
                                                  "better one")
                                   : "");
  }
  if (poison) {
    absl::StrAppend(&text,
                    poison->finite_at > 0 ? ", diverges at " : ", poison at ",
                    ToString(poison->range.item), " ", poison->range.begin);
  }
  absl::StrAppend(
      &text, ", ", faults, " faults",
      storage_damage ? " with damaged storage" : "", twin ? " with a twin" : "",
      operations > 0 ? " with an operator" : "",
      first_epochs ? " who adds epochs" : "",
      slow_worker ? " with a slow worker" : "",
      initial_file ? " with initial values from a file" : "",
      initial_state ? ", and slots" : "", initial_rows ? ", and rows" : "",
      bucket          ? " with a shared bucket"
      : shared_folder ? " with a shared folder"
                      : "",
      late_servers > 0 ? " with servers that come late" : "",
      scales ? " with an operator who scales" : "",
      scheduler_store_loss ? " with a forgetful scheduler" : "");
  return text;
}

}  // namespace ebb::sim
