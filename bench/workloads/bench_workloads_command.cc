// `ebb bench workloads`: the scripts of bench/workloads.
#include <memory>

#include "bench/command/script_flags.h"
#include "tools/command/command.h"

namespace ebb::tools {

namespace {

constexpr char kWorkloadScripts[] = "bench/workloads";

}  // namespace

void AddBenchWorkloadsCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "workloads",
      "Compares workloads without a gradient with scikit-learn and XGBoost");
  const auto flags = std::make_shared<ScriptFlags>(ScriptFlags{
      .pairs = 3, .folder = "runs/workloads", .scripts = kWorkloadScripts});
  AddScriptFlags(
      command,
      "Give a rough result without a verdict, from 1 round of what takes "
      "seconds",
      "Write a page with the tables, and charts into images/ beside it",
      "  ebb bench workloads --quick\n"
      "  ebb bench workloads --only kmeans-fashion --page "
      "docs/workloads-measured.md",
      flags.get());
  command->callback([flags, exit_code] {
    *exit_code = BecomeScript(flags->scripts, kWorkloadScripts, flags->Words());
  });
}

}  // namespace ebb::tools
