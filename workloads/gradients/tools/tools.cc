#include "workloads/gradients/tools/tools.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "common/row_kind.h"
#include "common/status_macros.h"
#include "ebb/v1/specification.pb.h"
#include "job/base/traits.h"
#include "job/specification.h"
#include "job/yaml.h"
#include "tools/ebb/model/origins.h"
#include "tools/ebb/model/row_runs.h"
#include "tools/text/console.h"
#include "worker/base/exported_model.h"
#include "worker/job_data.h"
#include "worker/python/python_data.h"
#include "workloads/gradients/tools/fold_model.h"
#include "workloads/gradients/tools/model_tensors.h"

namespace ebb::workloads {

namespace {

using tools::Json;
using tools::Layer;
using tools::ModelExport;
using tools::Scaling;
using tools::StoredModel;

std::string ActivationOf(const v1::Model& model) {
  if (!model.has_activation()) return "relu";
  return absl::AsciiStrToLower(absl::StripPrefix(
      v1::Model::Activation_Name(model.activation()), "ACTIVATION_"));
}

// What a module learns it knows itself; ebb read its examples.
void DescribeModule(const StoredModel& stored, const Scaling& scaling,
                    Json* json) {
  (*json)["features"] = FeaturesJson(stored, scaling);
  (*json)["module"] = tools::ModuleJson(stored.job);
  if (!worker::HasPythonData(stored.job)) {
    (*json)["labels"] = LabelsJson(stored, scaling);
  }
}

}  // namespace

ModelExport GradientTools::BeginExport(const StoredModel& stored,
                                       Json description) {
  ModelExport all;
  all.model = std::move(description);
  all.metadata[tools::kModelKey] = all.model.ToLine();
  // What it began with is in its values. Programs give it as a file of their
  // own that is gone, and equal models would have exports that differ.
  v1::Job job = stored.job;
  job.mutable_model()->clear_initial();
  all.metadata[worker::kExportJob] =
      job::JobToYaml(job, job::YamlStyle::kCompact);
  all.metadata[worker::kExportIndex] =
      absl::Base64Escape(stored.index.Encode());
  if (!stored.incomplete.empty()) {
    all.metadata[worker::kExportIncomplete] = stored.incomplete;
  }
  if (const auto columns = worker::ToProto(stored.columns)) {
    all.metadata[worker::kExportColumns] =
        absl::Base64Escape(columns->SerializeAsString());
  }
  return all;
}

void GradientTools::NoteTables(const StoredModel& stored, ModelExport* all) {
  if (stored.sparse_tables.empty()) return;
  v1::Specification specification;
  for (const job::SparseTable& table : stored.sparse_tables) {
    *specification.add_sparse_tables() = job::ToProto(table);
  }
  all->metadata[worker::kExportTables] =
      absl::Base64Escape(specification.SerializeAsString());
}

absl::Status GradientTools::CheckRows(const v1::Job& job,
                                      const tools::StoredParts& parts) {
  if (parts.rows) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--without-rows: a model of kind ", job.model().kind(),
                   " has nothing else; leave it out"));
}

absl::StatusOr<std::shared_ptr<const tools::InitialValues>>
GradientTools::ReadInitial(const v1::Job& job,
                           const std::vector<job::DenseTable>& tables,
                           const tools::InitialValues::Differences& differences,
                           const std::vector<double>& origins) const {
  EBB_RETURN_IF_ERROR(tools::CheckOrigins(origins));
  return tools::InitialValues::Read(job.model().initial(), tables, differences);
}

ModelExport GradientTools::Export(
    const StoredModel& stored,
    const models::ModelDescription& description) const {
  ModelExport all =
      BeginExport(stored, Describe(stored, description, ScalingOf(stored)));
  NoteTables(stored, &all);
  AddModelTensors(
      stored, description,
      [&](ModelExport* own) { AddOwnTensors(stored, own); }, &all);
  return all;
}

absl::Status GradientTools::Fold(const StoredModel& stored,
                                 const models::ModelDescription& description,
                                 ModelExport* all) const {
  EBB_RETURN_IF_ERROR(CheckFoldable(stored));
  const Scaling left = FoldLayers(stored, Layers(stored.job, description), all);
  // ebb predict would scale once more.
  all->metadata.clear();
  all->model = Describe(stored, description, left);
  all->model["folded"] = true;
  all->metadata[tools::kModelKey] = all->model.ToLine();
  return absl::OkStatus();
}

