#include "job/job_plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "algorithms/algorithm.h"
#include "algorithms/row_rule.h"
#include "algorithms/schedule.h"
#include "common/example_hash.h"
#include "common/status_macros.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "job/fit.h"
#include "job/invalid.h"
#include "job/row_kinds.h"
#include "job/training.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

constexpr int64_t kMostPartitions = 64;
// More are made where they would be larger: each is pushed and pulled whole.
constexpr int64_t kLargePartitionBytes = int64_t{256} << 20;
constexpr int64_t kMostByDefault = 4096;
// A partition of less than a block has at least so many cuts, so that all have
// nearly the same size.
constexpr int64_t kCutsOfAPartition = 8;
// The number of future rows is unknown. A push or pull has a segment for each
// partition, and for few rows the segment costs more than they do.
constexpr int32_t kSparsePartitions = 16;
constexpr double kItemSeconds = 2;
// Items of an epoch per worker, at least: the last ones must not keep all but
// one waiting.
constexpr int64_t kItemsPerWorker = 8;
// What a worker keeps of an item goes with its last push, all at once.
constexpr int64_t kPushesOfAnItem = 10;
// JobPlan::Validate() has the same limit; for all epochs.
constexpr int64_t kMostItems = int64_t{1} << 32;
// A core computes so many multiplications and additions per second, and an
// example takes about six per parameter, forward and backward.
constexpr double kGuessedSpeed = 1e10 / 6;

int64_t CeilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

absl::StatusOr<std::vector<int64_t>> BatchByEpoch(const v1::Train& train) {
  if (!train.has_batch_growth()) return std::vector<int64_t>{train.batch()};
  const v1::BatchGrowth& growth = train.batch_growth();
  const auto every = ParseEpochs(growth.every());
  if (!every) {
    return Invalid("train.batch_growth.every: \"", growth.every(),
                   "\" is no number of epochs");
  }
  const BatchSchedule schedule{train.batch(), growth.factor(), *every,
                               growth.max()};
  EBB_RETURN_IF_ERROR(schedule.Validate());
  std::vector<int64_t> sizes;
  for (int64_t epoch = 0; epoch < train.epochs(); ++epoch) {
    sizes.push_back(schedule.At(static_cast<int32_t>(epoch)));
    if (sizes.back() == schedule.max) break;
  }
  // The last entry holds for all later epochs: it need be there once.
  while (sizes.size() > 1 && sizes.back() == sizes[sizes.size() - 2]) {
    sizes.pop_back();
  }
  return sizes;
}

// The smaller of about two seconds of work and 1/8 of a worker's share of an
// epoch, in whole pushes.
int64_t ChooseItemExamples(const JobPlan& plan, const JobFacts& facts) {
  const double speed =
      facts.examples_per_second > 0
          ? facts.examples_per_second
          : kGuessedSpeed /
                static_cast<double>(std::max<int64_t>(1, plan.parameters));
  const double most = static_cast<double>(plan.examples);
  const auto by_time =
      static_cast<int64_t>(std::min(most, std::floor(kItemSeconds * speed)));
  const int64_t workers = std::max(1, plan.max_workers);
  const int64_t by_share = plan.examples / (kItemsPerWorker * workers);
  const int64_t batch =
      *std::max_element(plan.batch_by_epoch.begin(), plan.batch_by_epoch.end());
  const int64_t batches =
      std::max<int64_t>(1, std::min(by_time, by_share) / batch);
  // An item's end ends a push.
  const int64_t run = std::max(1, plan.algorithm.push_batches);
  const int64_t pushes = std::max<int64_t>(
      batches / run, plan.algorithm.keeps_effect ? kPushesOfAnItem : 1);
  const int64_t whole = pushes * run;
  return std::min(whole * batch, plan.examples);
}

absl::Status PlanData(const v1::Job& job, const JobFacts& facts,
                      JobPlan* plan) {
  const v1::Train& train = job.train();
  if (train.epochs() > std::numeric_limits<int32_t>::max()) {
    return Invalid("train.epochs: ", train.epochs(), " are too many");
  }
  plan->epochs = static_cast<int32_t>(train.epochs());
  plan->examples = facts.examples;
  plan->seed = train.has_shuffle_seed() ? train.shuffle_seed() : job.seed();
  EBB_ASSIGN_OR_RETURN(plan->batch_by_epoch, BatchByEpoch(train));
  plan->min_workers = static_cast<int32_t>(job.workers().min());
  plan->max_workers = static_cast<int32_t>(job.workers().max());
  plan->priority = static_cast<int32_t>(job.priority());
  return absl::OkStatus();
}

