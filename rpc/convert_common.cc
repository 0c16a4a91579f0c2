#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/row_kind_number.h"
#include "common/status_macros.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"
#include "rpc/internal/fields.h"

namespace ebb::rpc {

using internal::AtMost;
using internal::InRange;
using internal::IsPartition;
using internal::kFields;
using internal::Named;
using internal::NotNegative;
using internal::Present;
using internal::RateFactorOf;
using internal::UnknownEnum;
using internal::ValidUtf8;

// A new field stops here: convert it below, then count it.
static_assert(kFields<ItemId> == 2 && kFields<LedgerRow> == 2 &&
              kFields<SkippedRange> == 3 && kFields<ItemMark> == 2 &&
              kFields<VersionKey> == 5 && kFields<RoundVersion> == 2 &&
              kFields<RoundSpan> == 2 && kFields<RollbackRecord> == 3);
static_assert(kFields<JobPlan> == 25 && kFields<ConsistencyPlan> == 6 &&
              kFields<NonfiniteRollback> == 3 && kFields<JobRecord> == 4);
static_assert(kFields<SparseTablePlan> == 5 && kFields<Filter> == 3 &&
              kFields<FilterPlan> == 2 && kFields<AlgorithmPlan> == 6 &&
              kFields<Traffic> == 4 && kFields<ScaledUpdates> == 5);
static_assert(kFields<Placement> == 4 && kFields<PartitionPlace> == 4 &&
              kFields<ServerAddress> == 2);

namespace internal {

std::string ValidUtf8(absl::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < out.size();) {
    const auto lead = static_cast<unsigned char>(out[i]);
    size_t length = 1;
    uint32_t code = lead;
    if (lead >= 0xf0 && lead < 0xf8) {
      length = 4;
      code = lead & 0x07;
    } else if (lead >= 0xe0) {
      length = 3;
      code = lead & 0x0f;
    } else if (lead >= 0xc0) {
      length = 2;
      code = lead & 0x1f;
    }
    bool valid = (lead < 0x80 || lead >= 0xc2) && lead < 0xf5 &&
                 i + length <= out.size();
    for (size_t j = 1; valid && j < length; ++j) {
      const auto next = static_cast<unsigned char>(out[i + j]);
      valid = (next & 0xc0) == 0x80;
      code = code << 6 | (next & 0x3f);
    }
    // Overlong forms, surrogates and numbers beyond Unicode.
    if (length == 3) {
      valid = valid && code >= 0x800 && (code < 0xd800 || code > 0xdfff);
    }
    if (length == 4) valid = valid && code >= 0x10000 && code <= 0x10ffff;
    if (!valid) {
      out[i] = '?';
      length = 1;
    }
    i += length;
  }
  return out;
}

}  // namespace internal

// --- To protos ---------------------------------------------------------------

v1::ItemId ToProto(ItemId item) {
  v1::ItemId message;
  message.set_epoch(item.epoch);
  message.set_shard(item.shard);
  return message;
}

v1::LedgerRow ToProto(const LedgerRow& row) {
  v1::LedgerRow message;
  message.set_count(row.count);
  message.set_hash(row.hash);
  return message;
}

v1::SkippedRange ToProto(const SkippedRange& range) {
  v1::SkippedRange message;
  *message.mutable_item() = ToProto(range.item);
  message.set_begin(range.begin);
  message.set_end(range.end);
  return message;
}

v1::ItemMark ToProto(const ItemMark& mark) {
  v1::ItemMark message;
  *message.mutable_item() = ToProto(mark.item);
  message.set_mark(mark.mark);
  return message;
}

v1::VersionKey ToProto(const VersionKey& key) {
  v1::VersionKey message;
  message.set_job(key.job.value());
  message.set_generation(key.generation.value());
  message.set_partition(key.partition.value());
  message.set_term(key.term.value());
  message.set_sequence(key.sequence);
  return message;
}

v1::RoundVersion ToProto(const RoundVersion& version) {
  v1::RoundVersion message;
  *message.mutable_key() = ToProto(version.key);
  message.set_oldest_round(version.rounds.oldest);
  message.set_open_round(version.rounds.open);
  return message;
}

