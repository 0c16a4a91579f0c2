// `ebb checkpoint list`, `verify` and `export`; for `rollback` see
// rollback_command.cc.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/status_macros.h"
#include "tools/ebb/checkpoint_source.h"
#include "tools/ebb/command.h"
#include "tools/ebb/console.h"
#include "tools/ebb/json.h"
#include "tools/ebb/stored_model.h"

namespace ebb::tools {

namespace {

struct Flags {
  CheckpointPlace place;
  std::string output;
  std::vector<std::string> plugin_folders;
  bool json = false;
  bool with_slots = false;
  bool force = false;
};

Json VersionJson(const VersionInfo& version) {
  Json json = Json::Object();
  json["partition"] = version.key.partition.value();
  json["generation"] = version.key.generation.value();
  json["term"] = version.key.term.value();
  json["sequence"] = version.key.sequence;
  json["server"] = version.server;
  json["updates"] = version.updates;
  json["examples"] = version.examples;
  json["bytes"] = version.bytes;
  json["written_unix_ms"] = version.written_unix_ms;
  return json;
}

// Says what is damaged, and goes on with what is sound. What was newer may be
// gone, so it is never a good end.
int Warn(const CheckpointSource& source) {
  return WarnOfDamage(source) ? kExitFailed : kExitGood;
}

// Says whose versions are not among those listed or verified.
int WarnOfSilent(const CheckpointSource& source) {
  const std::vector<SilentServer> silent = source.silent();
  for (const SilentServer& one : silent) {
    std::cerr << "ebb: " << SilentText(one) << "\n";
  }
  return silent.empty() ? kExitGood : kExitFailed;
}

std::string NameOf(const VersionInfo& version) {
  return absl::StrCat("partition ", version.key.partition.value(), " at ",
                      version.server, ", term ", version.key.term.value(),
                      ", sequence ", version.key.sequence);
}

int List(const Flags& flags) {
  const auto source = OpenCheckpoints(flags.place);
  if (!source.ok()) return Report(source.status());
  const int damaged = Warn(**source);
  const auto versions = (*source)->List();
  if (!versions.ok()) return Report(versions.status());
  const int code = std::max(damaged, WarnOfSilent(**source));
  if (flags.json) {
    Json json = Json::Object();
    json["job"] = (*source)->job().name;
    json["versions"] = Json::List();
    for (const VersionInfo& version : *versions) {
      json["versions"].Add(VersionJson(version));
    }
    json["no_answer"] = SilentJson((*source)->silent());
    json["problems"] = Json::List();
    for (const std::string& problem : (*source)->problems()) {
      json["problems"].Add(problem);
    }
    std::cout << json.ToString();
    return code;
  }
  if (versions->empty() && code == kExitGood) {
    const absl::Duration every =
        absl::Milliseconds((*source)->job().plan.checkpoint_interval_ms);
    std::cout << "no version of " << (*source)->job().name
              << " is stored: none was cut yet. The first come when servers "
                 "have its partitions, others every "
              << absl::FormatDuration(every) << " (checkpoint.every).\n";
    return code;
  }
  const int64_t now = absl::ToUnixMillis(absl::Now());
  TextTable table({"PARTITION", "SERVER", "TERM", "SEQUENCE", "AGE", "UPDATES",
                   "EXAMPLES", "SIZE"},
                  {0, 2, 3, 4, 5, 6, 7});
  for (const VersionInfo& version : *versions) {
    table.Add({absl::StrCat(version.key.partition.value()), version.server,
               absl::StrCat(version.key.term.value()),
               absl::StrCat(version.key.sequence),
               version.written_unix_ms > 0
                   ? AgeText(absl::Milliseconds(now - version.written_unix_ms))
                   : "",
               WithCommas(version.updates), WithCommas(version.examples),
               BytesText(version.bytes)});
  }
  std::cout << table.ToString();
  return code;
}

int Verify(const Flags& flags) {
  const auto source = OpenCheckpoints(flags.place);
  if (!source.ok()) return Report(source.status());
  const int damaged = Warn(**source);
  const auto verified = (*source)->Verify();
  if (!verified.ok()) return Report(verified.status());
  for (const auto& [version, problem] : verified->damaged) {
    std::cout << NameOf(version) << ": " << problem << "\n";
  }
  std::cout << Count(verified->versions, "version") << " read whole, "
            << verified->damaged.size() << " damaged\n";
  const int silent = WarnOfSilent(**source);
  return verified->damaged.empty() ? std::max(damaged, silent) : kExitFailed;
}

// A folder with a .npy for each tensor.
absl::Status WriteNpyFolder(const std::string& folder,
                            const std::vector<TensorStream>& tensors) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), "cannot make " + folder);
  }
  for (const TensorStream& tensor : tensors) {
    const std::string name =
        absl::StrReplaceAll(tensor.name, {{"/", "."}, {" ", "_"}});
    EBB_RETURN_IF_ERROR(
        WriteNpy(absl::StrCat(folder, "/", name, ".npy"), tensor));
  }
  return absl::OkStatus();
}

// Whether the export may go to `output`: nothing is lost by mistake, and what
// cannot be written is not computed first.
absl::Status MayWrite(const std::string& output, bool force) {
  // "out/" is the folder "out".
  const std::filesystem::path path(std::string(absl::StripSuffix(output, "/")));
  std::error_code error;
  const bool folder = std::filesystem::is_directory(path, error);
  // The name of a file of another format: a folder would be no help.
  if (path.has_extension() && path.extension() != ".safetensors" && !folder &&
      !absl::EndsWith(output, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        output,
        ": a model has several tensors; name a FILE.safetensors, or a "
        "folder, which gets a .npy for each (",
        output, "/ is one)"));
  }
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

