#include "server/rows/row_table.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rows/internal/checked_row_cut.h"
#include "server/rows/internal/row_base.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_cutter.h"
#include "server/rows/internal/row_loader.h"
#include "server/rows/internal/row_packing.h"

namespace ebb::server {

using internal::RowPacking;
using internal::RowPush;

RowTable::RowTable(RowTableOptions options, const RowLayout& layout,
                   std::shared_ptr<const Optimizer> optimizer,
                   std::shared_ptr<BlockPool> pool)
    : options_(std::move(options)),
      stepper_(options_, layout, std::move(optimizer)),
      limit_(options_),
      admitter_(options_),
      rows_(options_, layout, std::move(pool), admitter_.counter_count()),
      versions_(admitter_.counter_count()),
      writer_(&rows_, &versions_) {}

absl::StatusOr<std::unique_ptr<RowTable>> RowTable::Create(
    RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
    std::shared_ptr<BlockPool> pool) {
  EBB_RETURN_IF_ERROR(options.Validate());
  EBB_ASSIGN_OR_RETURN(
      const RowLayout layout,
      RowLayout::Make(options.table, options.width, optimizer->SlotCount(),
                      pool->block_bytes()));
  std::unique_ptr<RowTable> table(new RowTable(
      std::move(options), layout, std::move(optimizer), std::move(pool)));
  EBB_RETURN_IF_ERROR(table->rows_.PromiseRoom(0, 0));
  EBB_RETURN_IF_ERROR(table->admitter_.MakeCounters(&table->rows_.pool()));
  return table;
}

absl::StatusOr<std::unique_ptr<RowTable>> RowTable::FromCut(
    RowTableOptions options, std::shared_ptr<const Optimizer> optimizer,
    std::shared_ptr<BlockPool> pool, RowCut cut, bool stored) {
  EBB_ASSIGN_OR_RETURN(
      std::unique_ptr<RowTable> table,
      Create(std::move(options), std::move(optimizer), std::move(pool)));
  internal::CheckedRowCut checked(table->options_.table, table->layout(),
                                  table->rows_.pool().block_bytes(),
                                  std::move(cut));
  EBB_RETURN_IF_ERROR(checked.Check());
  internal::RowLoader loader(&checked, &table->rows_, &table->admitter_);
  EBB_RETURN_IF_ERROR(loader.Load());
  table->versions_.Grow(table->rows_.numbers().capacity());
  if (stored) table->versions_.SetStored(loader.version());
  const internal::RowCutFields& fields = checked.fields();
  table->now_ = fields.now;
  table->pushes_ = fields.pushes;
  table->not_admitted_ = fields.not_admitted;
  table->rows_.frequencies().Load(table->rows_.numbers().capacity(),
                                  fields.pushes);
  table->writer_.GoOn({.created = fields.created,
                       .expired = fields.expired,
                       .evicted = fields.evicted},
                      static_cast<uint32_t>(fields.sweep_hand));
  return table;
}

// --- Begin -------------------------------------------------------------------

absl::Status RowTable::Begin(std::span<const uint64_t> keys,
                             std::span<const float> words, int slots) {
  const auto wrong = [this](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("table '", options_.table, "': ", what...));
  };
  if (pushes_ > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "table '", options_.table, "': rows to begin with after a push"));
  }
  if (slots != 0 && slots != layout().slots()) {
    return wrong("rows to begin with have ", slots, " slots instead of ",
                 layout().slots());
  }
  const size_t row_words = layout().width() * static_cast<size_t>(1 + slots);
  CHECK_EQ(words.size(), keys.size() * row_words);
  if (options_.max_rows > 0 &&
      rows_.size() + static_cast<int64_t>(keys.size()) > options_.max_rows) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "table '", options_.table, "' begins with more rows than max_rows, ",
        options_.max_rows, " in a partition, allows"));
  }
  RowPush push;
  push.unit = rows_.ages().UnitOf(0);
  push.keys = static_cast<int64_t>(keys.size());
  push.record_bytes = layout().record_bytes();
  push.block_bytes = static_cast<size_t>(rows_.pool().block_bytes());
  push.rows.reserve(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    if (last_begun_ && keys[i] <= *last_begun_) {
      return wrong("key ", keys[i], " comes after ", *last_begun_,
                   " among the rows to begin with; keys must ascend");
    }
    last_begun_ = keys[i];
    RowPush::Row& row = push.rows.emplace_back();
    row.key = keys[i];
    row.key_number = static_cast<uint32_t>(i);
    row.kind = RowPush::Kind::kCreated;
  }
  EBB_RETURN_IF_ERROR(rows_.NumberRows(push.keys, &push));
  EBB_RETURN_IF_ERROR(rows_.ObtainBlocks(push.keys, &push));
  stepper_.Begin(&push, words, slots);
  const RowPacking::Hold hold = versions_.HoldPacking();
  rows_.ReserveFor(push, push.keys);
  versions_.Reserve(push.capacity);
  writer_.Write(&push);
  rows_.frequencies().Count(push.rows, pushes_);
  return absl::OkStatus();
}