// How many partitions, and where they begin. One that holds nothing is not
// made: its server would stop the job all the same when it dies.
void PlanPartitions(const v1::Job& job, JobPlan* plan) {
  const bool sparse = !plan->sparse_tables.empty();
  const int64_t blocks = plan->Blocks();
  int64_t wanted = job.partitions();
  if (!job.has_partitions()) {
    const int64_t block_bytes =
        plan->block_floats * static_cast<int64_t>(sizeof(float));
    const int64_t by_size =
        CeilDivide(blocks, kLargePartitionBytes / block_bytes);
    wanted = std::clamp<int64_t>(
        blocks, sparse ? kSparsePartitions : 1,
        std::clamp(by_size, kMostPartitions, kMostByDefault));
  }
  if (!sparse) wanted = std::min(wanted, plan->parameters);
  plan->partitions = static_cast<int32_t>(wanted);
  if (sparse || wanted <= blocks) return;
  const int64_t even = plan->parameters / wanted / kCutsOfAPartition;
  plan->cut_floats =
      std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(1, even)));
}

absl::Status PlanModel(const v1::Job& job, const JobFacts& facts,
                       JobPlan* plan) {
  for (const DenseTable& table : facts.tables) {
    if (table.size < 0 ||
        plan->parameters >
            std::numeric_limits<int64_t>::max() / 8 - table.size) {
      return Invalid("table ", table.name, " has ", table.size, " elements");
    }
    EBB_RETURN_IF_ERROR(table.init.Validate());
    plan->parameters += table.size;
  }
  for (const SparseTable& table : facts.sparse_tables) {
    EBB_RETURN_IF_ERROR(table.init.Validate());
    EBB_RETURN_IF_ERROR(CheckRowWidth(job.model(), table.name, table.width));
    plan->sparse_tables.push_back({.width = table.width, .kind = table.kind});
  }
  const bool sparse = !plan->sparse_tables.empty();
  if (plan->parameters == 0 && !sparse) {
    return Invalid("model: it has no parameters");
  }
  if (sparse && plan->rounds()) {
    return Invalid("consistency.kind: sparse tables need asp or ssp; rounds ",
                   "know none\nhint: consistency: asp");
  }
  // What is kept for a server that is away is a whole gradient.
  if (sparse) plan->consistency.local_steps = 0;
  EBB_ASSIGN_OR_RETURN(const bool cut,
                       workloads::RulesOf(job.model()).Cut(job, plan));
  if (!cut) PlanPartitions(job, plan);
  plan->oracle_width =
      job.has_oracle() ? static_cast<int32_t>(job.oracle().width()) : 0;
  return absl::OkStatus();
}

// A run is no shorter than its job says, but at an item's end
// (job/run_rules.h).
absl::Status CheckRunWithin(int64_t window, int64_t fitting,
                            const JobPlan& plan, const v1::Job& job) {
  if (!plan.algorithm.runs) return absl::OkStatus();
  const int64_t batch = plan.batch_by_epoch.front();
  const int64_t period = job.algorithm().period();
  const int64_t possible = CeilDivide(fitting, batch);
  if (plan.rounds() ? possible == period : possible >= period) {
    return absl::OkStatus();
  }
  return Invalid("algorithm.period: the ", window,
                 " examples of a window of data.train, which items do not "
                 "cross, are no whole number of runs of ",
                 period, " batches of ", batch, "\nhint: period: ", possible,
                 ", or leave it out, or another train.batch");
}

// Items do not cross the windows of packed data. A last window that is shorter
// comes last in each epoch, so a single one has no border within.
absl::Status FitToWindows(const v1::Job& job, int64_t window, JobPlan* plan) {
  const v1::Train& train = job.train();
  if (window == 0 || plan->examples <= window) return absl::OkStatus();
  const int64_t batch = *std::ranges::max_element(plan->batch_by_epoch);
  if (batch > window) {
    return Invalid("train.batch: ", batch, " is more than the ", window,
                   " examples of a window of data.train\nhint: batch: ", window,
                   job.data().train().has_positions()
                       ? ", or leave data.train.positions.window out"
                       : ", or pack the data with a larger --window");
  }
  const int64_t fitting = ItemWithinWindow(
      window, plan->shard_size, train.has_item_examples() ? 1 : batch);
  EBB_RETURN_IF_ERROR(CheckRunWithin(window, fitting, *plan, job));
  if (train.has_item_examples() && fitting != plan->shard_size) {
    return Invalid("train.item_examples: ", plan->shard_size,
                   " does not divide the ", window,
                   " examples of a window of data.train, and items do not "
                   "cross windows\nhint: item_examples: ",
                   fitting);
  }
  plan->shard_size = fitting;
  return absl::OkStatus();
}