v1::RollbackRecord ToProto(const RollbackRecord& record) {
  v1::RollbackRecord message;
  for (const VersionKey& key : record.versions) {
    *message.add_versions() = ToProto(key);
  }
  if (record.rate_factor != 1) message.set_rate_factor(record.rate_factor);
  message.set_nonfinite(record.nonfinite);
  return message;
}

namespace {

using Kind = v1::Plan::Consistency::Kind;

Kind ToProto(ConsistencyKind kind) {
  switch (kind) {
    case ConsistencyKind::kAsp:
      return v1::Plan::Consistency::KIND_ASP;
    case ConsistencyKind::kSsp:
      return v1::Plan::Consistency::KIND_SSP;
    case ConsistencyKind::kRounds:
      return v1::Plan::Consistency::KIND_ROUNDS;
  }
  return v1::Plan::Consistency::KIND_UNSPECIFIED;
}

absl::StatusOr<ConsistencyKind> FromProto(Kind kind) {
  switch (kind) {
    case v1::Plan::Consistency::KIND_ASP:
      return ConsistencyKind::kAsp;
    case v1::Plan::Consistency::KIND_SSP:
      return ConsistencyKind::kSsp;
    case v1::Plan::Consistency::KIND_ROUNDS:
      return ConsistencyKind::kRounds;
    default:
      return UnknownEnum("Plan.consistency.kind", kind);
  }
}

static_assert(v1::ROW_KIND_UNSPECIFIED == NumberOf(RowKind::kTrained) &&
              v1::ROW_KIND_ADDITIVE == NumberOf(RowKind::kAdditive) &&
              v1::ROW_KIND_COUNTS == NumberOf(RowKind::kCounts) &&
              v1::ROW_KIND_WRITE_ONCE == NumberOf(RowKind::kWriteOnce) &&
              v1::RowKind_MAX == NumberOf(RowKind::kWriteOnce));

v1::Plan::PoisonPolicy ToProto(PoisonPolicy policy) {
  switch (policy) {
    case PoisonPolicy::kPause:
      return v1::Plan::POISON_POLICY_PAUSE;
    case PoisonPolicy::kSkip:
      return v1::Plan::POISON_POLICY_SKIP;
    case PoisonPolicy::kRollBack:
      return v1::Plan::POISON_POLICY_ROLL_BACK;
  }
  return v1::Plan::POISON_POLICY_UNSPECIFIED;
}

absl::StatusOr<PoisonPolicy> FromProto(absl::string_view field,
                                       v1::Plan::PoisonPolicy policy) {
  switch (policy) {
    case v1::Plan::POISON_POLICY_PAUSE:
      return PoisonPolicy::kPause;
    case v1::Plan::POISON_POLICY_SKIP:
      return PoisonPolicy::kSkip;
    case v1::Plan::POISON_POLICY_ROLL_BACK:
      return PoisonPolicy::kRollBack;
    default:
      return UnknownEnum(field, policy);
  }
}

v1::Plan::Filter ToProto(const Filter& filter) {
  v1::Plan::Filter message;
  switch (filter.kind) {
    case FilterKind::kNone:
      message.set_kind(v1::Plan::Filter::KIND_NONE);
      break;
    case FilterKind::kBfloat16:
      message.set_kind(v1::Plan::Filter::KIND_BF16);
      break;
    case FilterKind::kFloat16:
      message.set_kind(v1::Plan::Filter::KIND_FP16);
      break;
    case FilterKind::kInt8:
      message.set_kind(v1::Plan::Filter::KIND_INT8);
      break;
    case FilterKind::kThreshold:
      message.set_kind(v1::Plan::Filter::KIND_THRESHOLD);
      break;
    case FilterKind::kTopK:
      message.set_kind(v1::Plan::Filter::KIND_TOP_K);
      break;
  }
  message.set_threshold(filter.threshold);
  message.set_share(filter.share);
  return message;
}

absl::StatusOr<FilterKind> FromProto(absl::string_view field,
                                     v1::Plan::Filter::Kind kind) {
  switch (kind) {
    case v1::Plan::Filter::KIND_NONE:
      return FilterKind::kNone;
    case v1::Plan::Filter::KIND_BF16:
      return FilterKind::kBfloat16;
    case v1::Plan::Filter::KIND_FP16:
      return FilterKind::kFloat16;
    case v1::Plan::Filter::KIND_INT8:
      return FilterKind::kInt8;
    case v1::Plan::Filter::KIND_THRESHOLD:
      return FilterKind::kThreshold;
    case v1::Plan::Filter::KIND_TOP_K:
      return FilterKind::kTopK;
    default:
      return UnknownEnum(field, kind);
  }
}

absl::StatusOr<Filter> FromProto(absl::string_view field,
                                 const v1::Plan::Filter& message) {
  Filter filter;
  EBB_ASSIGN_OR_RETURN(filter.kind, FromProto(field, message.kind()));
  filter.threshold = message.threshold();
  filter.share = message.share();
  return filter;
}

v1::Plan::Algorithm ToProto(const AlgorithmPlan& plan) {
  v1::Plan::Algorithm message;
  message.set_push_batches(plan.push_batches);
  message.set_pull_batches(plan.pull_batches);
  message.set_pulls_to_push(plan.pulls_to_push);
  message.set_worker_vectors(plan.worker_vectors);
  message.set_keeps_effect(plan.keeps_effect);
  message.set_operated(plan.operated);
  return message;
}

AlgorithmPlan FromProto(const v1::Plan::Algorithm& message) {
  return {message.push_batches(),  message.pull_batches(),
          message.pulls_to_push(), message.worker_vectors(),
          message.keeps_effect(),  message.operated()};
}

// Jobs that are older than filters have none.
absl::Status FiltersFromProto(const v1::Plan& message, FilterPlan* filters) {
  if (message.has_push_filter()) {
    EBB_ASSIGN_OR_RETURN(filters->push, FromProto("Plan.push_filter.kind",
                                                  message.push_filter()));
  }
  if (message.has_pull_filter()) {
    EBB_ASSIGN_OR_RETURN(filters->pull, FromProto("Plan.pull_filter.kind",
                                                  message.pull_filter()));
  }
  return absl::OkStatus();
}

}  // namespace

