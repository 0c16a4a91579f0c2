#include "tools/ebb/run/run_flags.h"

#include <cstdint>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "common/program/size_flag.h"
#include "server/memory_budget.h"
#include "tools/command/command.h"
#include "tools/process/most_processes.h"

namespace ebb::tools {

void AddRunFlags(CLI::App* command, RunOptions* run) {
  command->add_option("--servers", run->servers, "Parameter servers (2)")
      ->check(CLI::Range(1, kMostServers));
  command->add_option("--workers", run->workers, "Workers (3)")
      ->check(CLI::Range(1, kMostWorkers));
  command
      ->add_option("--memory", run->memory_bytes,
                   "Most memory of each server and worker, e.g. 512MiB")
      ->transform(SizeValue())
      ->check([](const std::string& text) {
        int64_t bytes = 0;
        if (!absl::SimpleAtoi(text, &bytes) || bytes == 0) return std::string();
        // A worker needs less.
        const absl::Status enough = server::DivideMemory(bytes).status();
        return std::string(absl::StripPrefix(enough.message(), "--memory is "));
      });
  command->add_flag("--tls", run->tls,
                    "Use mutual TLS, with certificates made for this run");
  command->add_option("--report", run->report_file,
                      "Also write the report to this file: the page if it "
                      "ends in .html, else JSON");
  command->add_option("--run-dir", run->folder,
                      "Folder of the run (runs/NAME-N)");
  command->add_flag("--quiet", run->quiet, "Print errors only");
  command->add_flag(
      "--details", run->details,
      "Also print how late updates are, what each worker computes, and "
      "the like; report.html has it in any case");
  command
      ->add_option("--leave-with-parent", run->parent,
                   "End in good order when the process PID, which starts this "
                   "one, ends")
      ->type_name("PID")
      ->check(CLI::PositiveNumber);
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
