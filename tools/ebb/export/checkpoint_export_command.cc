// `ebb checkpoint export`.
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "job/base/table_name.h"
#include "tools/buckets/bucket_file.h"
#include "tools/command/command.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/checkpoint/model_doubts.h"
#include "tools/ebb/checkpoint/stored_job_flags.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/trained/stored_model.h"
#include "tools/files/files.h"
#include "tools/text/console.h"
#include "tools/text/json.h"
#include "workloads/seam/tools/tools.h"

namespace ebb::tools {

namespace {

// In an export that is a folder: what its files mean.
constexpr char kModelJson[] = "model.json";

struct CheckpointExportFlags {
  CheckpointPlace place;
  std::string output;
  std::vector<std::string> plugin_folders;
  bool averages = false;
  bool with_slots = false;
  bool without_rows = false;
  bool fold = false;
  bool incomplete = false;
  bool force = false;
};

// The names of the tensors as a person calls them (job/base/table_name.h). One
// that would then read as another tensor's keeps its escaped form.
std::vector<std::string> UserNamesOf(const std::vector<TensorStream>& tensors) {
  std::set<std::string> taken;
  for (const TensorStream& tensor : tensors) taken.insert(tensor.name);
  std::vector<std::string> names;
  for (const TensorStream& tensor : tensors) {
    std::string name = job::UserTableName(tensor.name);
    const auto joins = [&](absl::string_view prefix) {
      return absl::StartsWith(name, prefix) &&
             !absl::StartsWith(tensor.name, prefix);
    };
    const bool free = !joins(kSlotsPrefix) && !joins(kAveragesPrefix) &&
                      taken.insert(name).second;
    names.push_back(free ? name : tensor.name);
  }
  return names;
}

absl::Status WriteFileOf(const std::string& path, ModelExport all) {
  const std::vector<std::string> names = UserNamesOf(all.tensors);
  for (size_t i = 0; i < names.size(); ++i) all.tensors[i].name = names[i];
  return WriteSafetensors(path, all.tensors, all.metadata);
}

// A folder with a .npy for each tensor, and model.json, which says what they
// mean and which file has which.
absl::Status WriteNpyFolder(const std::string& folder, const ModelExport& all) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), "cannot make " + folder);
  }
  Json model = all.model;
  const std::vector<std::string> names = UserNamesOf(all.tensors);
  for (size_t i = 0; i < names.size(); ++i) {
    const TensorStream& tensor = all.tensors[i];
    const std::string file = absl::StrCat(
        absl::StrReplaceAll(tensor.name, {{"/", "."}, {" ", "_"}}), ".npy");
    EBB_RETURN_IF_ERROR(WriteNpy(absl::StrCat(folder, "/", file), tensor));
    model["files"][names[i]] = file;
  }
  return WriteFile(absl::StrCat(folder, "/", kModelJson), model.ToString());
}

bool IsFile(absl::string_view output) {
  return absl::EndsWith(output, ".safetensors");
}

// The name of a file of another format: a folder would be no help.
absl::Status CheckName(const std::string& output) {
  const std::filesystem::path path(output);
  if (!path.has_extension() || IsFile(output)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(output,
                   ": a model has several tensors; name a FILE.safetensors, or "
                   "a folder, which gets a .npy for each (",
                   output, "/ is one)"));
}

