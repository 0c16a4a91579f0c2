// `ebb job check` and `ebb job show`.
#include <iostream>
#include <memory>

#include "common/job/yaml.h"
#include "tools/ebb/command.h"
#include "tools/ebb/console.h"
#include "tools/ebb/data_flags.h"

namespace ebb::tools {

namespace {

struct Flags {
  JobFlags file;
  ClusterAccess access;
  DataFlags data;
};

int Check(const Flags& flags) {
  JobChoice choice = flags.file.Choice();
  choice.open = OpenFromCluster(flags.access, flags.data);
  const auto prepared = PrepareJob(choice);
  if (!prepared.ok()) return Report(prepared.status());
  const JobPlan& plan = prepared->record.plan;
  std::cout << prepared->record.name
            << " is good: " << Count(plan.examples, "example") << " in "
            << Count(plan.shards(), "item") << " an epoch, "
            << Count(plan.epochs, "epoch") << ", " << SizeText(plan) << "\n";
  if (!prepared->note.empty()) std::cout << prepared->note << "\n";
  return kExitGood;
}

int Show(const Flags& flags) {
  const JobChoice choice = flags.file.Choice();
  const job::JobFile file = job::ReadJobFile(choice.file, choice.overrides);
  if (!file.ok()) return Report(job::ToStatus(file.mistakes));
  std::cout << job::JobToYaml(file.job, job::YamlStyle::kExplained);
  return kExitGood;
}

}  // namespace

void AddJobCommand(CLI::App* app, int* exit_code) {
  CLI::App* job = app->add_subcommand("job", "Checks or explains a job file");
  job->require_subcommand(1);
  job->footer("\nExample:\n  ebb job check examples/jobs/fashion_mlp.yaml");
  const auto add = [&](const char* name, const char* help, const char* footer,
                       int (*run)(const Flags&)) {
    CLI::App* command = job->add_subcommand(name, help);
    const auto flags = std::make_shared<Flags>();
    AddJobFlags(command, &flags->file);
    if (run == &Check) {
      AddAccessFlags(command, &flags->access);
      AddDataFlags(command, &flags->data);
    }
    command->footer(footer);
    command->callback([=] { *exit_code = run(*flags); });
  };
  add("check", "Says all that is wrong with a job file and its data", R"(
Reads the data too; of the cluster's, ebb://NAME/FILE, the scheduler is asked.
Exit code 2 if anything is wrong.
Example:
  ebb job check examples/jobs/fashion_mlp.yaml)",
      &Check);
  add("show", "Prints the whole job, with defaults and a word on each key", R"(
Example:
  ebb job show examples/jobs/fashion_softmax.yaml --set train.epochs=3)",
      &Show);
}

}  // namespace ebb::tools
