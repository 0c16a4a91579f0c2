// Cuts of a RowTable.
#include <glog/logging.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/internal/row_packing.h"
#include "server/rows/row_table.h"

namespace ebb::server {

using internal::BlockWriter;
using internal::RowCutFields;
using internal::RowCutOutline;
using internal::RowCutPart;
using internal::RowCutState;
using internal::RowPacking;

namespace {

// A base is made anew when the changes since are as large as half of it: then
// a version is at most half again as large as its rows, and each base is
// written for half its size in changes.
constexpr int64_t kBasePerDeltas = 2;
// Or when one change alone is a quarter of it: packing that under a lock would
// take long.
constexpr int64_t kBasePerDelta = 4;
// Or at so many changes, however small.
constexpr size_t kMaxParts = 100;

// What a part is in memory, and in a cut: `bytes` in blocks, full ones first.
void AddPacked(std::vector<BlockRef> blocks, int64_t bytes, RowCutPart* part,
               RowCut* cut) {
  for (BlockRef& block : blocks) {
    const auto size = std::min(bytes, static_cast<int64_t>(block.size()));
    bytes -= size;
    part->blocks.push_back({block.content_id(), size});
    cut->blocks.push_back({block.content_id(), size, std::move(block)});
  }
}

void AddStored(const RowCutPart& part, RowCut* cut) {
  for (const RowCutPart::Block& block : part.blocks) {
    cut->blocks.push_back({block.content_id, block.bytes, BlockRef()});
  }
}

}  // namespace

absl::Status RowTable::CheckNoUpdate() const {
  if (open_.expired()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "table '", options_.table,
      "': a cut while a push is being applied; wait for its commit"));
}

RowCutFields RowTable::CutFields() const {
  RowCutFields fields;
  fields.table = options_.table;
  fields.width = layout_.width();
  fields.slots = layout_.slots();
  fields.block_bytes = static_cast<uint64_t>(pool_->block_bytes());
  fields.unit_examples = ages_.unit_examples();
  fields.now = now_;
  fields.rows = physical_rows();
  fields.sweep_hand = sweep_hand_;
  fields.pushes = pushes_;
  fields.created = totals_.created;
  fields.expired = totals_.expired;
  fields.evicted = totals_.evicted;
  fields.not_admitted = totals_.not_admitted;
  return fields;
}

// Somebody else is about to hold all blocks, and to know their content ids.
void RowTable::ShareBlocks() {
  for (Block& block : blocks_) block.writable = nullptr;
}

// All rows: their blocks by reference, which of them are live, and the counters
// of admission.
absl::StatusOr<RowCut> RowTable::CutOfBase() {
  const int64_t block_bytes = pool_->block_bytes();
  const auto blocks_of = [block_bytes](int64_t bytes) {
    return (bytes + block_bytes - 1) / block_bytes;
  };
  const int64_t counters = counter_count();
  const int64_t bitmap_bytes = internal::BaseBitmapBytes(capacity_);
  const int64_t counter_bytes = internal::BaseCounterBytes(counters);
  EBB_ASSIGN_OR_RETURN(std::vector<BlockRef> bitmap,
                       pool_->AllocateMany(blocks_of(bitmap_bytes)));
  EBB_ASSIGN_OR_RETURN(std::vector<BlockRef> counter_blocks,
                       pool_->AllocateMany(blocks_of(counter_bytes)));
  BlockWriter(bitmap).Put(std::as_bytes(live_.words()));
  BlockWriter counter_writer(counter_blocks);
  counters_.ForEachRun(
      static_cast<size_t>(counters), [&](const uint8_t* run, size_t count) {
        counter_writer.Put(std::as_bytes(std::span(run, count)));
      });
  for (int64_t i = counters; i < counter_bytes; ++i) {
    counter_writer.PutValue(std::byte{0});
  }

  RowCut cut;
  auto part = std::make_shared<RowCutPart>();
  part->outline.capacity = capacity_;
  part->outline.counters = counters;
  const auto used = static_cast<int64_t>(layout_.used_bytes());
  part->blocks.reserve(blocks_.size());
  cut.blocks.reserve(blocks_.size());
  for (const Block& block : blocks_) {
    if (!block.ref) continue;
    ++part->outline.records;
    const uint64_t id = block.ref.content_id();
    part->blocks.push_back({id, used});
    cut.blocks.push_back({id, used, block.ref});
  }
  AddPacked(std::move(bitmap), bitmap_bytes, part.get(), &cut);
  AddPacked(std::move(counter_blocks), counter_bytes, part.get(), &cut);
  ShareBlocks();
  cut.state = std::make_shared<RowCutState>();
  cut.state->fields = CutFields();
  cut.state->parts = {std::move(part)};
  return cut;
}

