#include "job/specification.h"

#include <xxhash.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/row_kind_number.h"
#include "common/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "job/average_rules.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "job/fit.h"
#include "job/frozen_rows.h"
#include "job/initial_rows.h"
#include "job/invalid.h"
#include "job/job_format.h"
#include "job/row_kinds.h"
#include "job/validate.h"
#include "protocol/initial_rows.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

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

// Adopts what the job file says of a dense table.
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

// Adopts what the job file says of a sparse table.
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
      std::min((said.max_rows() + partitions - 1) / partitions, kMostRows);
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

// Checks that workers may keep rows of the table.
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

// Checks that the rows of a sparse table can be frozen: the job must not say of
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
        return table.kind == RowKind::kTrained && !IsFrozen(job, table.name);
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
  if (table.kind != RowKind::kTrained || IsFrozen(job, table.name) ||
      !HasAverage(table.optimizer.value_or(job.optimizer()))) {
    return absl::OkStatus();
  }
  const auto said = job.tables().find(table.name);
  const bool own =
      said != job.tables().end() && HasAverage(said->second.optimizer());
  return Invalid(
      own ? absl::StrCat("tables.", table.name, ".optimizer") : "optimizer",
      ": has ema or swa, and rows of the sparse table ", table.name,
      " have no averages\nhint: leave it out, and give it to dense tables: ",
      "tables: {NAME: {optimizer: {ema: 0.999}}}");
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

}  // namespace

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

absl::StatusOr<JobRecord> WithEnd(const JobRecord& record, const JobEnd& end) {
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
  shorter.plan.epochs = end.epochs;
  shorter.plan.last_epoch_examples = end.last_epoch_examples;
  shorter.plan.layout_hash = LayoutHash(index_hash, version, shorter.plan);
  v1::Job& job = *specification.mutable_job();
  job.mutable_train()->set_epochs(end.epochs);
  if (job.algorithm().has_max_rounds()) {
    job.mutable_algorithm()->set_max_rounds(end.epochs);
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
  if (workloads::FactsOf(job).all_data) return "";
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
  specification.set_format(SpecificationFormatOf(full, facts));

  JobRecord record;
  record.name = full.name();
  JobPlan& plan = record.plan;
  EBB_ASSIGN_OR_RETURN(plan, PlanOf(full, facts));
  if (full.algorithm().kind() == v1::Algorithm::KIND_PLUGIN) {
    specification.set_algorithm_adds(facts.algorithm->Pushes() ==
                                     PushKind::kChanges);
  }
  specification.set_source(facts.source);
  specification.set_train_index(facts.train_index);
  specification.set_test_index(facts.test_index);
  specification.set_squared_loss(facts.squared_loss);
  specification.set_guess_loss(facts.guess_loss);
  specification.set_positive_class(facts.positive_class);
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
  if (specification.format() > kSpecificationFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("the specification of job ", record.name, " has format ",
                     specification.format(), "; this ebb knows format ",
                     kSpecificationFormat, ". Update this daemon."));
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
  const bool chosen = workloads::FactsOf(job).begins_with_values;
  const bool named =
      model.has_initial() || job.has_start() || traits.python() || chosen;
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
