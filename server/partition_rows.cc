#include "server/partition_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "common/task_rows.h"
#include "optimizer/gradient.h"
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

// Checks that each row says how long it is, and has nothing behind that: two
// that are the same are the same bytes.
absl::Status CheckWritten(const SparseTablePlan& table,
                          std::span<const uint64_t> keys, const Payload& rows) {
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
    std::shared_ptr<BlockPool> pool,
    std::vector<std::unique_ptr<RowTable>> tables) {
  if (!tables.empty() && tables.size() != plan.sparse_tables.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "it begins with the rows of ", tables.size(),
        " sparse tables, the plan has ", plan.sparse_tables.size()));
  }
  std::unique_ptr<PartitionRows> rows(
      new PartitionRows(plan, id, std::move(rule)));
  for (size_t i = 0; i < plan.sparse_tables.size(); ++i) {
    const auto t = static_cast<int32_t>(i);
    RowTableOptions options = rows->rule_->RowOptions(t);
    EBB_RETURN_IF_ERROR(CheckWidth(t, options, plan));
    if (!tables.empty()) {
      rows->tables_.push_back(std::move(tables[i]));
      continue;
    }
    EBB_ASSIGN_OR_RETURN(rows->tables_.emplace_back(),
                         RowTable::Create(std::move(options),
                                          rows->rule_->RowOptimizer(t), pool));
  }
  rows->Seal();
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
  rows->Seal();
  return rows;
}

void PartitionRows::Seal() {
  contributes_ = std::ranges::any_of(
      tables_, [](const auto& table) { return table->options().contributes; });
}

absl::Status PartitionRows::ReadKeys(int32_t table, const Payload& bytes,
                                     Keys* keys) const {
  const auto invalid = [&](const auto&... what) {
    return absl::InvalidArgumentError(absl::StrCat("partition ", id_.value(),
                                                   ": rows of sparse table ",
                                                   table, ": ", what...));
  };
  if (table < 0 || table >= static_cast<int32_t>(tables_.size())) {
    return invalid("the job has ", tables_.size(), " such tables");
  }
  if (bytes.size() % static_cast<int64_t>(sizeof(uint64_t)) != 0) {
    return invalid("keys of ", bytes.size(), " bytes");
  }
  keys->resize(static_cast<size_t>(bytes.size()) / sizeof(uint64_t));
  bytes.CopyTo(std::as_writable_bytes(std::span(*keys)));
  for (size_t i = 0; i < keys->size(); ++i) {
    const uint64_t key = (*keys)[i];
    if (plan_.PartitionOfKey(key) != id_) {
      return invalid("key ", key, " belongs to partition ",
                     plan_.PartitionOfKey(key).value());
    }
    if (i > 0 && key <= (*keys)[i - 1]) {
      return invalid("key ", key, " comes after ", (*keys)[i - 1],
                     "; they must ascend, each once");
    }
  }
  return absl::OkStatus();
}

absl::Status PartitionRows::CheckPush(const PushRows& push,
                                      std::span<const uint64_t> keys) const {
  const SparseTablePlan& table = plan_.sparse_tables[push.table];
  if (push.gradient.size() !=
      static_cast<int64_t>(keys.size()) * table.row_bytes()) {
    return absl::InvalidArgumentError(
        absl::StrCat("partition ", id_.value(), ": sparse table ", push.table,
                     " has ", push.gradient.size(), " bytes of gradients for ",
                     keys.size(), " rows of ", table.row_bytes(), " bytes"));
  }
  if (table.kind != RowKind::kWriteOnce) return absl::OkStatus();
  return CheckWritten(table, keys, push.gradient);
}

absl::Status PartitionRows::OutOfOrder(int32_t table) const {
  return absl::InvalidArgumentError(absl::StrCat(
      "partition ", id_.value(), ": sparse table ", table, " is out of order"));
}

absl::StatusOr<PartitionRows::Update> PartitionRows::Prepare(
    const std::vector<PushRows>& rows, int64_t now) {
  Update update;
  update.tables.resize(tables_.size());
  Keys keys;
  auto push = rows.begin();
  for (size_t t = 0; t < tables_.size(); ++t) {
    // A table that the push does not touch gets older all the same.
    keys.clear();
    if (push != rows.end() && push->table == static_cast<int32_t>(t)) {
      EBB_RETURN_IF_ERROR(ReadKeys(push->table, push->keys, &keys));
      EBB_RETURN_IF_ERROR(CheckPush(*push, keys));
      update.tables[t].gradient = push->gradient;
      ++push;
    }
    EBB_ASSIGN_OR_RETURN(update.tables[t].rows, tables_[t]->Prepare(keys, now));
  }
  if (push == rows.end()) return update;
  EBB_RETURN_IF_ERROR(ReadKeys(push->table, push->keys, &keys));
  return OutOfOrder(push->table);
}

