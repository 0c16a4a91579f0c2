#include "protocol/plan_codec.h"

#include <memory>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "protocol/field_codec.h"
#include "protocol/sealed_form.h"

namespace ebb {

namespace {

constexpr absl::string_view kMagic = "EBBJ";
constexpr uint32_t kVersion = 12;

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
  static_cast<void>(clock_bound);  // Behind the record: see VisitForm.
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
  static_cast<void>(operated);  // Behind the record: see VisitForm.
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
  static_cast<void>(local_steps);  // Behind the record: see VisitForm.
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
  // Behind the record: see VisitForm.
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

template <typename Struct, typename Form>
requires std::is_same_v<std::remove_const_t<Struct>, JobRecord>
void VisitForm(Struct& record, Form&& form) {
  auto& plan = record.plan;
  auto& tables = plan.sparse_tables;
  form(1, record);
  form(2, plan.priority);
  form(3, plan.consistency.local_steps);
  form(4, plan.filters);
  form(5, tables);
  form(6, plan.algorithm);
  form(7, plan.nonfinite_rollback);
  form(8, Column(tables, &SparseTablePlan::clock_bound));
  form(9, plan.algorithm.operated);
  form(10, Column(tables, &SparseTablePlan::kind));
  form(11, Column(tables, &SparseTablePlan::cache_rows),
       Column(tables, &SparseTablePlan::cache_batches));
  form(12, plan.cut_floats);
}

std::string EncodeJobRecord(const JobRecord& record) {
  return SealForm(kMagic, kVersion, record);
}

absl::StatusOr<JobRecordPtr> DecodeJobRecord(absl::string_view bytes) {
  auto record = std::make_shared<JobRecord>();
  EBB_RETURN_IF_ERROR(
      UnsealForm(kMagic, kVersion, "stored job record", bytes, record.get())
          .status());
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
