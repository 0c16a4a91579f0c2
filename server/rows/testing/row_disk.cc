#include "server/rows/testing/row_disk.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "job/training.h"

namespace ebb::server {

std::shared_ptr<BlockPool> MakeRowPool(int64_t block_bytes, int64_t blocks) {
  auto pool = BlockPool::Create({.name = "rows",
                                 .block_bytes = block_bytes,
                                 .max_bytes = blocks * block_bytes,
                                 .slab_bytes = 16 * block_bytes,
                                 .shared = false});
  CHECK(pool.ok()) << pool.status();
  return *std::move(pool);
}

std::shared_ptr<const Optimizer> MakeRowOptimizer(v1::Optimizer::Kind kind) {
  v1::Optimizer settings;
  settings.set_kind(kind);
  const auto whole = job::OptimizerOf(settings);
  CHECK(whole.ok()) << whole.status();
  auto optimizer = MakeOptimizer(*whole);
  CHECK(optimizer.ok()) << optimizer.status();
  return *std::move(optimizer);
}

absl::Status PushRows(RowTable* table, std::span<const uint64_t> keys,
                      std::span<const float> gradient, int64_t now,
                      const StepContext& context) {
  EBB_ASSIGN_OR_RETURN(RowUpdatePtr update, table->Prepare(keys, now));
  table->Compute(update.get(), gradient, context);
  table->Commit(std::move(update));
  return absl::OkStatus();
}

absl::Status PushRows(RowTable* table, std::span<const uint64_t> keys,
                      float gradient, int64_t now) {
  const std::vector<float> floats(keys.size() * table->layout().width(),
                                  gradient);
  return PushRows(table, keys, floats, now);
}

std::vector<float> GatherRows(const RowTable& table,
                              std::span<const uint64_t> keys) {
  std::vector<float> floats(keys.size() * table.layout().width());
  table.Gather(keys, floats);
  return floats;
}

std::vector<float> GatherRows(const RowView& view, size_t width,
                              std::span<const uint64_t> keys) {
  std::vector<float> floats(keys.size() * width);
  view.Gather(keys, floats);
  return floats;
}

absl::Status RowDisk::Store(RowCut* cut) {
  cut->Seal();
  std::map<uint64_t, size_t> known;
  for (size_t i = 0; i < ids_.size(); ++i) known[ids_[i]] = i;
  std::vector<std::vector<std::byte>> blocks;
  std::vector<uint64_t> ids;
  for (const RowCutBlock& block : cut->blocks) {
    ids.push_back(block.content_id);
    if (block.block) {
      const auto bytes =
          block.block.bytes().first(static_cast<size_t>(block.bytes));
      blocks.emplace_back(bytes.begin(), bytes.end());
      continue;
    }
    const auto it = known.find(block.content_id);
    if (it == known.end()) {
      return absl::DataLossError(absl::StrCat("block ", block.content_id,
                                              " is not in the version before"));
    }
    blocks.push_back(blocks_[it->second]);
  }
  header_ = cut->header;
  blocks_ = std::move(blocks);
  ids_ = std::move(ids);
  return absl::OkStatus();
}

RowCut RowDisk::Load(BlockPool* pool) {
  RowCut cut;
  cut.header = header_;
  ids_.clear();
  for (const std::vector<std::byte>& bytes : blocks_) {
    auto block = pool->Allocate();
    CHECK(block.ok()) << block.status();
    std::ranges::copy(bytes, block->mutable_bytes().begin());
    ids_.push_back(block->content_id());
    cut.blocks.push_back({block->content_id(),
                          static_cast<int64_t>(bytes.size()),
                          *std::move(block)});
  }
  return cut;
}

}  // namespace ebb::server
