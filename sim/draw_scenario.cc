// The scenario that a seed draws; see scenario.h.
#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sim/arithmetic.h"
#include "sim/rng.h"
#include "sim/scenario.h"

namespace ebb::sim {

namespace {

void DrawData(Rng* rng, JobPlan* plan) {
  plan->epochs = static_cast<int32_t>(rng->Between(2, 3));
  const int64_t shards = rng->Between(3, 9);
  const int64_t batch = rng->Between(1, 4);
  plan->shard_size = batch * rng->Between(2, 6) + rng->Below(batch);
  plan->examples = plan->shard_size * shards - rng->Below(plan->shard_size);
  plan->batch_by_epoch = {batch};
  if (rng->Chance(0.3)) plan->batch_by_epoch.push_back(batch * 2 + 1);
  plan->seed = rng->Next();
  plan->layout_hash = rng->Next();
}

void DrawModel(Rng* rng, JobPlan* plan) {
  plan->block_floats = Scenario::kBlockFloats;
  plan->partitions = static_cast<int32_t>(rng->Between(2, 6));
  plan->parameters = plan->partitions * Scenario::kBlockFloats - rng->Below(8);
  if (rng->Chance(0.2)) plan->parameters += 2 * Scenario::kBlockFloats;
  // Fewer blocks than partitions: some partitions have no dense values.
  if (rng->Chance(0.05)) plan->parameters = Scenario::kBlockFloats + 3;
  plan->oracle_width = rng->Chance(0.8) ? 1 + rng->Below(3) : 0;
}

void DrawConsistency(Rng* rng, JobPlan* plan) {
  ConsistencyPlan& how = plan->consistency;
  const int64_t kind = rng->Below(10);
  if (kind < 4) {
    how.kind = ConsistencyKind::kAsp;
  } else if (kind < 7) {
    how.kind = ConsistencyKind::kSsp;
    how.clock_bound = rng->Below(4);
  } else {
    how.kind = ConsistencyKind::kRounds;
    how.round_items = static_cast<int32_t>(rng->Between(1, 4));
    how.rounds_in_memory = static_cast<int32_t>(rng->Between(1, 4));
  }
  if (how.kind != ConsistencyKind::kRounds && rng->Chance(0.3)) {
    // At least what a worker's own pipeline makes of it, or no worker advances.
    how.max_staleness_updates = rng->Between(3, 12);
  }
}

void DrawPoison(Rng* rng, Scenario* s) {
  JobPlan& plan = s->plan;
  plan.quarantine_after = static_cast<int32_t>(rng->Between(2, 4));
  // In rounds only the operator, who knows which batch is to blame.
  if (rng->Chance(0.5) && !plan.rounds()) plan.on_poison = PoisonPolicy::kSkip;
  if (rng->Chance(0.5)) plan.on_nonfinite = PoisonPolicy::kSkip;
  Poison poison;
  poison.range.item = plan.ItemAt(rng->Below(plan.items()));
  const int64_t batch = plan.BatchSize(poison.range.item);
  poison.range.begin =
      rng->Below((plan.ItemSize(poison.range.item) + batch - 1) / batch) *
      batch;
  poison.range.end = plan.BatchEnd(poison.range.item, poison.range.begin);
  poison.kind = static_cast<PoisonKind>(rng->Below(3));
  s->poison = poison;
}

void DrawPolicy(Rng* rng, Scenario* s) {
  JobPlan& plan = s->plan;
  if (rng->Chance(0.4)) {
    plan.evaluate_every = static_cast<int32_t>(rng->Between(1, 2));
  }
  plan.checkpoint_interval_ms = rng->Between(20, 400);
  plan.checkpoint_keep = static_cast<int32_t>(rng->Between(1, 3));
  if (rng->Chance(0.1)) plan.max_workers = 2;
  plan.quarantine_after = 1000;  // Random kills do not make an item poison.
  if (!rng->Chance(0.15)) return;
  DrawPoison(rng, s);
}

void DrawOptions(Rng* rng, Scenario* s) {
  const auto ms = [&](int64_t least, int64_t most) {
    return absl::Milliseconds(rng->Between(least, most));
  };
  s->scheduler.lease_ttl = ms(200, 1500);
  s->scheduler.confirm_timeout = ms(50, 500);
  s->scheduler.takeover_after = absl::Seconds(15);
  s->scheduler.evaluation_timeout = ms(400, 2000);
  s->scheduler.min_servers = rng->Chance(0.7) ? s->servers : 1;
  s->server.pull_park = ms(20, 300);
  s->server.push_window = rng->Chance(0.2) ? rng->Between(1, 2) : 32;
  s->server.push_limit = rng->Chance(0.2) ? rng->Between(2, 4) : 1024;
  s->server.report_interval = ms(10, 80);
  s->server.statistics_interval = ms(250, 500);
  s->client.held_items = static_cast<int32_t>(rng->Between(1, 3));
  s->client.batches_in_flight = static_cast<int32_t>(rng->Between(1, 3));
  s->client.prefetch = rng->Chance(0.6);
  s->client.push_timeout = ms(150, 800);
  s->client.pull_timeout = s->server.pull_park + ms(150, 500);
  s->client.clock_interval = ms(20, 120);
}

void DrawNetwork(Rng* rng, Scenario* s) {
  if (rng->Chance(0.5)) s->slow_messages = 0.02;
  if (rng->Chance(0.1)) s->slow_messages = 0.3;
  s->slow_delay = absl::Milliseconds(rng->Between(5, 200));
  if (rng->Chance(0.5)) s->lost_messages = rng->Chance(0.2) ? 0.05 : 0.01;
  if (rng->Chance(0.5)) s->duplicated_messages = 0.03;
  if (rng->Chance(0.3)) s->update.most = absl::Milliseconds(15);
  if (rng->Chance(0.3)) s->storage.most = absl::Milliseconds(80);
  if (rng->Chance(0.3)) s->compute.most = absl::Milliseconds(40);
}

// Training diverges at a batch until the rate is small enough.
void DrawDivergence(Rng rng, Scenario* s) {
  if (s->poison || s->twin || !rng.Chance(0.25)) return;
  JobPlan& plan = s->plan;
  plan.on_nonfinite = PoisonPolicy::kRollBack;
  NonfiniteRollback& how = plan.nonfinite_rollback;
  how.versions = static_cast<int32_t>(rng.Between(1, 2));
  how.most = 4;
  plan.checkpoint_keep = std::max(plan.checkpoint_keep, how.versions + 1);
  Poison poison;
  // Not at once: there is something to go back to.
  poison.range.item =
      plan.ItemAt(rng.Between(plan.items() / 8, plan.items() / 2));
  poison.range.end = plan.BatchEnd(poison.range.item, 0);
  poison.kind = PoisonKind::kNonFinite;
  poison.finite_at = rng.Chance(0.5) ? how.factor : how.factor * how.factor;
  s->poison = poison;
  if (s->scheduler_store_loss && rng.Chance(0.5)) {
    s->store_lost_after_rollback = absl::Milliseconds(rng.Between(1, 300));
  }
}

// Little else depends on it, so that seeds of other algorithms stay what they
// were.
void DrawAlgorithm(Rng rng, Scenario* s) {
  JobPlan& plan = s->plan;
  const auto take = [&](AlgorithmConfig config) {
    s->algorithm = std::move(config);
    plan.algorithm = BuiltinAlgorithms().Create(s->algorithm).value()->Plan();
  };
  const auto batches = [&] { return static_cast<int32_t>(rng.Between(1, 4)); };
  if (plan.rounds()) {
    // A batch that kills its worker is known only by its push, so it would be
    // unknown what a round has to leave out.
    if (s->poison && s->poison->kind == PoisonKind::kKillsWorker) return;
    if (!rng.Chance(0.2)) return;
    // Whole items, as local SGD has them; of sums, which are whole numbers.
    take({.kind = "downpour"});
    plan.algorithm.push_batches = plan.algorithm.pull_batches = 0;
    return;
  }
  if (rng.Chance(0.08)) {
    take({.kind = rng.Chance(0.5) ? "dynsgd" : "staleness_aware"});
    s->exact_values = false;
    return;
  }
  if (plan.consistency.kind != ConsistencyKind::kAsp || rng.Chance(0.5)) return;
  if (rng.Chance(0.7)) {
    const int32_t push = batches();
    const int32_t pull = batches();
    take({.kind = "downpour", .push_every = push, .pull_every = pull});
  } else if (!KeepsResiduals(plan.filters.push)) {
    const std::string kind = rng.Chance(0.5) ? "aeasgd" : "eamsgd";
    take({.kind = kind, .push_every = batches(), .moving_rate = 0.25});
    plan.consistency.local_steps = 0;
    s->exact_values = false;
  }
}

// For jobs with sparse tables: algorithms whose workers gather the rows of a
// run.
void DrawRowAlgorithm(Rng rng, Scenario* s) {
  JobPlan& plan = s->plan;
  if (plan.sparse_tables.empty() || plan.algorithm.has_local_rule() ||
      s->contributions || plan.consistency.kind != ConsistencyKind::kAsp ||
      plan.clocked() || !s->exact_values || !rng.Chance(0.6)) {
    return;
  }
  // A row that comes late lacks what was added before.
  const bool late = std::any_of(
      s->row_options.begin(), s->row_options.end(), [](const auto& options) {
        return options.admission.kind != server::RowAdmission::Kind::kAlways;
      });
  const bool geo = !late && rng.Chance(0.6);
  const auto push = static_cast<int32_t>(rng.Between(1, 5));
  s->algorithm = {.kind = geo ? "geo" : "downpour", .push_every = push};
  const auto algorithm = BuiltinAlgorithms().Create(s->algorithm).value();
  plan.algorithm = algorithm->Plan();
  if (plan.trained_tables() == 0) return;
  plan.algorithm.pull_batches = 1;
  plan.algorithm.worker_vectors = RunVectors(*algorithm->MakeRowRule());
}

// Jobs whose items are tasks: they are few, and each takes long.
void DrawTasks(Rng rng, Scenario* s) {
  JobPlan& plan = s->plan;
  const auto& tables = plan.sparse_tables;
  const bool written =
      plan.trained_tables() == 0 &&
      std::any_of(tables.begin(), tables.end(), [](const auto& table) {
        return table.kind == RowKind::kWriteOnce;
      });
  if (!written || s->poison || !rng.Chance(0.6)) return;
  s->tasks = true;
  plan.batch_by_epoch = {1};
  plan.shard_size = 1;
  // Each key of the results is one of those that the checker knows.
  const int64_t most = static_cast<int64_t>(Arithmetic::kSparseKeys) /
                       Arithmetic::kKeysPerExample / plan.epochs;
  plan.examples = rng.Between(3, most);
  s->compute = {absl::Milliseconds(20), absl::Milliseconds(200)};
}

// Jobs of examples whose rows are the summands of the dense values.
void DrawContributions(Rng rng, Scenario* s) {
  JobPlan& plan = s->plan;
  const bool trained =
      plan.trained_tables() > 0 &&
      plan.trained_tables() == static_cast<int32_t>(plan.sparse_tables.size());
  if (!trained || plan.algorithm.has_local_rule() || !s->exact_values ||
      !rng.Chance(0.4)) {
    return;
  }
  s->contributions = true;
  plan.sparse_tables = {{static_cast<int32_t>(rng.Between(2, 4))}};
  plan.filters.push = {};
  s->row_options.clear();
}

// Rows that come late, or go.
void DrawRowOptions(Rng rng, Scenario* s) {
  if (!rng.Chance(0.5)) return;
  for (const SparseTablePlan& table : s->plan.sparse_tables) {
    server::RowTableOptions& options = s->row_options.emplace_back();
    options.table = absl::StrCat("table-", s->row_options.size());
    options.width = table.width;
    options.init = InitRule::Constant(WholeNumberRule::kInitialRow);
    options.seed = rng.Next();
    if (rng.Chance(0.5)) options.expire_after_examples = rng.Between(3, 100);
    if (rng.Chance(0.5)) {
      options.max_rows = rng.Between(1, 8);
      options.at_limit = server::RowTableOptions::AtLimit::kEvict;
    }
    if (rng.Chance(0.3)) {
      options.admission = {.kind = server::RowAdmission::Kind::kCount,
                           .count = rng.Between(2, 4),
                           .counters = rng.Between(1, 40)};
    } else if (rng.Chance(0.3)) {
      options.admission = {.kind = server::RowAdmission::Kind::kProbability,
                           .probability = 0.4};
    }
  }
}

// Cuts the dense values into a few tables, some of which are frozen: from parts
// of blocks to whole partitions.
void DrawFrozen(Rng rng, Scenario* s) {
  const int64_t parameters = s->plan.parameters;
  if (!rng.Chance(0.3) || !s->dense_values || s->contributions ||
      parameters < 2) {
    return;
  }
  std::vector<int64_t> cuts = {0, parameters};
  for (int64_t i = rng.Between(1, 4); i > 0; --i) {
    cuts.push_back(rng.Between(1, parameters - 1));
  }
  std::ranges::sort(cuts);
  std::vector<FloatRange> trained;
  bool frozen = rng.Chance(0.5);
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    const FloatRange table = {cuts[i], cuts[i + 1]};
    if (!frozen && table.size() > 0) trained.push_back(table);
    if (table.size() > 0) frozen = !frozen;
  }
  if (trained.empty()) return;
  s->trained = std::make_shared<const TrainedRanges>(s->plan, trained);
}

// Freezes some of the trained sparse tables, whose rows then stay as they are.
void DrawFrozenRows(Rng rng, Scenario* s) {
  const auto tables = static_cast<size_t>(s->plan.trained_tables());
  if (tables == 0 || s->contributions || !rng.Chance(0.3)) return;
  s->frozen_rows.resize(s->plan.sparse_tables.size());
  const auto first =
      static_cast<size_t>(rng.Between(0, static_cast<int64_t>(tables) - 1));
  for (size_t t = 0; t < tables; ++t) {
    s->frozen_rows[t] = t == first || rng.Chance(0.2);
    if (!s->frozen_rows[t] || s->row_options.empty()) continue;
    s->row_options[t].expire_after_examples = 0;
    s->row_options[t].admission = {};
  }
}

// Jobs that their evaluations end, or whose best version is kept.
void DrawJudged(Rng rng, Scenario* s) {
  JobPlan& plan = s->plan;
  if (!rng.Chance(0.35) || plan.algorithm.operated || s->tasks ||
      s->first_epochs || plan.on_nonfinite == PoisonPolicy::kRollBack) {
    return;
  }
  plan.epochs += static_cast<int32_t>(rng.Between(1, 3));
  plan.evaluate_every = rng.Chance(0.7) ? 1 : 2;
  for (int32_t epoch = 0; epoch < plan.epochs; ++epoch) {
    s->losses.push_back(rng.Chance(0.1)
                            ? std::numeric_limits<double>::quiet_NaN()
                            : static_cast<double>(rng.Between(1, 6)));
  }
  s->keep_best = rng.Chance(0.7);
  if (!s->keep_best || rng.Chance(0.6)) s->stop_after = rng.Between(1, 2);
  if (rng.Chance(0.3)) s->min_delta = 1;
  if (rng.Chance(0.7)) s->operations = 0;
  // All of these lose what was decided; and after a few deaths in a row an
  // evaluation is given up.
  constexpr int kManyDeaths = 100;
  if (plan.quarantine_after < kManyDeaths || s->storage_damage ||
      s->scheduler_store_loss || s->twin || s->damage_after_completion ||
      s->operations > 0 || s->one_shares_nothing || s->one_shares_by_turns) {
    return;
  }
  // One that is given up for time decides otherwise.
  s->scheduler.evaluation_timeout = absl::Hours(1);
  s->judged_epochs = JudgedEpochs(*s);
}

// Crashes and what they may cost.
void DrawFaults(Rng* rng, Scenario* s) {
  s->faults = static_cast<int>(rng->Between(4, 12));
  s->fault_span = absl::Milliseconds(rng->Between(500, 3000));
  s->storage_damage = rng->Chance(0.4);
  s->damage_after_completion = s->storage_damage && rng->Chance(0.5);
  if (s->storage_damage && s->plan.rounds() && rng->Fork(1).Chance(0.6)) {
    s->update.most = absl::Milliseconds(200);  // A rollback finds some running.
  }
  s->scheduler_store_loss = rng->Chance(0.5);
  if (!s->scheduler_store_loss && rng->Chance(0.4)) {
    s->scheduler.takeover_after = absl::Milliseconds(rng->Between(100, 1000));
  }
}

void DrawTwin(Rng rng, Scenario* s) {
  s->twin = rng.Chance(0.15);
  s->scheduler.server_ttl = absl::Milliseconds(rng.Between(300, 1000));
  if (rng.Chance(0.3)) s->operations = static_cast<int>(rng.Between(1, 3));
}

// Servers that come late, that an operator scales, or that share a folder.
// `turns`: one of them shares it by turns.
void DrawServers(Rng rng, Rng turns, Scenario* s) {
  if (rng.Chance(0.4)) {
    s->late_servers = static_cast<int>(rng.Between(1, s->servers - 1));
    s->scheduler.min_servers =
        std::min(s->scheduler.min_servers, s->servers - s->late_servers);
  }
  s->scales = rng.Chance(0.3);
  s->shared_folder = !s->twin && rng.Chance(0.4);
  if (s->shared_folder) {
    s->scheduler.takeover_after = absl::Milliseconds(rng.Between(200, 1500));
    s->one_shares_nothing = rng.Chance(0.3) && !s->scheduler_store_loss;
    s->one_shares_by_turns = turns.Chance(0.5) && !s->scheduler_store_loss;
    if (s->one_shares_by_turns) {
      s->faults += static_cast<int>(turns.Between(5, 15));
      s->scheduler.takeover_after = absl::Milliseconds(turns.Between(50, 300));
    }
  }
  s->scheduler.move_timeout = absl::Milliseconds(rng.Between(300, 1500));
}

// Pushes that are divided by their bytes.
void DrawPushWindow(Rng rng, Scenario* s) {
  if (!rng.Chance(0.5)) return;
  // A partition has 64 bytes or a few times that.
  s->client.push_bytes = rng.Between(1, 300);
  s->client.push_window_bytes = s->client.push_bytes * rng.Between(1, 3);
}

bool DividesPushes(const Scenario& s) { return s.client.push_bytes < 1000; }

// Poison at more seeds than DrawPolicy has. No disk may come back with what was
// lost and then skipped.
void DrawSkippedPoison(Rng rng, Scenario* s) {
  if (s->plan.rounds() || s->poison || s->twin || s->storage_damage ||
      !rng.Chance(0.2)) {
    return;
  }
  DrawPoison(&rng, s);
  s->plan.quarantine_after = 2;
  s->poison->chance = 0.7;
}

void DrawLocalSteps(Rng rng, Scenario* s) {
  ConsistencyPlan& how = s->plan.consistency;
  if (how.kind != ConsistencyKind::kAsp || !rng.Chance(0.8)) return;
  how.local_steps =
      static_cast<int32_t>(rng.Between(1, rng.Chance(0.5) ? 3 : 16));
}

void DrawEvaluations(Rng rng, Scenario* s) {
  if (rng.Chance(0.5)) {
    s->evaluate.most = absl::Milliseconds(rng.Between(20, 500));
  }
  if (rng.Chance(0.7)) {
    s->scheduler.evaluation_timeout = absl::Hours(1);  // None is to be needed.
  }
}

// Most are of a kind in which sums of whole numbers stay exact. Nothing else
// depends on them where pushes are not divided by their bytes, so that seeds
// stay what they were.
void DrawFilters(Rng rng, Scenario* s) {
  if (DividesPushes(*s)) return;
  if (rng.Chance(0.5)) {
    constexpr FilterKind kKinds[] = {
        FilterKind::kBfloat16, FilterKind::kFloat16, FilterKind::kThreshold};
    s->plan.filters.push.kind = kKinds[rng.Below(3)];
  } else if (!s->plan.rounds() && s->plan.consistency.local_steps == 0 &&
             rng.Chance(0.2)) {
    s->plan.filters.push = {.kind = FilterKind::kTopK, .share = 0.3};
    s->exact_values = false;
  }
}

// Only such jobs have sparse tables, and many seeds stay what they were.
bool MayHaveRows(const Scenario& s) {
  return !s.plan.rounds() && s.plan.consistency.local_steps == 0 &&
         s.exact_values && !DividesPushes(s);
}

void DrawTrainedTables(Rng rng, Scenario* s) {
  if (!MayHaveRows(*s) || !rng.Chance(0.6)) return;
  s->plan.sparse_tables.push_back({static_cast<int32_t>(rng.Between(1, 3))});
  if (rng.Chance(0.5)) s->plan.sparse_tables.push_back({1});
}

void DrawClockBounds(Rng rng, Scenario* s) {
  if (!rng.Chance(0.5)) return;
  for (SparseTablePlan& table : s->plan.sparse_tables) {
    table.clock_bound = rng.Between(SparseTablePlan::kBoundOfJob, 4);
  }
}

// Tables that are written and not trained, beside others or alone.
void DrawWrittenTables(Rng rng, Scenario* s) {
  if (!MayHaveRows(*s) || s->plan.algorithm.has_local_rule() ||
      !s->row_options.empty() || !rng.Chance(0.5)) {
    return;
  }
  for (const RowKind kind :
       {RowKind::kAdditive, RowKind::kCounts, RowKind::kWriteOnce}) {
    if (!rng.Chance(0.5)) continue;
    s->plan.sparse_tables.push_back(
        {.width = kind == RowKind::kWriteOnce
                      ? 9
                      : static_cast<int32_t>(rng.Between(1, 3)),
         .kind = kind});
  }
}

// Rows that workers keep.
void DrawCachedRows(Rng rng, Scenario* s) {
  for (int32_t t = 0; t < s->plan.trained_tables(); ++t) {
    const int64_t bound = s->plan.ClockBoundOf(t);
    if (bound == 0 || !rng.Chance(0.5) || s->contributions) continue;
    SparseTablePlan& table = s->plan.sparse_tables[t];
    table.cache_rows = rng.Between(1, 40);
    if (bound == SparseTablePlan::kNoBound || rng.Chance(0.3)) {
      table.cache_batches = rng.Between(1, 6);
    }
  }
}

// A round's end takes two messages more; so that most seeds stay what they
// were.
void DrawOperated(Rng rng, JobPlan* plan) {
  if (!plan->rounds() || plan->algorithm != AlgorithmPlan()) return;
  plan->algorithm.operated = rng.Chance(0.25);
}

// A worker that is slow, and what others do about it.
void DrawPace(Rng rng, Scenario* s) {
  s->slow_worker = rng.Chance(0.3);
  s->scheduler.backup_gain = absl::Milliseconds(rng.Between(5, 50));
}

// Jobs that are submitted with other epochs than they end with: an operator
// adds some, or an operation ends the job.
void DrawEpochs(Rng longer, Rng beyond, Scenario* s) {
  const bool operated = s->plan.algorithm.operated;
  if (!operated && longer.Chance(0.3)) {
    s->first_epochs =
        static_cast<int32_t>(longer.Between(1, s->plan.epochs - 1));
  }
  if (operated && beyond.Chance(0.5)) {
    s->epochs_beyond = static_cast<int32_t>(beyond.Between(1, 3));
  }
}

// A job file allows these. Only values depend on it, so that seeds stay what
// they were.
void DrawAverages(Rng rng, Scenario* s) {
  s->averages = s->plan.filters.push.kind == FilterKind::kNone &&
                !s->plan.algorithm.has_local_rule() && !s->contributions &&
                !s->plan.algorithm.operated && rng.Chance(0.5);
}

// Jobs that begin with the values of a file.
void DrawInitialValues(Rng rng, Scenario* s) {
  if (!rng.Chance(0.3)) return;
  s->initial_file = Span{absl::Microseconds(200),
                         absl::Milliseconds(rng.Chance(0.3) ? 1500 : 20)};
  if (rng.Chance(0.5)) s->initial_lost = 0.3;
  s->initial_state = rng.Chance(0.5);
  s->initial_rows =
      s->plan.trained_tables() > 0 && !s->contributions && rng.Chance(0.7);
}

// Jobs whose data is not in memory as a whole.
void DrawDataWindows(Rng rng, Scenario* s) {
  if (!rng.Chance(0.3)) return;
  s->window = s->plan.shard_size * rng.Between(1, 3);
  s->windows_in_memory = static_cast<int>(rng.Between(1, 4));
}

// Leaves out what does not go with runs, or hides what their values are.
void DropOtherSubjects(Scenario* s) {
  JobPlan& plan = s->plan;
  if (plan.consistency.kind == ConsistencyKind::kSsp) {
    plan.consistency.kind = ConsistencyKind::kAsp;
    plan.consistency.clock_bound = 0;
  }
  plan.consistency.local_steps = 0;
  plan.filters.push = {};
  plan.sparse_tables.clear();
  s->row_options.clear();
  s->frozen_rows.clear();
  s->tasks = s->contributions = s->averages = s->initial_rows = false;
  s->exact_values = true;
  s->epochs_beyond = 0;
  s->algorithm = {};
}

}  // namespace

