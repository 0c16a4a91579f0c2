#include "server/store/internal/cut_blocks.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "protocol/marks.h"

namespace ebb::server {

namespace {

bool EachAtHandOrNamed(const CutArray& array) {
  const int64_t block_floats = array.BlockFloats();
  if (block_floats < 1) return array.blocks.empty();
  const bool names = !array.stored_ids.empty();
  if (names && (array.stored_ids.size() != array.blocks.size() ||
                array.block_floats == 0)) {
    return false;
  }
  for (size_t i = 0; i < array.blocks.size(); ++i) {
    const BlockRef& block = array.blocks[i];
    if (!block) {
      if (!names || array.stored_ids[i] == 0) return false;
      continue;
    }
    const auto size = static_cast<int64_t>(block.floats().size());
    // Where no number is given, all have the same.
    if (array.block_floats == 0 ? size != block_floats : size < block_floats) {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::Status CheckCut(const Cut& cut) {
  for (const auto& [name, array] : cut.arrays) {
    if (!EachAtHandOrNamed(array)) {
      return absl::InvalidArgumentError(
          absl::StrCat("array ", name,
                       " of a cut has an empty block without a name or mixes "
                       "sizes"));
    }
    const int64_t block_floats = std::max<int64_t>(array.BlockFloats(), 1);
    const auto blocks = static_cast<int64_t>(array.blocks.size());
    if (array.floats < 0 ||
        array.floats / block_floats + (array.floats % block_floats != 0) !=
            blocks) {
      return absl::InvalidArgumentError(
          absl::StrCat("array ", name, " of a cut has ", array.floats,
                       " floats in ", blocks, " blocks of ", block_floats));
    }
  }
  return absl::OkStatus();
}

absl::Status NotAtHand(const VersionKey& key, absl::string_view array) {
  return absl::AbortedError(
      absl::StrCat("checkpoint ", VersionName(key), ": array ", array,
                   " refers to contents that are not stored (any more)"));
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
  rest.rows = cut.rows;
  rest.operations = cut.operations;
  rest.item_losses = cut.item_losses;
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
