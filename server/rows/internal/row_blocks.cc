#include "server/rows/internal/row_blocks.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "common/status_macros.h"

namespace ebb::server::internal {
namespace {

// Like reserve of a vector, but one at a time costs little.
template <typename T>
void ReserveByHalves(size_t size, std::vector<T>* vector) {
  if (size > vector->capacity()) {
    vector->reserve(std::max(size, vector->capacity() * 3 / 2));
  }
}

void SortOnce(std::vector<uint32_t>* blocks) {
  std::ranges::sort(*blocks);
  blocks->erase(std::unique(blocks->begin(), blocks->end()), blocks->end());
}

}  // namespace

void RowBlocks::Resize(size_t size) {
  blocks_.resize(size);
  bytes_.resize(size);
}

void RowBlocks::Reserve(size_t size) {
  ReserveByHalves(size, &blocks_);
  ReserveByHalves(size, &bytes_);
}

void RowBlocks::FindCopies(RowPush* push) const {
  std::vector<uint32_t> unsure;
  for (const RowPush::Row& row : push->rows) {
    const uint32_t block = layout_.BlockOf(row.row);
    if (block < blocks_.size() && blocks_[block].writable != nullptr) continue;
    if (unsure.empty() || unsure.back() != block) unsure.push_back(block);
  }
  SortOnce(&unsure);
  for (const uint32_t block : unsure) {
    if (block >= blocks_.size() || !blocks_[block].ref) {
      push->copies.push_back({.block = block});
    } else if (!blocks_[block].ref.Unique()) {
      push->copies.push_back({block, bytes_[block], BlockRef()});
    } else {
      push->in_place.push_back(block);
    }
  }
}

absl::Status RowBlocks::ObtainLateCopies(RowPush* push) const {
  std::vector<uint32_t> shared;
  for (const RowPush::Row& row : push->rows) {
    shared.push_back(layout_.BlockOf(row.row));
  }
  SortOnce(&shared);
  std::erase_if(shared, [&](uint32_t block) {
    const auto is_it = [block](const RowPush::BlockCopy& copy) {
      return copy.block == block;
    };
    return std::ranges::any_of(push->copies, is_it) ||
           std::ranges::any_of(push->late_copies, is_it);
  });
  EBB_ASSIGN_OR_RETURN(
      std::vector<BlockRef> blocks,
      pool_->AllocateMany(static_cast<int64_t>(shared.size())));
  for (size_t i = 0; i < blocks.size(); ++i) {
    push->late_copies.push_back({shared[i], nullptr, std::move(blocks[i])});
  }
  return absl::OkStatus();
}

void RowBlocks::Install(RowPush::BlockCopy* copy) {
  Block& block = blocks_[copy->block];
  if (!block.ref) ++count_;
  block.ref = std::move(copy->to);
  bytes_[copy->block] = block.ref.bytes().data();
  block.writable = nullptr;
}

std::vector<BlockRef> RowBlocks::ShareAll() {
  std::vector<BlockRef> refs;
  refs.reserve(blocks_.size());
  for (size_t b = 0; b < blocks_.size(); ++b) refs.push_back(Share(b));
  return refs;
}

void RowBlocks::Drop(size_t block) {
  if (blocks_[block].ref) --count_;
  blocks_[block] = {};
  bytes_[block] = nullptr;
}

void RowBlocks::Adopt(size_t block, BlockRef ref) {
  ++count_;
  blocks_[block].ref = std::move(ref);
  bytes_[block] = blocks_[block].ref.bytes().data();
}

absl::Status RowBlocks::MakeSole(uint32_t block) {
  Block& each = blocks_[block];
  if (each.writable != nullptr) return absl::OkStatus();
  if (!each.ref) {
    EBB_ASSIGN_OR_RETURN(each.ref, pool_->Allocate());
    ++count_;
    const std::span<std::byte> bytes = each.ref.mutable_bytes();
    std::memset(bytes.data(), 0, bytes.size());
  } else if (!each.ref.Unique()) {
    EBB_ASSIGN_OR_RETURN(each.ref, pool_->CopyForWrite(each.ref));
  }
  each.writable = each.ref.mutable_bytes().data();
  bytes_[block] = each.writable;
  return absl::OkStatus();
}

}  // namespace ebb::server::internal
