#include "server/store/internal/cut_blocks.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/protocol/marks.h"

namespace ebb::server {

absl::Status CheckCut(const Cut& cut) {
  for (const auto& [name, array] : cut.arrays) {
    const std::vector<BlockRef>& blocks = array.blocks;
    for (const BlockRef& block : blocks) {
      if (!block || block.size() != blocks.front().size()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "array ", name, " of a cut has an empty block or mixes sizes"));
      }
    }
    const int64_t block_floats =
        blocks.empty() ? 1
                       : static_cast<int64_t>(blocks.front().floats().size());
    const int64_t needed = (array.floats + block_floats - 1) / block_floats;
    if (array.floats < 0 || needed != static_cast<int64_t>(blocks.size())) {
      return absl::InvalidArgumentError(absl::StrCat(
          "array ", name, " of a cut has ", array.floats, " floats in ",
          blocks.size(), " blocks of ", block_floats));
    }
  }
  return absl::OkStatus();
}

std::span<const float> UsedFloats(const CutArray& array, size_t i) {
  const std::span<const float> floats = array.blocks[i].floats();
  const size_t before = i * floats.size();
  return floats.first(
      std::min(floats.size(), static_cast<size_t>(array.floats) - before));
}

absl::Status FillBlock(std::span<const std::byte> floats, BlockRef* block) {
  if (floats.size() > block->size()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "stored blocks have ", floats.size(), " bytes, blocks in memory ",
        block->size(), "; use the block size the checkpoint was written with"));
  }
  const std::span<std::byte> to = block->mutable_bytes();
  std::memcpy(to.data(), floats.data(), floats.size());
  std::ranges::fill(to.subspan(floats.size()), std::byte{0});
  return absl::OkStatus();
}

std::optional<RoundSpan> RoundsOf(const JobPlan& plan, absl::string_view marks,
                                  std::span<const std::string> arrays) {
  const auto decoded = MarkSet::Decode(plan, marks);
  if (!decoded.ok()) return std::nullopt;
  RoundSpan rounds;
  rounds.oldest = rounds.open = decoded->first_open_round();
  for (absl::string_view name : arrays) {
    int64_t round = 0;
    if (absl::ConsumePrefix(&name, "value:") &&
        absl::SimpleAtoi(name, &round)) {
      rounds.oldest = std::min(rounds.oldest, round);
    }
  }
  return rounds;
}

Cut WithoutArrays(const Cut& cut) {
  Cut rest;
  rest.marks = cut.marks;
  rest.ledger = cut.ledger;
  rest.updates = cut.updates;
  rest.oracle = cut.oracle;
  rest.loss = cut.loss;
  return rest;
}

std::string VersionName(const VersionKey& key) {
  return absl::StrCat("job ", key.job.value(), " generation ",
                      key.generation.value(), " partition ",
                      key.partition.value(), " version (", key.term.value(),
                      ", ", key.sequence, ")");
}

absl::Status AlreadyStored(const VersionKey& key) {
  return absl::AlreadyExistsError(
      absl::StrCat("checkpoint ", VersionName(key), " is stored already"));
}

absl::Status NotStored(const VersionKey& key) {
  return absl::NotFoundError(
      absl::StrCat("checkpoint ", VersionName(key), " is not stored"));
}

}  // namespace ebb::server