// A round of a number of examples is cut into as many items as there may be
// workers, but not into parts of batches.
absl::Status PlanItems(const v1::Job& job, const JobFacts& facts,
                       JobPlan* plan) {
  const v1::Consistency& consistency = job.consistency();
  int64_t round_examples = kWholeEpoch;
  if (plan->rounds()) {
    const auto parsed = ParseEpochOrCount(consistency.examples());
    if (!parsed) {
      return Invalid("consistency.examples: \"", consistency.examples(),
                     "\" is neither \"epoch\" nor a number of examples");
    }
    round_examples = std::min(*parsed, plan->examples);
  }
  if (job.train().has_item_examples()) {
    plan->shard_size = std::min(job.train().item_examples(), plan->examples);
  } else if (plan->algorithm.runs && plan->rounds()) {
    const int64_t batch = plan->batch_by_epoch.front();
    const int64_t batches =
        std::min(job.algorithm().period(), CeilDivide(plan->examples, batch));
    plan->shard_size = std::min(batches * batch, plan->examples);
  } else if (round_examples == kWholeEpoch) {
    plan->shard_size = ChooseItemExamples(*plan, facts);
  } else {
    const int64_t batches =
        CeilDivide(round_examples, plan->batch_by_epoch.front());
    const int64_t items =
        std::min<int64_t>(batches, std::max(1, plan->max_workers));
    plan->shard_size = CeilDivide(round_examples, items);
  }
  if (plan->shard_size < 1) {
    return Invalid("train.item_examples: ", plan->shard_size,
                   ", at least 1 needed");
  }
  EBB_RETURN_IF_ERROR(FitToWindows(job, facts.window, plan));
  const int64_t shards = CeilDivide(plan->examples, plan->shard_size);
  if (shards > std::numeric_limits<int32_t>::max()) {
    return Invalid("train.item_examples: ", plan->shard_size, " examples make ",
                   shards, " items an epoch: too many");
  }
  if (shards > kMostItems / plan->epochs) {
    return Invalid("train.item_examples: ", plan->shard_size, " examples make ",
                   shards, " items in each of ", plan->epochs, " epochs, ",
                   kMostItems, " in all possible\nhint: item_examples: ",
                   CeilDivide(plan->examples, kMostItems / plan->epochs));
  }
  if (plan->rounds()) {
    plan->consistency.round_items = static_cast<int32_t>(
        round_examples == kWholeEpoch
            ? shards
            : CeilDivide(round_examples, plan->shard_size));
  }
  return absl::OkStatus();
}

absl::Status PlanConsistency(const v1::Consistency& consistency,
                             JobPlan* plan) {
  ConsistencyPlan& out = plan->consistency;
  switch (consistency.kind()) {
    case v1::Consistency::KIND_SSP:
      out.kind = ConsistencyKind::kSsp;
      out.clock_bound = consistency.bound();
      break;
    case v1::Consistency::KIND_BSP:
      out.kind = ConsistencyKind::kSsp;
      out.clock_bound = 0;
      break;
    case v1::Consistency::KIND_ROUNDS:
      out.kind = ConsistencyKind::kRounds;
      out.rounds_in_memory =
          static_cast<int32_t>(consistency.rounds_in_memory());
      break;
    case v1::Consistency::KIND_ASP:
      out.kind = ConsistencyKind::kAsp;
      out.local_steps = static_cast<int32_t>(consistency.local_steps());
      break;
    default:
      return Invalid("consistency.kind: unknown value ", consistency.kind());
  }
  if (consistency.has_max_staleness()) {
    out.max_staleness_updates = consistency.max_staleness();
  }
  return absl::OkStatus();
}

absl::StatusOr<Filter> FilterOf(absl::string_view key,
                                const v1::Filter& filter) {
  switch (filter.kind()) {
    case v1::Filter::KIND_NONE:
      return Filter{FilterKind::kNone};
    case v1::Filter::KIND_BF16:
      return Filter{FilterKind::kBfloat16};
    case v1::Filter::KIND_FP16:
      return Filter{FilterKind::kFloat16};
    case v1::Filter::KIND_INT8:
      return Filter{FilterKind::kInt8};
    case v1::Filter::KIND_THRESHOLD:
      return Filter{.kind = FilterKind::kThreshold,
                    .threshold = filter.threshold()};
    case v1::Filter::KIND_TOP_K:
      return Filter{.kind = FilterKind::kTopK, .share = filter.share()};
    default:
      return Invalid(key, ".kind: unknown value ", filter.kind());
  }
}

