#include "data/order.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"

namespace ebb::data {
namespace {

constexpr int kRounds = 8;

}  // namespace

absl::Status ShardLayout::Validate() const {
  if (examples <= 0 || shard_size <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(examples, " examples in shards of ", shard_size,
                     " make no data; both numbers are above 0"));
  }
  constexpr int64_t kMaxShards = std::numeric_limits<int32_t>::max();
  if (shards() > kMaxShards) {
    return absl::InvalidArgumentError(absl::StrCat(
        examples, " examples in shards of ", shard_size, " make ", shards(),
        " shards, more than ", kMaxShards, "; make the shards larger"));
  }
  return absl::OkStatus();
}

int64_t ShardLayout::size(int64_t shard) const {
  return std::min(shard_size, examples - begin(shard));
}

Order::Order(uint64_t seed, const ShardLayout& layout)
    : seed_(seed), layout_(layout) {
  while (int64_t{1} << (2 * half_bits_) < layout.examples) ++half_bits_;
}

// A Feistel network over the places permutes 4^half_bits_ numbers. Walking on
// from numbers beyond the examples leaves a permutation of the examples (Black
// and Rogaway 2002, "Ciphers with arbitrary finite domains", method 2). It
// takes fewer than four in five walks on average, as 4^half_bits_ is below 4 *
// examples.
int64_t Order::ExampleAt(int32_t epoch, int64_t place) const {
  const auto examples = static_cast<uint64_t>(layout_.examples);
  uint64_t key = HashAppend(0, kOrderVersion);
  key = HashAppend(key, seed_);
  key = HashAppend(key, static_cast<uint64_t>(epoch));
  key = HashAppend(key, examples);
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  auto x = static_cast<uint64_t>(place);
  do {
    uint64_t left = x >> half_bits_, right = x & mask;
    for (uint64_t round = 0; round < kRounds; ++round) {
      const uint64_t mixed = HashAppend(HashAppend(key, round), right);
      left = std::exchange(right, left ^ (mixed & mask));
    }
    x = left << half_bits_ | right;
  } while (x >= examples);
  return static_cast<int64_t>(x);
}

absl::StatusOr<std::vector<int64_t>> Order::Of(ItemId item) const {
  if (item.epoch < 0 || item.shard < 0 || item.shard >= layout_.shards()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no item ", ToString(item), "; the data has ",
                     layout_.shards(), " shards, counted from 0"));
  }
  std::vector<int64_t> order(layout_.size(item.shard));
  for (size_t p = 0; p < order.size(); ++p) {
    order[p] = ExampleAt(item.epoch,
                         layout_.begin(item.shard) + static_cast<int64_t>(p));
  }
  return order;
}

}  // namespace ebb::data
