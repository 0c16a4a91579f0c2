#include "tools/ebb/stored_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/job/specification.h"
#include "common/job/validate.h"
#include "common/job/yaml.h"
#include "common/status_macros.h"
#include "models/backends.h"
#include "worker/job_data.h"

namespace ebb::tools {

namespace {

constexpr char kJobKey[] = "ebb.job";
constexpr char kIndexKey[] = "ebb.index";      // Base64.
constexpr char kColumnsKey[] = "ebb.columns";  // Base64 of v1::Columns.
constexpr char kSlots[] = "slots/";

// Tensor by tensor, as the flat vector has them.
void AddTensors(const models::ModelDescription& description,
                const std::string& prefix, const std::vector<float>& values,
                TensorFile* file) {
  auto at = values.begin();
  for (const models::TableShape& table : description.tables) {
    const auto end = at + table.size();
    file->tensors.push_back(
        {absl::StrCat(prefix, table.name), table.dims, {at, end}});
    at = end;
  }
}

}  // namespace

absl::StatusOr<StoredModel> LoadStoredModel(CheckpointSource* source,
                                            bool with_slots) {
  EBB_ASSIGN_OR_RETURN(const v1::Specification specification,
                       job::ReadSpecification(source->job()));
  if (specification.sparse_tables_size() > 0) {
    return absl::UnimplementedError(absl::StrCat(
        "job ", source->job().name,
        " has sparse tables; a model with such can be trained, evaluated and "
        "rolled back, but not exported or predicted with yet"));
  }
  StoredModel stored;
  stored.job = specification.job();
  EBB_ASSIGN_OR_RETURN(stored.index,
                       data::Index::Decode(specification.train_index()));
  stored.columns = worker::ColumnsOf(specification);
  EBB_ASSIGN_OR_RETURN(NamedArrays arrays, ReadModel(source, with_slots));
  for (auto& [name, values] : arrays) {
    if (name == "values") {
      stored.parameters = std::move(values);
    } else {
      stored.slots[std::string(absl::StripPrefix(name, "slot/"))] =
          std::move(values);
    }
  }
  return stored;
}

TensorFile ExportModel(const StoredModel& stored,
                       const models::ModelDescription& description) {
  TensorFile file;
  file.metadata[kJobKey] = job::JobToYaml(stored.job, job::YamlStyle::kCompact);
  file.metadata[kIndexKey] = absl::Base64Escape(stored.index.Encode());
  if (const auto columns = worker::ToProto(stored.columns)) {
    file.metadata[kColumnsKey] =
        absl::Base64Escape(columns->SerializeAsString());
  }
  AddTensors(description, "", stored.parameters, &file);
  const std::string optimizer = absl::AsciiStrToLower(absl::StripPrefix(
      v1::Optimizer::Kind_Name(stored.job.optimizer().kind()), "KIND_"));
  for (const auto& [slot, values] : stored.slots) {
    AddTensors(description, absl::StrCat(kSlots, optimizer, "/", slot, "/"),
               values, &file);
  }
  return file;
}

absl::StatusOr<StoredModel> ImportModel(const TensorFile& file) {
  const auto job = file.metadata.find(kJobKey);
  const auto index = file.metadata.find(kIndexKey);
  std::string bytes;
  if (job == file.metadata.end() || index == file.metadata.end() ||
      !absl::Base64Unescape(index->second, &bytes)) {
    return absl::DataLossError(
        "it holds no job: it was not written by ebb checkpoint export");
  }
  StoredModel stored;
  EBB_ASSIGN_OR_RETURN(stored.job,
                       job::ParseJobYaml(job->second, kJobKey, nullptr));
  job::FillDefaults(&stored.job);
  EBB_ASSIGN_OR_RETURN(stored.index, data::Index::Decode(bytes));
  const auto columns = file.metadata.find(kColumnsKey);
  if (columns != file.metadata.end()) {
    v1::Specification with;
    if (!absl::Base64Unescape(columns->second, &bytes) ||
        !with.mutable_columns()->ParseFromString(bytes)) {
      return absl::DataLossError("its column names cannot be read");
    }
    stored.columns = worker::ColumnsOf(with);
  }
  for (const Tensor& tensor : file.tensors) {
    if (absl::StartsWith(tensor.name, kSlots)) continue;
    stored.parameters.insert(stored.parameters.end(), tensor.values.begin(),
                             tensor.values.end());
  }
  return stored;
}

absl::StatusOr<std::unique_ptr<LoadedModel>> CreateStoredModel(
    const StoredModel& stored, const std::vector<std::string>& plugin_folders) {
  auto loaded = std::make_unique<LoadedModel>();
  EBB_RETURN_IF_ERROR(models::RegisterBuiltinModels(&loaded->registry));
  EBB_ASSIGN_OR_RETURN(loaded->backend, models::CreateBackend({}));
  EBB_ASSIGN_OR_RETURN(
      loaded->model,
      worker::CreateModel(stored.job, stored.index, plugin_folders,
                          &loaded->registry, loaded->backend.get()));
  const int64_t wanted = loaded->model->description().ParameterCount();
  if (static_cast<int64_t>(stored.parameters.size()) != wanted) {
    return absl::DataLossError(absl::StrCat(
        "the model has ", wanted, " parameters, what is stored of it ",
        stored.parameters.size()));
  }
  return loaded;
}

}  // namespace ebb::tools