// What is stored, and `delta`, whose outline counts what changed since.
absl::StatusOr<RowCut> RowTable::CutWithDelta(RowCutPart delta) {
  RowCut cut;
  cut.state = std::make_shared<RowCutState>();
  cut.state->fields = CutFields();
  cut.state->parts = *stored_;
  for (const auto& part : *stored_) AddStored(*part, &cut);
  const int64_t bytes = internal::DeltaBytes(delta.outline, layout_);
  if (bytes == 0) return cut;

  const int64_t block_bytes = pool_->block_bytes();
  EBB_ASSIGN_OR_RETURN(
      std::vector<BlockRef> blocks,
      pool_->AllocateMany((bytes + block_bytes - 1) / block_bytes));
  BlockWriter write(blocks);
  std::vector<uint32_t> rows, removed;
  rows.reserve(static_cast<size_t>(delta.outline.records));
  changed_.ForEach(
      [&](uint32_t row) { (live_.Has(row) ? rows : removed).push_back(row); });
  write.Seek(static_cast<size_t>(bytes) -
             sizeof(uint32_t) * (removed.size() +
                                 static_cast<size_t>(delta.outline.counters)));
  write.Put(std::as_bytes(std::span(removed)));
  changed_counters_.ForEach([&](uint32_t counter) {
    write.PutValue(counter << internal::kCounterBits | counters_[counter]);
  });
  if (!rows.empty()) {
    packing_ = std::make_shared<RowPacking>(
        layout_, std::move(rows), &block_bytes_, blocks, std::move(write));
    cut.state->packing = packing_;
  }
  auto part = std::make_shared<RowCutPart>(std::move(delta));
  AddPacked(std::move(blocks), bytes, part.get(), &cut);
  cut.state->parts.push_back(std::move(part));
  return cut;
}

absl::StatusOr<RowCut> RowTable::TakeCut() {
  EBB_RETURN_IF_ERROR(CheckNoUpdate());
  if (pending_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "table '", options_.table,
        "': a cut while the one before is being written; wait for its end"));
  }
  RowCutPart delta;
  delta.outline.capacity = capacity_;
  for (size_t i = 0; i < changed_.words().size(); ++i) {
    const uint64_t changed = changed_.words()[i], live = live_.words()[i];
    delta.outline.records += std::popcount(changed & live);
    delta.outline.removed += std::popcount(changed & ~live);
  }
  delta.outline.counters = changed_counters_.Count();
  bool whole = !stored_;
  if (stored_) {
    int64_t deltas = internal::DeltaBytes(delta.outline, layout_);
    // What a base would have now.
    const auto blocks = std::ranges::count_if(
        blocks_, [](const Block& block) { return bool{block.ref}; });
    const int64_t base = blocks * static_cast<int64_t>(layout_.used_bytes()) +
                         internal::BaseBitmapBytes(capacity_) +
                         internal::BaseCounterBytes(counter_count());
    whole = deltas * kBasePerDelta > base;
    for (size_t i = 1; i < stored_->size(); ++i) {
      deltas += (*stored_)[i]->Bytes();
    }
    whole |= deltas * kBasePerDeltas > base || stored_->size() >= kMaxParts;
    // Or most of what it has are rows that are gone.
    const int64_t all = stored_->front()->Bytes() + deltas;
    whole |= all - base > base / kBasePerDeltas;
  }
  EBB_ASSIGN_OR_RETURN(RowCut cut,
                       whole ? CutOfBase() : CutWithDelta(std::move(delta)));
  cut.token = ++last_token_;
  pending_ =
      PendingCut{cut.token, cut.state->parts, changed_, changed_counters_};
  changed_.Clear();
  changed_counters_.Clear();
  return cut;
}

absl::StatusOr<RowCut> RowTable::TakeWholeCut() {
  EBB_RETURN_IF_ERROR(CheckNoUpdate());
  return CutOfBase();
}

void RowTable::Written(uint64_t token) {
  if (!pending_ || pending_->token != token) return;
  for (const auto& part : pending_->parts) {
    CHECK_EQ(part->outline.checksums.size(), part->blocks.size())
        << "a cut was stored without its header: call Seal()";
  }
  stored_ = std::move(pending_->parts);
  pending_.reset();
  EndPacking();
}

void RowTable::MergeBack(uint64_t token) {
  if (!pending_ || pending_->token != token) return;
  changed_.AddAll(pending_->changed);
  changed_counters_.AddAll(pending_->changed_counters);
  pending_.reset();
  EndPacking();
}

void RowTable::ForgetStored() {
  stored_.reset();
  pending_.reset();
  EndPacking();
}

void RowTable::EndPacking() {
  if (packing_ == nullptr) return;
  // The cut may be in somebody's hands still, who will seal it.
  if (packing_.use_count() > 1) packing_->Finish();
  packing_.reset();
}

}  // namespace ebb::server