Json GradientTools::Describe(const StoredModel& stored,
                             const models::ModelDescription& description,
                             const Scaling& scaling) const {
  const v1::Model& model = stored.job.model();
  Json json = DescribeHead(stored, scaling);
  // Programs know what the tables mean, and whose examples they are for.
  if (job::TraitsOf(model).program()) return json;
  if (job::TraitsOf(model).python()) {
    DescribeModule(stored, scaling, &json);
    return json;
  }
  json["layout"] = "(in, out)";
  json["features"] = FeaturesJson(stored, scaling);
  const absl::string_view score = Score(model.kind());
  const bool keyed = job::TraitsOf(model).keyed() && !score.empty();
  if (keyed) json["score"] = score;
  if (model.has_rank()) json["rank"] = model.rank();
  if (!stored.sparse_tables.empty()) json["tables"] = TablesJson(stored);
  const std::vector<Layer> layers = Layers(stored.job, description);
  if (!layers.empty()) json["layers"] = tools::LayersJson(layers);
  if (keyed) json["function"] = tools::OutputFunction(description.labels);
  json["output"] = tools::OutputMeaning(description.labels);
  json["labels"] = LabelsJson(stored, scaling);
  return json;
}

absl::string_view GradientTools::Score(absl::string_view kind) const {
  constexpr std::pair<absl::string_view, absl::string_view> kScores[] = {
      {"sparse_logistic", "bias + sum_a w(a) x(a)"},
      {"fm", "bias + sum_a w(a) x(a) + sum_{a < b} <v(a), v(b)> x(a) x(b)"},
      {"ffm",
       "bias + sum_a w(a) x(a) + sum_{a < b} <v(a, field of b), "
       "v(b, field of a)> x(a) x(b)"},
      {"wide_deep",
       "sum_a w(a) x(a) + layers([sum_{a in field} v(a) x(a) of each field])"},
      {"deepfm",
       "sum_a w(a) x(a) + sum_{a < b} <v(a), v(b)> x(a) x(b) + "
       "layers([sum_{a in field} v(a) x(a) of each field])"}};
  for (const auto& [name, score] : kScores) {
    if (name == kind) return score;
  }
  return "";
}

std::vector<Layer> GradientTools::Layers(
    const v1::Job& job, const models::ModelDescription& description) const {
  std::vector<Layer> layers;
  if (job::IsOwn(job.model()) || job::TraitsOf(job.model()).program()) {
    return layers;
  }
  const auto& tables = description.tables;
  for (size_t i = 0; i + 1 < tables.size(); i += 2) {
    layers.push_back({tables[i].name, tables[i + 1].name, tables[i].dims[0],
                      tables[i].dims[1], ActivationOf(job.model())});
  }
  if (layers.empty()) return layers;
  // The score of a model of keys has more parts than its layers.
  layers.back().function = job::TraitsOf(job.model()).keyed()
                               ? "identity"
                               : tools::OutputFunction(description.labels);
  return layers;
}

std::string GradientTools::ContentText(const StoredModel& stored) const {
  std::string text = tools::Count(stored.parameters.size(), "parameter");
  if (!stored.averages.empty()) absl::StrAppend(&text, " and their averages");
  if (stored.is_average) {
    absl::StrAppend(&text, ", averages in the place of the values");
  }
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    absl::StrAppend(&text, t == 0 ? ", " : " and ",
                    tools::Count(stored.runs[t].rows(), "row"), " of ",
                    stored.sparse_tables[t].name);
  }
  return text;
}

std::string GradientTools::ValuesText(
    const StoredModel& stored,
    const models::ModelDescription& description) const {
  std::string text;
  const auto share = [](int64_t part, int64_t whole) {
    return absl::StrFormat("%.1f %%", 100.0 * static_cast<double>(part) /
                                          static_cast<double>(whole));
  };
  std::span<const float> rest = stored.parameters;
  for (const models::TableShape& table : description.tables) {
    const auto zeros = std::ranges::count(rest.first(table.size()), 0.0f);
    rest = rest.subspan(table.size());
    if (zeros == 0) continue;
    absl::StrAppend(&text, table.name, ": ", share(zeros, table.size()), " of ",
                    tools::Count(table.size(), "weight"), " are exactly 0\n");
  }
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const tools::RowRuns& runs = stored.runs[t];
    const job::SparseTable& table = stored.sparse_tables[t];
    if (table.kind != RowKind::kTrained || runs.zero_floats() == 0) continue;
    const int64_t weights = runs.rows() * table.width;
    absl::StrAppend(&text, table.name, ": ", share(runs.zero_floats(), weights),
                    " of ", tools::Count(weights, "weight"), " are exactly 0");
    if (table.width > 1) {
      absl::StrAppend(&text, ", and all of ",
                      share(runs.zero_rows(), runs.rows()), " of the rows");
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

void RegisterGradientsTools(ToolsSides* sides) {
  sides->Add("gradients", std::make_unique<GradientTools>());
}

}  // namespace ebb::workloads
