#include "job/specification.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/example_hash.h"
#include "common/row_kind_number.h"
#include "common/schedule.h"
#include "common/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "job/average_rules.h"
#include "job/fit.h"
#include "job/initial_rows.h"
#include "job/keys.h"
#include "job/row_kinds.h"
#include "job/training.h"
#include "job/traits.h"
#include "job/validate.h"
#include "job/values.h"
#include "protocol/contribution_rows.h"
#include "protocol/initial_rows.h"

namespace ebb::job {

namespace {

constexpr uint32_t kFormat = 17;
constexpr uint32_t kFormatOfInitialRows = 16;
constexpr uint32_t kFormatOfAverages = 15;
constexpr uint32_t kFormatOfTransfer = 14;
constexpr uint32_t kFormatOfInitialSlots = 13;
constexpr uint32_t kFormatOfPackedSets = 12;
constexpr uint32_t kFormatOfTasks = 11;
constexpr uint32_t kFormatOfClusters = 10;
constexpr uint32_t kFormatOfRules = 9;

bool IsNewRule(const v1::Optimizer& optimizer) {
  return optimizer.kind() == v1::Optimizer::KIND_ADAMW ||
         optimizer.kind() == v1::Optimizer::KIND_AVERAGE ||
         optimizer.has_weight_decay();
}

// Whether tables step in ways that format 9 brought: by these rules, by a
// factor of the rate, or dense ones by rules of their own.
bool HasNewRules(const v1::Job& job, const JobFacts& facts) {
  if (IsNewRule(job.optimizer()) ||
      job.optimizer().schedule().kind() == v1::Schedule::KIND_TABLE) {
    return true;
  }
  return std::any_of(job.tables().begin(), job.tables().end(),
                     [&](const auto& entry) {
                       return IsNewRule(entry.second.optimizer()) ||
                              entry.second.has_rate_factor() ||
                              std::ranges::count(facts.tables, entry.first,
                                                 &DenseTable::name) > 0;
                     });
}

// Whether format 10 brought the form of the data.
bool HasNewFormat(const v1::DataSource& source) {
  const v1::FormatTraits& traits = TraitsOf(source);
  return traits.python() || traits.text() || traits.bags();
}

// The oldest format in which a reader understands all of the job: it must not
// train by another algorithm than the job's, nor on another device.
uint32_t FormatOf(const v1::Job& job, const JobFacts& facts) {
  const v1::Model& model = job.model();
  // It would train rows that are frozen.
  if (std::ranges::any_of(facts.sparse_tables, [&](const SparseTable& table) {
        return std::ranges::count(job.freeze(), table.name) > 0;
      })) {
    return kFormat;
  }
  // It would begin without rows.
  int64_t parameters = 0;
  for (const DenseTable& table : facts.tables) parameters += table.size;
  if (facts.initial && InitialRowBytes(*facts.initial, parameters) > 0) {
    return kFormatOfInitialRows;
  }
  // It would keep no averages of weights.
  if (HasAverages(job)) return kFormatOfAverages;
  // It would train tables that are frozen, or begin with other values.
  if (!job.freeze().empty() || job.has_start()) return kFormatOfTransfer;
  // It would begin with other slots.
  if (facts.initial && facts.initial->slots() > 0) {
    return kFormatOfInitialSlots;
  }
  // It would look for files of another form.
  if (facts.window > 0 || TraitsOf(job.data().test()).packed() ||
      TraitsOf(job.data().train()).records()) {
    return kFormatOfPackedSets;
  }
  // It would take the items for ranges of data.
  if (TasksOf(job) > 0) return kFormatOfTasks;
  // It would know no such algorithm.
  if (TraitsOf(job.algorithm().kind()).contributions()) return kFormatOfTasks;
  // It would know neither the model nor what closes its rounds, or not that
  // they may end, or look for a file of another form.
  if (TraitsOf(model).clusters() || TraitsOf(model).topics() ||
      TraitsOf(model).boosted() || job.algorithm().tolerance() > 0 ||
      HasNewFormat(job.data().train())) {
    return kFormatOfClusters;
  }
  if (HasNewRules(job, facts)) return kFormatOfRules;
  // It would compute another model, or begin with other values.
  if (TraitsOf(model).program() || TraitsOf(model).python() ||
      model.has_initial()) {
    return 8;
  }
  const v1::Algorithm::Kind algorithm = job.algorithm().kind();
  if (algorithm == v1::Algorithm::KIND_STALENESS_AWARE) return 7;
  // It would know none such, or push the rows of a run's last batch only.
  if (algorithm == v1::Algorithm::KIND_GEO ||
      (TraitsOf(algorithm).local_rule() && !facts.sparse_tables.empty())) {
    return 6;
  }
  const auto written = [](const SparseTable& table) {
    return table.kind != RowKind::kTrained;
  };
  // It would step by what is to be added.
  if (std::any_of(facts.sparse_tables.begin(), facts.sparse_tables.end(),
                  written)) {
    return 5;
  }
  // It would compute on its processor.
  if (job.device().kind() == v1::Device::KIND_GPU) return 5;
  const auto has_bound = [](const auto& table) {
    return table.second.has_consistency();
  };
  // It would not wait.
  if (std::any_of(job.tables().begin(), job.tables().end(), has_bound)) {
    return 4;
  }
  if (algorithm == v1::Algorithm::KIND_PLUGIN ||
      algorithm == v1::Algorithm::KIND_LBFGS) {
    return 4;
  }
  if (TraitsOf(algorithm).local_rule()) return 3;
  return algorithm == v1::Algorithm::KIND_DYNSGD ? 2 : 1;
}
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
// As JobPlan::Validate() says, of all epochs.
constexpr int64_t kMostItems = int64_t{1} << 32;
// A core computes so many multiplications and additions per second, and an
// example takes about six per parameter, forward and backward.
constexpr double kGuessedSpeed = 1e10 / 6;

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

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

// A partition begins with a word, and has whole words: a contribution lies
// where its counts lie. Its places are whole numbers in float32.
absl::Status PlanContributions(const v1::Job& job, JobPlan* plan) {
  const int64_t topics = job.model().topics();
  if (topics > plan->block_floats) {
    return Invalid("model.topics: gibbs draws from at most ",
                   plan->block_floats, " topics");
  }
  if (plan->examples > kMostContributors) {
    return Invalid("data.train: gibbs takes at most ", kMostContributors,
                   " documents");
  }
  plan->cut_floats = topics;
  const int64_t words = plan->parameters / topics;
  const int64_t least = CeilDivide(words, kMostCount / topics);
  int64_t wanted = job.partitions();
  if (!job.has_partitions()) {
    wanted =
        std::clamp(plan->Blocks(), least, std::max(least, kMostPartitions));
  }
  if (wanted < least) {
    return Invalid("partitions: ", wanted, " are too few: one may have ",
                   kMostCount, " counts with gibbs\nhint: partitions: ", least);
  }
  plan->partitions =
      static_cast<int32_t>(std::min({wanted, words, JobPlan::kMaxPartitions}));
  return absl::OkStatus();
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
  if (TraitsOf(job.algorithm().kind()).contributions()) {
    EBB_RETURN_IF_ERROR(PlanContributions(job, plan));
  } else {
    PlanPartitions(job, plan);
  }
  plan->oracle_width =
      job.has_oracle() ? static_cast<int32_t>(job.oracle().width()) : 0;
  return absl::OkStatus();
}

// Items do not cross the windows of packed data. A last window that is shorter
// comes last in each epoch, so a single one has no border within.
absl::Status FitToWindows(const v1::Train& train, int64_t window,
                          JobPlan* plan) {
  if (window == 0 || plan->examples <= window) return absl::OkStatus();
  int64_t fitting = std::min(plan->shard_size, window);
  while (window % fitting != 0) --fitting;
  if (train.has_item_examples() && fitting != plan->shard_size) {
    return Invalid("train.item_examples: ", plan->shard_size,
                   " does not divide the ", window,
                   " examples of a window of data.train, and items do not "
                   "cross windows\nhint: item_examples: ",
                   fitting);
  }
  const int64_t batch = *std::ranges::max_element(plan->batch_by_epoch);
  if (batch > window) {
    return Invalid("train.batch: ", batch, " is more than the ", window,
                   " examples of a window of data.train\nhint: batch: ", window,
                   ", or pack the data with a larger --window");
  }
  while (fitting < batch) {
    ++fitting;
    while (window % fitting != 0) ++fitting;
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
  EBB_RETURN_IF_ERROR(FitToWindows(job.train(), facts.window, plan));
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
  if (IsEvaluated(job) && TasksOf(job) == 0) {
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

v1::DenseTable::Init ToProto(InitRule::Kind kind) {
  switch (kind) {
    case InitRule::Kind::kZeros:
      return v1::DenseTable::INIT_ZEROS;
    case InitRule::Kind::kConstant:
      return v1::DenseTable::INIT_CONSTANT;
    case InitRule::Kind::kUniform:
      return v1::DenseTable::INIT_UNIFORM;
    case InitRule::Kind::kNormal:
      return v1::DenseTable::INIT_NORMAL;
  }
  return v1::DenseTable::INIT_UNSPECIFIED;
}

v1::DenseTable ToProto(const DenseTable& table) {
  v1::DenseTable message;
  message.set_name(table.name);
  message.set_size(table.size);
  message.set_init(ToProto(table.init.kind));
  message.set_init_parameter(table.init.parameter);
  message.mutable_dims()->Assign(table.dims.begin(), table.dims.end());
  if (table.optimizer) *message.mutable_optimizer() = *table.optimizer;
  message.set_frozen(table.frozen);
  return message;
}

absl::StatusOr<InitRule> InitOf(const v1::RowInit& init) {
  const auto spread = static_cast<float>(init.spread());
  switch (init.kind()) {
    case v1::RowInit::KIND_ZEROS:
      return InitRule::Zeros();
    case v1::RowInit::KIND_UNIFORM:
      return InitRule{InitRule::Kind::kUniform, spread};
    case v1::RowInit::KIND_NORMAL:
      return InitRule{InitRule::Kind::kNormal, spread};
    default:
      return Invalid("init.kind: unknown value ", init.kind());
  }
}

// The rule that the job file gives a table; absent: the job's.
std::optional<v1::Optimizer> RuleOfTable(const v1::Job& job,
                                         const v1::Table& said) {
  if (!said.has_optimizer() && !said.has_rate_factor()) return std::nullopt;
  v1::Optimizer rule = said.optimizer();
  if (!said.has_optimizer()) {
    rule = job.optimizer();
    rule.clear_schedule();
  }
  if (said.has_rate_factor()) {
    rule.set_rate(rule.rate() * said.rate_factor());
  }
  return rule;
}

bool IsDefault(const v1::Table& said, const FieldDescriptor& key) {
  const std::optional<std::string> value = DefaultOf(said, key);
  return value && *value == TextOf(said, key, -1);
}

// What the job file says of a dense table, into it.
absl::Status Adopt(const v1::Job& job, const v1::Table& said,
                   DenseTable* table) {
  std::vector<const FieldDescriptor*> keys;
  said.GetReflection()->ListFields(said, &keys);
  for (const FieldDescriptor* key : keys) {
    if (key->number() != v1::Table::kOptimizerFieldNumber &&
        key->number() != v1::Table::kRateFactorFieldNumber &&
        !IsDefault(said, *key)) {
      return Invalid(key->name(),
                     ": is nothing of a dense table, which has no ",
                     "rows that come and go\nhint: leave it out");
    }
  }
  table->optimizer = RuleOfTable(job, said);
  const bool statistics = TraitsOf(said.optimizer().kind()).statistics();
  if (job.algorithm().kind() == v1::Algorithm::KIND_PLUGIN && statistics) {
    return Invalid(
        "optimizer.kind: workers of the algorithm's plugin push what ",
        "it makes of values, and not the batch's\nhint: sgd");
  }
  return absl::OkStatus();
}

// What the job file says of a sparse table, into it.
absl::Status Adopt(const v1::Job& job, const v1::Table& said, int partitions,
                   SparseTable* table) {
  EBB_RETURN_IF_ERROR(CheckRowKind(said, table->kind));
  if (TraitsOf(said.optimizer().kind()).statistics()) {
    return Invalid(
        "optimizer.kind: averages the values of a dense table, and a ",
        "batch has only some rows of this one\nhint: kind: adagrad");
  }
  table->optimizer = RuleOfTable(job, said);
  if (said.has_init()) {
    EBB_ASSIGN_OR_RETURN(table->init, InitOf(said.init()));
  }
  switch (said.admit().kind()) {
    case v1::RowAdmission::KIND_UNSPECIFIED:  // Not given.
    case v1::RowAdmission::KIND_ALWAYS:
      break;
    case v1::RowAdmission::KIND_COUNT:
      table->admission.set_count(said.admit().count());
      table->admission.set_counters(said.admit().counters());
      break;
    case v1::RowAdmission::KIND_PROBABILITY:
      table->admission.set_probability(said.admit().probability());
      break;
    default:
      return Invalid("admit.kind: unknown value ", said.admit().kind());
  }
  table->expire_after_examples = said.expire_after();
  // A partition cannot have more rows anyway.
  constexpr int64_t kMostRows = int64_t{1} << 31;
  table->max_rows =
      std::min(CeilDivide(said.max_rows(), int64_t{partitions}), kMostRows);
  table->evict = said.at_limit() == v1::Table::AT_LIMIT_EVICT;
  switch (said.consistency().kind()) {
    case v1::TableConsistency::KIND_UNSPECIFIED:  // Not given.
      break;
    case v1::TableConsistency::KIND_ASP:
      table->clock_bound = SparseTablePlan::kNoBound;
      break;
    case v1::TableConsistency::KIND_SSP:
      table->clock_bound = said.consistency().bound();
      break;
    case v1::TableConsistency::KIND_BSP:
      table->clock_bound = 0;
      break;
    default:
      return Invalid("consistency.kind: unknown value ",
                     said.consistency().kind());
  }
  table->cache_rows = said.cache().rows();
  table->cache_batches = said.cache().batches();
  return absl::OkStatus();
}

// Whether workers may keep rows of the table.
absl::Status CheckCache(const SparseTable& table, int64_t clock_bound) {
  if (table.cache_rows == 0) return absl::OkStatus();
  if (clock_bound == 0) {
    return Invalid("tables.", table.name, ".cache: each batch needs the ",
                   "newest rows, so that none can be used again\nhint: ",
                   "consistency: {kind: ssp, bound: 4}");
  }
  if (clock_bound == SparseTablePlan::kNoBound && table.cache_batches == 0) {
    return Invalid("tables.", table.name, ".cache.batches: is missing, and ",
                   "asp does not say how old a row may be\nhint: batches: 4");
  }
  return absl::OkStatus();
}

// The model's tables, with what the job file says of them.
struct ModelTables {
  std::vector<DenseTable> dense;
  std::vector<SparseTable> sparse;
};

// Whether the rows of a sparse table can be frozen: the job must not say of
// them what only pushes could bring about.
absl::Status CheckFrozenRows(const SparseTable& table) {
  if (table.kind != RowKind::kTrained) {
    return Invalid("freeze: examples write the rows of ", table.name,
                   ", and it is not trained anyway\nhint: leave it out");
  }
  const auto refuse = [&](absl::string_view key, absl::string_view why) {
    return Invalid("tables.", table.name, ".", key, ": ", table.name,
                   " is frozen, and ", why, "\nhint: leave it out");
  };
  if (table.expire_after_examples > 0) {
    return refuse("expire_after",
                  "its rows get no gradients, so all of them would vanish");
  }
  if (table.admission.count() > 0 || table.admission.probability() > 0) {
    return refuse("admit", "no key gets a row by its gradients");
  }
  if (table.evict) {
    return refuse("at_limit", "no new row comes that could replace another");
  }
  return absl::OkStatus();
}

// Marks the tables that the job freezes.
absl::Status Freeze(const v1::Job& job, ModelTables* tables) {
  for (const std::string& name : job.freeze()) {
    const auto dense =
        std::ranges::find(tables->dense, name, &DenseTable::name);
    if (dense != tables->dense.end()) {
      dense->frozen = true;
      continue;
    }
    const auto sparse =
        std::ranges::find(tables->sparse, name, &SparseTable::name);
    if (sparse != tables->sparse.end()) {
      EBB_RETURN_IF_ERROR(CheckFrozenRows(*sparse));
      continue;
    }
    std::vector<std::string> names;
    for (const DenseTable& table : tables->dense) names.push_back(table.name);
    for (const SparseTable& table : tables->sparse) names.push_back(table.name);
    const std::string near = Nearest(name, names);
    return Invalid(
        "freeze: ", job.model().kind(), " has no table ", name,
        "\nhint: ", near.empty() ? absl::StrJoin(names, ", ") : near);
  }
  const bool learns =
      std::ranges::any_of(tables->dense,
                          [](const DenseTable& table) {
                            return !table.frozen && table.size > 0;
                          }) ||
      std::ranges::any_of(tables->sparse, [&](const SparseTable& table) {
        return table.kind == RowKind::kTrained &&
               std::ranges::count(job.freeze(), table.name) == 0;
      });
  if (!job.freeze().empty() && !learns) {
    return Invalid("freeze: all tables of the model are frozen, so that ",
                   "nothing is left to learn\nhint: leave one out");
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelTables> TablesOfJob(const v1::Job& job,
                                        const JobFacts& facts, int partitions) {
  ModelTables tables{facts.tables, facts.sparse_tables};
  for (const auto& [name, said] : job.tables()) {
    const auto dense = std::ranges::find(tables.dense, name, &DenseTable::name);
    const auto sparse =
        std::ranges::find(tables.sparse, name, &SparseTable::name);
    absl::Status adopted;
    if (sparse != tables.sparse.end()) {
      adopted = Adopt(job, said, partitions, &*sparse);
    } else if (dense != tables.dense.end()) {
      adopted = Adopt(job, said, &*dense);
    } else {
      std::vector<std::string> names;
      for (const SparseTable& t : tables.sparse) names.push_back(t.name);
      for (const DenseTable& t : tables.dense) names.push_back(t.name);
      return Invalid("tables.", name, ": ", job.model().kind(),
                     " has no such table\nhint: ", absl::StrJoin(names, ", "));
    }
    if (!adopted.ok()) return Invalid("tables.", name, ".", adopted.message());
  }
  EBB_RETURN_IF_ERROR(Freeze(job, &tables));
  return tables;
}

template <typename Table>
absl::Status CheckLateSteps(const v1::Job& job, const Table& table) {
  if (!table.optimizer ||
      !CannotShortenSteps(job.algorithm().kind(), table.optimizer->kind())) {
    return absl::OkStatus();
  }
  return Invalid("algorithm.kind: makes single steps shorter, but ftrl, the ",
                 "optimizer of table ", table.name,
                 ", has one rate for all its steps\nhint: kind: sgd");
}

// A row takes a step only where a batch has its key: averaged then, it would
// weigh other steps than dense values of the same model do.
absl::Status CheckAverages(const v1::Job& job, const SparseTable& table) {
  if (table.kind != RowKind::kTrained ||
      !HasAverage(table.optimizer.value_or(job.optimizer()))) {
    return absl::OkStatus();
  }
  return Invalid(
      "tables.", table.name, ".optimizer: has ema or swa, and rows ",
      "of a sparse table have no averages\nhint: leave it out, and ",
      "give it to dense tables: tables: {NAME: {optimizer: {ema: ", "0.999}}}");
}

// The same bytes for the same job: maps are in the order of their keys.
bool Serialize(const v1::Specification& specification, std::string* out) {
  google::protobuf::io::StringOutputStream stream(out);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  return specification.SerializeToCodedStream(&coded);
}

std::optional<InitRule::Kind> KindOf(v1::DenseTable::Init init) {
  switch (init) {
    case v1::DenseTable::INIT_ZEROS:
      return InitRule::Kind::kZeros;
    case v1::DenseTable::INIT_CONSTANT:
      return InitRule::Kind::kConstant;
    case v1::DenseTable::INIT_UNIFORM:
      return InitRule::Kind::kUniform;
    case v1::DenseTable::INIT_NORMAL:
      return InitRule::Kind::kNormal;
    default:
      return std::nullopt;
  }
}

// What CheckRules sees of the others by their names.
absl::Status CheckPlugin(const v1::Job& job, const JobFacts& facts) {
  if (facts.algorithm == nullptr) {
    return Invalid("algorithm.plugin: was not loaded");
  }
  const AlgorithmPlan plan = facts.algorithm->Plan();
  if (job.consistency().kind() == v1::Consistency::KIND_ROUNDS &&
      (plan.push_batches != 0 || plan.pull_batches != 0 || plan.pulls_to_push ||
       plan.keeps_effect)) {
    return Invalid("algorithm.plugin: pushes within an item, or keeps ",
                   "something, but gradients of a round are all of one value",
                   "\nhint: consistency: asp");
  }
  if (facts.algorithm->Adds() && !TraitsOf(job.optimizer().kind()).plain()) {
    return Invalid("optimizer.kind: with the algorithm of ",
                   job.algorithm().plugin(),
                   " it is workers that step\nhint: kind: sgd");
  }
  if (facts.algorithm->Adds() && job.optimizer().weight_decay() > 0) {
    return Invalid("optimizer.weight_decay: is the servers', and with the ",
                   "algorithm of ", job.algorithm().plugin(),
                   " it is workers that step\nhint: model: {l2: …}");
  }
  for (const auto& [name, table] : job.tables()) {
    if (!facts.algorithm->Adds() || !table.has_optimizer()) continue;
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
      (facts.algorithm->Adds() &&
       (keeps || push.kind() == v1::Filter::KIND_THRESHOLD))) {
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

}  // namespace

std::optional<int64_t> ElementsOf(const std::vector<int64_t>& dims) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 8;
  int64_t elements = 1;
  for (const int64_t dim : dims) {
    if (dim < 0 || (dim > 0 && elements > kMost / dim)) return std::nullopt;
    elements *= dim;
  }
  return elements;
}

v1::SparseTable ToProto(const SparseTable& table) {
  v1::SparseTable message;
  message.set_name(table.name);
  message.set_width(table.width);
  message.set_kind(static_cast<v1::RowKind>(NumberOf(table.kind)));
  message.set_init(ToProto(table.init.kind));
  message.set_init_parameter(table.init.parameter);
  if (table.optimizer) *message.mutable_optimizer() = *table.optimizer;
  *message.mutable_admission() = table.admission;
  message.set_expire_after_examples(table.expire_after_examples);
  message.set_max_rows(table.max_rows);
  message.set_evict(table.evict);
  return message;
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
  return hash;
}

absl::StatusOr<JobRecord> WithEpochs(const JobRecord& record, int32_t epochs) {
  EBB_ASSIGN_OR_RETURN(v1::Specification specification,
                       ReadSpecification(record));
  const std::string& index = specification.train_index();
  const uint64_t index_hash = XXH64(index.data(), index.size(), 0);
  // The record does not say in which version of the order its data is, but the
  // hash does.
  constexpr int kMostVersions = 100;
  int version = 0;
  while (LayoutHash(index_hash, version, record.plan) !=
         record.plan.layout_hash) {
    if (++version > kMostVersions) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the data of job ", record.name, " is in an unknown order"));
    }
  }
  JobRecord shorter = record;
  shorter.plan.epochs = epochs;
  shorter.plan.layout_hash = LayoutHash(index_hash, version, shorter.plan);
  v1::Job& job = *specification.mutable_job();
  job.mutable_train()->set_epochs(epochs);
  if (job.algorithm().has_max_rounds()) {
    job.mutable_algorithm()->set_max_rounds(epochs);
  }
  shorter.specification.clear();  // It would be appended to.
  if (!Serialize(specification, &shorter.specification)) {
    return Invalid("the job's specification is larger than 2 GiB");
  }
  return shorter;
}

std::string PackingAdvice(const JobRecord& record) {
  const auto specification = ReadSpecification(record);
  if (!specification.ok()) return "";
  const v1::Job& job = specification->job();
  if (TasksOf(job) > 0) return "";  // They need all of it.
  const v1::DataSource& train = job.data().train();
  const v1::FormatTraits& format = TraitsOf(train);
  if (FormatOf(train) == nullptr || format.packed() || format.positions() ||
      format.python() || format.text() || format.bags()) {
    return "";
  }
  return ". If it is the data that is too large, pack it: `ebb data pack "
         "JOB.yaml FOLDER` with its job file, and data: {train: {packed: "
         "FOLDER/train}}";
}

absl::StatusOr<JobRecord> MakeJobRecord(const v1::Job& job,
                                        const JobFacts& facts) {
  v1::Specification specification;
  *specification.mutable_job() = job;
  FillDefaults(specification.mutable_job());
  FitToData({.examples = facts.examples, .window = facts.window}, 0,
            specification.mutable_job());
  const v1::Job& full = specification.job();
  specification.set_format(FormatOf(full, facts));

  JobRecord record;
  record.name = full.name();
  JobPlan& plan = record.plan;
  EBB_RETURN_IF_ERROR(PlanConsistency(full.consistency(), &plan));
  EBB_RETURN_IF_ERROR(PlanData(full, facts, &plan));
  EBB_RETURN_IF_ERROR(PlanModel(full, facts, &plan));
  if (plan.examples < 1) return Invalid("data.train: it has no examples");
  if (const int64_t tasks = TasksOf(full); tasks > 0) plan.examples = tasks;
  std::shared_ptr<const RowRule> rows;
  if (full.algorithm().kind() == v1::Algorithm::KIND_PLUGIN) {
    EBB_RETURN_IF_ERROR(CheckPlugin(full, facts));
    plan.algorithm = facts.algorithm->Plan();
    specification.set_algorithm_adds(facts.algorithm->Adds());
  } else {
    EBB_ASSIGN_OR_RETURN(const std::unique_ptr<const Algorithm> algorithm,
                         AlgorithmOf(full));
    plan.algorithm = algorithm->Plan();
    rows = algorithm->MakeRowRule();
  }
  if (plan.algorithm.has_local_rule() && !plan.sparse_tables.empty()) {
    EBB_RETURN_IF_ERROR(PlanRowsOfRuns(facts, rows.get(), &plan));
  }
  // What is kept for a server that is away is a sum of what was pushed.
  if (plan.algorithm.keeps_effect) plan.consistency.local_steps = 0;
  EBB_RETURN_IF_ERROR(PlanItems(full, facts, &plan));
  EBB_RETURN_IF_ERROR(PlanRest(full, &plan));
  if (full.has_filters()) {
    EBB_RETURN_IF_ERROR(PlanFilters(full.filters(), &plan));
  }
  plan.layout_hash =
      LayoutHash(facts.train_index_hash, facts.order_version, plan);
  EBB_RETURN_IF_ERROR(plan.Validate());
  EBB_RETURN_IF_ERROR(CheckRowTables(plan));

  specification.set_source(facts.source);
  specification.set_train_index(facts.train_index);
  specification.set_test_index(facts.test_index);
  specification.set_squared_loss(facts.squared_loss);
  specification.set_guess_loss(facts.guess_loss);
  specification.set_window(facts.window);
  if (facts.columns) *specification.mutable_columns() = *facts.columns;
  EBB_ASSIGN_OR_RETURN(const ModelTables tables,
                       TablesOfJob(full, facts, plan.partitions));
  for (const DenseTable& table : tables.dense) {
    EBB_RETURN_IF_ERROR(CheckLateSteps(full, table));
    *specification.add_tables() = ToProto(table);
  }
  if (facts.initial) *specification.mutable_initial() = *facts.initial;
  EBB_RETURN_IF_ERROR(InitialValuesOf(specification, plan).status());
  for (const SparseTable& table : tables.sparse) {
    EBB_RETURN_IF_ERROR(CheckLateSteps(full, table));
    EBB_RETURN_IF_ERROR(CheckAverages(full, table));
    const auto t = specification.sparse_tables_size();
    plan.sparse_tables[t].clock_bound = table.clock_bound;
    plan.sparse_tables[t].cache_rows = table.cache_rows;
    plan.sparse_tables[t].cache_batches = table.cache_batches;
    EBB_RETURN_IF_ERROR(CheckCache(table, plan.ClockBoundOf(t)));
    *specification.add_sparse_tables() = ToProto(table);
  }
  if (!Serialize(specification, &record.specification)) {
    return Invalid("the job's specification is larger than 2 GiB");
  }
  return record;
}

absl::StatusOr<v1::Specification> ReadSpecification(const JobRecord& record) {
  v1::Specification specification;
  if (!specification.ParseFromString(record.specification) ||
      specification.format() == 0) {
    return absl::DataLossError(
        absl::StrCat("the specification of job ", record.name,
                     " cannot be read: it is damaged, or another program's"));
  }
  if (specification.format() > kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("the specification of job ", record.name, " has format ",
                     specification.format(), "; this ebb knows format ",
                     kFormat, ". Update this daemon."));
  }
  return specification;
}

absl::StatusOr<std::vector<DenseTable>> TablesOf(
    const v1::Specification& specification, const JobPlan& plan) {
  std::vector<DenseTable> tables;
  int64_t rest = plan.parameters;
  for (const v1::DenseTable& message : specification.tables()) {
    const auto kind = KindOf(message.init());
    if (!kind || message.size() < 0 || message.size() > rest) {
      return Invalid("table ", message.name(), " of ", message.size(),
                     " elements does not fit a job of ", plan.parameters,
                     " parameters");
    }
    const InitRule init{*kind, message.init_parameter()};
    EBB_RETURN_IF_ERROR(init.Validate());
    rest -= message.size();
    std::vector<int64_t> dims(message.dims().begin(), message.dims().end());
    if (!dims.empty() && ElementsOf(dims) != message.size()) {
      return Invalid("table ", message.name(), " has ", message.size(),
                     " elements, and other dimensions");
    }
    DenseTable& table = tables.emplace_back(
        DenseTable{message.name(), message.size(), init, std::move(dims)});
    if (message.has_optimizer()) table.optimizer = message.optimizer();
    table.frozen = message.frozen();
  }
  if (rest != 0) {
    return Invalid("the job has ", plan.parameters, " parameters, its tables ",
                   plan.parameters - rest);
  }
  return tables;
}

namespace {

// Which rule has which slots, only servers know.
absl::Status CheckSlots(const v1::Specification& specification,
                        const JobPlan& plan) {
  const v1::InitialValues& initial = specification.initial();
  if (initial.slots() < 0 || initial.slots() > kMostInitialSlots) {
    return Invalid("model.initial: ", initial.slots(), " slots");
  }
  const int dense = specification.tables_size();
  int tables = initial.slots() > 0 ? dense : 0;
  if (InitialRowBytes(initial, plan.parameters) > 0 &&
      RowsHaveState(initial, dense)) {
    tables = dense + static_cast<int>(plan.sparse_tables.size());
  }
  if (initial.steps_size() != tables) {
    return Invalid("model.initial: the steps of ", initial.steps_size(),
                   " tables instead of ", tables);
  }
  for (const int64_t steps : initial.steps()) {
    if (steps < 0 || steps > kMostInitialSteps) {
      return Invalid("model.initial: ", steps, " steps");
    }
  }
  if (initial.slots() > 0 && plan.algorithm.operated) {
    return Invalid(
        "model.initial: the file has the state of an optimizer, and rounds of "
        "this job are closed without one");
  }
  return absl::OkStatus();
}

}  // namespace

int64_t InitialRowBytes(const v1::InitialValues& initial, int64_t parameters) {
  return initial.bytes() -
         parameters * int64_t{sizeof(float)} * (1 + initial.slots());
}

bool RowsHaveState(const v1::InitialValues& initial, int dense_tables) {
  return initial.steps_size() > (initial.slots() > 0 ? dense_tables : 0);
}

absl::StatusOr<std::optional<v1::InitialValues>> InitialValuesOf(
    const v1::Specification& specification, const JobPlan& plan) {
  const v1::Job& job = specification.job();
  const v1::Model& model = job.model();
  const v1::ModelTraits& traits = TraitsOf(model);
  // Restarts choose centroids by themselves.
  const bool chosen = traits.clusters() && !HasRestarts(job);
  const bool named = model.has_initial() || job.has_start() ||
                     traits.python() || chosen || traits.boosted();
  if (named != specification.has_initial()) {
    return Invalid("model.initial: ",
                   named ? "the specification does not say what is in the file"
                         : "the job names no file, its specification does");
  }
  if (!named) return std::nullopt;
  const v1::InitialValues& initial = specification.initial();
  EBB_RETURN_IF_ERROR(CheckSlots(specification, plan));
  const int64_t row_bytes = InitialRowBytes(initial, plan.parameters);
  const bool fits = row_bytes == 0 ||
                    (!plan.sparse_tables.empty() &&
                     row_bytes > InitialRowsDirectory::DirectoryBytes(plan));
  if (!fits) {
    return Invalid("model.initial: ", initial.bytes(), " bytes for ",
                   plan.parameters, " parameters with ", initial.slots(),
                   " slots");
  }
  return initial;
}

absl::StatusOr<TrainedRangesPtr> TrainedRangesOf(
    const v1::Specification& specification, const JobPlan& plan) {
  EBB_ASSIGN_OR_RETURN(const std::vector<DenseTable> tables,
                       TablesOf(specification, plan));
  std::vector<FloatRange> trained;
  int64_t first = 0;
  for (const DenseTable& table : tables) {
    if (!table.frozen) trained.push_back({first, first + table.size});
    first += table.size;
  }
  if (trained.size() == tables.size()) return nullptr;
  return std::make_shared<const TrainedRanges>(plan, trained);
}

absl::StatusOr<TrainedRangesPtr> TrainedRangesOf(const JobRecord& record) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       ReadSpecification(record));
  return TrainedRangesOf(specification, record.plan);
}

absl::StatusOr<std::vector<SparseTable>> SparseTablesOf(
    const v1::Specification& specification, const JobPlan& plan) {
  std::vector<SparseTable> tables;
  for (const v1::SparseTable& message : specification.sparse_tables()) {
    const auto kind = KindOf(message.init());
    if (!kind) {
      return Invalid("sparse table ", message.name(), " starts in an unknown ",
                     "way, ", message.init());
    }
    const auto row_kind = RowKindOf(message.kind());
    if (!row_kind) {
      return Invalid("sparse table ", message.name(), " has rows of an ",
                     "unknown kind, ", message.kind());
    }
    SparseTable& table = tables.emplace_back();
    table.name = message.name();
    table.kind = *row_kind;
    table.width = message.width();
    table.init = {*kind, message.init_parameter()};
    EBB_RETURN_IF_ERROR(table.init.Validate());
    if (message.has_optimizer()) table.optimizer = message.optimizer();
    table.admission = message.admission();
    table.expire_after_examples = message.expire_after_examples();
    table.max_rows = message.max_rows();
    table.evict = message.evict();
  }
  const bool same = std::equal(
      tables.begin(), tables.end(), plan.sparse_tables.begin(),
      plan.sparse_tables.end(),
      [](const SparseTable& table, const SparseTablePlan& planned) {
        return table.width == planned.width && table.kind == planned.kind;
      });
  if (!same) {
    return Invalid("the job's plan has ", plan.sparse_tables.size(),
                   " sparse tables, its specification has others");
  }
  return tables;
}

}  // namespace ebb::job