v1::Traffic ToProto(const Traffic& traffic) {
  v1::Traffic message;
  message.set_pushed(traffic.pushed);
  message.set_pushed_as_floats(traffic.pushed_as_floats);
  message.set_pulled(traffic.pulled);
  message.set_pulled_as_floats(traffic.pulled_as_floats);
  return message;
}

absl::StatusOr<Traffic> FromProto(const v1::Traffic& message) {
  EBB_RETURN_IF_ERROR(NotNegative("Traffic.pushed", message.pushed()));
  EBB_RETURN_IF_ERROR(
      NotNegative("Traffic.pushed_as_floats", message.pushed_as_floats()));
  EBB_RETURN_IF_ERROR(NotNegative("Traffic.pulled", message.pulled()));
  EBB_RETURN_IF_ERROR(
      NotNegative("Traffic.pulled_as_floats", message.pulled_as_floats()));
  return Traffic{message.pushed(), message.pushed_as_floats(), message.pulled(),
                 message.pulled_as_floats()};
}

v1::ScaledUpdates ToProto(const ScaledUpdates& scaled) {
  v1::ScaledUpdates message;
  message.set_updates(scaled.updates);
  message.set_scaled(scaled.scaled);
  message.set_to_nothing(scaled.to_nothing);
  message.set_factor_sum(scaled.factor_sum);
  message.set_scaled_staleness(scaled.scaled_staleness);
  return message;
}

absl::StatusOr<ScaledUpdates> FromProto(const v1::ScaledUpdates& message) {
  EBB_RETURN_IF_ERROR(NotNegative("ScaledUpdates.updates", message.updates()));
  EBB_RETURN_IF_ERROR(
      InRange("ScaledUpdates.scaled", message.scaled(), 0, message.updates()));
  EBB_RETURN_IF_ERROR(InRange("ScaledUpdates.to_nothing", message.to_nothing(),
                              0, message.scaled()));
  // Factors are at most 1, and sums of them are rounded.
  if (message.factor_sum() >
      1 + 1.000001 * static_cast<double>(message.updates())) {
    return absl::InvalidArgumentError(
        absl::StrCat("ScaledUpdates.factor_sum is ", message.factor_sum(),
                     ", more than its ", message.updates(), " updates"));
  }
  for (const auto& [field, sum] :
       {std::pair("factor_sum", message.factor_sum()),
        std::pair("scaled_staleness", message.scaled_staleness())}) {
    if (std::isfinite(sum) && sum >= 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ScaledUpdates.", field, " is ", sum,
                     ", must be a number that is not negative"));
  }
  return ScaledUpdates{message.updates(), message.scaled(),
                       message.to_nothing(), message.factor_sum(),
                       message.scaled_staleness()};
}

