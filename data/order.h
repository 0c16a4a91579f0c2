// The specified order of examples (docs/data-order.md): which example stands at
// which position of an item. Version 2 is that of data in memory: a function of
// the job's seed, the epoch and the number of examples alone, the same on every
// machine for ever. Version 3 is that of packed sets, and a function of the
// window, too.
//
//   const Order order(seed, {.examples = 60'000, .shard_size = 1'280});
//   std::vector<int64_t> examples = order.Of(item);
//   dataset.Gather(std::span(examples).subspan(begin, end - begin), &batch);
#ifndef EBB_DATA_ORDER_H_
#define EBB_DATA_ORDER_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"

namespace ebb::data {

// Part of the hash by which worker, scheduler and servers agree on the data.
inline constexpr int kOrderVersion = 2;
inline constexpr int kWindowOrderVersion = 3;

// How the places of an epoch's order are cut into data shards: shard k has
// those from k * shard_size up to (k + 1) * shard_size or the end.
struct ShardLayout {
  int64_t examples = 0;
  int64_t shard_size = 0;
  // The examples are those of windows of this size, of which the last may have
  // fewer; 0: the order is version 2, which has no windows.
  int64_t window = 0;

  // kInvalidArgument unless there are examples, shards have a size, and the
  // number of shards fits an ItemId; and unless shards cross no windows.
  absl::Status Validate() const;

  // The layout must be valid.
  int64_t shards() const { return (examples - 1) / shard_size + 1; }
  int64_t begin(int64_t shard) const { return shard * shard_size; }
  int64_t size(int64_t shard) const;
  // With windows: how many there are.
  int64_t windows() const { return (examples - 1) / window + 1; }
};

// The order of all items of a job: a permutation of all examples per epoch. A
// file that is sorted by class makes no batch of one class; a packed set was
// shuffled when it was packed, and the order goes from window to window.
// Immutable.
class Order {
 public:
  Order(uint64_t seed, const ShardLayout& layout);  // The layout is valid.

  // The example at `place`, in [0, examples), of the epoch's order. O(1).
  int64_t ExampleAt(int32_t epoch, int64_t place) const;

  // The examples of `item` by position. kInvalidArgument when there is no such
  // shard.
  absl::StatusOr<std::vector<int64_t>> Of(ItemId item) const;
  // Sets `*examples` to those of the positions [begin, end), in time that these
  // take. kInvalidArgument when there is no such shard, or no such positions.
  absl::Status Of(ItemId item, int64_t begin, int64_t end,
                  std::vector<int64_t>* examples) const;

  // With windows: the one that has the examples of the item, which there must
  // be. O(1).
  int64_t WindowOf(ItemId item) const;
  // With windows: the one after that of the item in the order of its epoch, or
  // the first of the next epoch. There must be such an item.
  int64_t WindowAfter(ItemId item) const;

  const ShardLayout& layout() const { return layout_; }

 private:
  // A permutation of the numbers below `size`.
  class Permutation {
   public:
    Permutation(uint64_t seed, int32_t epoch, int64_t size);

    int64_t At(int64_t place) const;
    // At() of [first, first + out.size()).
    void Fill(int64_t first, std::span<int64_t> out) const;

   private:
    static constexpr int kRounds = 8;  // The network's.
    // Computes what a round of the network makes of a half.
    class Computed;
    // Looks it up in a table of all halves.
    class LookedUp;

    // Permutes 4^half_bits_ numbers.
    template <typename Function>
    uint64_t Permute(const Function& function, uint64_t number) const;
    // Returns where the walk from this number ends.
    template <typename Function>
    int64_t WalkFrom(const Function& function, uint64_t number) const;
    template <typename Function>
    void FillBy(const Function& function, int64_t first,
                std::span<int64_t> out) const;

    const uint64_t size_;
    int half_bits_ = 1;  // 4^half_bits_ is at least the size.
    std::array<uint64_t, kRounds> keys_;
  };

  absl::Status Check(ItemId item) const;
  // The window at this place of the epoch's order of windows.
  int64_t WindowAt(int32_t epoch, int64_t place) const;
  Permutation WithinWindow(int32_t epoch, int64_t window) const;

  uint64_t seed_;
  ShardLayout layout_;
};

}  // namespace ebb::data

#endif  // EBB_DATA_ORDER_H_
