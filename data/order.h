// The specified order of examples (docs/data-order.md, version 2): which
// example stands at which position of an item. A function of the job's seed,
// the epoch and the number of examples alone, the same on every machine for
// ever.
//
//   const Order order(seed, {.examples = 60'000, .shard_size = 1'280});
//   std::vector<int64_t> examples = order.Of(item);
//   dataset.Gather(std::span(examples).subspan(begin, end - begin), &batch);
#ifndef EBB_DATA_ORDER_H_
#define EBB_DATA_ORDER_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"

namespace ebb::data {

// Part of the hash by which worker, scheduler and servers agree on the data.
inline constexpr int kOrderVersion = 2;

// How the places of an epoch's order are cut into data shards: shard k has
// those from k * shard_size up to (k + 1) * shard_size or the end.
struct ShardLayout {
  int64_t examples = 0;
  int64_t shard_size = 0;

  // kInvalidArgument unless there are examples, shards have a size, and the
  // number of shards fits an ItemId.
  absl::Status Validate() const;

  // The layout must be valid.
  int64_t shards() const { return (examples - 1) / shard_size + 1; }
  int64_t begin(int64_t shard) const { return shard * shard_size; }
  int64_t size(int64_t shard) const;
};

// The order of all items of a job: a permutation of all examples per epoch, so
// a file that is sorted by class makes no batch of one class. Immutable.
class Order {
 public:
  Order(uint64_t seed, const ShardLayout& layout);  // The layout is valid.

  // The example at `place`, in [0, examples), of the epoch's order. O(1).
  int64_t ExampleAt(int32_t epoch, int64_t place) const;

  // The examples of `item` by position. kInvalidArgument when there is no such
  // shard.
  absl::StatusOr<std::vector<int64_t>> Of(ItemId item) const;
  // Those of the positions [begin, end) into `*examples`, in time that these
  // take. kInvalidArgument when there is no such shard, or no such positions.
  absl::Status Of(ItemId item, int64_t begin, int64_t end,
                  std::vector<int64_t>* examples) const;

  const ShardLayout& layout() const { return layout_; }

 private:
  absl::Status Check(ItemId item) const;

  // One for each round of the network.
  static constexpr int kRounds = 8;
  using Keys = std::array<uint64_t, kRounds>;

  Keys KeysOf(int32_t epoch) const;
  // What a round of the network makes of a half, if it is to be computed.
  class Computed;
  // The same of all halves.
  class LookedUp;
  // A permutation of 4^half_bits_ numbers.
  template <typename Function>
  uint64_t Permute(const Function& function, uint64_t number) const;
  // Where the walk from this number ends.
  template <typename Function>
  int64_t WalkFrom(const Function& function, uint64_t number) const;
  // The examples of the places from `first` on.
  template <typename Function>
  void ExamplesFrom(const Function& function, uint64_t first,
                    std::vector<int64_t>* examples) const;

  uint64_t seed_;
  ShardLayout layout_;
  int half_bits_ = 1;  // 4^half_bits_ places are enough for the examples.
};

}  // namespace ebb::data

#endif  // EBB_DATA_ORDER_H_
