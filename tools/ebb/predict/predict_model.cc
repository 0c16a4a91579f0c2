#include "tools/ebb/predict/predict_model.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "tools/buckets/bucket_file.h"
#include "tools/ebb/checkpoint/model_doubts.h"
#include "tools/ebb/predict/prediction_folder.h"
#include "tools/tensors/tensor_files.h"

namespace ebb::tools {

namespace {

// An export that is an object.
absl::StatusOr<StoredModel> LoadFromBucket(const std::string& place) {
  EBB_ASSIGN_OR_RETURN(const auto object, BucketFile::Open(place));
  EBB_RETURN_IF_ERROR(object->Get());
  auto stored = LoadExportedModel(object->copy());
  // Mapped, the copy stays as long as it is needed.
  if (stored.ok()) return stored;
  return absl::Status(
      stored.status().code(),
      absl::StrCat(place, ": its copy ", stored.status().message()));
}

}  // namespace

absl::StatusOr<StoredModel> LoadModel(const PredictFlags& flags,
                                      bool* damaged) {
  const CheckpointPlace& model = flags.model;
  const std::string& name = model.name;
  if (absl::EndsWith(name, ".safetensors")) {
    if (!model.job.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--job ", model.job, ": ", name, " holds one model"));
    }
    auto stored =
        IsBucket(name) ? LoadFromBucket(name) : LoadExportedModel(name);
    if (stored.ok()) WarnOfDoubts(stored->incomplete, stored->parameters);
    return stored;
  }
  constexpr absl::string_view kNoModel =
      "a model is a file called *.safetensors (ebb checkpoint export), a "
      "folder with checkpoints, or a job of the cluster";
  std::error_code error;
  if (std::filesystem::is_regular_file(name, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, " is not a model that ebb reads: ", kNoModel));
  }
  // `ebb checkpoint export` writes this file if the output is a folder.
  if (std::filesystem::exists(std::filesystem::path(name) / "model.json",
                              error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        name,
        " is an export as .npy files, for other programs; ebb predict "
        "reads one file: export it with -o NAME.safetensors, or name the "
        "run it came from"));
  }
  const auto source = OpenCheckpoints(model);
  if (!source.ok()) {
    const bool nowhere = absl::IsNotFound(source.status()) ||
                         absl::IsUnavailable(source.status());
    if (!nowhere || std::filesystem::exists(name, error)) {
      return source.status();
    }
    return absl::Status(
        source.status().code(),
        absl::StrCat(source.status().message(), "\nhint: ", kNoModel));
  }
  *damaged = WarnOfDamage(**source);
  auto stored = LoadStoredModel(source->get(), FolderOfTemporaryFiles(),
                                {.only_complete = !flags.incomplete});
  if (stored.ok()) WarnOfDoubts(stored->incomplete, stored->parameters);
  return stored;
}

ModelFile::~ModelFile() {
  std::error_code error;
  if (!place_.empty()) std::filesystem::remove(place_, error);
}

absl::StatusOr<ModelFile> ModelFile::Make(const ModelExport& model,
                                          const std::string& beside,
                                          bool damaged) {
  EBB_ASSIGN_OR_RETURN(TemporaryFolder folder, TemporaryFolder::Make(beside));
  const std::string path = folder / "model.safetensors";
  EBB_RETURN_IF_ERROR(WriteSafetensors(path, model.tensors, model.metadata));
  return ModelFile(path, damaged, std::move(folder));
}

absl::Status ModelFile::Publish(const std::string& place) {
  std::error_code error;
  std::filesystem::rename(path_, place, error);
  if (error) {
    return absl::ErrnoToStatus(
        error.value(),
        absl::StrCat("cannot write ", place, ", the model for the workers"));
  }
  folder_.reset();
  path_ = place;
  place_ = place;
  return absl::OkStatus();
}

absl::StatusOr<ModelFile> ModelFileOf(const PredictFlags& flags,
                                      const std::string& to) {
  bool damaged = false;
  if (absl::EndsWith(flags.model.name, ".safetensors")) {
    // LoadModel tells of a --job that the file does not have.
    if (!flags.model.job.empty()) {
      return LoadModel(flags, &damaged).status();
    }
    return ModelFile::Named(flags.model.name);
  }
  const bool bucket = PredictionFolder::IsBucket(to);
  if (bucket && flags.cluster) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--to ", flags.to,
        ": the workers of --scheduler read the model from a "
        "file, and there is no folder for it\nhint: ebb checkpoint export ",
        flags.model.name, " -o FILE.safetensors, and give FILE.safetensors"));
  }
  EBB_ASSIGN_OR_RETURN(const StoredModel stored, LoadModel(flags, &damaged));
  EBB_ASSIGN_OR_RETURN(const models::ModelDescription description,
                       DescriptionOf(stored, flags.plugin_folders));
  return ModelFile::Make(
      ExportModel(stored, description),
      bucket ? absl::StrCat(FolderOfTemporaryFiles(), "/ebb-predict")
             : absl::StrCat(to, ".model"),
      damaged);
}

}  // namespace ebb::tools
