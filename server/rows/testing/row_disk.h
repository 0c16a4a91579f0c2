// A pool, pushes, and a store of cuts, for tests of sparse rows.
#ifndef EBB_SERVER_ROWS_TESTING_ROW_DISK_H_
#define EBB_SERVER_ROWS_TESTING_ROW_DISK_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ebb/v1/job.pb.h"
#include "optimizer/optimizer.h"
#include "server/memory/block_pool.h"
#include "server/rows/row_cut.h"
#include "server/rows/row_table.h"

namespace ebb::server {

std::shared_ptr<BlockPool> MakeRowPool(int64_t block_bytes, int64_t blocks);
std::shared_ptr<const Optimizer> MakeRowOptimizer(v1::Optimizer::Kind kind);

// Prepare, Compute and Commit.
absl::Status PushRows(RowTable* table, std::span<const uint64_t> keys,
                      std::span<const float> gradient, int64_t now,
                      const StepContext& context = {.rate = 0.1f});
// The same gradient for each element.
absl::Status PushRows(RowTable* table, std::span<const uint64_t> keys,
                      float gradient, int64_t now);
std::vector<float> GatherRows(const RowTable& table,
                              std::span<const uint64_t> keys);
std::vector<float> GatherRows(const RowView& view, size_t width,
                              std::span<const uint64_t> keys);

// The newest stored version of one table, and no other.
class RowDisk {
 public:
  // Seals and stores. DataLoss when a block that the cut only names is not in
  // the version before.
  absl::Status Store(RowCut* cut);
  // Returns the stored cut in new blocks of the pool, whose ids are known from
  // now on.
  RowCut Load(BlockPool* pool);

  bool empty() const { return header_.empty(); }
  std::string& header() { return header_; }
  // The contents of the blocks, in their order.
  std::vector<std::vector<std::byte>>& blocks() { return blocks_; }

 private:
  std::string header_;
  std::vector<std::vector<std::byte>> blocks_;
  std::vector<uint64_t> ids_;
};

}  // namespace ebb::server

#endif  // EBB_SERVER_ROWS_TESTING_ROW_DISK_H_
