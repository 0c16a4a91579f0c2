#include "protocol/marks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "protocol/codec.h"

namespace ebb {

int64_t MarkSet::mark(ItemId item) const {
  if (Full(item)) return plan_->ItemSize(item);
  const auto it = partial_.find(item);
  return it == partial_.end() ? 0 : it->second;
}

bool MarkSet::Full(ItemId item) const {
  if (item.epoch < full_epochs_) return true;
  const auto it = bitmaps_.find(item.epoch);
  return it != bitmaps_.end() && it->second.full[item.shard];
}

absl::Status MarkSet::Raise(ItemId item, int64_t mark) {
  if (!plan_->HasItem(item)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the job has no item ", ToString(item)));
  }
  const int64_t size = plan_->ItemSize(item);
  const int64_t before = this->mark(item);
  if (mark > size || mark < before) {
    return absl::InvalidArgumentError(
        absl::StrCat("item ", ToString(item), " of ", size, " examples at ",
                     before, " cannot have the mark ", mark));
  }
  if (mark == before) return absl::OkStatus();
  examples_ += mark - before;
  if (mark == size) {
    SetFull(item);
  } else {
    partial_[item] = mark;
  }
  return absl::OkStatus();
}

void MarkSet::SetFull(ItemId item) {
  partial_.erase(item);
  Bitmap& bitmap = bitmaps_[item.epoch];
  // It is as wide in a shorter last epoch: it is stored before that is decided.
  if (bitmap.full.empty()) bitmap.full.resize(plan_->shards());
  bitmap.full[item.shard] = true;
  ++bitmap.count;
  ++full_items_;
  for (auto it = bitmaps_.begin();
       it != bitmaps_.end() && it->first == full_epochs_ &&
       it->second.count == plan_->ShardsOf(it->first);
       it = bitmaps_.erase(it)) {
    ++full_epochs_;
  }
}

int64_t MarkSet::PlaceOfEnd() const {
  int64_t end = plan_->ExamplesBefore(full_epochs_);
  if (!bitmaps_.empty()) {
    const auto& [epoch, bitmap] = *bitmaps_.rbegin();
    auto shard = static_cast<int32_t>(bitmap.full.size()) - 1;
    while (shard >= 0 && !bitmap.full[shard]) --shard;
    const ItemId last{epoch, shard};
    end = std::max(end, plan_->PlaceOf(last, plan_->ItemSize(last)));
  }
  if (!partial_.empty()) {
    const auto& [item, mark] = *partial_.rbegin();
    end = std::max(end, plan_->PlaceOf(item, mark));
  }
  return end;
}

int64_t MarkSet::first_open_round() const {
  if (full_epochs_ == plan_->epochs) return plan_->RoundCount();
  int64_t round = full_epochs_ * plan_->RoundsPerEpoch();
  const auto it = bitmaps_.find(full_epochs_);
  if (it == bitmaps_.end()) return round;
  int32_t shard = 0;
  while (it->second.full[shard]) ++shard;  // Ends: the epoch is not full.
  return round + shard / plan_->consistency.round_items;
}

// full_epochs, then per bitmap: epoch, one byte per 8 shards; then per partial
// item: epoch, shard, mark. Counts precede lists.
std::string MarkSet::Encode() const {
  std::string out;
  PutVarint(full_epochs_, &out);
  PutVarint(bitmaps_.size(), &out);
  for (const auto& [epoch, bitmap] : bitmaps_) {
    PutVarint(epoch, &out);
    for (size_t i = 0; i < bitmap.full.size(); i += 8) {
      unsigned char byte = 0;
      for (size_t b = 0; b < 8 && i + b < bitmap.full.size(); ++b) {
        byte |= static_cast<unsigned char>(bitmap.full[i + b]) << b;
      }
      out.push_back(static_cast<char>(byte));
    }
  }
  PutVarint(partial_.size(), &out);
  for (const auto& [item, mark] : partial_) {
    PutVarint(item.epoch, &out);
    PutVarint(item.shard, &out);
    PutVarint(mark, &out);
  }
  return out;
}

namespace {

// Returns whether it is the last item of data that grew.
bool EndsAfter(const JobPlan& plan, ItemId item) {
  return plan.grows && plan.Ordinal(item) == plan.items() - 1;
}

}  // namespace

absl::StatusOr<MarkSet> MarkSet::Decode(const JobPlan& plan,
                                        absl::string_view bytes) {
  const auto damaged = [](absl::string_view what) {
    return absl::DataLossError(absl::StrCat("stored marks: ", what));
  };
  ByteReader in(bytes);
  MarkSet set(plan);
  int64_t epochs = 0, count = 0;
  if (!in.GetBounded(plan.epochs, &epochs)) return damaged("bad epoch count");
  set.full_epochs_ = static_cast<int32_t>(epochs);
  set.full_items_ = plan.ItemsBefore(set.full_epochs_);
  set.examples_ = plan.ExamplesBefore(set.full_epochs_);
  if (!in.GetBounded(plan.epochs, &count)) return damaged("bad bitmap count");
  for (; count > 0; --count) {
    int64_t epoch = 0;
    absl::string_view packed;
    if (!in.GetBounded(plan.epochs - 1, &epoch) ||
        !in.GetBytes((plan.shards() + 7) / 8, &packed) ||
        epoch < set.full_epochs_) {
      return damaged("bad bitmap");
    }
    for (int32_t shard = 0; shard < plan.shards(); ++shard) {
      if ((static_cast<unsigned char>(packed[shard / 8]) >> (shard % 8)) & 1) {
        const ItemId item{static_cast<int32_t>(epoch), shard};
        if (!plan.HasItem(item)) return damaged("bad bitmap");
        if (auto s = set.Raise(item, plan.ItemSize(item)); !s.ok()) return s;
      }
    }
  }
  if (!in.GetBounded(plan.items(), &count)) return damaged("bad item count");
  for (; count > 0; --count) {
    int64_t epoch = 0, shard = 0, mark = 0;
    if (!in.GetBounded(plan.epochs - 1, &epoch) ||
        !in.GetBounded(plan.shards() - 1, &shard) ||
        !in.GetBounded(plan.shard_size, &mark) || mark == 0) {
      return damaged("bad item");
    }
    const ItemId item{static_cast<int32_t>(epoch), static_cast<int32_t>(shard)};
    // Where the end was decided since, it may be full now.
    if (!plan.HasItem(item) || mark > plan.ItemSize(item) ||
        (mark == plan.ItemSize(item) && !EndsAfter(plan, item)) ||
        !set.Raise(item, mark).ok()) {
      return damaged(absl::StrCat("bad mark of item ", ToString(item)));
    }
  }
  if (!in.done()) return damaged("bytes left over");
  return set;
}

}  // namespace ebb
