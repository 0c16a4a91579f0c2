#include "server/rows/internal/row_writer.h"

#include <cstring>

#include "server/rows/row_ages.h"

namespace ebb::server::internal {

void RowWriter::Write(RowPush* push) {
  GrowTo(push->capacity);
  RowBlocks& blocks = rows_.blocks();
  for (RowPush::BlockCopy& copy : push->copies) blocks.Install(&copy);
  for (RowPush::BlockCopy& copy : push->late_copies) {
    std::memcpy(copy.to.mutable_bytes().data(), blocks.bytes()[copy.block],
                push->block_bytes);
    blocks.Install(&copy);
  }
  const std::byte* next = push->next_rows.get();
  for (const RowPush::Row& row : push->rows) {
    WriteRow(row, push->unit, next);
    next += push->record_bytes;
  }
  for (const uint32_t row : push->evicted) Remove(row);
  totals_.evicted += static_cast<int64_t>(push->evicted.size());
}

void RowWriter::GrowTo(int64_t capacity) {
  if (capacity == rows_.numbers().capacity()) return;
  rows_.GrowTo(capacity);
  versions_.Grow(capacity);
}

void RowWriter::WriteRow(const RowPush::Row& row, uint32_t unit,
                         const std::byte* next) {
  versions_.BeforeChange(row.row);
  std::byte* const record = rows_.blocks().MutableRecord(row.row);
  if (row.kind == RowPush::Kind::kCreated) {
    ++totals_.created;
    rows_.Add(row.row, row.key);
  } else {
    rows_.ages().Remove(RowLayout::TouchedOf(record));
    if (row.kind == RowPush::Kind::kRevived) {
      ++totals_.created;
      ++totals_.expired;
    }
  }
  rows_.ages().Add(unit);
  std::memcpy(record, next, rows_.layout().record_bytes());
}

void RowWriter::Remove(uint32_t row) {
  versions_.BeforeChange(row);
  rows_.Remove(row);
}

void RowWriter::Sweep(int64_t rows) {
  const RowNumbers& numbers = rows_.numbers();
  const RowAges& ages = rows_.ages();
  for (; rows > 0 && ages.expired() > 0; --rows) {
    if (hand_ >= numbers.capacity()) hand_ = 0;
    const uint32_t row = hand_++;
    if (!numbers.live().Has(row)) continue;
    const std::byte* const record = rows_.blocks().RecordOf(row);
    if (!ages.Expired(RowLayout::TouchedOf(record), ages.now())) continue;
    Remove(row);
    ++totals_.expired;
  }
}

}  // namespace ebb::server::internal