Scenario DrawRuns(uint64_t seed) {
  Scenario s = DrawScenario(seed);
  Rng rng = Rng(seed).Fork(38);
  JobPlan& plan = s.plan;
  DropOtherSubjects(&s);
  // Items of a few batches, as others have them, are seldom more than a run.
  if (!plan.rounds() && rng.Chance(0.6)) {
    plan.batch_by_epoch = {1};
    if (s.poison) s.poison->range.end = s.poison->range.begin + 1;
  }
  const auto period =
      plan.rounds() ? 0 : static_cast<int32_t>(rng.Between(2, 5));
  plan.algorithm = {.push_batches = period,
                    .pull_batches = period,
                    .worker_vectors = 3,
                    .runs = true};
  if (!s.poison && !s.twin && !s.storage_damage && rng.Chance(0.4)) {
    DrawPoison(&rng, &s);
    plan.quarantine_after = 2;
    if (rng.Chance(0.6)) s.poison->kind = PoisonKind::kKillsWorker;
    // A round's value follows from what is always left out.
    if (!plan.rounds() && rng.Chance(0.5)) s.poison->chance = 0.7;
    // A death names its batch, so that may be left out of a round, too. Others
    // that kills happen to hit are not hit so often.
    if (plan.rounds() && rng.Chance(0.5)) {
      plan.on_poison = PoisonPolicy::kSkip;
      plan.quarantine_after = 3;
    }
  }
  return s;
}

