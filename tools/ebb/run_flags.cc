#include "tools/ebb/run_flags.h"

#include <iostream>

#include "tools/ebb/command.h"

namespace ebb::tools {

void AddRunFlags(CLI::App* command, RunOptions* run) {
  command->add_option("--servers", run->servers, "Parameter servers (2)")
      ->check(CLI::Range(1, kMostServers));
  command->add_option("--workers", run->workers, "Workers (3)")
      ->check(CLI::Range(1, kMostWorkers));
  command
      ->add_option("--memory", run->memory_bytes,
                   "Memory of each server and worker at most, as 512MiB")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--report", run->report_file,
                      "Also write the report (JSON) to this file");
  command->add_option("--run-dir", run->folder,
                      "Folder of the run (runs/NAME-N)");
  command->add_flag("--quiet", run->quiet, "Print errors only");
}

int RunToItsEnd(const RunOptions& run) {
  const auto report = RunLocally(run);
  if (!report.ok()) return Report(report.status());
  if (run.quiet) {  // Else they stand at the end of what was printed.
    for (const std::string& problem : report->problems) {
      std::cerr << "ebb: " << problem << "\n";
    }
  }
  if (report->interrupted) return kExitInterrupted;
  return report->problems.empty() ? kExitGood : kExitFailed;
}

}  // namespace ebb::tools
