#include "tools/ebb/report/forest_figures.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/boosted_shape.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "job/boosted.h"
#include "models/forest/forest.h"
#include "models/forest/out_of_bag.h"
#include "tools/ebb/report/stored_run.h"
#include "tools/ebb/stored/stored_model.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "worker/job_data.h"
#include "worker/job_scores.h"
#include "worker/task_maker.h"

namespace ebb::tools {

namespace {

using models::forest::Forest;

// Also what shuffling costs, by feature, to `permutation`.
absl::Status MeasureOutOfBag(const StoredModel& stored,
                             const models::Model& model, ForestFigures* figures,
                             std::vector<double>* permutation) {
  EBB_ASSIGN_OR_RETURN(
      const data::Dataset train,
      data::Dataset::LoadIndexed(
          worker::TrainingSource(stored.job, worker::LabelKindOf(stored.index)),
          stored.index, data::OpenFile));
  auto scores = worker::ScoresOf(stored.job, stored.index, model.description());
  std::vector<int64_t> numbers;
  data::ExampleBatch batch;
  const auto read = [&](int64_t first, int64_t count,
                        std::vector<float>* features,
                        std::vector<float>* labels) {
    numbers.resize(count);
    std::iota(numbers.begin(), numbers.end(), first);
    EBB_RETURN_IF_ERROR(train.Gather(numbers, &batch));
    features->swap(batch.values);
    labels->swap(batch.labels);
    return absl::OkStatus();
  };
  const models::forest::GrowthOptions options =
      worker::GrowthOptionsOf(stored.job, stored.index);
  EBB_ASSIGN_OR_RETURN(models::forest::OutOfBag measured,
                       models::forest::MeasureOutOfBag(
                           *stored.forest, options, train.examples(), read,
                           [&](std::span<const float> labels,
                               std::span<const float> predictions) {
                             scores->Add(labels, predictions);
                           }));
  figures->out_of_bag_examples = measured.examples;
  if (figures->out_of_bag_examples > 0) figures->out_of_bag = scores->Get();
  *permutation = std::move(measured.importances);
  return absl::OkStatus();
}

std::vector<ForestFigures::Importance> ImportancesOf(
    const StoredModel& stored, const std::vector<double>& permutation) {
  const std::vector<double> shares = stored.forest->Importances();
  std::vector<std::string> names = stored.index.encoding.FeatureNames(
      stored.columns ? stored.columns->features : std::vector<std::string>());
  if (names.size() != shares.size() && stored.columns) {
    names = stored.columns->features;
  }
  std::vector<ForestFigures::Importance> all;
  for (size_t f = 0; f < shares.size(); ++f) {
    ForestFigures::Importance& one = all.emplace_back();
    one.feature = names.size() == shares.size()
                      ? names[f]
                      : absl::StrCat("feature ", f + 1);
    one.share = shares[f];
    if (!permutation.empty()) one.permutation = permutation[f];
  }
  std::ranges::stable_sort(all, std::ranges::greater(),
                           &ForestFigures::Importance::share);
  return all;
}

// The figure by which people know the forest's task.
absl::string_view MainFigure(const Figures& figures) {
  return figures.Find(kAccuracy) ? kAccuracy : kR2;
}

}  // namespace

absl::StatusOr<ForestFigures> MeasureForest(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const StoredRun run, LoadStoredRun(folder));
  const StoredModel& stored = run.model;
  if (stored.forest == nullptr || stored.forest->trees().empty()) {
    return absl::NotFoundError("no tree is stored yet");
  }
  EBB_ASSIGN_OR_RETURN(const auto model, CreateStoredModel(stored, {}));
  ForestFigures figures;
  figures.trees = static_cast<int64_t>(stored.forest->trees().size());
  for (const models::forest::Tree& tree : stored.forest->trees()) {
    figures.nodes += static_cast<int64_t>(tree.nodes.size());
  }
  std::vector<double> permutation;
  if (stored.job.model().bootstrap()) {
    EBB_RETURN_IF_ERROR(
        MeasureOutOfBag(stored, *model->model, &figures, &permutation));
  }
  figures.importances = ImportancesOf(stored, permutation);
  EBB_ASSIGN_OR_RETURN(figures.test,
                       EvaluateStored(run, figures.trees, model->model.get()));
  return figures;
}

absl::StatusOr<bool> AnyBoostedSplit(const RunFolder& folder) {
  EBB_ASSIGN_OR_RETURN(const StoredRun run, LoadStoredRun(folder));
  const StoredModel& stored = run.model;
  const BoostedShape shape =
      job::BoostedShapeOf(stored.job.model(), stored.index.features,
                          std::ssize(stored.index.classes));
  for (int64_t at = shape.NodesAt(); at < shape.OpenAt();
       at += BoostedNodeColumns::kCount) {
    if (stored.parameters[at + BoostedNodeColumns::kFeature] >= 0) return true;
  }
  return false;
}

std::string NoSplitText() {
  return "no tree has a split, so all predictions are the same: the features "
         "say nothing about the labels, or model.leaf_examples is too large";
}

std::string OutOfBagText(const ForestFigures& forest) {
  if (!forest.out_of_bag) return "";
  const absl::string_view name = MainFigure(*forest.out_of_bag);
  const auto value = forest.out_of_bag->Find(name);
  if (!value) return "";
  return absl::StrCat(FindFigureKind(name)->title, " ", FigureText(*value),
                      ", ", Count(forest.out_of_bag_examples, "example"));
}

std::string ImportancesText(const ForestFigures& forest) {
  constexpr size_t kShown = 5;
  std::string text;
  for (size_t i = 0; i < forest.importances.size() && i < kShown; ++i) {
    const ForestFigures::Importance& one = forest.importances[i];
    if (one.share == 0) break;
    absl::StrAppend(&text, i == 0 ? "" : ", ", one.feature,
                    absl::StrFormat(" %.1f %%", 100 * one.share));
  }
  return text;
}

Json ForestFiguresJson(const ForestFigures& forest) {
  Json json = Json::Object();
  json["trees"] = forest.trees;
  json["nodes"] = forest.nodes;
  json["out_of_bag"] = Json();
  if (forest.out_of_bag) {
    json["out_of_bag"] = Json::Object();
    json["out_of_bag"]["examples"] = forest.out_of_bag_examples;
    for (const ebb::Figure& figure : forest.out_of_bag->named) {
      json["out_of_bag"][figure.name] = figure.value;
    }
  }
  json["importances"] = Json::List();
  for (const ForestFigures::Importance& importance : forest.importances) {
    Json one = Json::Object();
    one["feature"] = importance.feature;
    one["share"] = importance.share;
    one["permutation"] =
        importance.permutation ? Json(*importance.permutation) : Json();
    json["importances"].Add(std::move(one));
  }
  return json;
}

}  // namespace ebb::tools
