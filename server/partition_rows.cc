#include "server/partition_rows.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/optimizer/gradient.h"
#include "server/row_arrays.h"

namespace ebb::server {

namespace {

absl::Status CheckWidth(int32_t table, const RowTableOptions& options,
                        const JobPlan& plan) {
  const int64_t words = plan.sparse_tables[table].row_words();
  if (options.width == words) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("sparse table ", options.table, " has rows of ",
                   options.width, " words, those of the plan have ", words));
}

// Whether each row says how long it is, and has nothing behind that: two that
// are the same are the same bytes.
absl::Status CheckWritten(const SparseTablePlan& table,
                          const std::vector<uint64_t>& keys,
                          const Payload& rows) {
  std::vector<char> bytes(static_cast<size_t>(rows.size()));
  rows.CopyTo(std::as_writable_bytes(std::span(bytes)));
  const auto size = static_cast<size_t>(table.row_bytes());
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::span<const char> row = std::span(bytes).subspan(i * size, size);
    uint32_t length = 0;  // And 1.
    std::memcpy(&length, row.data(), sizeof(length));
    const bool fits =
        length >= 1 && length <= static_cast<uint32_t>(table.width) + 1;
    if (!fits || std::ranges::any_of(row.subspan(sizeof(length) + length - 1),
                                     [](char c) { return c != 0; })) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the row written under key ", keys[i], " begins with ", length,
          "; it must be 1 more than its bytes, which are at most ", table.width,
          ", with zeros behind them"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

int64_t PartitionRows::Update::ComputeBytes() const {
  int64_t bytes = 0;
  for (const Table& table : tables) bytes += table.rows->ComputeBytes();
  return bytes;
}

absl::StatusOr<std::unique_ptr<PartitionRows>> PartitionRows::Create(
    const JobPlan& plan, PartitionId id, std::shared_ptr<const UpdateRule> rule,
    std::shared_ptr<BlockPool> pool) {
  std::unique_ptr<PartitionRows> rows(
      new PartitionRows(plan, id, std::move(rule)));
  for (size_t i = 0; i < plan.sparse_tables.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    RowTableOptions options = rows->rule_->RowOptions(t);
    EBB_RETURN_IF_ERROR(CheckWidth(t, options, plan));
    EBB_ASSIGN_OR_RETURN(rows->tables_.emplace_back(),
                         RowTable::Create(std::move(options),
                                          rows->rule_->RowOptimizer(t), pool));
  }
  return rows;
}

absl::StatusOr<std::unique_ptr<PartitionRows>> PartitionRows::FromCut(
    const JobPlan& plan, PartitionId id, std::shared_ptr<const UpdateRule> rule,
    std::shared_ptr<BlockPool> pool, bool stored, Cut* cut) {
  EBB_ASSIGN_OR_RETURN(std::vector<RowCut> cuts,
                       TakeRows(plan.sparse_tables.size(), cut));
  std::unique_ptr<PartitionRows> rows(
      new PartitionRows(plan, id, std::move(rule)));
  for (size_t i = 0; i < plan.sparse_tables.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    RowTableOptions options = rows->rule_->RowOptions(t);
    EBB_RETURN_IF_ERROR(CheckWidth(t, options, plan));
    EBB_ASSIGN_OR_RETURN(
        rows->tables_.emplace_back(),
        RowTable::FromCut(std::move(options), rows->rule_->RowOptimizer(t),
                          pool, std::move(cuts[i]), stored));
  }
  return rows;
}

absl::StatusOr<std::vector<uint64_t>> PartitionRows::KeysOf(
    int32_t table, const Payload& keys) const {
  const auto invalid = [&](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat("partition ", id_.value(),
                                                   ": rows of sparse table ",
                                                   table, ": ", what...));
  };
  if (table < 0 || table >= static_cast<int32_t>(tables_.size())) {
    return invalid("the job has ", tables_.size(), " such tables");
  }
  if (keys.size() % static_cast<int64_t>(sizeof(uint64_t)) != 0) {
    return invalid("keys of ", keys.size(), " bytes");
  }
  std::vector<uint64_t> all(keys.size() / sizeof(uint64_t));
  keys.CopyTo(std::as_writable_bytes(std::span(all)));
  for (size_t i = 0; i < all.size(); ++i) {
    if (plan_.PartitionOfKey(all[i]) != id_) {
      return invalid("key ", all[i], " belongs to partition ",
                     plan_.PartitionOfKey(all[i]).value());
    }
    if (i > 0 && all[i] <= all[i - 1]) {
      return invalid("key ", all[i], " comes after ", all[i - 1],
                     "; they must ascend, each once");
    }
  }
  return all;
}

absl::StatusOr<PartitionRows::Update> PartitionRows::Prepare(
    const std::vector<PushRows>& rows, int64_t now) {
  // By table; those that the push does not touch get older all the same.
  std::vector<std::vector<uint64_t>> keys(tables_.size());
  Update update;
  update.tables.resize(tables_.size());
  int32_t next = 0;
  for (const PushRows& push : rows) {
    EBB_ASSIGN_OR_RETURN(std::vector<uint64_t> of_table,
                         KeysOf(push.table, push.keys));
    const SparseTablePlan& table = plan_.sparse_tables[push.table];
    if (push.table < next ||
        push.gradient.size() !=
            static_cast<int64_t>(of_table.size()) * table.row_bytes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "partition ", id_.value(), ": sparse table ", push.table, " has ",
          push.gradient.size(), " bytes of gradients for ", of_table.size(),
          " rows of ", table.row_bytes(), " bytes, or is out of order"));
    }
    if (table.kind == RowKind::kWriteOnce) {
      EBB_RETURN_IF_ERROR(CheckWritten(table, of_table, push.gradient));
    }
    next = push.table + 1;
    keys[push.table] = std::move(of_table);
    update.tables[push.table].gradient = push.gradient;
  }
  for (size_t t = 0; t < tables_.size(); ++t) {
    EBB_ASSIGN_OR_RETURN(update.tables[t].rows,
                         tables_[t]->Prepare(keys[t], now));
  }
  return update;
}

