#include "data/folds.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "common/example_hash.h"
#include "data/formats/options.h"

namespace ebb::data {
namespace {

// The limit of Dataset: with more, it refuses the training data.
constexpr size_t kMostClasses = 65536;

// The folds of the examples in the block, in their order: Fisher and Yates.
std::vector<int32_t> OrderOf(uint64_t seed, uint64_t stratum, uint64_t block,
                             int64_t folds) {
  constexpr uint64_t kFoldsVersion = 5;  // 1 to 4 are orders and the split.
  const uint64_t key = HashAppend(
      HashAppend(HashAppend(HashAppend(0, kFoldsVersion), seed), stratum),
      block);
  std::vector<int32_t> order(static_cast<size_t>(folds));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size() - 1; i > 0; --i) {
    std::swap(order[i], order[HashAppend(key, i) % (i + 1)]);
  }
  return order;
}

// The stratum of a class. The two zeros are one class.
uint64_t StratumOf(float label) {
  return uint64_t{std::bit_cast<uint32_t>(label + 0.0F)} + 1;
}

}  // namespace

int64_t FoldOf(uint64_t seed, uint64_t stratum, int64_t place, int64_t folds) {
  const auto block = static_cast<uint64_t>(place / folds);
  return OrderOf(seed, stratum, block,
                 folds)[static_cast<size_t>(place % folds)];
}

std::string FoldsMeaning(const Folds& folds) {
  std::string text = absl::StrCat(folds.test, "/", folds.count);
  if (folds.stratified) absl::StrAppend(&text, "/stratified");
  if (!folds.group.empty()) {
    absl::StrAppend(&text, "/group=", internal::Quoted(folds.group));
  }
  return text;
}

FoldCounter::FoldCounter(uint64_t seed, const Folds& folds, bool classes,
                         const Encoding& encoding)
    : seed_(seed),
      folds_(folds),
      classes_(classes),
      texts_(encoding.classes),
      sizes_(static_cast<size_t>(folds.count)) {}

int64_t FoldCounter::Deal(uint64_t name, Stratum* stratum) {
  const int64_t place = stratum->examples++ % folds_.count;
  if (place == 0) {
    const auto block =
        static_cast<uint64_t>((stratum->examples - 1) / folds_.count);
    stratum->order = OrderOf(seed_, name, block, folds_.count);
  }
  return stratum->order[static_cast<size_t>(place)];
}

int64_t FoldCounter::Next(float label, absl::string_view group) {
  Class* own = nullptr;
  if (classes_ &&
      (by_label_.size() < kMostClasses || by_label_.contains(label))) {
    own = &by_label_[label];
    own->in_fold.resize(static_cast<size_t>(folds_.count));
  }
  int64_t fold = 0;
  if (folds_.stratified && own != nullptr) {
    fold = Deal(StratumOf(label), &own->stratum);
  } else if (folds_.group.empty()) {
    fold = Deal(kAllExamples, &all_);
  } else if (const auto known = by_group_.find(group);
             known != by_group_.end()) {
    fold = known->second;
  } else {
    // Groups are dealt in the order in which they come first.
    fold = Deal(kAllExamples, &all_);
    by_group_.emplace(std::string(group), fold);
  }
  ++sizes_[static_cast<size_t>(fold)];
  if (own != nullptr) {
    ++own->examples;
    own->in_fold[static_cast<size_t>(fold)] = true;
  }
  return fold;
}

std::string FoldCounter::TooFewHint(int64_t examples) const {
  int64_t least = examples;
  for (const auto& [label, own] : by_label_) {
    least = std::min(least, own.examples);
  }
  return absl::StrCat(
      "figures of classes need an example of each class in each fold",
      folds_.count == examples ? ", so that leave-one-out is for values only"
                               : "",
      "; ",
      least < 2 ? "leave the class out"
                : absl::StrCat("take at most ", least, " folds",
                               folds_.stratified ? "" : " and stratified: true",
                               ", or leave the class out"));
}

absl::Status FoldCounter::CheckAll(absl::string_view name) const {
  const bool groups = !folds_.group.empty();
  // Else the class that is too small is named.
  const bool by_class = folds_.stratified && !by_label_.empty();
  const int64_t examples =
      std::accumulate(sizes_.begin(), sizes_.end(), int64_t{0});
  if (!by_class && std::ranges::count(sizes_, 0) > 0) {
    const auto parts = groups ? std::ssize(by_group_) : examples;
    return absl::InvalidArgumentError(absl::StrCat(
        name, " has ",
        groups ? absl::StrCat(parts, " different values in the column ",
                              internal::Quoted(folds_.group))
               : absl::StrCat(parts, " examples"),
        ", too few for ", folds_.count, " folds; take ",
        parts < 2 ? "other data" : absl::StrCat("at most ", parts, " folds")));
  }
  for (const auto& [label, own] : by_label_) {
    const auto without = std::ranges::find(own.in_fold, false);
    if (without == own.in_fold.end()) continue;
    const bool few = own.examples < folds_.count || folds_.stratified;
    const auto text = static_cast<size_t>(std::max(label, 0.0F));
    absl::Status status = absl::InvalidArgumentError(absl::StrCat(
        name, ": fold ", without - own.in_fold.begin(), " of ", folds_.count,
        " (they count from 0) has no example of the class ",
        text < texts_.size() ? texts_[text] : absl::StrCat(label),
        ", which has ", own.examples, "; ",
        few      ? TooFewHint(examples)
        : groups ? "take fewer folds, or no group"
                 : "take stratified: true"));
    status.SetPayload(kFoldWithoutClass,
                      absl::Cord(absl::StrCat(by_label_.size())));
    return status;
  }
  return absl::OkStatus();
}

}  // namespace ebb::data
