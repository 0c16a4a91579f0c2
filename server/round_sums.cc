#include "server/round_sums.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/plant.h"
#include "common/status_macros.h"
#include "optimizer/gradient.h"

namespace ebb::server {

namespace {

void AddFloats(GradientCursor* values, std::span<float> sum) {
  while (!sum.empty()) {
    const GradientView run = values->Next(sum.size());
    for (size_t i = 0; i < run.size(); ++i) {
      float value;
      std::memcpy(&value, run.bytes() + i * sizeof(float), sizeof(float));
      sum[i] += value;
    }
    sum = sum.subspan(run.size());
  }
}

}  // namespace

// Anything obtained here and not used, because a later part of the preparation
// fails, is zeros that change no sum.
absl::Status RoundSums::Prepare(ItemId item) {
  const auto [it, added] = items_.try_emplace(item);
  if (added) {
    auto zeros = shape_.Zeros();
    if (!zeros.ok()) {
      items_.erase(it);
      return zeros.status();
    }
    it->second = *std::move(zeros);
  }
  EBB_RETURN_IF_ERROR(shape_.MakeUnique(&it->second));
  if (folded_.empty()) {
    EBB_ASSIGN_OR_RETURN(folded_, shape_.Zeros());
  }
  return shape_.MakeUnique(&folded_);
}

void RoundSums::Add(ItemId item, const Payload& gradient) {
  if (!gradient.empty()) AddTo(&items_.at(item), gradient);
}

void RoundSums::Fold(const Folds& folds) {
  for (const ItemId item : folds) {
    AddTo(&folded_, shape_.PayloadOf(items_.at(item)));
  }
}

void RoundSums::Drop(const Folds& folds) {
  for (const ItemId item : folds) items_.erase(item);
}

// Prepare made it the only holder of the sum.
void RoundSums::AddTo(Blocks* sum, const Payload& values) {
  GradientCursor cursor(values);
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    AddFloats(&cursor, shape_.Mutable(sum, b));
  }
}

void RoundSums::SumWith(ItemId item, const Payload& gradient,
                        const Folds& folds, Blocks* sum) const {
  GradientCursor cursor(gradient);
  std::vector<float> own;
  for (int64_t b = 0; b < shape_.blocks(); ++b) {
    const std::span<float> out = shape_.Mutable(sum, b);
    std::ranges::copy(shape_.Floats(folded_, b), out.begin());
    if (EBB_PLANTED(open_statistic_is_read)) continue;
    for (const ItemId folds_now : folds) {
      std::span<const float> part = shape_.Floats(items_.at(folds_now), b);
      if (folds_now == item && !gradient.empty()) {
        own.assign(part.begin(), part.end());
        AddFloats(&cursor, own);
        part = own;
      }
      for (size_t i = 0; i < out.size(); ++i) out[i] += part[i];
    }
  }
}

double RoundSums::LossWith(ItemId item, double loss, int64_t first,
                           int64_t last) const {
  double sum = 0;
  for (int64_t ordinal = first; ordinal < last; ++ordinal) {
    const ItemId one = plan_.ItemAt(ordinal);
    const auto known = losses_.find(one);
    double of_item = known == losses_.end() ? 0 : known->second;
    if (one == item) of_item += loss;
    sum += of_item;
  }
  return sum;
}

// An item of the next round cannot have begun: it was not open.
void RoundSums::Close(const Folds& folds) {
  Drop(folds);
  folded_.clear();
  losses_.clear();
}

void RoundSums::AddTo(Cut* cut) const {
  for (const auto& [item, loss] : losses_) {
    cut->item_losses[plan_.Ordinal(item)] = loss;
  }
  if (!folded_.empty()) cut->arrays["sum"] = shape_.CutOf(folded_);
  for (const auto& [item, sum] : items_) {
    cut->arrays[absl::StrCat("item:", item.epoch, ":", item.shard)] =
        shape_.CutOf(sum);
  }
}

absl::Status RoundSums::RestoreLosses(const Cut& cut) {
  for (const auto& [ordinal, loss] : cut.item_losses) {
    if (ordinal < 0 || ordinal >= plan_.items()) {
      return absl::DataLossError(
          absl::StrCat("has a loss of item ", ordinal, ", which is none"));
    }
    losses_[plan_.ItemAt(ordinal)] = loss;
  }
  return absl::OkStatus();
}

bool RoundSums::Restore(absl::string_view name, const CutArray& array) {
  if (name == "sum") {
    folded_ = array.blocks;
    return true;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(name, ':');
  ItemId item;
  if (parts.size() != 3 || parts[0] != "item" ||
      !absl::SimpleAtoi(parts[1], &item.epoch) ||
      !absl::SimpleAtoi(parts[2], &item.shard)) {
    return false;
  }
  items_[item] = array.blocks;
  return true;
}

}  // namespace ebb::server