// Checks that the export may go to `output`: nothing is lost by mistake, and
// what cannot be written is not computed first.
absl::Status MayWrite(const std::string& output, bool force) {
  // "out/" is the folder "out".
  const std::filesystem::path path(std::string(absl::StripSuffix(output, "/")));
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  if (!folder) EBB_RETURN_IF_ERROR(CheckName(output));
  const bool there = folder ? !std::filesystem::is_empty(path, error)
                            : std::filesystem::exists(path, error);
  if (there && !force) {
    return absl::AlreadyExistsError(
        absl::StrCat(output, folder ? " is not empty" : " exists",
                     "; --force replaces what is there"));
  }
  const std::filesystem::path parent =
      std::filesystem::absolute(path).parent_path();
  if (!std::filesystem::is_directory(parent, error)) {
    return absl::NotFoundError(absl::StrCat("cannot write ", output, ": ",
                                            parent.string(), " is no folder"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelExport> MakeExport(
    const CheckpointExportFlags& flags, const StoredModel& stored,
    const models::ModelDescription& description) {
  ModelExport all = ExportModel(stored, description);
  if (flags.fold) {
    EBB_RETURN_IF_ERROR(FoldScaling(stored, description, &all));
  }
  return all;
}

// The state of an optimizer belongs to the values that it steps.
absl::Status CheckParts(const CheckpointExportFlags& flags) {
  if (!flags.averages || !flags.with_slots) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--averages --with-slots: the optimizer's state belongs to the values, "
      "and not to their averages; --with-slots alone writes both");
}

absl::StatusOr<StoredModel> Load(const CheckpointExportFlags& flags,
                                 CheckpointSource* source,
                                 const std::string& folder) {
  // Folded layers are for one set of values.
  EBB_ASSIGN_OR_RETURN(
      StoredModel stored,
      LoadStoredModel(source, folder,
                      {.slots = flags.with_slots,
                       .averages = flags.averages || !flags.fold,
                       .rows = !flags.without_rows,
                       .only_complete = !flags.incomplete}));
  if (flags.averages) {
    if (absl::Status taken = TakeAverages(&stored); !taken.ok()) {
      return absl::Status(taken.code(),
                          absl::StrCat("--averages: ", taken.message()));
    }
  }
  return stored;
}

// Null: the output is not in a bucket. Else what is written there first.
absl::StatusOr<std::unique_ptr<BucketFile>> OpenOutput(
    const CheckpointExportFlags& flags) {
  if (!IsBucket(flags.output)) {
    EBB_RETURN_IF_ERROR(MayWrite(flags.output, flags.force));
    return nullptr;
  }
  // A bucket's own name may have a dot.
  if (absl::StrContains(absl::StripPrefix(flags.output, "s3://"), '/')) {
    EBB_RETURN_IF_ERROR(CheckName(flags.output));
  }
  EBB_ASSIGN_OR_RETURN(auto bucket,
                       IsFile(flags.output)
                           ? BucketFile::Open(flags.output)
                           : BucketFile::OpenFolder(flags.output, kModelJson));
  EBB_RETURN_IF_ERROR(bucket->MayPut(flags.force));
  return bucket;
}

int Export(const CheckpointExportFlags& flags) {
  if (const auto status = CheckParts(flags); !status.ok()) {
    return Report(status);
  }
  const auto bucket = OpenOutput(flags);
  if (!bucket.ok()) return Report(bucket.status());
  const auto source = OpenCheckpoints(flags.place);
  if (!source.ok()) return Report(source.status());
  const int damaged = WarnOfDamage(**source) ? kExitFailed : kExitGood;
  // "out/" is the folder "out".
  const std::filesystem::path output = std::filesystem::absolute(
      *bucket != nullptr ? (*bucket)->copy()
                         : std::string(absl::StripSuffix(flags.output, "/")));
  const auto stored = Load(flags, source->get(), output.parent_path().string());
  if (!stored.ok()) return Report(stored.status());
  WarnOfDoubts(stored->incomplete, stored->parameters);
  const auto description = DescriptionOf(*stored, flags.plugin_folders);
  if (!description.ok()) return Report(description.status());
  const auto all = MakeExport(flags, *stored, *description);
  if (!all.ok()) return Report(all.status());
  absl::Status written = IsFile(flags.output)
                             ? WriteFileOf(output.string(), *all)
                             : WriteNpyFolder(output.string(), *all);
  if (written.ok() && *bucket != nullptr) written = (*bucket)->Put(flags.force);
  if (!written.ok()) {
    const int code = Report(written);
    return absl::IsCancelled(written) ? kExitInterrupted : code;
  }
  std::cout << Count(all->tensors.size(), "tensor") << ", ";
  const workloads::ToolsSide& workload =
      workloads::ToolsOf(stored->job.model());
  std::cout << workload.ContentText(*stored) << " in " << flags.output << "\n"
            << workload.ValuesText(*stored, *description);
  if (damaged != kExitGood) {
    std::cerr << "ebb: " << flags.output
              << " is sound, and of the newest versions that can be read; "
                 "newer ones may be lost, as said above (exit code 1)\n";
  }
  return damaged;
}

}  // namespace

void AddCheckpointExportCommand(CLI::App* checkpoint, int* exit_code) {
  CLI::App* command = checkpoint->add_subcommand(
      "export", "Writes the newest model for other programs");
  const auto flags = std::make_shared<CheckpointExportFlags>();
  AddStoredJob(command, &flags->place);
  command
      ->add_option("-o,--output,--to", flags->output,
                   "FILE.safetensors; or a folder, for one .npy per tensor and "
                   "model.json. s3://BUCKET/... puts them into a bucket")
      ->required();
  command->add_flag(
      "--fold", flags->fold,
      "Fold the scaling of features into the first layer, so that it takes the "
      "data's own numbers; otherwise scale features first, as model.json says");
  command->add_flag(
      "--averages", flags->averages,
      "Write averages of the weights in the place of the values (jobs with "
      "optimizer.ema or swa); otherwise they are beside them, as "
      "averages/TENSOR");
  command->add_flag(
      "--with-slots", flags->with_slots,
      "Also write the optimizer's state, as slots/OPTIMIZER/SLOT/TENSOR");
  command->add_flag("--without-rows", flags->without_rows,
                    "Leave out the rows of sparse tables, which may be many; "
                    "ebb predict does "
                    "not read the file");
  command->add_flag("--incomplete", flags->incomplete,
                    "Also write the model of a job that is not complete, as "
                    "far as it is stored");
  command->add_flag("--force", flags->force,
                    "Replace existing files or objects");
  AddPluginsFlag(command, &flags->plugin_folders);
  command->footer(R"(
Weights are (in, out): outputs = inputs @ weights + bias. A torch.nn.Linear
keeps the transpose. The file model.json (in a .safetensors file: the metadata
"ebb.model") says how features are scaled and what outputs mean. docs/export.md
has the NumPy code that computes the predictions.
`ebb predict` reads the .safetensors file, unless it was made with --fold.
Exits 1 also if damage may have cost newer versions than the one that is
written.
Examples:
  ebb checkpoint export runs/fashion-mlp-1 -o model.safetensors
  ebb checkpoint export runs/fashion-mlp-1 -o model/ --fold
  ebb checkpoint export s3://my-bucket/cluster-1 --job clicks \
      --to s3://my-bucket/models/clicks.safetensors)");
  command->callback([=] {
    const absl::Status open = flags->place.access.Open();
    *exit_code = open.ok() ? Export(*flags) : Report(open);
  });
}

}  // namespace ebb::tools
