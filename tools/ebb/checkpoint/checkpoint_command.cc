// `ebb checkpoint list` and `verify`; export_command.cc and rollback_command.cc
// have the others.
#include <algorithm>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/command/command.h"
#include "tools/ebb/checkpoint/checkpoint_source.h"
#include "tools/ebb/checkpoint/stored_job_flags.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct CheckpointFlags {
  CheckpointPlace place;
  bool json = false;
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

int List(const CheckpointFlags& flags) {
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

int Verify(const CheckpointFlags& flags) {
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

}  // namespace

void AddCheckpointCommand(CLI::App* app, int* exit_code) {
  CLI::App* checkpoint =
      app->add_subcommand("checkpoint",
                          "Lists, verifies or exports a job's stored versions, "
                          "or goes back to one");
  checkpoint->require_subcommand(1);
  checkpoint->footer("\nExample:\n  ebb checkpoint list runs/fashion-mlp-1");
  const auto add = [&](const char* name, const char* help,
                       int (*run)(const CheckpointFlags&),
                       const std::shared_ptr<CheckpointFlags>& flags) {
    CLI::App* command = checkpoint->add_subcommand(name, help);
    AddStoredJob(command, &flags->place);
    command->callback([=] {
      const absl::Status open = flags->place.access.Open();
      *exit_code = open.ok() ? run(*flags) : Report(open);
    });
    return command;
  };
  const auto list = std::make_shared<CheckpointFlags>();
  CLI::App* command =
      add("list", "Lists the stored versions of every partition", &List, list);
  command->add_flag("--json", list->json, "Print JSON, for programs");
  command->footer(
      "\nExits 1 if damage may have cost versions, or a server does not "
      "answer.\nExample:\n  ebb checkpoint list runs/fashion-mlp-1");

  command = add("verify", "Reads all versions and compares all checksums",
                &Verify, std::make_shared<CheckpointFlags>());
  command->footer(
      "\nExits 1 if anything is damaged, or a server does not "
      "answer.\nExample:\n  ebb checkpoint verify fashion-mlp");
}

}  // namespace ebb::tools