// How much of the model is exactly 0, as L1 makes it: a line for each table of
// which something is.
std::string Zeros(const StoredModel& stored,
                  const models::ModelDescription& description) {
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
                    Count(table.size(), "weight"), " are exactly 0\n");
  }
  for (size_t t = 0; t < stored.runs.size(); ++t) {
    const RowRuns& runs = stored.runs[t];
    const job::SparseTable& table = stored.sparse_tables[t];
    if (table.kind != RowKind::kTrained || runs.zero_floats() == 0) continue;
    const int64_t weights = runs.rows() * table.width;
    absl::StrAppend(&text, table.name, ": ", share(runs.zero_floats(), weights),
                    " of ", Count(weights, "weight"), " are exactly 0");
    if (table.width > 1) {
      absl::StrAppend(&text, ", and all of ",
                      share(runs.zero_rows(), runs.rows()), " of the rows");
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

int Export(const Flags& flags) {
  const absl::Status may_write = MayWrite(flags.output, flags.force);
  if (!may_write.ok()) return Report(may_write);
  const auto source = OpenCheckpoints(flags.place);
  if (!source.ok()) return Report(source.status());
  const int damaged = Warn(**source);
  // "out/" is the folder "out".
  const std::filesystem::path output = std::filesystem::absolute(
      std::string(absl::StripSuffix(flags.output, "/")));
  const auto stored = LoadStoredModel(
      source->get(), output.parent_path().string(), flags.with_slots);
  if (!stored.ok()) return Report(stored.status());
  const auto model = CreateStoredModel(*stored, flags.plugin_folders);
  if (!model.ok()) return Report(model.status());
  const models::ModelDescription& description = (*model)->model->description();
  const ModelExport all = ExportModel(*stored, description);
  const absl::Status written =
      absl::EndsWith(flags.output, ".safetensors")
          ? WriteSafetensors(flags.output, all.tensors, all.metadata)
          : WriteNpyFolder(flags.output, all.tensors);
  if (!written.ok()) return Report(written);
  std::cout << Count(all.tensors.size(), "tensor") << ", "
            << Count(stored->parameters.size(), "parameter");
  for (size_t t = 0; t < stored->runs.size(); ++t) {
    std::cout << (t == 0 ? ", " : " and ")
              << Count(stored->runs[t].rows(), "row") << " of "
              << stored->sparse_tables[t].name;
  }
  std::cout << " in " << flags.output << "\n" << Zeros(*stored, description);
  if (damaged != kExitGood) {
    std::cerr << "ebb: " << flags.output
              << " is sound, and of the newest versions that can be read; "
                 "newer ones may be lost, as said above (exit code 1)\n";
  }
  return damaged;
}

}  // namespace

void AddCheckpointCommand(CLI::App* app, int* exit_code) {
  CLI::App* checkpoint = app->add_subcommand(
      "checkpoint",
      "Lists, verifies or exports what is stored of a job, or goes back to it");
  checkpoint->require_subcommand(1);
  checkpoint->footer("\nExample:\n  ebb checkpoint list runs/fashion-mlp-1");
  const auto add = [&](const char* name, const char* help,
                       int (*run)(const Flags&),
                       const std::shared_ptr<Flags>& flags) {
    CLI::App* command = checkpoint->add_subcommand(name, help);
    AddAccessFlags(command, &flags->place.access);
    command
        ->add_option(
            "JOB", flags->place.name,
            "Name or number of a job, the folder of an ebb run, or the "
            "--state-dir of an ebb-ps")
        ->required();
    AddStoredJobFlag(command, &flags->place.job);
    command->callback([=] {
      const absl::Status open = flags->place.access.Open();
      *exit_code = open.ok() ? run(*flags) : Report(open);
    });
    return command;
  };
  const auto list = std::make_shared<Flags>();
  CLI::App* command =
      add("list", "Lists the stored versions of every partition", &List, list);
  command->add_flag("--json", list->json, "For programs");
  command->footer(
      "\nExit code 1 if damage may have cost versions, or a server does not "
      "answer.\nExample:\n  ebb checkpoint list runs/fashion-mlp-1");

  command = add("verify", "Reads all versions and compares all checksums",
                &Verify, std::make_shared<Flags>());
  command->footer(
      "\nExit code 1 if anything is damaged, or a server does not answer.\n"
      "Example:\n  ebb checkpoint "
      "verify fashion-mlp");

  AddRollbackCommand(checkpoint, exit_code);

  const auto out = std::make_shared<Flags>();
  command =
      add("export", "Writes the newest model for other programs", &Export, out);
  command
      ->add_option("-o,--output", out->output,
                   "FILE.safetensors, or a folder for a .npy per tensor")
      ->required();
  command->add_flag(
      "--with-slots", out->with_slots,
      "The optimizer's state too, as slots/OPTIMIZER/SLOT/TENSOR");
  command->add_flag("--force", out->force, "Replace what is there");
  AddPluginsFlag(command, &out->plugin_folders);
  command->footer(
      "\nThe .safetensors file also holds the job, so ebb predict can use "
      "it.\nExit code 1 also if damage may have cost newer versions than that "
      "which is written.\nExample:\n  ebb checkpoint export runs/fashion-mlp-1 "
      "-o "
      "model.safetensors");
}

}  // namespace ebb::tools
