// The rules of forests of trees, each of which is a task.
#include "workloads/gradients/rules/rules.h"

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/base/keys.h"
#include "job/base/refusals.h"
#include "job/base/traits.h"
#include "workloads/seam/rules/rules.h"

namespace ebb::workloads {

namespace {

constexpr char kNoGradient[] =
    "is for models that have a gradient, and a forest has none";

// The number of tasks; 0: the job has another algorithm, and is refused.
int64_t TreesOf(const v1::Job& job) {
  if (!job::TraitsOf(job.algorithm().kind()).tasks()) return 0;
  // The default stands beside the key.
  v1::Model model = job.model();
  job::FillAnnotatedDefaults(&model);
  return model.trees();
}

class ForestRules final : public GradientRules {
 public:
  void Fill(v1::Job* job) const override {
    if (job->algorithm().has_kind()) return;
    job->mutable_algorithm()->set_kind(v1::Algorithm::KIND_TASKS);
  }

  WorkloadFacts Facts(const v1::Job& job) const override {
    return {.tasks = TreesOf(job),
            .unit = "tree",
            .all_data = true,
            .quantities = false,
            .steps = false,
            .diverges = false,
            .evaluates = false,
            .why_no_average =
                "averages weights that step along a gradient, and the forest "
                "model has none",
            .why_no_start =
                "trees are grown from the data, and not trained further"};
  }

  void Check(const v1::Job& job, job::Complaints* found) const override {
    GradientRules::Check(job, found);
    if (!job::TraitsOf(job.data().train()).packed()) return;
    found->Add("data.train.packed",
               "is read window by window, but forest needs all of the data in "
               "memory",
               "the files that were packed; or model: boosted_trees, which "
               "learns from windows");
  }

  void CheckAlgorithm(const v1::Job& job,
                      job::Complaints* found) const override {
    if (!job::TraitsOf(job.algorithm().kind()).tasks()) {
      found->Add("algorithm.kind", "a forest has no gradient to step along",
                 "kind: tasks");
      return;
    }
    const auto refuse = [found](const char* key) {
      found->Add(key, kNoGradient, "leave it out");
    };
    job::CheckTasks(job, "a forest has one table, which is written once",
                    found);
    job::RefuseSteps(job, kNoGradient, found);
    if (job.model().l2() != 0) refuse("model.l2");
    if (job.model().has_initial()) refuse("model.initial");
    job::RefuseFilters(job, "rounds off values, and a forest pushes bytes",
                       found);
    const v1::DataSource& train = job.data().train();
    if (!job::IsSparse(train)) return;
    found->Add("model.kind",
               "forest takes dense examples, and these name the features that "
               "they have",
               job::HintOfDense(train, "data: {train: {csv: FILE}}"));
  }

  void CheckTrain(const v1::Job& job, const job::SourceFacts& train,
                  job::Complaints* found) const override {
    job::CheckLeaves(job, train, found);
    const v1::Model& model = job.model();
    if (train.classes == 1) {
      found->Add("data.train", "has only one class, which is no choice",
                 "choose another label");
    }
    if (model.has_split_features() && model.split_features() > train.features) {
      found->Add("model.split_features",
                 absl::StrCat(model.split_features(), " are more than the ",
                              train.features, " features of data.train"),
                 absl::StrCat("split_features: ", train.features));
    }
    // Workers number them so.
    constexpr int64_t kMostExamples = int64_t{1} << 31;
    if (train.examples > kMostExamples) {
      found->Add("data.train",
                 absl::StrCat("has ", train.examples,
                              " examples, and a tree learns from up to ",
                              kMostExamples),
                 "a sample of the examples");
    }
  }
};

}  // namespace

void RegisterForestRules(RulesSides* sides) {
  sides->Add("forest", std::make_unique<ForestRules>());
}

}  // namespace ebb::workloads
