#include "data/order.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"

namespace ebb::data {
namespace {

// Draws number 0, 1, 2, ... of the generator that belongs to a key.
class Draws {
 public:
  explicit Draws(uint64_t key) : key_(key) {}

  // Uniform in [0, n), n > 0, without bias: Lemire 2019, "Fast random integer
  // generation in an interval". The upper half of draw * n is the result; of
  // the 2^64 draws, 2^64 mod n are too many and are told by the lower half.
  uint64_t Below(uint64_t n) {
    const uint64_t excess = -n % n;  // 2^64 mod n.
    for (;;) {
      const auto product =
          static_cast<unsigned __int128>(HashAppend(key_, counter_++)) * n;
      if (static_cast<uint64_t>(product) >= excess) {
        return static_cast<uint64_t>(product >> 64);
      }
    }
  }

 private:
  const uint64_t key_;
  uint64_t counter_ = 0;
};

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

std::vector<int64_t> ShardOrder(uint64_t seed, ItemId item, int64_t begin,
                                int64_t size) {
  uint64_t key = HashAppend(0, kOrderVersion);
  key = HashAppend(key, seed);
  key = HashAppend(key, static_cast<uint64_t>(item.epoch));
  key = HashAppend(key, static_cast<uint64_t>(item.shard));
  Draws draws(key);
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), begin);
  // Fisher-Yates from the back (Knuth, Algorithm P).
  for (int64_t i = size - 1; i > 0; --i) {
    std::swap(order[i], order[draws.Below(static_cast<uint64_t>(i) + 1)]);
  }
  return order;
}

absl::StatusOr<std::vector<int64_t>> Order::Of(ItemId item) const {
  if (item.epoch < 0 || item.shard < 0 || item.shard >= layout_.shards()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no item ", ToString(item), "; the data has ",
                     layout_.shards(), " shards, counted from 0"));
  }
  return ShardOrder(seed_, item, layout_.begin(item.shard),
                    layout_.size(item.shard));
}

}  // namespace ebb::data
