#include "workloads/forest/tools/forest_figures.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/status_macros.h"
#include "data/byte_source.h"
#include "data/dataset.h"
#include "tools/text/console.h"
#include "tools/text/evaluation_text.h"
#include "tools/text/json.h"
#include "worker/job_data.h"
#include "worker/job_scores.h"
#include "worker/predict/exported_model.h"
#include "workloads/forest/model/forest.h"
#include "workloads/forest/model/out_of_bag.h"
#include "workloads/forest/tools/stored_forest.h"
#include "workloads/forest/worker/growth_options.h"

namespace ebb::tools {

namespace {

using workloads::forest::Forest;

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
  const workloads::forest::GrowthOptions options =
      workloads::GrowthOptionsOf(stored.job, stored.index);
  EBB_ASSIGN_OR_RETURN(workloads::forest::OutOfBag measured,
                       workloads::forest::MeasureOutOfBag(
                           *ForestIn(stored), options, train.examples(), read,
                           [&](std::span<const float> labels,
                               std::span<const float> predictions) {
                             scores->Add(labels, predictions);
                           }));
  figures->out_of_bag_examples = measured.examples;
  if (figures->out_of_bag_examples > 0) figures->out_of_bag = scores->Get();
  *permutation = std::move(measured.importances);
  return absl::OkStatus();
}

// The figure by which people know the forest's task.
absl::string_view MainFigure(const Figures& figures) {
  return figures.Find(kAccuracy) ? kAccuracy : kR2;
}

// "accuracy 0.8821, 600 examples".
std::string OutOfBagText(const ForestFigures& forest) {
  if (!forest.out_of_bag) return "";
  const absl::string_view name = MainFigure(*forest.out_of_bag);
  const auto value = forest.out_of_bag->Find(name);
  if (!value) return "";
  return absl::StrCat(FindFigureKind(name)->title, " ", FigureText(*value),
                      ", ", Count(forest.out_of_bag_examples, "example"));
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
  json["importances"] = ImportancesJson(forest.importances);
  return json;
}

}  // namespace

absl::StatusOr<ForestFigures> MeasureForest(const StoredRun& run) {
  const StoredModel& stored = run.model;
  const Forest& forest = *ForestIn(stored);
  if (forest.trees().empty()) {
    return absl::NotFoundError("no tree is stored yet");
  }
  EBB_ASSIGN_OR_RETURN(const auto model, worker::CreateExported(stored, {}));
  ForestFigures figures;
  figures.trees = static_cast<int64_t>(forest.trees().size());
  for (const workloads::forest::Tree& tree : forest.trees()) {
    figures.nodes += static_cast<int64_t>(tree.nodes.size());
  }
  std::vector<double> permutation;
  if (stored.job.model().bootstrap()) {
    EBB_RETURN_IF_ERROR(
        MeasureOutOfBag(stored, *model->model, &figures, &permutation));
  }
  figures.importances =
      ImportancesOf(stored, forest.Importances(), permutation);
  EBB_ASSIGN_OR_RETURN(figures.test,
                       EvaluateStored(run, figures.trees, model->model.get()));
  return figures;
}

ModelFigures ToFigures(const ForestFigures& forest) {
  ModelFigures figures;
  const std::string out_of_bag = OutOfBagText(forest);
  figures.lines = {{"out of bag", out_of_bag},
                   {"importance", ImportancesText(forest.importances)},
                   {"forest", absl::StrCat(Count(forest.trees, "tree"), ", ",
                                           Count(forest.nodes, "node"))}};
  figures.key = "forest";
  figures.json = ForestFiguresJson(forest);
  figures.counts = {{forest.trees, "trees"}, {forest.nodes, "nodes"}};
  figures.details = {{"out of bag", out_of_bag}};
  figures.importances = forest.importances;
  figures.test = forest.test;
  if (forest.nodes == forest.trees) figures.warnings.push_back(NoSplitText());
  return figures;
}

}  // namespace ebb::tools
