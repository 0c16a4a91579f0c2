// The rows of a table at one instant.
#ifndef EBB_SERVER_ROWS_ROW_VIEW_H_
#define EBB_SERVER_ROWS_ROW_VIEW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/initializer.h"
#include "server/memory/block.h"
#include "server/rows/row_ages.h"
#include "server/rows/row_index.h"
#include "server/rows/row_layout.h"

namespace ebb::server {

namespace internal {

// An index that views may share with the table.
struct SharedIndex {
  RowIndex index;
  // Views that read it. The decrement (release) pairs with the table's load
  // (acquire) that finds 0: then it may write in place.
  std::atomic<int64_t> views{0};
};

}  // namespace internal

// The result of RowTable::Pin. Immutable, so thread-safe: it needs no lock of
// the table, and may outlive it.
class RowView {
 public:
  // Use RowTable::Pin. `index` counts this view already.
  RowView(const RowLayout& layout, const RowAges& ages,
          const RowInitializer& initial,
          std::shared_ptr<internal::SharedIndex> index,
          std::vector<BlockRef> blocks,
          std::vector<const std::byte*> block_bytes)
      : layout_(layout),
        ages_(ages),
        initial_(initial),
        index_(std::move(index)),
        blocks_(std::move(blocks)),
        block_bytes_(std::move(block_bytes)) {}
  ~RowView() { index_->views.fetch_sub(1, std::memory_order_release); }
  RowView(const RowView&) = delete;
  RowView& operator=(const RowView&) = delete;

  // out[i * width ...]: the weights of keys[i] as they were, its initial ones
  // where it had no row. `out` has keys.size() * width floats (checked). Keys
  // may come in any order, and several times.
  void Gather(std::span<const uint64_t> keys, std::span<float> out) const;

  // Rows it has, those included that had expired.
  int64_t rows() const { return static_cast<int64_t>(index_->index.size()); }

 private:
  const RowLayout layout_;
  const RowAges ages_;
  const RowInitializer initial_;
  const std::shared_ptr<internal::SharedIndex> index_;
  const std::vector<BlockRef> blocks_;
  const std::vector<const std::byte*> block_bytes_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_VIEW_H_
