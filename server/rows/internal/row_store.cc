#include "server/rows/internal/row_store.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "server/memory/block_array.h"

namespace ebb::server::internal {

RowStore::RowStore(const RowTableOptions& options, const RowLayout& layout,
                   std::shared_ptr<BlockPool> pool, int64_t counter_count)
    : table_(options.table),
      counter_blocks_(BlockArray<uint8_t>::BlocksFor(
          *pool, static_cast<size_t>(counter_count))),
      blocks_(layout, std::move(pool)),
      index_(std::make_shared<SharedIndex>()),
      ages_(options.expire_after_examples),
      frequencies_(options.rate_factor != nullptr),
      room_(this->pool().Promise(0)) {}

RowIndex& RowStore::MutableIndex() {
  if (index_->views.load(std::memory_order_acquire) != 0) {
    auto copy = std::make_shared<SharedIndex>();
    copy->index = index_->index;
    index_ = std::move(copy);
  }
  return index_->index;
}

size_t RowStore::other_bytes() const {
  return index_->index.bytes() + blocks_.list_bytes() +
         numbers_.live().bytes() + frequencies_.bytes();
}

// A version is at most half again as large as its rows (RowTable::TakeCut).
absl::Status RowStore::PromiseRoom(int64_t more_blocks, int64_t more_rows) {
  const int64_t rows = blocks_.count() + more_blocks;
  const int64_t block_bytes = pool().block_bytes();
  // The index is on the heap, in one piece: a look-up goes through it fastest
  // so.
  const int64_t heap = (static_cast<int64_t>(index_->index.BytesFor(
                            static_cast<size_t>(size() + more_rows))) +
                        frequencies_.BytesFor(std::max(size() + more_rows,
                                                       numbers_.capacity()))) /
                       block_bytes;
  const int64_t wanted = rows + rows / 2 + heap + counter_blocks_;
  if (room_.count() == wanted || room_.Resize(wanted)) return absl::OkStatus();
  const BlockPoolStats stats = pool().Stats();
  const auto kib = [&](int64_t blocks) {
    return absl::StrCat(blocks * block_bytes >> 10, " KiB");
  };
  return absl::ResourceExhaustedError(absl::StrCat(
      "no room for more rows of table '", table_, "' in a partition: ", size(),
      " are there; with more it would take ", kib(wanted),
      " (rows, half as much again for a version that is loaded, index and "
      "counters), and ",
      kib(stats.promised_blocks), " of the ", kib(stats.max_blocks),
      " that this server's --memory leaves for values are taken; raise "
      "--memory, add servers, or bound the table (max_rows with at_limit: "
      "evict, expire_after)"));
}

// --- Pushes ------------------------------------------------------------------

absl::Status RowStore::NumberRows(int64_t created, RowPush* push) const {
  RowNumbers::Free free(numbers_);
  for (RowPush::Row& row : push->rows) {
    if (row.kind != RowPush::Kind::kCreated) continue;
    row.row = static_cast<uint32_t>(free.Next());
  }
  push->capacity = free.capacity();
  if (push->capacity > RowLayout::kMaxRows) {
    return absl::ResourceExhaustedError(
        absl::StrCat("table '", table_, "': ", created, " row(s) beyond ",
                     RowLayout::kMaxRows,
                     ", the most that a partition can have; let rows "
                     "expire, or give the job more partitions"));
  }
  return absl::OkStatus();
}

absl::Status RowStore::ObtainBlocks(int64_t created, RowPush* push) {
  blocks_.FindCopies(push);
  const auto is_new = [](const RowPush::BlockCopy& copy) {
    return copy.from == nullptr;
  };
  EBB_RETURN_IF_ERROR(
      PromiseRoom(std::ranges::count_if(push->copies, is_new), created));
  if (push->copies.empty()) return absl::OkStatus();
  EBB_ASSIGN_OR_RETURN(
      std::vector<BlockRef> blocks,
      pool().AllocateMany(static_cast<int64_t>(push->copies.size())));
  for (size_t i = 0; i < blocks.size(); ++i) {
    push->copies[i].to = std::move(blocks[i]);
  }
  return absl::OkStatus();
}

void RowStore::ReserveFor(const RowPush& push, int64_t created) {
  MutableIndex().Reserve(static_cast<size_t>(size() + created));
  numbers_.Reserve(push.capacity);
  blocks_.Reserve(layout().BlocksOf(push.capacity));
  frequencies_.Reserve(push.capacity);
}

void RowStore::GrowTo(int64_t capacity) {
  if (capacity == numbers_.capacity()) return;
  numbers_.Grow(capacity);
  blocks_.Resize(layout().BlocksOf(capacity));
}

void RowStore::Remove(uint32_t row) {
  const std::byte* const record = blocks_.RecordOf(row);
  MutableIndex().Erase(RowIndex::HashOf(RowLayout::KeyOf(record)), row);
  ages_.Remove(RowLayout::TouchedOf(record));
  numbers_.Remove(row);
  blocks_.RemoveRow(row);
  blocks_.DropIfEmpty(layout().BlockOf(row));
}

std::shared_ptr<const RowView> RowStore::View(const RowInitializer& initial) {
  std::vector<BlockRef> blocks = blocks_.ShareAll();
  // Paired with ~RowView.
  index_->views.fetch_add(1, std::memory_order_relaxed);
  return std::make_shared<const RowView>(layout(), ages_, initial, index_,
                                         std::move(blocks), blocks_.bytes());
}

// --- Loading -----------------------------------------------------------------

bool RowStore::Enter(uint32_t row, uint32_t* other) {
  RowIndex& index = index_->index;
  const uint64_t key = RowLayout::KeyOf(blocks_.RecordOf(row));
  const uint32_t hash = RowIndex::HashOf(key);
  for (size_t at = index.Find(hash); index.Has(at, hash); ++at) {
    *other = index.RowAt(at);
    if (RowLayout::KeyOf(blocks_.RecordOf(*other)) == key) return false;
  }
  index.Insert(hash, row);
  return true;
}

}  // namespace ebb::server::internal
