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
  return absl::OkStatus();
}

int64_t ShardLayout::size(int64_t shard) const {
  return std::min(shard_size, examples - begin(shard));
}

Order::Order(uint64_t seed, const ShardLayout& layout)
    : seed_(seed), layout_(layout) {
  while (int64_t{1} << (2 * half_bits_) < layout.examples) ++half_bits_;
}

class Order::Computed {
 public:
  Computed(const Keys& keys, int half_bits)
      : keys_(keys), mask_((uint64_t{1} << half_bits) - 1) {}

  uint64_t operator()(int round, uint64_t half) const {
    return HashAppend(keys_[round], half) & mask_;
  }

 private:
  const Keys keys_;
  const uint64_t mask_;
};

class Order::LookedUp {
 public:
  LookedUp(const Keys& keys, int half_bits)
      : half_bits_(half_bits), of_(size_t{kRounds} << half_bits) {
    const Computed function(keys, half_bits);
    for (size_t i = 0; i < of_.size(); ++i) {
      const uint64_t half = i & ((uint64_t{1} << half_bits) - 1);
      of_[i] = static_cast<uint32_t>(
          function(static_cast<int>(i >> half_bits), half));
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
// from numbers beyond the examples leaves a permutation of the examples (Black
// and Rogaway 2002, "Ciphers with arbitrary finite domains", method 2). It
// takes fewer than four in five walks on average, as 4^half_bits_ is below 4 *
// examples.
int64_t Order::ExampleAt(int32_t epoch, int64_t place) const {
  const Computed function(KeysOf(epoch), half_bits_);
  return WalkFrom(function, Permute(function, static_cast<uint64_t>(place)));
}

Order::Keys Order::KeysOf(int32_t epoch) const {
  uint64_t key = HashAppend(0, kOrderVersion);
  key = HashAppend(key, seed_);
  key = HashAppend(key, static_cast<uint64_t>(epoch));
  key = HashAppend(key, static_cast<uint64_t>(layout_.examples));
  Keys keys;
  for (size_t round = 0; round < keys.size(); ++round) {
    keys[round] = HashAppend(key, round);
  }
  return keys;
}

template <typename Function>
uint64_t Order::Permute(const Function& function, uint64_t number) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = number >> half_bits_, right = number & mask;
  for (int round = 0; round < kRounds; ++round) {
    left = std::exchange(right, left ^ function(round, right));
  }
  return left << half_bits_ | right;
}

template <typename Function>
int64_t Order::WalkFrom(const Function& function, uint64_t number) const {
  const auto examples = static_cast<uint64_t>(layout_.examples);
  while (number >= examples) number = Permute(function, number);
  return static_cast<int64_t>(number);
}

template <typename Function>
void Order::ExamplesFrom(const Function& function, uint64_t first,
                         std::vector<int64_t>* examples) const {
  // Without a branch, so that the processor permutes several at a time.
  for (size_t i = 0; i < examples->size(); ++i) {
    (*examples)[i] = static_cast<int64_t>(Permute(function, first + i));
  }
  for (int64_t& example : *examples) {
    example = WalkFrom(function, static_cast<uint64_t>(example));
  }
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
  const Keys keys = KeysOf(item.epoch);
  const auto first = static_cast<uint64_t>(layout_.begin(item.shard) + begin);
  examples->resize(end - begin);
  if (LookedUp::IsWorthIt(half_bits_, examples->size())) {
    ExamplesFrom(LookedUp(keys, half_bits_), first, examples);
  } else {
    ExamplesFrom(Computed(keys, half_bits_), first, examples);
  }
  return absl::OkStatus();
}

}  // namespace ebb::data
