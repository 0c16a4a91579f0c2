#include "data/order.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "common/plant.h"
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

class Order::Permutation::Computed {
 public:
  explicit Computed(const Permutation& of)
      : keys_(of.keys_), mask_((uint64_t{1} << of.half_bits_) - 1) {}

  uint64_t operator()(int round, uint64_t half) const {
    return HashAppend(keys_[round], half) & mask_;
  }

 private:
  const std::array<uint64_t, kRounds> keys_;
  const uint64_t mask_;
};

class Order::Permutation::LookedUp {
 public:
  explicit LookedUp(const Permutation& of)
      : half_bits_(of.half_bits_), of_(size_t{kRounds} << of.half_bits_) {
    const Computed function(of);
    for (size_t i = 0; i < of_.size(); ++i) {
      const uint64_t half = i & ((uint64_t{1} << half_bits_) - 1);
      of_[i] = static_cast<uint32_t>(
          function(static_cast<int>(i >> half_bits_), half));
    }
  }

  // Pays off from so many numbers on.
  static bool IsWorthIt(int half_bits, size_t numbers) {
    return half_bits < 32 && (size_t{4} << half_bits) <= numbers;
  }

  uint64_t operator()(int round, uint64_t half) const {
    return of_[(static_cast<uint64_t>(round) << half_bits_) + half];
  }

 private:
  const int half_bits_;
  std::vector<uint32_t> of_;  // By round and half.
};

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

template <typename Function>
uint64_t Order::Permutation::Permute(const Function& function,
                                     uint64_t number) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = number >> half_bits_, right = number & mask;
  for (int round = 0; round < kRounds; ++round) {
    left = std::exchange(right, left ^ function(round, right));
  }
  return left << half_bits_ | right;
}

template <typename Function>
int64_t Order::Permutation::WalkFrom(const Function& function,
                                     uint64_t number) const {
  while (number >= size_) number = Permute(function, number);
  return static_cast<int64_t>(number);
}

int64_t Order::Permutation::At(int64_t place) const {
  const Computed function(*this);
  return WalkFrom(function, Permute(function, static_cast<uint64_t>(place)));
}

template <typename Function>
void Order::Permutation::FillBy(const Function& function, int64_t first,
                                std::span<int64_t> out) const {
  // Without a branch, so that the processor permutes several at a time.
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<int64_t>(
        Permute(function, static_cast<uint64_t>(first) + i));
  }
  for (int64_t& number : out) {
    number = WalkFrom(function, static_cast<uint64_t>(number));
  }
}

void Order::Permutation::Fill(int64_t first, std::span<int64_t> out) const {
  if (LookedUp::IsWorthIt(half_bits_, out.size())) {
    FillBy(LookedUp(*this), first, out);
  } else {
    FillBy(Computed(*this), first, out);
  }
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

int64_t Order::WindowOf(ItemId item) const {
  const int64_t place = layout_.begin(item.shard) / layout_.window;
  return EBB_PLANTED(stale_window_cache) ? place : WindowAt(item.epoch, place);
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
