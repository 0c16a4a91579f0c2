#include "tools/ebb/model/importances.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ebb::tools {

std::vector<Importance> ImportancesOf(const StoredModel& stored,
                                      const std::vector<double>& shares,
                                      const std::vector<double>& permutation) {
  std::vector<std::string> names = stored.index.encoding.FeatureNames(
      stored.columns ? stored.columns->features : std::vector<std::string>());
  if (names.size() != shares.size() && stored.columns) {
    names = stored.columns->features;
  }
  std::vector<Importance> all;
  for (size_t f = 0; f < shares.size(); ++f) {
    Importance& one = all.emplace_back();
    one.feature = names.size() == shares.size()
                      ? names[f]
                      : absl::StrCat("feature ", f + 1);
    one.share = shares[f];
    if (!permutation.empty()) one.permutation = permutation[f];
  }
  std::ranges::stable_sort(all, std::ranges::greater(), &Importance::share);
  return all;
}

std::string ImportancesText(const std::vector<Importance>& importances) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < importances.size() && i < kShown; ++i) {
    const Importance& one = importances[i];
    if (one.share == 0) break;
    absl::StrAppend(&text, i == 0 ? "" : ", ", one.feature,
                    absl::StrFormat(" %.1f %%", 100 * one.share));
  }
  return text;
}

Json ImportancesJson(const std::vector<Importance>& importances) {
  Json list = Json::List();
  for (const Importance& importance : importances) {
    Json one = Json::Object();
    one["feature"] = importance.feature;
    one["share"] = importance.share;
    one["permutation"] =
        importance.permutation ? Json(*importance.permutation) : Json();
    list.Add(std::move(one));
  }
  return list;
}

std::string NoSplitText() {
  return "no tree has a split, so all predictions are the same: the features "
         "say nothing about the labels, or model.leaf_examples is too large";
}

std::string NoTreeKeptText() {
  return "no tree is kept, so all predictions are the same: model.patience "
         "keeps examples back, and their loss was never smaller than without a "
         "tree. Either the features say nothing about the labels, or "
         "model.shrinkage is too large, or model.validation_share too small";
}

}  // namespace ebb::tools