absl::Status PlanFilters(const v1::Filters& filters, JobPlan* plan) {
  EBB_ASSIGN_OR_RETURN(plan->filters.push,
                       FilterOf("filters.push", filters.push()));
  EBB_ASSIGN_OR_RETURN(plan->filters.pull,
                       FilterOf("filters.pull", filters.pull()));
  // What is kept for a server that is away is a whole gradient.
  if (KeepsResiduals(plan->filters.push)) plan->consistency.local_steps = 0;
  return absl::OkStatus();
}

PoisonPolicy PolicyOf(v1::Policy policy) {
  switch (policy) {
    case v1::POLICY_SKIP:
      return PoisonPolicy::kSkip;
    case v1::POLICY_ROLLBACK:
      return PoisonPolicy::kRollBack;
    default:
      return PoisonPolicy::kPause;
  }
}

absl::Status PlanRest(const v1::Job& job, JobPlan* plan) {
  plan->on_poison = PolicyOf(job.on_poison());
  plan->on_nonfinite = PolicyOf(job.on_nonfinite());
  if (job.has_on_nonfinite_rollback()) {
    const v1::NonfiniteRollback& rollback = job.on_nonfinite_rollback();
    plan->nonfinite_rollback = {rollback.factor(),
                                static_cast<int32_t>(rollback.versions()),
                                static_cast<int32_t>(rollback.most())};
  }
  plan->quarantine_after = static_cast<int32_t>(job.quarantine_after());
  const auto interval = ParseInterval(job.checkpoint().every());
  if (!interval) {
    return Invalid("checkpoint.every: \"", job.checkpoint().every(),
                   "\" is no duration");
  }
  plan->checkpoint_interval_ms =
      std::max<int64_t>(1, absl::ToInt64Milliseconds(*interval));
  plan->checkpoint_keep = static_cast<int32_t>(job.checkpoint().keep());
  // Only all tasks together are a model.
  if (IsEvaluated(job) && workloads::FactsOf(job).tasks == 0) {
    const auto every = ParseEpochs(job.evaluate().every());
    if (!every) {
      return Invalid("evaluate.every: \"", job.evaluate().every(),
                     "\" is no number of epochs");
    }
    plan->evaluate_every = static_cast<int32_t>(
        std::min<int64_t>(*every, std::numeric_limits<int32_t>::max()));
  }
  return absl::OkStatus();
}

// Checks what CheckRules sees of other algorithms by their names.
absl::Status CheckPlugin(const v1::Job& job, const JobFacts& facts) {
  if (facts.algorithm == nullptr) {
    return Invalid("algorithm.plugin: was not loaded");
  }
  const AlgorithmPlan plan = facts.algorithm->Plan();
  const bool adds = facts.algorithm->Pushes() == PushKind::kChanges;
  if (job.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
      (plan.push_batches != 0 || plan.pull_batches != 0 || plan.pulls_to_push ||
       plan.keeps_effect)) {
    return Invalid("algorithm.plugin: pushes within an item, or keeps ",
                   "something, but gradients of a round are all of one value",
                   "\nhint: consistency: asp");
  }
  if (adds && !TraitsOf(job.optimizer().kind()).plain()) {
    return Invalid("optimizer.kind: with the algorithm of ",
                   job.algorithm().plugin(),
                   " it is workers that step\nhint: kind: sgd");
  }
  if (adds && job.optimizer().weight_decay() > 0) {
    return Invalid("optimizer.weight_decay: is the servers', and with the ",
                   "algorithm of ", job.algorithm().plugin(),
                   " it is workers that step\nhint: model: {l2: …}");
  }
  for (const auto& [name, table] : job.tables()) {
    if (!adds || !table.has_optimizer()) continue;
    return Invalid("tables.", name, ".optimizer: with the algorithm of ",
                   job.algorithm().plugin(),
                   " it is workers that step, and only by plain SGD",
                   "\nhint: leave it out");
  }
  const v1::Filter& push = job.filters().push();
  const bool keeps =
      push.kind() == v1::Filter::KIND_TOP_K ||
      (push.kind() == v1::Filter::KIND_THRESHOLD && push.threshold() > 0);
  if ((keeps && plan.keeps_effect) ||
      (adds && (keeps || push.kind() == v1::Filter::KIND_THRESHOLD))) {
    return Invalid("filters.push.kind: leaves out values of what the ",
                   "algorithm of ", job.algorithm().plugin(),
                   " pushes\nhint: kind: int8");
  }
  return absl::OkStatus();
}

