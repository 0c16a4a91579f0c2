#include "worker/predict/exported_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/row_kind_number.h"
#include "common/status_macros.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "models/backends.h"
#include "workloads/seam/worker/worker.h"

namespace ebb::worker {

namespace {

absl::StatusOr<std::vector<job::SparseTable>> DecodeTables(
    const std::string& bytes) {
  v1::Specification specification;
  JobPlan plan;
  bool good = specification.ParseFromString(bytes);
  for (const v1::SparseTable& table : specification.sparse_tables()) {
    // SparseTablesOf refuses an unknown kind.
    const RowKind kind = RowKindOf(table.kind()).value_or(RowKind::kTrained);
    plan.sparse_tables.push_back({.width = table.width(), .kind = kind});
    good = good && table.width() > 0;
  }
  if (!good) {
    return absl::DataLossError("what it says of sparse tables cannot be read");
  }
  return job::SparseTablesOf(specification, plan);
}

absl::Status AddRows(const TensorFileView& file, ExportedModel* stored) {
  const auto find =
      [&](const std::string& name, TensorType type,
          std::vector<int64_t> rest) -> absl::StatusOr<const TensorView*> {
    for (const TensorView& tensor : file.tensors) {
      if (tensor.name != name || tensor.type != type || tensor.dims.empty() ||
          !std::equal(tensor.dims.begin() + 1, tensor.dims.end(), rest.begin(),
                      rest.end())) {
        continue;
      }
      return &tensor;
    }
    return absl::DataLossError(absl::StrCat("it has no fit tensor ", name));
  };
  for (const job::SparseTable& table : stored->sparse_tables) {
    // Rows are not looked up in such tables.
    if (table.kind != RowKind::kTrained) break;
    EBB_ASSIGN_OR_RETURN(const TensorView* keys,
                         find(KeysName(table.name), TensorType::kUint64, {}));
    EBB_ASSIGN_OR_RETURN(
        const TensorView* rows,
        find(RowsName(table.name), TensorType::kFloat32, {table.width}));
    if (keys->dims[0] != rows->dims[0]) {
      return absl::DataLossError(absl::StrCat("table ", table.name, " has ",
                                              keys->dims[0], " keys and ",
                                              rows->dims[0], " rows"));
    }
    EBB_ASSIGN_OR_RETURN(
        StoredRows found,
        StoredRows::Create(table, stored->job.seed(), keys->data, rows->data));
    stored->rows.push_back(std::move(found));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExportedModel> ImportModel(const TensorFileView& file) {
  const auto said = [&](const char* key, std::string* bytes) {
    const auto found = file.metadata.find(key);
    return found != file.metadata.end() &&
           absl::Base64Unescape(found->second, bytes);
  };
  const auto job = file.metadata.find(kExportJob);
  std::string bytes;
  if (job == file.metadata.end() && file.metadata.count(kModelKey) > 0) {
    return absl::InvalidArgumentError(
        "it was exported with --fold, for other programs; ebb predict reads "
        "what ebb checkpoint export writes without --fold");
  }
  if (job == file.metadata.end() || !said(kExportIndex, &bytes)) {
    return absl::DataLossError(
        "it holds no job: it was not written by ebb checkpoint export");
  }
  ExportedModel stored;
  EBB_ASSIGN_OR_RETURN(stored.job,
                       job::ParseJobYaml(job->second, kExportJob, nullptr));
  job::FillDefaults(&stored.job);
  EBB_ASSIGN_OR_RETURN(stored.index, data::Index::Decode(bytes));
  if (const auto why = file.metadata.find(kExportIncomplete);
      why != file.metadata.end()) {
    stored.incomplete = why->second;
  }
  if (file.metadata.count(kExportColumns) > 0) {
    v1::Specification with;
    if (!said(kExportColumns, &bytes) ||
        !with.mutable_columns()->ParseFromString(bytes)) {
      return absl::DataLossError("its column names cannot be read");
    }
    stored.columns = ColumnsOf(with);
  }
  if (said(kExportTables, &bytes)) {
    EBB_ASSIGN_OR_RETURN(stored.sparse_tables, DecodeTables(bytes));
  }
  const workloads::WorkerSide& side =
      workloads::WorkerSideOf(stored.job.model());
  EBB_ASSIGN_OR_RETURN(const bool is_read, side.ReadExport(file, &stored));
  if (is_read) return stored;
  EBB_RETURN_IF_ERROR(AddRows(file, &stored));
  const auto of_rows = [&](const std::string& name) {
    return std::ranges::any_of(
        stored.sparse_tables, [&](const job::SparseTable& table) {
          return name == KeysName(table.name) || name == RowsName(table.name) ||
                 name == LengthsName(table.name);
        });
  };
  for (const TensorView& tensor : file.tensors) {
    if (absl::StartsWith(tensor.name, kSlotsPrefix) ||
        absl::StartsWith(tensor.name, kAveragesPrefix) ||
        of_rows(tensor.name) || side.IsDerived(tensor.name)) {
      continue;
    }
    if (tensor.type != TensorType::kFloat32) {
      return absl::DataLossError(
          absl::StrCat("tensor ", tensor.name, " has no float32"));
    }
    const size_t before = stored.parameters.size();
    stored.parameters.resize(before + tensor.data.size() / sizeof(float));
    if (tensor.data.empty()) continue;  // There is no address to copy from.
    std::memcpy(stored.parameters.data() + before, tensor.data.data(),
                tensor.data.size());
  }
  return stored;
}

absl::StatusOr<ExportedModel> ImportMapped(MappedFile file) {
  EBB_ASSIGN_OR_RETURN(const TensorFileView view,
                       ViewSafetensors(file.bytes()));
  EBB_ASSIGN_OR_RETURN(ExportedModel stored, ImportModel(view));
  stored.file = std::move(file);
  return stored;
}

}  // namespace

absl::StatusOr<ExportedModel> LoadExport(const std::string& path) {
  EBB_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  auto stored = ImportMapped(std::move(file));
  if (stored.ok()) return stored;
  return absl::Status(stored.status().code(),
                      absl::StrCat(path, ": ", stored.status().message()));
}

absl::Status CheckParameters(const ExportedModel& stored,
                             const models::ModelDescription& description) {
  const int64_t wanted = description.ParameterCount();
  if (static_cast<int64_t>(stored.parameters.size()) == wanted) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the model has ", wanted,
                                          " parameters, what is stored of it ",
                                          stored.parameters.size()));
}

absl::StatusOr<std::unique_ptr<LoadedModel>> CreateExported(
    const ExportedModel& stored, const UserCode& code) {
  auto loaded = std::make_unique<LoadedModel>();
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&loaded->registry));
  EBB_ASSIGN_OR_RETURN(loaded->backend, models::CreateBackend({}));
  EBB_ASSIGN_OR_RETURN(
      loaded->model,
      workloads::WorkerSideOf(stored.job.model())
          .ModelOf(stored, ModelConfigOf(stored.job, stored.index)));
  if (loaded->model != nullptr) return loaded;
  v1::Job job = stored.job;
  job.mutable_model()->clear_restarts();
  EBB_ASSIGN_OR_RETURN(loaded->model,
                       CreateModel(job, stored.index, code, &loaded->registry,
                                   loaded->backend.get()));
  EBB_RETURN_IF_ERROR(CheckParameters(stored, loaded->model->description()));
  const auto& tables = loaded->model->description().sparse_tables;
  const auto same = [](const models::SparseTableShape& shape,
                       const job::SparseTable& table) {
    return shape.name == table.name && shape.width == table.width &&
           shape.kind == table.kind;
  };
  if (!std::equal(tables.begin(), tables.end(), stored.sparse_tables.begin(),
                  stored.sparse_tables.end(), same)) {
    return absl::DataLossError(absl::StrCat(
        "the model has ", tables.size(), " sparse tables, what is stored of it",
        " has ", stored.sparse_tables.size(), ", or others"));
  }
  return loaded;
}

}  // namespace ebb::worker