Scenario DrawGrowing(uint64_t seed) {
  Scenario s = DrawScenario(seed);
  Rng rng = Rng(seed).Fork(39);
  JobPlan& plan = s.plan;
  const bool ssp = rng.Chance(0.4);
  plan.consistency = {
      .kind = ssp ? ConsistencyKind::kSsp : ConsistencyKind::kAsp,
      .clock_bound = ssp ? rng.Below(4) : 0};
  plan.algorithm = {};
  s.algorithm = {};
  s.exact_values = true;
  if (KeepsResiduals(plan.filters.push)) plan.filters.push = {};
  for (SparseTablePlan& table : plan.sparse_tables) {
    table.clock_bound = SparseTablePlan::kBoundOfJob;
    table.cache_rows = table.cache_batches = 0;
  }
  plan.evaluate_every = 0;
  s.losses.clear();
  s.keep_best = false;
  s.stop_after = 0;
  s.judged_epochs.reset();
  s.first_epochs.reset();
  s.epochs_beyond = 0;
  s.window = 0;
  if (s.tasks || s.contributions) plan.sparse_tables.clear();
  s.tasks = s.contributions = false;
  if (plan.sparse_tables.empty()) {
    s.row_options.clear();
    s.frozen_rows.clear();
  }
  // Enough for some items beside each other.
  plan.examples = std::max(plan.examples, 3 * plan.shard_size);
  plan.grows = true;
  plan.last_epoch_examples = rng.Between(1, plan.examples);
  if (s.poison && !plan.HasItem(s.poison->range.item)) s.poison.reset();
  if (s.poison) {
    const ItemId item = s.poison->range.item;
    s.poison->range.begin = 0;
    s.poison->range.end = plan.BatchEnd(item, 0);
  }
  Growth growth;
  growth.lasts = absl::Milliseconds(rng.Between(1, 4000));
  growth.pause = growth.lasts * 0.3;
  growth.late_looks = rng.Chance(0.3) ? 0.3 : 0;
  if (rng.Chance(0.5)) {
    growth.finished_after = absl::Milliseconds(rng.Between(100, 3000));
  }
  s.growth = growth;
  s.scheduler.look_timeout = absl::Milliseconds(rng.Between(700, 1500));
  return s;
}

