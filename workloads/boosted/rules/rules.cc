// The rules of gradient-boosted trees.
#include "workloads/gradients/rules/rules.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/base/refusals.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "workloads/boosted/base/boosted_shape.h"
#include "workloads/boosted/rules/shape.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

// A push has the histograms of all nodes that the round looks at. It is worth
// that if its examples add to as many cells.
int64_t BatchOfHistograms(const job::SourceFacts& data, int64_t parameters) {
  constexpr int64_t kBatches = 8;
  constexpr int64_t kFew = 4096;
  constexpr int64_t kFloats = int64_t{1} << 24;
  const auto parts = [](int64_t of, int64_t count) {
    return (of + count - 1) / count;
  };
  const int64_t examples = std::max<int64_t>(1, data.examples);
  return std::min(
      {std::max(parts(parameters, data.features), parts(examples, kBatches)),
       std::max(kFew, kFloats / data.features), examples});
}

// Small data may have no example that is drawn, or no other.
void CheckValidation(const v1::Job& job, const job::SourceFacts& train,
                     job::Complaints* found) {
  const double share = ValidationShareOf(job.model());
  if (share == 0) return;
  int64_t kept_back = 0;
  int64_t others = 0;
  for (int64_t i = 0; i < train.examples && kept_back * others == 0; ++i) {
    ++(IsKeptBack(job.seed(), share, i) ? kept_back : others);
  }
  if (kept_back * others > 0) return;
  found->Add(
      "model.validation_share",
      absl::StrCat(share, " of ", train.examples, " examples are ",
                   kept_back == 0 ? "none" : "all of them"),
      kept_back == 0 ? "validation_share: 0.5" : "validation_share: 0.1");
}

void CheckRounds(const v1::Job& job, const job::SourceFacts& train,
                 job::Complaints* found) {
  const int64_t rounds =
      BoostedShapeOf(job.model(), train.features, train.classes).Rounds();
  if (train.features > 0 && rounds > kMostBoostedRounds) {
    found->Add("model.trees",
               absl::StrCat(job.model().trees(), " of them may take ", rounds,
                            " passes over the data, and a job has at most ",
                            kMostBoostedRounds),
               "fewer trees, or smaller ones");
  }
  if (train.examples <= kMostBoostedExamples) {
    CheckValidation(job, train, found);
    return;
  }
  found->Add("data.train",
             absl::StrCat("has ", train.examples,
                          " examples, and boosted_trees count up to ",
                          kMostBoostedExamples, " of them"),
             "a sample of the examples");
}

class BoostedRules final : public GradientRules {
 public:
  // Each pass over the data looks at the nodes of a level, or at some of them.
  // How many passes there are at most, the data says.
  void Fill(v1::Job* job) const override {
    v1::Algorithm& algorithm = *job->mutable_algorithm();
    if (!algorithm.has_kind()) algorithm.set_kind(v1::Algorithm::KIND_BOOSTING);
    if (!job->has_consistency()) {
      v1::Consistency& consistency = *job->mutable_consistency();
      consistency.set_kind(v1::Consistency::KIND_ROUNDS);
      consistency.set_examples("epoch");
      // A round is short, and what it makes is computed again in no time.
      consistency.set_rounds_in_memory(8);
    }
    v1::Model& model = *job->mutable_model();
    if (!model.has_depth() && !model.has_leaves()) model.set_depth(6);
    if (!model.has_l2()) model.set_l2(1);
    if (model.has_patience() && !model.has_validation_share()) {
      model.set_validation_share(0.1);
    }
    // Each tells the best splits of all nodes.
    if (!job->has_partitions()) job->set_partitions(4);
    // Trees tell missing values from others.
    if (!job->data().train().has_csv()) return;
    v1::Csv& csv = *job->mutable_data()->mutable_train()->mutable_csv();
    if (!csv.has_missing()) csv.set_missing("keep");
  }

  WorkloadFacts Facts(const v1::Job& job) const override {
    return {.quantities = false,
            .steps = false,
            .diverges = false,
            .begins_with_values = true,
            .why_no_average =
                absl::StrCat("averages weights that step along a gradient, and "
                             "the ",
                             job.model().kind(), " model has none"),
            .why_no_start =
                "trees are grown from the data, and not trained further",
            .format = 10};
  }

  void Check(const v1::Job& job, job::Complaints* found) const override {
    CheckExamples(job, found);
  }

  // Workers push sums and counts, which become splits.
  void CheckAlgorithm(const v1::Job& job,
                      job::Complaints* found) const override {
    if (job.algorithm().kind() != v1::Algorithm::KIND_BOOSTING) {
      found->Add("algorithm.kind",
                 "boosted_trees have no gradient to step along",
                 "kind: boosting");
      return;
    }
    const v1::Model& model = job.model();
    const v1::Consistency& consistency = job.consistency();
    if (consistency.kind() != v1::Consistency::KIND_ROUNDS ||
        job::ParseEpochOrCount(consistency.examples()) != job::kWholeEpoch) {
      found->Add("algorithm.kind", "each round of boosting is one epoch",
                 "consistency: {kind: rounds, examples: epoch}");
    }
    if (model.has_initial()) {
      found->Add("model.initial",
                 "boosted_trees begin with the intervals that the data has",
                 "leave it out");
    }
    if (model.depth() > kMostBoostedLevels && model.leaves() == 0) {
      found->Add("model.depth",
                 absl::StrCat("trees that grow level by level have at most ",
                              kMostBoostedLevels, " levels"),
                 "leaves: 31, which grows them leaf by leaf");
    }
    if (model.has_validation_share() && !model.has_patience()) {
      found->Add("model.validation_share",
                 "is for jobs with a patience: no other keeps examples back",
                 "patience: 10");
    }
    job::RefuseSteps(
        job, "is for models that step along a gradient, and trees do not",
        found);
    job::RefuseFilters(job, "rounds off sums and counts", found);
  }
  void RefuseModel(const v1::Job& /*job*/,
                   job::Complaints* found) const override {
    found->Add("algorithm.kind", "boosting grows boosted_trees",
               "model: boosted_trees");
  }

  void CheckTrain(const v1::Job& job, const job::SourceFacts& train,
                  job::Complaints* found) const override {
    job::CheckLeaves(job, train, found);
    CheckRounds(job, train, found);
    GradientRules::CheckTrain(job, train, found);
  }

  Wishes WishesOf(const v1::Job& job, const job::SourceFacts& data,
                  int64_t parameters) const override {
    if (data.features < 1) return {};
    const int64_t trees = job.model().trees();
    // More are refused, by the number of trees (CheckRounds).
    const int64_t rounds = std::min(
        BoostedShapeOf(job.model(), data.features, data.classes).Rounds(),
        kMostBoostedRounds);
    return {
        .batch = BatchOfHistograms(data, parameters),
        .epochs = Wish{static_cast<double>(rounds),
                       absl::StrCat("the passes that ", trees,
                                    trees == 1 ? " tree takes" : " trees take",
                                    " at most")}};
  }
};

}  // namespace

void RegisterBoostedRules(RulesSides* sides) {
  sides->Add("boosted", std::make_unique<BoostedRules>());
}

}  // namespace ebb::workloads