v1::Plan ToProto(const JobPlan& plan) {
  v1::Plan message;
  message.set_epochs(plan.epochs);
  message.set_examples(plan.examples);
  message.set_shard_size(plan.shard_size);
  message.mutable_batch_by_epoch()->Add(plan.batch_by_epoch.begin(),
                                        plan.batch_by_epoch.end());
  message.set_seed(plan.seed);
  message.set_layout_hash(plan.layout_hash);
  message.set_parameters(plan.parameters);
  message.set_block_floats(plan.block_floats);
  message.set_partitions(plan.partitions);
  message.set_cut_floats(plan.cut_floats);
  message.set_oracle_width(plan.oracle_width);
  v1::Plan::Consistency* consistency = message.mutable_consistency();
  consistency->set_kind(ToProto(plan.consistency.kind));
  consistency->set_clock_bound(plan.consistency.clock_bound);
  consistency->set_round_items(plan.consistency.round_items);
  consistency->set_rounds_in_memory(plan.consistency.rounds_in_memory);
  consistency->set_max_staleness_updates(
      plan.consistency.max_staleness_updates);
  consistency->set_local_steps(plan.consistency.local_steps);
  message.set_min_workers(plan.min_workers);
  message.set_max_workers(plan.max_workers);
  message.set_evaluate_every(plan.evaluate_every);
  message.set_quarantine_after(plan.quarantine_after);
  message.set_on_poison(ToProto(plan.on_poison));
  message.set_on_nonfinite(ToProto(plan.on_nonfinite));
  message.set_checkpoint_interval_ms(plan.checkpoint_interval_ms);
  message.set_checkpoint_keep(plan.checkpoint_keep);
  message.set_priority(plan.priority);
  *message.mutable_push_filter() = ToProto(plan.filters.push);
  *message.mutable_pull_filter() = ToProto(plan.filters.pull);
  for (const SparseTablePlan& table : plan.sparse_tables) {
    v1::Plan::SparseTable* out = message.add_sparse_tables();
    out->set_width(table.width);
    if (table.clock_bound != SparseTablePlan::kBoundOfJob) {
      out->set_clock_bound(table.clock_bound);
    }
    out->set_kind(static_cast<v1::RowKind>(NumberOf(table.kind)));
    out->set_cache_rows(table.cache_rows);
    out->set_cache_batches(table.cache_batches);
  }
  if (plan.nonfinite_rollback != NonfiniteRollback()) {
    auto* rollback = message.mutable_nonfinite_rollback();
    rollback->set_factor(plan.nonfinite_rollback.factor);
    rollback->set_versions(plan.nonfinite_rollback.versions);
    rollback->set_most(plan.nonfinite_rollback.most);
  }
  if (plan.algorithm != AlgorithmPlan()) {
    *message.mutable_algorithm() = ToProto(plan.algorithm);
  }
  return message;
}

v1::JobRecord ToProto(const JobRecord& record) {
  v1::JobRecord message;
  message.set_id(record.id.value());
  message.set_name(ValidUtf8(record.name));
  *message.mutable_plan() = ToProto(record.plan);
  message.set_specification(record.specification);
  return message;
}

v1::Placement ToProto(const Placement& placement) {
  v1::Placement message;
  message.set_job(placement.job.value());
  message.set_generation(placement.generation.value());
  for (const PartitionPlace& place : placement.partitions) {
    v1::PartitionPlace* to = message.add_partitions();
    to->set_partition(place.partition.value());
    to->set_server(place.server.value());
    to->set_server_session(place.server_session.value());
    to->set_term(place.term.value());
  }
  for (const ServerAddress& server : placement.servers) {
    v1::ServerAddress* to = message.add_servers();
    to->set_server(server.server.value());
    to->set_address(ValidUtf8(server.address));
  }
  return message;
}