// Each subject draws from a stream of its own. So a new subject, or another
// order of them, leaves the others of a seed what they were.
Scenario DrawScenario(uint64_t seed) {
  Rng rng(seed);
  Scenario s;
  s.servers = static_cast<int>(rng.Between(2, 4));
  s.workers = static_cast<int>(rng.Between(3, 6));
  DrawData(&rng, &s.plan);
  DrawModel(&rng, &s.plan);
  DrawConsistency(&rng, &s.plan);
  DrawPolicy(&rng, &s);
  DrawOptions(&rng, &s);
  DrawNetwork(&rng, &s);
  DrawFaults(&rng, &s);
  DrawTwin(rng.Fork(2), &s);
  DrawServers(rng.Fork(3), rng.Fork(4), &s);
  DrawPushWindow(rng.Fork(5), &s);
  DrawSkippedPoison(rng.Fork(6), &s);
  DrawLocalSteps(rng.Fork(8), &s);
  DrawEvaluations(rng.Fork(9), &s);
  s.client.batches_per_pull = static_cast<int32_t>(rng.Fork(11).Between(1, 4));
  Rng rate = rng.Fork(12);
  if (rate.Chance(0.2)) s.server.checkpoint_rate = rate.Between(300, 20'000);
  DrawFilters(rng.Fork(10), &s);
  DrawTrainedTables(rng.Fork(13), &s);
  DrawRowOptions(rng.Fork(16), &s);
  DrawClockBounds(rng.Fork(15), &s);
  if (s.plan.sparse_tables.empty()) DrawAlgorithm(rng.Fork(14), &s);
  DrawWrittenTables(rng.Fork(19), &s);
  DrawTasks(rng.Fork(31), &s);
  DrawContributions(rng.Fork(32), &s);
  DrawRowAlgorithm(rng.Fork(20), &s);
  DrawCachedRows(rng.Fork(25), &s);
  DrawOperated(rng.Fork(18), &s.plan);
  DrawDivergence(rng.Fork(17), &s);
  Rng little = rng.Fork(26);
  if (little.Chance(0.5)) s.update_at_once = little.Chance(0.5) ? 1 : 0.5;
  DrawPace(rng.Fork(7), &s);
  DrawEpochs(rng.Fork(27), rng.Fork(30), &s);
  DrawAverages(rng.Fork(29), &s);
  DrawInitialValues(rng.Fork(28), &s);
  DrawDataWindows(rng.Fork(33), &s);
  DrawJudged(rng.Fork(34), &s);
  s.bucket = s.shared_folder && rng.Fork(35).Chance(0.4);
  DrawFrozen(rng.Fork(36), &s);
  DrawFrozenRows(rng.Fork(37), &s);
  return s;
}

}  // namespace ebb::sim
