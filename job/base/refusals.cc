#include "job/base/refusals.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "job/base/traits.h"

namespace ebb::job {

void RefuseSteps(const v1::Job& job, absl::string_view why, Complaints* found) {
  const auto refuse = [&](const char* key) {
    found->Add(key, std::string(why), "leave it out");
  };
  if (!TraitsOf(job.optimizer().kind()).plain()) refuse("optimizer.kind");
  if (job.optimizer().weight_decay() > 0) refuse("optimizer.weight_decay");
  if (job.train().has_clip_norm()) refuse("train.clip_norm");
  if (job.has_on_divergence()) refuse("on_divergence");
  if (job.on_nonfinite() == v1::POLICY_ROLLBACK) refuse("on_nonfinite");
}

void RefuseFilters(const v1::Job& job, absl::string_view why,
                   Complaints* found) {
  const auto whole = [&](const char* key, const v1::Filter& filter) {
    if (filter.kind() == v1::Filter::KIND_UNSPECIFIED ||
        filter.kind() == v1::Filter::KIND_NONE) {
      return;
    }
    found->Add(key, std::string(why), "kind: none");
  };
  whole("filters.push.kind", job.filters().push());
  whole("filters.pull.kind", job.filters().pull());
}

void CheckTasks(const v1::Job& job, absl::string_view table,
                Complaints* found) {
  const auto refuse = [found](const char* key, absl::string_view why) {
    found->Add(key, std::string(why), "leave it out");
  };
  const v1::Train& train = job.train();
  constexpr absl::string_view kOnce = "each task is computed once, by itself";
  if (train.has_epochs() && train.epochs() != 1) refuse("train.epochs", kOnce);
  if (train.has_batch() && train.batch() != 1) refuse("train.batch", kOnce);
  if (train.has_item_examples() && train.item_examples() != 1) {
    refuse("train.item_examples", kOnce);
  }
  if (train.has_batch_growth()) refuse("train.batch_growth", kOnce);
  const v1::Consistency& consistency = job.consistency();
  if (consistency.kind() != v1::Consistency::KIND_ASP &&
      consistency.kind() != v1::Consistency::KIND_UNSPECIFIED) {
    found->Add("consistency.kind", "tasks do not depend on one another",
               "consistency: asp");
  }
  if (!job.tables().empty()) refuse("tables", table);
}

void CheckLeaves(const v1::Job& job, const SourceFacts& train,
                 Complaints* found) {
  const v1::Model& model = job.model();
  if (2 * model.leaf_examples() > train.examples) {
    found->Add("model.leaf_examples",
               absl::StrCat("two leaves of ", model.leaf_examples(),
                            " are more than the ", train.examples,
                            " examples of data.train"),
               "leaf_examples: 1");
  }
  if (!PredictsNumbers(job) || !train.label_deviation) return;
  // The gain of a split is at most the sum of the squared deviations. It must
  // be a float.
  const double deviation = *train.label_deviation;
  const double squares =
      deviation * deviation * static_cast<double>(train.examples);
  constexpr double kMostSquares = 1e38;
  if (squares > kMostSquares) {
    found->Add("data.train",
               absl::StrFormat("its labels deviate by %.3g from their mean, "
                               "and the sum of the squares is more than %.3g",
                               deviation, kMostSquares),
               "labels in a larger unit");
  }
}

}  // namespace ebb::job