// --- From protos -------------------------------------------------------------

absl::StatusOr<ItemId> FromProto(const v1::ItemId& message) {
  EBB_RETURN_IF_ERROR(NotNegative("ItemId.epoch", message.epoch()));
  EBB_RETURN_IF_ERROR(NotNegative("ItemId.shard", message.shard()));
  return ItemId{message.epoch(), message.shard()};
}

absl::StatusOr<LedgerRow> FromProto(const v1::LedgerRow& message) {
  EBB_RETURN_IF_ERROR(NotNegative("LedgerRow.count", message.count()));
  return LedgerRow{message.count(), message.hash()};
}

absl::StatusOr<SkippedRange> FromProto(const v1::SkippedRange& message) {
  EBB_RETURN_IF_ERROR(Present("SkippedRange.item", message.has_item()));
  SkippedRange range;
  EBB_ASSIGN_OR_RETURN(range.item, FromProto(message.item()));
  EBB_RETURN_IF_ERROR(NotNegative("SkippedRange.begin", message.begin()));
  if (message.end() <= message.begin()) {
    return absl::InvalidArgumentError(
        absl::StrCat("SkippedRange [", message.begin(), ", ", message.end(),
                     ") of ", ToString(range.item), " is empty"));
  }
  range.begin = message.begin();
  range.end = message.end();
  return range;
}

absl::StatusOr<ItemMark> FromProto(const v1::ItemMark& message) {
  EBB_RETURN_IF_ERROR(Present("ItemMark.item", message.has_item()));
  EBB_RETURN_IF_ERROR(NotNegative("ItemMark.mark", message.mark()));
  EBB_ASSIGN_OR_RETURN(ItemId item, FromProto(message.item()));
  return ItemMark{item, message.mark()};
}

absl::StatusOr<VersionKey> FromProto(const v1::VersionKey& message) {
  EBB_RETURN_IF_ERROR(Named("VersionKey.job", message.job()));
  EBB_RETURN_IF_ERROR(IsPartition("VersionKey.partition", message.partition()));
  EBB_RETURN_IF_ERROR(NotNegative("VersionKey.sequence", message.sequence()));
  return VersionKey{JobId(message.job()), Generation(message.generation()),
                    PartitionId(message.partition()), Term(message.term()),
                    message.sequence()};
}

absl::StatusOr<RoundVersion> FromProto(const v1::RoundVersion& message) {
  EBB_RETURN_IF_ERROR(Present("RoundVersion.key", message.has_key()));
  EBB_RETURN_IF_ERROR(
      NotNegative("RoundVersion.oldest_round", message.oldest_round()));
  if (message.open_round() < message.oldest_round()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "RoundVersion.open_round is ", message.open_round(),
        ", must not be below oldest_round, ", message.oldest_round()));
  }
  EBB_ASSIGN_OR_RETURN(VersionKey key, FromProto(message.key()));
  return RoundVersion{key, {message.oldest_round(), message.open_round()}};
}

absl::StatusOr<RollbackRecord> FromProto(const v1::RollbackRecord& message) {
  EBB_RETURN_IF_ERROR(AtMost("RollbackRecord.versions", message.versions_size(),
                             kMaxPartitions));
  RollbackRecord record;
  record.versions.reserve(message.versions_size());
  for (const v1::VersionKey& from : message.versions()) {
    EBB_ASSIGN_OR_RETURN(VersionKey key, FromProto(from));
    record.versions.push_back(key);
  }
  std::vector<PartitionId> named;
  named.reserve(record.versions.size());
  for (const VersionKey& key : record.versions) named.push_back(key.partition);
  std::sort(named.begin(), named.end());
  if (const auto it = std::adjacent_find(named.begin(), named.end());
      it != named.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("RollbackRecord names partition ", it->value(), " twice"));
  }
  EBB_ASSIGN_OR_RETURN(
      record.rate_factor,
      RateFactorOf("RollbackRecord.rate_factor", message.rate_factor()));
  EBB_RETURN_IF_ERROR(
      NotNegative("RollbackRecord.nonfinite", message.nonfinite()));
  record.nonfinite = message.nonfinite();
  return record;
}

