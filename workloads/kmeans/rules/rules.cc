// The rules of K-Means.
#include "workloads/gradients/rules/rules.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "job/base/keys.h"
#include "job/base/refusals.h"
#include "job/base/traits.h"
#include "job/base/values.h"
#include "workloads/kmeans/rules/restarts.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

constexpr char kNoGradientOfClusters[] =
    "is for models that have a gradient, and kmeans has none";

void CheckRestarts(const v1::Job& job, job::Complaints* found) {
  job::CheckTasks(
      job, "the restarts of kmeans have one table, which is written once",
      found);
  if (!job.model().has_initial()) return;
  found->Add("model.initial",
             "each restart chooses centroids of its own to begin with",
             "leave it out, or leave model.restarts out");
}

void CheckLloyd(const v1::Job& job, job::Complaints* found) {
  const v1::Consistency& consistency = job.consistency();
  if (consistency.kind() != v1::Consistency::KIND_ROUNDS ||
      job::ParseEpochOrCount(consistency.examples()) != job::kWholeEpoch) {
    found->Add("algorithm.kind", "each round of lloyd is one epoch",
               "consistency: {kind: rounds, examples: epoch}");
  }
  if (job.algorithm().max_rounds() != job.train().epochs()) {
    found->Add("algorithm.max_rounds",
               absl::StrCat(job.algorithm().max_rounds(),
                            " is not train.epochs, which is ",
                            job.train().epochs(), ": a round is an epoch"),
               "leave one of the two out");
  }
}

void CheckMiniBatch(const v1::Job& job, job::Complaints* found) {
  if (job.model().has_restarts()) {
    found->Add("model.restarts",
               "a restart runs until its rounds end, and mini_batch has none",
               "algorithm: lloyd, or leave restarts out");
  }
  if (job.consistency().kind() == v1::Consistency::KIND_ROUNDS) {
    found->Add("algorithm.kind",
               "each batch of mini_batch is a step of its own, and rounds sum "
               "up batches",
               "algorithm: lloyd, or consistency: asp");
  }
}

class KMeansRules final : public GradientRules {
 public:
  // Clusters are found in Lloyd's rounds, each a pass over the data. How many
  // there are at most stands in two places, which agree.
  void Fill(v1::Job* job) const override {
    v1::Algorithm& algorithm = *job->mutable_algorithm();
    if (!algorithm.has_kind()) algorithm.set_kind(v1::Algorithm::KIND_LLOYD);
    if (algorithm.kind() != v1::Algorithm::KIND_LLOYD) return;
    constexpr int64_t kMostRounds = 100;
    if (HasRestarts(*job)) {
      if (!algorithm.has_max_rounds()) algorithm.set_max_rounds(kMostRounds);
      return;
    }
    if (!job->has_consistency()) {
      job->mutable_consistency()->set_kind(v1::Consistency::KIND_ROUNDS);
      job->mutable_consistency()->set_examples("epoch");
    }
    v1::Train& train = *job->mutable_train();
    if (!algorithm.has_max_rounds()) {
      algorithm.set_max_rounds(train.has_epochs() ? train.epochs()
                                                  : kMostRounds);
    }
    if (!train.has_epochs()) train.set_epochs(algorithm.max_rounds());
  }

  WorkloadFacts Facts(const v1::Job& job) const override {
    const bool restarts = HasRestarts(job);
    return {
        // A number that is refused still says what the job is.
        .tasks = restarts ? std::max<int64_t>(1, job.model().restarts()) : 0,
        .unit = restarts ? "Lloyd run" : "example",
        .all_data = restarts,
        .labels = false,
        .quantities = false,
        .steps = false,
        .diverges = false,
        .evaluates = !restarts,
        .begins_with_values = !restarts,
        .least_loss = restarts,  // Each run has another model.
        .why_no_average =
            "averages weights that step along a gradient, and the kmeans model "
            "has none",
        .why_no_start = "kmeans begins with centroids, and moves all of them",
        .format = 10};
  }

  std::optional<OtherFigure> InPlaceOf(
      const v1::Job& job, absl::string_view figure) const override {
    if (auto other = GradientRules::InPlaceOf(job, figure)) return other;
    return OtherFigure{
        .why = "compares predictions with labels, and kmeans looks at none",
        .name = "loss",
        .bound = "\"<= 40\", the mean squared distance"};
  }

  void Check(const v1::Job& job, job::Complaints* found) const override {
    GradientRules::Check(job, found);
    if (!HasRestarts(job) || !job::TraitsOf(job.data().train()).packed()) {
      return;
    }
    found->Add("data.train.packed",
               "is read window by window, but each of several runs needs all "
               "of the data in memory",
               "leave model.restarts out");
  }

  // Workers push sums and counts, and no gradient.
  void CheckAlgorithm(const v1::Job& job,
                      job::Complaints* found) const override {
    const v1::Algorithm::Kind kind = job.algorithm().kind();
    if (kind == v1::Algorithm::KIND_MINI_BATCH) {
      CheckMiniBatch(job, found);
    } else if (kind != v1::Algorithm::KIND_LLOYD) {
      found->Add("algorithm.kind", "kmeans has no gradient to step along",
                 "kind: lloyd, or kind: mini_batch");
      return;
    } else if (HasRestarts(job)) {
      CheckRestarts(job, found);
    } else {
      CheckLloyd(job, found);
    }
    if (!job.model().has_clusters()) {
      found->Add("model.clusters", "is missing: how many are there to find?",
                 "clusters: 10");
    }
    job::RefuseSteps(job, kNoGradientOfClusters, found);
    if (job.model().l2() != 0) {
      found->Add("model.l2", kNoGradientOfClusters, "leave it out");
    }
    job::RefuseFilters(job, "rounds off sums and counts", found);
  }

  void RefuseModel(const v1::Job& job, job::Complaints* found) const override {
    found->Add("algorithm.kind",
               absl::StrCat(job::KindOf(job.algorithm()),
                            " moves the centroids of kmeans"),
               "model: {kind: kmeans, clusters: 10}");
  }

  Wishes WishesOf(const v1::Job& job, const job::SourceFacts& /*data*/,
                  int64_t /*parameters*/) const override {
    constexpr int64_t kMostOfAMiniBatch = 1024;
    if (job.algorithm().kind() != v1::Algorithm::KIND_MINI_BATCH) return {};
    return {.most_of_a_batch = kMostOfAMiniBatch};
  }

  void CheckTrain(const v1::Job& job, const job::SourceFacts& train,
                  job::Complaints* found) const override {
    const int64_t clusters = job.model().clusters();
    if (clusters > train.examples) {
      found->Add("model.clusters",
                 absl::StrCat(clusters, " clusters are more than the ",
                              train.examples, " examples of data.train"),
                 absl::StrCat("clusters: ", train.examples));
    }
    // Counts are whole numbers in float32.
    constexpr int64_t kMostExamples = int64_t{1} << 24;
    if (train.examples > kMostExamples) {
      found->Add("data.train",
                 absl::StrCat("has ", train.examples,
                              " examples, and kmeans counts up to ",
                              kMostExamples, " in a cluster"),
                 "a sample of the examples");
    }
  }
};

}  // namespace

void RegisterKmeansRules(RulesSides* sides) {
  sides->Add("kmeans", std::make_unique<KMeansRules>());
}

}  // namespace ebb::workloads