// --- Prepare -----------------------------------------------------------------

absl::StatusOr<RowUpdatePtr> RowTable::Prepare(std::span<const uint64_t> keys,
                                               int64_t now) {
  EBB_RETURN_IF_ERROR(CheckPush(keys, now));
  auto update = std::make_shared<RowUpdate>();
  RowPush& push = update->push_;
  push.now = now;
  push.unit = rows_.ages().UnitOf(now);
  push.keys = static_cast<int64_t>(keys.size());
  push.updates = pushes_;
  push.record_bytes = layout().record_bytes();
  push.block_bytes = static_cast<size_t>(rows_.pool().block_bytes());
  push.capacity = rows_.numbers().capacity();
  push.rows.swap(row_room_);
  push.rows.reserve(keys.size());
  const auto [created, revived] = FindRows(keys, &push);
  EBB_RETURN_IF_ERROR(
      limit_.Keep(rows_, created + revived, writer_.totals().evicted, &push));
  if (created > 0) EBB_RETURN_IF_ERROR(rows_.NumberRows(created, &push));
  EBB_RETURN_IF_ERROR(rows_.ObtainBlocks(created, &push));
  if (created > 0) {
    const RowPacking::Hold hold = versions_.HoldPacking();
    rows_.ReserveFor(push, created);
    versions_.Reserve(push.capacity);
  }
  open_ = update;
  return update;
}

absl::Status RowTable::CheckPush(std::span<const uint64_t> keys,
                                 int64_t now) const {
  const auto wrong = [this](const auto&... what) {
    return absl::InvalidArgumentError(
        absl::StrCat("table '", options_.table, "': ", what...));
  };
  if (now < now_) {
    return wrong("a push at ", now, " examples, after one at ", now_);
  }
  if (static_cast<int64_t>(keys.size()) > RowLayout::kMaxRows) {
    return wrong("a push of ", keys.size(), " rows; at most ",
                 RowLayout::kMaxRows, " can be pushed at once");
  }
  for (size_t i = 1; i < keys.size(); ++i) {
    if (keys[i] <= keys[i - 1]) {
      return wrong("key ", i, " of a push is ", keys[i], ", after ",
                   keys[i - 1], "; keys must ascend");
    }
  }
  return absl::OkStatus();
}

std::pair<int64_t, int64_t> RowTable::FindRows(std::span<const uint64_t> keys,
                                               RowPush* push) const {
  int64_t created = 0, revived = 0;
  const bool frequencies = rows_.frequencies().kept();
  rows_.reader().ForEachKey(
      keys, layout().record_bytes(), &rows_.frequencies(),
      [&](size_t i, uint32_t row, const std::byte* record) {
        const auto key_number = static_cast<uint32_t>(i);
        auto kind = RowPush::Kind::kChanged;
        if (options_.write_once && record != nullptr) {
          push->kept.push_back({record, key_number});
          return;
        }
        if (record == nullptr ||
            rows_.ages().Expired(RowLayout::TouchedOf(record), push->unit)) {
          if (!admitter_.Admits(keys[i], pushes_, push)) {
            ++push->not_admitted;
            return;
          }
          kind = record == nullptr ? RowPush::Kind::kCreated
                                   : RowPush::Kind::kRevived;
          ++(record == nullptr ? created : revived);
          record = nullptr;
        }
        // Field by field, where it stays: a copy would wait for its parts.
        RowPush::Row& next = push->rows.emplace_back();
        next.key = keys[i];
        next.record = record;
        next.row = row;
        next.key_number = key_number;
        next.kind = kind;
        if (frequencies && kind == RowPush::Kind::kChanged) {
          next.frequency = rows_.frequencies().Of(row);
        }
      });
  return {created, revived};
}

// --- Commit ------------------------------------------------------------------

void RowTable::Commit(RowUpdatePtr update) {
  const RowPacking::Hold hold = versions_.HoldPacking();
  BeginCommit(update);
  RowPush& push = update->push_;
  writer_.Write(&push);
  EndCommit(&push);
}