// For an algorithm with a local rule, and a rule for rows if it has one.
absl::Status PlanRowsOfRuns(const JobFacts& facts, const RowRule* rows,
                            JobPlan* plan) {
  if (rows == nullptr) {
    return Invalid("algorithm.kind: steps in copies of the whole model, and a ",
                   "worker has only the rows of its batch of table ",
                   facts.sparse_tables.front().name,
                   "\nhint: kind: geo, downpour or adag");
  }
  if (plan->trained_tables() == 0) return absl::OkStatus();
  plan->algorithm.pull_batches = 1;
  plan->algorithm.worker_vectors = RunVectors(*rows);
  return absl::OkStatus();
}

absl::Status PlanAlgorithm(const v1::Job& job, const JobFacts& facts,
                           JobPlan* plan) {
  std::shared_ptr<const RowRule> rows;
  if (job.algorithm().kind() == v1::Algorithm::KIND_PLUGIN) {
    EBB_RETURN_IF_ERROR(CheckPlugin(job, facts));
    plan->algorithm = facts.algorithm->Plan();
  } else {
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<const Algorithm> algorithm,
                         AlgorithmOf(job));
    plan->algorithm = algorithm->Plan();
    rows = algorithm->MakeRowRule();
  }
  if (plan->algorithm.has_local_rule() && !plan->sparse_tables.empty()) {
    EBB_RETURN_IF_ERROR(PlanRowsOfRuns(facts, rows.get(), plan));
  }
  // What is kept for a server that is away is a sum of what was pushed.
  if (plan->algorithm.keeps_effect || plan->algorithm.runs) {
    plan->consistency.local_steps = 0;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JobPlan> PlanOf(const v1::Job& job, const JobFacts& facts) {
  JobPlan plan;
  EBB_RETURN_IF_ERROR(PlanConsistency(job.consistency(), &plan));
  EBB_RETURN_IF_ERROR(PlanData(job, facts, &plan));
  EBB_RETURN_IF_ERROR(PlanModel(job, facts, &plan));
  if (plan.examples < 1) return Invalid("data.train: it has no examples");
  const int64_t tasks = workloads::FactsOf(job).tasks;
  if (tasks > 0) plan.examples = tasks;
  EBB_RETURN_IF_ERROR(PlanAlgorithm(job, facts, &plan));
  EBB_RETURN_IF_ERROR(PlanItems(job, facts, &plan));
  EBB_RETURN_IF_ERROR(PlanRest(job, &plan));
  if (job.has_filters()) {
    EBB_RETURN_IF_ERROR(PlanFilters(job.filters(), &plan));
  }
  plan.layout_hash =
      LayoutHash(facts.train_index_hash, facts.order_version, plan);
  EBB_RETURN_IF_ERROR(plan.Validate());
  EBB_RETURN_IF_ERROR(CheckRowTables(plan));
  return plan;
}

absl::Status CheckRowTables(const JobPlan& plan) {
  const auto tables = static_cast<int64_t>(plan.sparse_tables.size());
  if (plan.partitions * tables <= kMaxRowTables) return absl::OkStatus();
  return Invalid("partitions: ", plan.partitions, " partitions of ", tables,
                 " sparse tables are ", plan.partitions * tables,
                 " tables for servers to keep, ", kMaxRowTables,
                 " possible\nhint: partitions: ", kMaxRowTables / tables);
}

uint64_t LayoutHash(uint64_t index_hash, int order_version,
                    const JobPlan& plan) {
  uint64_t hash = HashAppend(0, index_hash);
  hash = HashAppend(hash, static_cast<uint64_t>(order_version));
  hash = HashAppend(hash, plan.seed);
  hash = HashAppend(hash, static_cast<uint64_t>(plan.epochs));
  hash = HashAppend(hash, static_cast<uint64_t>(plan.examples));
  hash = HashAppend(hash, static_cast<uint64_t>(plan.shard_size));
  for (const int64_t batch : plan.batch_by_epoch) {
    hash = HashAppend(hash, static_cast<uint64_t>(batch));
  }
  if (plan.grows) {
    hash = HashAppend(hash, static_cast<uint64_t>(plan.last_epoch_examples));
  }
  return hash;
}

}  // namespace ebb::job
