// A loaded cut whose blocks are what its header says.
#ifndef EBB_SERVER_ROWS_INTERNAL_CHECKED_ROW_CUT_H_
#define EBB_SERVER_ROWS_INTERNAL_CHECKED_ROW_CUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/rows/internal/row_cut_format.h"
#include "server/rows/row_cut.h"
#include "server/rows/row_layout.h"

namespace ebb::server::internal {

// Trusts no statement of a cut. After Check its numbers are possible, and each
// part has the blocks that its numbers ask for, with the contents that the
// header knows. What the blocks say of rows is still unknown.
class CheckedRowCut {
 public:
  // A cut of the table with that name and layout, in blocks of that size.
  CheckedRowCut(std::string table, const RowLayout& layout, int64_t block_bytes,
                RowCut cut)
      : table_(std::move(table)),
        layout_(layout),
        block_bytes_(block_bytes),
        cut_(std::move(cut)) {}

  // Before all else. DataLoss: it names the table and the damage.
  absl::Status Check();

  const RowCutFields& fields() const { return fields_; }
  const std::vector<RowCutOutline>& parts() const { return fields_.parts; }
  // Block number `i` of a part.
  const RowCutBlock& block(size_t part, size_t i) const {
    return cut_.blocks[firsts_[part] + i];
  }
  BlockRef TakeBlock(size_t part, size_t i) {
    return std::move(cut_.blocks[firsts_[part] + i].block);
  }
  // Reads what is packed in a part: the blocks behind those of rows.
  BlockReader ReaderOf(size_t part) const;
  // Changed rows of which the record is stored: from this one on.
  int64_t FirstRecord(const RowCutOutline& part) const {
    const int64_t each = ChangeBytes(layout_);
    return (part.dropped * block_bytes_ + each - 1) / each;
  }
  // Lets go of all blocks.
  void DropBlocks() { cut_.blocks.clear(); }

  template <typename... What>
  absl::Status Damaged(const What&... what) const {
    return absl::DataLossError(
        absl::StrCat("table '", table_, "': its stored rows: ", what...));
  }

 private:
  absl::Status CheckTable() const;
  absl::Status CheckNumbers(size_t p) const;
  absl::Status CheckPart(size_t p, size_t* next);
  absl::Status CheckBlock(size_t block, int64_t bytes, uint64_t checksum) const;

  const std::string table_;
  const RowLayout layout_;
  const int64_t block_bytes_;
  RowCutFields fields_;
  RowCut cut_;
  std::vector<size_t> firsts_;  // The first block of each part, in cut_.blocks.
};

}  // namespace ebb::server::internal

#endif  // EBB_SERVER_ROWS_INTERNAL_CHECKED_ROW_CUT_H_
