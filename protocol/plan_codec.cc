#include "protocol/plan_codec.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/sealed_fields.h"

namespace ebb {

namespace {

constexpr absl::string_view kMagic = "EBBJ";
// 1 had no priority, 2 no local steps, 3 no filters, 4 no sparse tables, 5 no
// algorithm, 6 no rollback, 7 no clock bounds of sparse tables. 8 had no
// algorithm whose rounds are closed by operations, 9 no kinds of rows, 10 no
// rows that workers keep and 11 no partitions of less than a block. These
// follow the rest.
constexpr uint32_t kVersion = 12;

std::vector<int64_t> BoundsOf(const JobPlan& plan) {
  std::vector<int64_t> bounds;
  for (const SparseTablePlan& table : plan.sparse_tables) {
    bounds.push_back(table.clock_bound);
  }
  return bounds;
}

std::vector<RowKind> KindsOf(const JobPlan& plan) {
  std::vector<RowKind> kinds;
  for (const SparseTablePlan& table : plan.sparse_tables) {
    kinds.push_back(table.kind);
  }
  return kinds;
}

// What a worker keeps of each table.
struct Caches {
  std::vector<int64_t> rows;
  std::vector<int64_t> batches;
};

Caches CachesOf(const JobPlan& plan) {
  Caches caches;
  for (const SparseTablePlan& table : plan.sparse_tables) {
    caches.rows.push_back(table.cache_rows);
    caches.batches.push_back(table.cache_batches);
  }
  return caches;
}

}  // namespace

// Found by FieldReader through the enums' namespace.
static ConsistencyKind MaxEnum(ConsistencyKind) {
  return ConsistencyKind::kRounds;
}
static PoisonPolicy MaxEnum(PoisonPolicy) { return PoisonPolicy::kRollBack; }
static FilterKind MaxEnum(FilterKind) { return FilterKind::kTopK; }
static RowKind MaxEnum(RowKind) { return RowKind::kWriteOnce; }

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, Filter>
void VisitFields(Struct& filter, Visitor&& visit) {
  auto& [kind, threshold, share] = filter;
  visit(kind, threshold, share);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, FilterPlan>
void VisitFields(Struct& filters, Visitor&& visit) {
  auto& [push, pull] = filters;
  visit(push, pull);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, SparseTablePlan>
void VisitFields(Struct& table, Visitor&& visit) {
  auto& [width, clock_bound, kind, cache_rows, cache_batches] = table;
  visit(width);
  static_cast<void>(clock_bound);  // Behind the record: see EncodeJobRecord.
  static_cast<void>(kind);
  static_cast<void>(cache_rows);
  static_cast<void>(cache_batches);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, AlgorithmPlan>
void VisitFields(Struct& algorithm, Visitor&& visit) {
  auto& [push_batches, pull_batches, pulls_to_push, worker_vectors,
         keeps_effect, operated] = algorithm;
  visit(push_batches, pull_batches, pulls_to_push, worker_vectors,
        keeps_effect);
  static_cast<void>(operated);  // Behind the record: see EncodeJobRecord.
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, NonfiniteRollback>
void VisitFields(Struct& rollback, Visitor&& visit) {
  auto& [factor, versions, most] = rollback;
  visit(factor, versions, most);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, ConsistencyPlan>
void VisitFields(Struct& plan, Visitor&& visit) {
  auto& [kind, clock_bound, round_items, rounds_in_memory,
         max_staleness_updates, local_steps] = plan;
  visit(kind, clock_bound, round_items, rounds_in_memory,
        max_staleness_updates);
  static_cast<void>(local_steps);  // Behind the record: see EncodeJobRecord.
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, JobPlan>
void VisitFields(Struct& plan, Visitor&& visit) {
  auto& [epochs, examples, shard_size, batch_by_epoch, seed, layout_hash,
         parameters, block_floats, partitions, cut_floats, oracle_width,
         sparse_tables, consistency, min_workers, max_workers, evaluate_every,
         quarantine_after, on_poison, on_nonfinite, nonfinite_rollback,
         checkpoint_interval_ms, checkpoint_keep, priority, filters,
         algorithm] = plan;
  visit(epochs, examples, shard_size, batch_by_epoch, seed, layout_hash,
        parameters, block_floats, partitions, oracle_width, consistency,
        min_workers, max_workers, evaluate_every, quarantine_after, on_poison,
        on_nonfinite, checkpoint_interval_ms, checkpoint_keep);
  // Behind the record: see EncodeJobRecord.
  static_cast<void>(cut_floats);
  static_cast<void>(priority);
  static_cast<void>(filters);
  static_cast<void>(sparse_tables);
  static_cast<void>(algorithm);
  static_cast<void>(nonfinite_rollback);
}

template <typename Struct, typename Visitor>
requires std::is_same_v<std::remove_const_t<Struct>, JobRecord>
void VisitFields(Struct& record, Visitor&& visit) {
  auto& [id, name, plan, specification] = record;
  visit(id, name, plan, specification);
}

std::string EncodeJobRecord(const JobRecord& record) {
  const Caches caches = CachesOf(record.plan);
  return SealFields(kMagic, kVersion, record, record.plan.priority,
                    record.plan.consistency.local_steps, record.plan.filters,
                    record.plan.sparse_tables, record.plan.algorithm,
                    record.plan.nonfinite_rollback, BoundsOf(record.plan),
                    record.plan.algorithm.operated, KindsOf(record.plan),
                    caches.rows, caches.batches, record.plan.cut_floats);
}

absl::StatusOr<JobRecordPtr> DecodeJobRecord(absl::string_view bytes) {
  auto record = std::make_shared<JobRecord>();
  std::vector<SparseTablePlan>& tables = record->plan.sparse_tables;
  std::vector<int64_t> bounds;
  std::vector<RowKind> kinds;
  Caches caches;
  EBB_RETURN_IF_ERROR(
      UnsealFields(kMagic, kVersion, "stored job record", bytes,
                   [&](FieldReader& read, uint32_t version) {
                     read(*record);
                     if (version >= 2) read(record->plan.priority);
                     if (version >= 3)
                       read(record->plan.consistency.local_steps);
                     if (version >= 4) read(record->plan.filters);
                     if (version >= 5) read(record->plan.sparse_tables);
                     if (version >= 6) read(record->plan.algorithm);
                     if (version >= 7) read(record->plan.nonfinite_rollback);
                     if (version >= 8) read(bounds);
                     if (version < 8) bounds = BoundsOf(record->plan);
                     if (version >= 9) read(record->plan.algorithm.operated);
                     if (version >= 10) read(kinds);
                     if (version < 10) kinds = KindsOf(record->plan);
                     if (version >= 11) read(caches.rows, caches.batches);
                     if (version < 11) caches = CachesOf(record->plan);
                     if (version >= 12) read(record->plan.cut_floats);
                   }));
  if (bounds.size() != tables.size() || kinds.size() != tables.size() ||
      caches.rows.size() != tables.size() ||
      caches.batches.size() != tables.size()) {
    return absl::DataLossError(
        "stored job record: clock bounds, kinds or caches of other sparse "
        "tables");
  }
  for (size_t t = 0; t < tables.size(); ++t) {
    tables[t].clock_bound = bounds[t];
    tables[t].kind = kinds[t];
    tables[t].cache_rows = caches.rows[t];
    tables[t].cache_batches = caches.batches[t];
  }
  EBB_RETURN_IF_ERROR(record->plan.Validate());
  return record;
}

absl::Status CheckStored(absl::string_view what,
                         const RollbackRecord& rollback) {
  if (IsRateFactor(rollback.rate_factor) && rollback.nonfinite >= 0) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(what, ": its rate factor is ",
                                          rollback.rate_factor, " after ",
                                          rollback.nonfinite, " rollbacks"));
}

}  // namespace ebb
