// How K-Means begins, is stored, exported and measured.
#include "workloads/gradients/tools/tools.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/task_rows.h"
#include "data/index.h"
#include "ebb/v1/specification.pb.h"
#include "job/specification.h"
#include "models/backends.h"
#include "models/model.h"
#include "protocol/plan.h"
#include "tools/ebb/model/beginning.h"
#include "tools/ebb/model/initial_values.h"
#include "tools/ebb/model/job_sizes.h"
#include "tools/ebb/model/model_figures.h"
#include "tools/ebb/model/model_json.h"
#include "tools/ebb/model/stored_model.h"
#include "tools/ebb/model/stored_run.h"
#include "tools/text/json.h"
#include "workloads/kmeans/model/lloyd_result.h"
#include "workloads/kmeans/rules/restarts.h"
#include "workloads/kmeans/tools/centroids.h"
#include "workloads/kmeans/tools/restart_figures.h"
#include "workloads/kmeans/tools/stored_restarts.h"
#include "workloads/kmeans/worker/first_centroids.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::workloads {

namespace {

using tools::StoredRestarts;

// Null: the job has none, or the model was exported.
const StoredRestarts* RestartsIn(const tools::StoredModel& stored) {
  return static_cast<const StoredRestarts*>(stored.assembled.get());
}

// The centroids that k-means++ chose for a run that goes on, whatever it would
// choose now.
std::optional<v1::InitialValues> ChosenBefore(const tools::BeginInput& input,
                                              const v1::Job& job) {
  const v1::Specification* const before = input.before;
  if (before == nullptr || !before->has_initial() ||
      before->job().model().has_initial() ||
      before->job().model().clusters() != job.model().clusters() ||
      before->job().model().seeding() != job.model().seeding() ||
      before->job().seed() != job.seed() ||
      before->train_index() != input.train.index().Encode()) {
    return std::nullopt;
  }
  return before->initial();
}

class KMeansTools final : public GradientTools {
 public:
  // Restarts choose their centroids by themselves.
  absl::StatusOr<tools::Beginning> Begin(const tools::BeginInput& input,
                                         v1::Job* job) const override {
    tools::Beginning begun;
    const v1::Model& model = job->model();
    // Clusters beyond the different examples stay empty, or share a place.
    EBB_ASSIGN_OR_RETURN(
        const int64_t different,
        workloads::CountDifferent(input.train, model.clusters()));
    if (different < model.clusters()) {
      begun.notes.push_back(
          absl::StrCat("model.clusters: there are ", model.clusters(),
                       " clusters, but data.train has ", different,
                       " different example", different == 1 ? "" : "s",
                       ": the other clusters get none of their own"));
    }
    if (job->consistency().kind() == v1::Consistency::KIND_ROUNDS) {
      begun.kept_parameters = model.clusters() * (input.train.features() + 1);
    }
    if (model.has_initial()) return begun;
    if (HasRestarts(*job)) {
      EBB_RETURN_IF_ERROR(workloads::CheckSeeding(input.train, model));
      return begun;
    }
    begun.before = ChosenBefore(input, *job);
    if (begun.before) return begun;
    EBB_ASSIGN_OR_RETURN(const auto backend, models::CreateBackend({}));
    EBB_ASSIGN_OR_RETURN(
        begun.values, workloads::ChooseCentroids(input.train, model,
                                                 job->seed(), backend.get()));
    // The sizes of the clusters are not known yet.
    begun.values.resize(begun.values.size() + model.clusters(),
                        tools::FirstSize(*job));
    begun.origin = "model.seeding";
    return begun;
  }

  // The rows of the runs, all of which stay.
  void AddSizes(const v1::Job& job, const JobPlan& plan,
                const data::Index& train,
                tools::JobSizes* sizes) const override {
    if (!HasRestarts(job)) return;
    const int64_t run =
        LloydResult::EncodedBytes(job.model().clusters(), train.features);
    const int64_t rows = TaskRows(run);
    const int64_t row =
        tools::kRowOverhead + plan.sparse_tables.front().row_bytes();
    const int64_t all = job.model().restarts() * rows;
    sizes->servers += all * (row + row / 2 + tools::kIndexOfARow);
    sizes->disk += all * row;
    sizes->pushed += rows * row;
  }

  absl::StatusOr<std::shared_ptr<const tools::InitialValues>> ReadInitial(
      const v1::Job& job, const std::vector<job::DenseTable>& tables,
      const tools::InitialValues::Differences& /*differences*/,
      const std::vector<double>& origins) const override {
    return tools::ReadCentroids(job.model().initial(), tables,
                                tools::FirstSize(job), origins);
  }

  // The best of the restarts is the model, and computes as one without.
  absl::Status Assemble(tools::StoredModel* stored) const override {
    if (!HasRestarts(stored->job)) return absl::OkStatus();
    auto restarts = std::make_shared<StoredRestarts>();
    if (!stored->runs.empty()) {
      EBB_ASSIGN_OR_RETURN(
          *restarts,
          tools::RestartsOf(stored->runs.front(), stored->job.model(),
                            stored->index.features));
    }
    if (restarts->runs.empty()) {
      return absl::NotFoundError(
          "no restart of kmeans is done yet, and so there is no model");
    }
    stored->parameters = std::move(restarts->values);
    stored->assembled = std::move(restarts);
    stored->runs.clear();
    stored->run_slots.clear();
    stored->sparse_tables.clear();
    return absl::OkStatus();
  }

  std::string ContentText(const tools::StoredModel& stored) const override {
    const StoredRestarts* const restarts = RestartsIn(stored);
    std::string text = GradientTools::ContentText(stored);
    if (restarts != nullptr) {
      absl::StrAppend(&text, ", ", tools::RestartsText(*restarts));
    }
    return text;
  }

  std::string ValuesText(
      const tools::StoredModel& /*stored*/,
      const models::ModelDescription& /*description*/) const override {
    return "";
  }

  // Only the best of the restarts is the model, so workers evaluate none.
  absl::StatusOr<std::optional<tools::ModelFigures>> Measure(
      bool /*complete*/, const v1::Job& job, Load load) const override {
    if (!HasRestarts(job)) return std::nullopt;
    const auto measure = [&]() -> absl::StatusOr<tools::ModelFigures> {
      EBB_ASSIGN_OR_RETURN(const tools::StoredRun run, load());
      return tools::MeasureRestarts(*RestartsIn(run.model), run);
    };
    auto figures = measure();
    if (absl::IsNotFound(figures.status())) return std::nullopt;
    if (figures.ok()) return *std::move(figures);
    return absl::Status(figures.status().code(),
                        absl::StrCat("the runs of kmeans cannot be measured: ",
                                     figures.status().message()));
  }

 protected:
  tools::Json Describe(const tools::StoredModel& stored,
                       const models::ModelDescription& description,
                       const tools::Scaling& scaling) const override {
    const StoredRestarts* const restarts = RestartsIn(stored);
    if (restarts == nullptr) {
      return GradientTools::Describe(stored, description, scaling);
    }
    tools::Json json = DescribeHead(stored, scaling);
    json["layout"] = "(in, out)";
    json["features"] = FeaturesJson(stored, scaling);
    json["runs"] = tools::RestartsJson(*restarts);
    json["layers"] = tools::LayersJson(Layers(stored.job, description));
    json["output"] = tools::OutputMeaning(description.labels);
    json["labels"] = LabelsJson(stored, scaling);
    return json;
  }
};

}  // namespace

void RegisterKmeansTools(ToolsSides* sides) {
  sides->Add("kmeans", std::make_unique<KMeansTools>());
}

}  // namespace ebb::workloads
