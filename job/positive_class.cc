#include "job/positive_class.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "job/base/keys.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::job {

namespace {

constexpr char kPositive[] = "data.positive";

// A number may be written in several ways.
bool IsSameClass(absl::string_view one, absl::string_view other) {
  if (one == other) return true;
  double a = 0, b = 0;
  return absl::SimpleAtod(one, &a) && absl::SimpleAtod(other, &b) && a == b;
}

}  // namespace

std::optional<int64_t> FindPositive(const v1::Data& data,
                                    std::span<const std::string> classes) {
  if (!data.has_positive()) return 1;
  for (size_t c = 0; c < classes.size(); ++c) {
    if (IsSameClass(data.positive(), classes[c])) {
      return static_cast<int64_t>(c);
    }
  }
  return std::nullopt;
}

void CheckPositive(const v1::Job& job, Complaints* found) {
  if (!job.data().has_positive()) return;
  const bool labels = workloads::FactsOf(job).labels;
  if (labels && !PredictsNumbers(job)) return;
  found->Add(
      kPositive,
      absl::StrCat("is for labels of two classes, and ", job.model().kind(),
                   labels ? " predicts numbers" : " looks at no labels"),
      "leave it out");
}

void CheckPositiveAgainst(const v1::Job& job, const SourceFacts& train,
                          Complaints* found) {
  const v1::Data& data = job.data();
  if (!data.has_positive()) return;
  if (train.classes != 2) {
    found->Add(kPositive,
               train.classes == 0
                   ? "is for labels of two classes, and those of data.train "
                     "are numbers to predict"
                   : absl::StrCat("is for labels of two classes, and "
                                  "data.train has ",
                                  train.classes),
               "leave it out");
    return;
  }
  if (train.class_texts.empty() || FindPositive(data, train.class_texts)) {
    return;
  }
  const std::string near = Nearest(data.positive(), train.class_texts);
  found->Add(
      kPositive,
      absl::StrCat(
          "\"", data.positive(), "\" is no class of data.train; they are \"",
          train.class_texts[0], "\" and \"", train.class_texts[1], "\""),
      absl::StrCat("positive: ", near.empty() ? train.class_texts[1] : near));
}

}  // namespace ebb::job