absl::Status PartitionRows::CheckWrittenAgain(
    const std::vector<PushRows>& rows) const {
  Keys keys;
  for (const PushRows& push : rows) {
    EBB_RETURN_IF_ERROR(ReadKeys(push.table, push.keys, &keys));
    const RowTable& table = *tables_[push.table];
    if (!table.options().of_tasks) continue;
    EBB_RETURN_IF_ERROR(CheckPush(push, keys));
    const auto words =
        static_cast<size_t>(plan_.sparse_tables[push.table].row_words());
    std::vector<float> there(keys.size() * words);
    table.Gather(keys, there);
    std::vector<float> again(there.size());
    push.gradient.CopyTo(std::as_writable_bytes(std::span(again)));
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto row = [&](const std::vector<float>& of) {
        return std::as_bytes(std::span(of).subspan(i * words, words));
      };
      const std::span<const std::byte> old = row(there);
      uint32_t length = 0;  // 0: the task was skipped.
      std::memcpy(&length, old.data(), sizeof(length));
      if (length == 0 || std::ranges::equal(old, row(again))) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "partition ", id_.value(), ": task ", TaskOfKey(keys[i]),
          " was computed again with another result, under key ", keys[i],
          " of table ", table.options().table,
          ": it is not a function of the seed, the task and the data"));
    }
  }
  return absl::OkStatus();
}

absl::Status PartitionRows::Contributions(
    const std::vector<PushRows>& rows,
    absl::FunctionRef<void(int64_t place, int number)> on) const {
  const auto [first, last] = plan_.ParameterRange(id_);
  Keys keys;
  for (const PushRows& push : rows) {
    EBB_RETURN_IF_ERROR(ReadKeys(push.table, push.keys, &keys));
    const RowTable& table = *tables_[push.table];
    if (!table.options().contributes) continue;
    EBB_RETURN_IF_ERROR(CheckPush(push, keys));
    const auto width =
        static_cast<size_t>(plan_.sparse_tables[push.table].row_words());
    std::vector<float> words(keys.size() * width);
    table.Gather(keys, words);
    for (const float word : words) {
      if (word == 0 || EBB_PLANTED(replaced_row_not_subtracted)) continue;
      on(static_cast<int64_t>(word) - 1, -1);
    }
    push.gradient.CopyTo(std::as_writable_bytes(std::span(words)));
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] == 0) continue;
      // Not a number is refused, too.
      const bool fits = words[i] >= 1 &&
                        words[i] <= static_cast<float>(last - first) &&
                        words[i] == std::floor(words[i]);
      if (!fits) {
        return absl::InvalidArgumentError(absl::StrCat(
            "partition ", id_.value(), ": the row under key ", keys[i / width],
            " of table ", table.options().table, " counts in place ", words[i],
            " of ", last - first,
            ": a contribution lies in the partition of its counts"));
      }
      on(static_cast<int64_t>(words[i]) - 1, 1);
    }
  }
  return absl::OkStatus();
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

RowScaling PartitionRows::scaling() const {
  RowScaling all;
  for (const auto& table : tables_) {
    all.rows += table->scaling().rows;
    all.rate_factors += table->scaling().rate_factors;
  }
  return all;
}

// --- Reading -----------------------------------------------------------------

template <typename TableOf>
absl::StatusOr<std::vector<Payload>> PartitionRows::Gather(
    const std::vector<PullRows>& wanted, RowRoom* room,
    TableOf table_of) const {
  std::vector<Payload> all;
  all.reserve(wanted.size());
  Keys keys;
  int32_t next = 0;
  for (const PullRows& rows : wanted) {
    EBB_RETURN_IF_ERROR(ReadKeys(rows.table, rows.keys, &keys));
    if (rows.table < next) return OutOfOrder(rows.table);
    next = rows.table + 1;
    RowRoom::Part values = room->Take(
        keys.size() *
        static_cast<size_t>(plan_.sparse_tables[rows.table].row_words()));
    table_of(rows.table).Gather(keys, values.floats);
    all.emplace_back().Append(std::move(values.owner),
                              std::as_bytes(values.floats));
  }
  return all;
}

absl::StatusOr<std::vector<Payload>> PartitionRows::Rows(
    const std::vector<PullRows>& wanted, RowRoom* room) const {
  return Gather(wanted, room,
                [&](int32_t t) -> const RowTable& { return *tables_[t]; });
}

absl::StatusOr<std::vector<Payload>> PartitionRows::SnapshotRows(
    const std::vector<PullRows>& wanted, int64_t snapshot,
    RowRoom* room) const {
  const auto it = snapshots_.find(snapshot);
  if (it == snapshots_.end()) {
    return absl::NotFoundError(absl::StrCat("no snapshot ", snapshot));
  }
  return Gather(wanted, room,
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
      CutLost();  // The tables before it lose their cuts.
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
