#include "tools/ebb/job/model_tables.h"

#include <cmath>
#include <cstdint>

#include "common/status_macros.h"
#include "job/base/traits.h"
#include "job/program_tables.h"
#include "models/backends.h"
#include "models/model.h"
#include "models/plugin.h"
#include "models/registry.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

// A plugin's model may have any loss.
void NoteLoss(const models::ModelDescription& description,
              const data::Index& index, job::JobFacts* facts) {
  switch (description.labels) {
    case models::LabelKind::kValue:
      facts->squared_loss = true;
      if (index.labels) {
        facts->guess_loss = index.labels->stddev * index.labels->stddev / 2;
      }
      break;
    case models::LabelKind::kNone:
      break;
    case models::LabelKind::kBinary:
      facts->guess_loss = std::log(2.0);
      break;
    case models::LabelKind::kClass:
      facts->guess_loss = std::log(static_cast<double>(description.classes));
      break;
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ModelKinds(
    const v1::Job& job, const std::vector<std::string>& plugin_folders) {
  models::Registry registry;
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&registry));
  if (job.model().has_plugin()) {
    const auto kind =
        models::LoadPlugin(job.model().plugin(), plugin_folders, &registry);
    if (!kind.ok()) return kind.status();
  }
  std::vector<std::string> kinds;
  for (const auto& [kind, summary] : registry.List()) kinds.push_back(kind);
  const v1::ModelTraits& traits = job::TraitsOf(job.model());
  if (traits.program() || traits.python()) kinds.push_back(job.model().kind());
  return kinds;
}

absl::Status TablesOfModel(const v1::Job& job,
                           const std::vector<std::string>& plugin_folders,
                           const data::Index& index, job::JobFacts* facts) {
  if (job::TraitsOf(job.model()).program()) {
    EBB_ASSIGN_OR_RETURN(facts->tables, job::ProgramTablesOf(job.model()));
    facts->sparse_tables = job::ProgramSparseTablesOf(job.model());
    return absl::OkStatus();
  }
  EBB_ASSIGN_OR_RETURN(const auto backend, models::CreateBackend({}));
  models::Registry registry;
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&registry));
  EBB_ASSIGN_OR_RETURN(const auto model,
                       worker::CreateModel(job, index, {plugin_folders, {}},
                                           &registry, backend.get()));
  const models::ModelDescription& description = model->description();
  for (const models::TableShape& table : description.tables) {
    facts->tables.push_back({table.name, table.size(), table.init, table.dims});
  }
  for (const models::SparseTableShape& table : description.sparse_tables) {
    job::SparseTable& sparse = facts->sparse_tables.emplace_back();
    sparse.name = table.name;
    sparse.width = static_cast<int32_t>(table.width);
    sparse.init = table.init;
    sparse.kind = table.kind;
  }
  if (!job::IsOwn(job.model())) NoteLoss(description, index, facts);
  return absl::OkStatus();
}

}  // namespace ebb::tools
