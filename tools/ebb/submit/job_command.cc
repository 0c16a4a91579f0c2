// `ebb job check` and `ebb job show`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "job/validate.h"
#include "job/yaml.h"
#include "tools/command/command.h"
#include "tools/ebb/cluster/access_flags.h"
#include "tools/ebb/cluster/data_flags.h"
#include "tools/ebb/job/job_flags.h"
#include "tools/ebb/job/job_sizes.h"
#include "tools/ebb/job/job_text.h"
#include "tools/ebb/trained/start_model.h"
#include "tools/text/console.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

struct JobCommandFlags {
  JobFlags file;
  ClusterAccess access;
  DataFlags data;
  bool json = false;
};

// The plan of the job, for programs that run it.
Json PlanJson(const JobPlan& plan) {
  Json json = Json::Object();
  json["examples"] = plan.examples;
  json["epochs"] = plan.epochs;
  json["batch"] = plan.batch_by_epoch.front();
  json["parameters"] = plan.parameters;
  json["partitions"] = plan.partitions;
  json["max_workers"] = plan.max_workers;
  return json;
}

int Check(const JobCommandFlags& flags) {
  JobChoice choice = flags.file.Choice();
  choice.open = OpenFromCluster(flags.access, flags.data);
  choice.open_model = OpenStoredModels(flags.access);
  TakeFirstFold(&choice);
  const auto prepared = PrepareJob(choice);
  if (!prepared.ok()) return Report(prepared.status());
  const auto sizes = SizesOf(*prepared);
  if (!sizes.ok()) return Report(sizes.status());
  const JobPlan& plan = prepared->record.plan;
  if (flags.json) {
    Json json = Json::Object();
    json["name"] = prepared->record.name;
    json["plan"] = PlanJson(plan);
    std::cout << json.ToString();
    return kExitGood;
  }
  std::cout << prepared->record.name << " is good: "
            << WorkText(*prepared,
                        absl::StrCat(" in ", Count(plan.shards(), "item"),
                                     " an epoch, "))
            << ", " << SizeText(plan) << "\n";
  if (!prepared->label.empty()) {
    std::cout << "The label is " << prepared->label << ".\n";
  }
  std::cout << SizesText(*prepared, *sizes);
  if (!prepared->choices.empty()) {
    std::cout << ChoicesText(prepared->choices) << "\n";
  }
  if (!prepared->note.empty()) std::cout << prepared->note << "\n";
  const std::string warning = WideModelWarning(*prepared);
  if (!warning.empty()) std::cout << warning << "\n";
  return kExitGood;
}

// Without what follows from the data where that cannot be had.
int Show(const JobCommandFlags& flags) {
  JobChoice choice = flags.file.Choice();
  const job::JobFile file = job::ReadJobFile(choice.file, choice.overrides);
  if (!file.ok()) return Report(job::ToStatus(file.mistakes));
  choice.open = OpenFromCluster(flags.access, flags.data);
  choice.open_model = OpenStoredModels(flags.access);
  TakeFirstFold(&choice);
  const auto prepared = PrepareJob(choice);
  if (!prepared.ok()) {
    std::cout << job::JobToYaml(file.job, job::YamlStyle::kExplained);
    std::cerr << "ebb: what ebb chooses from the data is left out, for `ebb "
                 "job check` would fail:\n"
              << prepared.status().message() << "\n";
    return kExitGood;
  }
  v1::Job given = file.job;
  job::FillDefaults(&given);
  v1::Job shown = prepared->job;
  *shown.mutable_data() = given.data();  // With paths as they were written.
  if (!prepared->positive_class.empty()) {
    shown.mutable_data()->set_positive(prepared->positive_class);
  }
  std::cout << job::JobToYaml(shown, job::YamlStyle::kExplained,
                              prepared->choices);
  return kExitGood;
}

}  // namespace

void AddJobCommand(CLI::App* app, int* exit_code) {
  CLI::App* job = app->add_subcommand("job", "Checks or explains a job file");
  job->require_subcommand(1);
  job->footer("\nExample:\n  ebb job check examples/jobs/fashion_mlp.yaml");
  const auto add = [&](const char* name, const char* help, const char* footer,
                       int (*run)(const JobCommandFlags&)) {
    CLI::App* command = job->add_subcommand(name, help);
    const auto flags = std::make_shared<JobCommandFlags>();
    AddJobFlags(command, &flags->file);
    AddAccessFlags(command, &flags->access);
    AddDataFlags(command, &flags->data);
    command->footer(footer);
    if (run == &Check) AddJsonFlag(command, &flags->json);
    command->callback([=] { *exit_code = run(*flags); });
  };
  add("check", "Reports all mistakes in a job file and its data", R"(
Also reads the data; it asks the scheduler about files ebb://NAME/FILE of the
cluster. Exits 2 if anything is wrong.
Example:
  ebb job check examples/jobs/fashion_mlp.yaml)",
      &Check);
  add("show",
      "Prints the whole job, with defaults and an explanation of each key", R"(
Reads the data to choose batch, epochs, workers and rate. Without the data it
leaves these out.
Example:
  ebb job show examples/jobs/fashion_softmax.yaml --set train.epochs=3)",
      &Show);
}

}  // namespace ebb::tools