namespace {

// Bounds within which the arithmetic of JobPlan cannot overflow.
absl::Status CheckPlanBounds(const v1::Plan& message) {
  constexpr int64_t kMaxExamples = int64_t{1} << 48;
  constexpr int64_t kMaxInt32 = (int64_t{1} << 31) - 1;
  EBB_RETURN_IF_ERROR(
      InRange("Plan.examples", message.examples(), 1, kMaxExamples));
  EBB_RETURN_IF_ERROR(
      InRange("Plan.shard_size", message.shard_size(), 1, kMaxExamples));
  EBB_RETURN_IF_ERROR(InRange("Plan.examples / Plan.shard_size",
                              message.examples() / message.shard_size(), 0,
                              kMaxInt32 - 1));
  EBB_RETURN_IF_ERROR(AtMost("Plan.batch_by_epoch",
                             message.batch_by_epoch_size(), kMaxBatchSizes));
  for (int64_t batch : message.batch_by_epoch()) {
    EBB_RETURN_IF_ERROR(InRange("Plan.batch_by_epoch", batch, 1, kMaxExamples));
  }
  EBB_RETURN_IF_ERROR(
      InRange("Plan.parameters", message.parameters(), 0, int64_t{1} << 40));
  EBB_RETURN_IF_ERROR(InRange("Plan.block_floats", message.block_floats(), 1,
                              int64_t{1} << 30));
  EBB_RETURN_IF_ERROR(InRange("Plan.cut_floats", message.cut_floats(), 0,
                              message.block_floats()));
  EBB_RETURN_IF_ERROR(
      InRange("Plan.partitions", message.partitions(), 1, kMaxPartitions));
  EBB_RETURN_IF_ERROR(
      InRange("Plan.oracle_width", message.oracle_width(), 0, 65536));
  EBB_RETURN_IF_ERROR(NotNegative("Plan.min_workers", message.min_workers()));
  EBB_RETURN_IF_ERROR(NotNegative("Plan.max_workers", message.max_workers()));
  EBB_RETURN_IF_ERROR(
      NotNegative("Plan.evaluate_every", message.evaluate_every()));
  EBB_RETURN_IF_ERROR(
      NotNegative("Plan.quarantine_after", message.quarantine_after()));
  EBB_RETURN_IF_ERROR(InRange("Plan.checkpoint_interval_ms",
                              message.checkpoint_interval_ms(), 1,
                              int64_t{1} << 40));
  EBB_RETURN_IF_ERROR(
      InRange("Plan.checkpoint_keep", message.checkpoint_keep(), 1, kMaxInt32));
  const v1::Plan::Consistency& consistency = message.consistency();
  EBB_RETURN_IF_ERROR(
      NotNegative("Plan.consistency.round_items", consistency.round_items()));
  EBB_RETURN_IF_ERROR(NotNegative("Plan.consistency.rounds_in_memory",
                                  consistency.rounds_in_memory()));
  return InRange("Plan.consistency.max_staleness_updates",
                 consistency.max_staleness_updates(), -1, INT64_MAX);
}

}  // namespace

