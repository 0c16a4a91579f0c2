// All rows of a table in the order of their keys, for readers of a stored
// version.
#ifndef EBB_SERVER_ROWS_ROW_LIST_H_
#define EBB_SERVER_ROWS_ROW_LIST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rows/row_cut.h"
#include "server/rows/row_layout.h"
#include "server/rows/row_table.h"

namespace ebb::server {

// Rows that have not expired, as they were. It refers to their blocks, and
// takes 16 bytes for each of them. Immutable, so thread-safe.
class RowList {
 public:
  // Errors: those of RowTable::TakeWholeCut.
  static absl::StatusOr<RowList> Of(RowTable* table);

  size_t size() const { return rows_.size(); }
  uint64_t key(size_t i) const { return RowLayout::KeyOf(rows_[i].second); }
  // The weights, or slot number `slot`, of row `i`.
  std::span<const float> weights(size_t i) const {
    return {RowLayout::WeightsOf(rows_[i].second), layout_.width()};
  }
  std::span<const float> slot(int slot, size_t i) const {
    return {layout_.SlotOf(slot, rows_[i].second), layout_.width()};
  }

 private:
  explicit RowList(const RowLayout& layout) : layout_(layout) {}

  RowLayout layout_;
  std::vector<RowCutBlock> blocks_;
  // By key, which is beside it for sorting, the record.
  std::vector<std::pair<uint64_t, const std::byte*>> rows_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_ROW_LIST_H_
