#include "data/order.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/status_macros.h"

namespace ebb::data {

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
  if (window > 0 && examples > window && window % shard_size != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("shards of ", shard_size, " examples cross windows of ",
                     window, "; take a divisor of that"));
  }
  return absl::OkStatus();
}

int64_t ShardLayout::size(int64_t shard) const {
  return std::min(shard_size, examples - begin(shard));
}

// A Feistel network over the places permutes 4^half_bits_ numbers. Walking on
// from numbers beyond the size leaves a permutation of the numbers below it
// (Black and Rogaway 2002, "Ciphers with arbitrary finite domains", method 2).
// It takes fewer than four in five walks on average, as 4^half_bits_ is below 4
// * size.
Order::Permutation::Permutation(uint64_t seed, int32_t epoch, int64_t size)
    : size_(static_cast<uint64_t>(size)) {
  while (int64_t{1} << (2 * half_bits_) < size) ++half_bits_;
  uint64_t key = HashAppend(0, kOrderVersion);
  key = HashAppend(key, seed);
  key = HashAppend(key, static_cast<uint64_t>(epoch));
  key = HashAppend(key, size_);
  for (size_t round = 0; round < keys_.size(); ++round) {
    keys_[round] = HashAppend(key, round);
  }
}

uint64_t Order::Permutation::Permute(uint64_t number) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = number >> half_bits_, right = number & mask;
  for (const uint64_t key : keys_) {
    const uint64_t mixed = HashAppend(key, right);
    left = std::exchange(right, left ^ (mixed & mask));
  }
  return left << half_bits_ | right;
}

int64_t Order::Permutation::WalkFrom(uint64_t number) const {
  while (number >= size_) number = Permute(number);
  return static_cast<int64_t>(number);
}

int64_t Order::Permutation::At(int64_t place) const {
  return WalkFrom(Permute(static_cast<uint64_t>(place)));
}

void Order::Permutation::Fill(int64_t first, std::span<int64_t> out) const {
  // Without a branch, so that the processor permutes several at a time.
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<int64_t>(Permute(static_cast<uint64_t>(first) + i));
  }
  for (int64_t& number : out) number = WalkFrom(static_cast<uint64_t>(number));
}

Order::Order(uint64_t seed, const ShardLayout& layout)
    : seed_(seed), layout_(layout) {}

// A window that is shorter than the others stays last, so that the borders of
// windows are multiples of their size.
int64_t Order::WindowAt(int32_t epoch, int64_t place) const {
  const int64_t full = layout_.examples / layout_.window;
  if (place >= full) return place;
  const uint64_t seed = HashAppend(HashAppend(0, kWindowOrderVersion), seed_);
  return Permutation(seed, epoch, full).At(place);
}

Order::Permutation Order::WithinWindow(int32_t epoch, int64_t window) const {
  uint64_t seed = HashAppend(HashAppend(0, kWindowOrderVersion), seed_);
  seed = HashAppend(seed, static_cast<uint64_t>(epoch));
  seed = HashAppend(seed, static_cast<uint64_t>(window));
  return {seed, 0,
          std::min(layout_.window, layout_.examples - window * layout_.window)};
}

int64_t Order::ExampleAt(int32_t epoch, int64_t place) const {
  if (layout_.window == 0) {
    return Permutation(seed_, epoch, layout_.examples).At(place);
  }
  const int64_t window = WindowAt(epoch, place / layout_.window);
  return window * layout_.window +
         WithinWindow(epoch, window).At(place % layout_.window);
}

int64_t Order::WindowAfter(ItemId item) const {
  const int64_t next = layout_.begin(item.shard) / layout_.window + 1;
  return next < layout_.windows() ? WindowAt(item.epoch, next)
                                  : WindowAt(item.epoch + 1, 0);
}

absl::Status Order::Check(ItemId item) const {
  if (item.epoch < 0 || item.shard < 0 || item.shard >= layout_.shards()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no item ", ToString(item), "; the data has ",
                     layout_.shards(), " shards, counted from 0"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> Order::Of(ItemId item) const {
  EBB_RETURN_IF_ERROR(Check(item));
  std::vector<int64_t> examples;
  EBB_RETURN_IF_ERROR(Of(item, 0, layout_.size(item.shard), &examples));
  return examples;
}

absl::Status Order::Of(ItemId item, int64_t begin, int64_t end,
                       std::vector<int64_t>* examples) const {
  EBB_RETURN_IF_ERROR(Check(item));
  if (begin < 0 || begin >= end || end > layout_.size(item.shard)) {
    return absl::InvalidArgumentError(
        absl::StrCat("item ", ToString(item), " has no examples [", begin, ", ",
                     end, "); it has ", layout_.size(item.shard)));
  }
  const int64_t first = layout_.begin(item.shard) + begin;
  examples->resize(end - begin);
  if (layout_.window == 0) {
    Permutation(seed_, item.epoch, layout_.examples).Fill(first, *examples);
    return absl::OkStatus();
  }
  const int64_t window = WindowAt(item.epoch, first / layout_.window);
  WithinWindow(item.epoch, window).Fill(first % layout_.window, *examples);
  for (int64_t& example : *examples) example += window * layout_.window;
  return absl::OkStatus();
}

}  // namespace ebb::data