absl::StatusOr<JobPlan> FromProto(const v1::Plan& message) {
  EBB_RETURN_IF_ERROR(Present("Plan.consistency", message.has_consistency()));
  EBB_RETURN_IF_ERROR(CheckPlanBounds(message));
  JobPlan plan;
  plan.epochs = message.epochs();
  plan.examples = message.examples();
  plan.shard_size = message.shard_size();
  plan.batch_by_epoch.assign(message.batch_by_epoch().begin(),
                             message.batch_by_epoch().end());
  plan.seed = message.seed();
  plan.layout_hash = message.layout_hash();
  plan.parameters = message.parameters();
  plan.block_floats = message.block_floats();
  plan.partitions = message.partitions();
  plan.cut_floats = message.cut_floats();
  plan.oracle_width = message.oracle_width();
  const v1::Plan::Consistency& consistency = message.consistency();
  EBB_ASSIGN_OR_RETURN(plan.consistency.kind, FromProto(consistency.kind()));
  plan.consistency.clock_bound = consistency.clock_bound();
  plan.consistency.round_items = consistency.round_items();
  plan.consistency.rounds_in_memory = consistency.rounds_in_memory();
  plan.consistency.max_staleness_updates = consistency.max_staleness_updates();
  plan.consistency.local_steps = consistency.local_steps();
  plan.min_workers = message.min_workers();
  plan.max_workers = message.max_workers();
  plan.evaluate_every = message.evaluate_every();
  plan.quarantine_after = message.quarantine_after();
  EBB_ASSIGN_OR_RETURN(plan.on_poison,
                       FromProto("Plan.on_poison", message.on_poison()));
  EBB_ASSIGN_OR_RETURN(plan.on_nonfinite,
                       FromProto("Plan.on_nonfinite", message.on_nonfinite()));
  plan.checkpoint_interval_ms = message.checkpoint_interval_ms();
  plan.checkpoint_keep = message.checkpoint_keep();
  plan.priority = message.priority();
  EBB_RETURN_IF_ERROR(FiltersFromProto(message, &plan.filters));
  EBB_RETURN_IF_ERROR(AtMost("Plan.sparse_tables", message.sparse_tables_size(),
                             kMaxSparseTables));
  for (const v1::Plan::SparseTable& table : message.sparse_tables()) {
    SparseTablePlan& planned = plan.sparse_tables.emplace_back();
    planned.width = table.width();
    if (table.has_clock_bound()) planned.clock_bound = table.clock_bound();
    const auto kind = RowKindOf(table.kind());
    if (!kind) return UnknownEnum("Plan.sparse_tables.kind", table.kind());
    planned.kind = *kind;
    planned.cache_rows = table.cache_rows();
    planned.cache_batches = table.cache_batches();
  }
  if (message.has_algorithm()) plan.algorithm = FromProto(message.algorithm());
  if (message.has_nonfinite_rollback()) {
    plan.nonfinite_rollback = {message.nonfinite_rollback().factor(),
                               message.nonfinite_rollback().versions(),
                               message.nonfinite_rollback().most()};
  }
  EBB_RETURN_IF_ERROR(plan.Validate());
  return plan;
}

absl::StatusOr<JobRecord> FromProto(const v1::JobRecord& message) {
  EBB_RETURN_IF_ERROR(Named("JobRecord.id", message.id()));
  EBB_RETURN_IF_ERROR(Present("JobRecord.plan", message.has_plan()));
  JobRecord record;
  record.id = JobId(message.id());
  record.name = message.name();
  EBB_ASSIGN_OR_RETURN(record.plan, FromProto(message.plan()));
  record.specification = message.specification();
  return record;
}

absl::StatusOr<Placement> FromProto(const v1::Placement& message) {
  EBB_RETURN_IF_ERROR(Named("Placement.job", message.job()));
  EBB_RETURN_IF_ERROR(AtMost("Placement.partitions", message.partitions_size(),
                             kMaxPartitions));
  EBB_RETURN_IF_ERROR(
      AtMost("Placement.servers", message.servers_size(), kMaxServers));
  Placement placement;
  placement.job = JobId(message.job());
  placement.generation = Generation(message.generation());
  placement.partitions.reserve(message.partitions_size());
  for (const v1::PartitionPlace& from : message.partitions()) {
    EBB_RETURN_IF_ERROR(
        IsPartition("PartitionPlace.partition", from.partition()));
    EBB_RETURN_IF_ERROR(NotNegative("PartitionPlace.server", from.server()));
    placement.partitions.push_back(
        {PartitionId(from.partition()), ServerId(from.server()),
         SessionId(from.server_session()), Term(from.term())});
  }
  for (const v1::ServerAddress& from : message.servers()) {
    EBB_RETURN_IF_ERROR(NotNegative("ServerAddress.server", from.server()));
    EBB_RETURN_IF_ERROR(
        Present("ServerAddress.address", !from.address().empty()));
    placement.servers.push_back({ServerId(from.server()), from.address()});
  }
  return placement;
}

}  // namespace ebb::rpc