void RowTable::Apply(RowUpdatePtr update, GradientCursor& gradient,
                     const StepContext& context) {
  RowPush& push = update->push_;
  const auto is_changed = [](const RowPush::Row& row) {
    return row.kind == RowPush::Kind::kChanged;
  };
  if (!push.copies.empty() || !push.late_copies.empty() ||
      !std::ranges::all_of(push.rows, is_changed)) {
    Compute(update.get(), gradient, context);
    return Commit(std::move(update));
  }
  const RowPacking::Hold hold = versions_.HoldPacking();
  BeginCommit(update);
  for (const uint32_t block : push.in_place) {
    rows_.blocks().MakeWritable(block);
  }
  stepper_.ComputeInto(&push, gradient, context, [&](const RowPush::Row& row) {
    return writer_.Touch(row, push.unit);
  });
  EndCommit(&push);
}

void RowTable::BeginCommit(const RowUpdatePtr& update) {
  CHECK(update != nullptr && open_.lock() == update)
      << "an update that is not the last one prepared";
  open_.reset();
  now_ = update->push_.now;
  rows_.ages().Advance(update->push_.unit);
  ++pushes_;
}

void RowTable::EndCommit(RowPush* push) {
  admitter_.Raise(*push, versions_.changed_counters());
  not_admitted_ += push->not_admitted;
  rows_.frequencies().Count(push->rows, pushes_);
  if (!options_.write_once) {
    scaling_.rows += static_cast<int64_t>(push->rows.size());
    scaling_.rate_factors += push->rate_factors;
  }
  writer_.Sweep(4 * push->keys + 16);
  constexpr size_t kMostRoom = 1024;
  if (push->rows.capacity() > kMostRoom) return;
  row_room_ = std::move(push->rows);
  row_room_.clear();
}

// --- Reading -----------------------------------------------------------------

void RowTable::Gather(std::span<const uint64_t> keys,
                      std::span<float> out) const {
  CHECK_EQ(out.size(), keys.size() * layout().width());
  rows_.reader().Gather(rows_.ages(), rows_.ages().now(), stepper_.initial(),
                        keys, out);
}

absl::StatusOr<std::shared_ptr<const RowView>> RowTable::Pin() {
  // It meant to write in place into some of the blocks.
  if (const RowUpdatePtr open = open_.lock()) {
    EBB_RETURN_IF_ERROR(rows_.blocks().ObtainLateCopies(&open->push_));
  }
  return rows_.View(stepper_.initial());
}

RowStatistics RowTable::Statistics() const {
  const internal::RowTotals& totals = writer_.totals();
  RowStatistics statistics;
  statistics.created = totals.created;
  statistics.expired = totals.expired;
  statistics.evicted = totals.evicted;
  statistics.not_admitted = not_admitted_;
  statistics.rows = rows_.size() - rows_.ages().expired();
  statistics.block_bytes =
      (rows_.blocks().count() + admitter_.counters().blocks()) *
      rows_.pool().block_bytes();
  statistics.other_bytes =
      static_cast<int64_t>(rows_.other_bytes() + versions_.bytes());
  return statistics;
}

// --- Cuts --------------------------------------------------------------------

absl::Status RowTable::CheckNoUpdate() const {
  if (open_.expired()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "table '", options_.table,
      "': a cut while a push is being applied; wait for its commit"));
}

absl::StatusOr<RowCut> RowTable::TakeCut() {
  EBB_RETURN_IF_ERROR(CheckNoUpdate());
  if (versions_.pending()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "table '", options_.table,
        "': a cut while the one before is being written; wait for its end"));
  }
  const internal::RowBase base(rows_, admitter_.counter_count());
  internal::NextVersion next =
      internal::RowRenewal(rows_, versions_, base).Next();
  std::shared_ptr<const internal::RowVersion> version = next.version;
  EBB_ASSIGN_OR_RETURN(RowCut cut, Cut(std::move(next)));
  cut.token = versions_.Begin(std::move(version), cut.state->packing);
  return cut;
}

absl::StatusOr<RowCut> RowTable::TakeWholeCut() {
  EBB_RETURN_IF_ERROR(CheckNoUpdate());
  const internal::RowBase base(rows_, admitter_.counter_count());
  return Cut(internal::RowRenewal(rows_, versions_, base).Whole());
}

absl::StatusOr<RowCut> RowTable::Cut(internal::NextVersion next) {
  internal::RowCutFields fields;
  fields.table = options_.table;
  fields.width = layout().width();
  fields.slots = layout().slots();
  fields.block_bytes = static_cast<uint64_t>(rows_.pool().block_bytes());
  fields.unit_examples = rows_.ages().unit_examples();
  fields.now = now_;
  fields.rows = rows_.size();
  fields.sweep_hand = writer_.hand();
  fields.pushes = pushes_;
  fields.created = writer_.totals().created;
  fields.expired = writer_.totals().expired;
  fields.evicted = writer_.totals().evicted;
  fields.not_admitted = not_admitted_;
  return internal::RowCutter(&rows_, admitter_, versions_.changes(),
                             std::move(fields))
      .Cut(std::move(next));
}

}  // namespace ebb::server