void PartitionRows::Compute(const StepPlace& place, Update* update) const {
  for (size_t t = 0; t < tables_.size(); ++t) {
    Update::Table& table = update->tables[t];
    GradientCursor gradient(table.gradient);
    tables_[t]->Compute(table.rows.get(), gradient,
                        rule_->RowStep(static_cast<int32_t>(t), place));
  }
}

void PartitionRows::Commit(Update update) {
  for (size_t t = 0; t < tables_.size(); ++t) {
    tables_[t]->Commit(std::move(update.tables[t].rows));
  }
}

void PartitionRows::Apply(const StepPlace& place, Update update) {
  for (size_t t = 0; t < tables_.size(); ++t) {
    GradientCursor gradient(update.tables[t].gradient);
    tables_[t]->Apply(std::move(update.tables[t].rows), gradient,
                      rule_->RowStep(static_cast<int32_t>(t), place));
  }
}

// --- Reading -----------------------------------------------------------------

template <typename TableOf>
absl::StatusOr<std::vector<Payload>> PartitionRows::Gather(
    const std::vector<PullRows>& wanted, TableOf table_of) const {
  std::vector<Payload> all;
  int32_t next = 0;
  for (const PullRows& rows : wanted) {
    EBB_ASSIGN_OR_RETURN(const std::vector<uint64_t> keys,
                         KeysOf(rows.table, rows.keys));
    if (rows.table < next) {
      return absl::InvalidArgumentError(
          absl::StrCat("partition ", id_.value(), ": sparse table ", rows.table,
                       " is asked for out of order"));
    }
    next = rows.table + 1;
    const size_t floats =
        keys.size() *
        static_cast<size_t>(plan_.sparse_tables[rows.table].row_words());
    auto values = std::make_shared_for_overwrite<float[]>(floats);
    const std::span<float> out(values.get(), floats);
    table_of(rows.table).Gather(keys, out);
    all.emplace_back().Append(std::move(values), std::as_bytes(out));
  }
  return all;
}

absl::StatusOr<std::vector<Payload>> PartitionRows::Rows(
    const std::vector<PullRows>& wanted) const {
  return Gather(wanted,
                [&](int32_t t) -> const RowTable& { return *tables_[t]; });
}

absl::StatusOr<std::vector<Payload>> PartitionRows::SnapshotRows(
    const std::vector<PullRows>& wanted, int64_t snapshot) const {
  const auto it = snapshots_.find(snapshot);
  if (it == snapshots_.end()) {
    return absl::NotFoundError(absl::StrCat("no snapshot ", snapshot));
  }
  return Gather(wanted,
                [&](int32_t t) -> const RowView& { return *it->second[t]; });
}

absl::Status PartitionRows::PinSnapshot(int64_t snapshot) {
  snapshots_.clear();
  Views views;
  for (const auto& table : tables_) {
    EBB_ASSIGN_OR_RETURN(views.emplace_back(), table->Pin());
  }
  snapshots_[snapshot] = std::move(views);
  return absl::OkStatus();
}

// --- Cuts --------------------------------------------------------------------

absl::Status PartitionRows::AddTo(Cut* cut) {
  cut_tokens_.clear();
  for (const auto& table : tables_) {
    absl::StatusOr<RowCut> rows = table->TakeCut();
    if (!rows.ok()) {
      CutLost();  // Of the tables before it.
      return rows.status();
    }
    cut_tokens_.push_back(rows->token);
    AddRows(*std::move(rows), cut);
  }
  return absl::OkStatus();
}

absl::Status PartitionRows::AddWholeTo(Cut* cut) {
  for (const auto& table : tables_) {
    EBB_ASSIGN_OR_RETURN(RowCut rows, table->TakeWholeCut());
    AddRows(std::move(rows), cut);
  }
  return absl::OkStatus();
}

void PartitionRows::CutWritten() {
  for (size_t t = 0; t < cut_tokens_.size(); ++t) {
    tables_[t]->Written(cut_tokens_[t]);
  }
  cut_tokens_.clear();
}

void PartitionRows::CutLost() {
  for (size_t t = 0; t < cut_tokens_.size(); ++t) {
    tables_[t]->MergeBack(cut_tokens_[t]);
  }
  cut_tokens_.clear();
}

void PartitionRows::ForgetStored() {
  CutLost();
  for (const auto& table : tables_) table->ForgetStored();
}

}  // namespace ebb::server
