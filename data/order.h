// The specified order of examples (docs/data-order.md, version 1): which
// example stands at which position of an item. A function of the job's seed,
// the epoch and the shard alone, the same on every machine for ever.
//
//   const Order order(seed, {.examples = 60'000, .shard_size = 1'280});
//   std::vector<int64_t> examples = order.Of(item);
//   dataset.Gather(std::span(examples).subspan(begin, end - begin), &batch);
#ifndef EBB_DATA_ORDER_H_
#define EBB_DATA_ORDER_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"

namespace ebb::data {

// Part of the hash by which worker, scheduler and servers agree on the data.
inline constexpr int kOrderVersion = 1;

// How the examples of a data set are cut into data shards: shard k has those
// from k * shard_size up to (k + 1) * shard_size or the end.
struct ShardLayout {
  int64_t examples = 0;
  int64_t shard_size = 0;

  // kInvalidArgument unless there are examples, shards have a size, and the
  // number of shards fits an ItemId.
  absl::Status Validate() const;

  // Of a valid layout.
  int64_t shards() const { return (examples - 1) / shard_size + 1; }
  int64_t begin(int64_t shard) const { return shard * shard_size; }
  int64_t size(int64_t shard) const;
};

// The permutation of the examples [begin, begin + size) for `item` of the job
// with this seed: element p is the example at position p.
std::vector<int64_t> ShardOrder(uint64_t seed, ItemId item, int64_t begin,
                                int64_t size);

// The order of all items of a job. Immutable.
class Order {
 public:
  Order(uint64_t seed, const ShardLayout& layout)  // The layout is valid.
      : seed_(seed), layout_(layout) {}

  // The examples of `item` by position. O(shard size), so call it once an
  // item. kInvalidArgument when there is no such shard.
  absl::StatusOr<std::vector<int64_t>> Of(ItemId item) const;

  const ShardLayout& layout() const { return layout_; }

 private:
  uint64_t seed_;
  ShardLayout layout_;
};

}  // namespace ebb::data

#endif  // EBB_DATA_ORDER_H_
