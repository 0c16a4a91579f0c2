#include "tools/ebb/run/run_flags.h"

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "common/program/size_flag.h"
#include "server/memory_budget.h"
#include "tools/command/command.h"
#include "tools/command/take_duration.h"
#include "tools/process/most_processes.h"
#include "tools/text/daemon_names.h"

namespace ebb::tools {

namespace {

// "40ms", and for single workers "worker-7=120ms".
void AddBatchTime(CLI::App* command, RunOptions* run) {
  static constexpr char kFlag[] = "--batch-time";
  command
      ->add_option_function<std::vector<std::string>>(
          kFlag,
          [run](const std::vector<std::string>& words) {
            for (const std::string& word : words) {
              const size_t end = word.find('=');
              if (end == std::string::npos) {
                TakeDuration(kFlag, word, &run->batch_time);
                continue;
              }
              const std::string worker = word.substr(0, end);
              int number = -1;
              if (!absl::SimpleAtoi(absl::StripPrefix(worker, "worker-"),
                                    &number) ||
                  worker != WorkerName(number)) {
                throw CLI::ValidationError(
                    kFlag,
                    "\"" + worker + "\" is no worker; write worker-7=120ms");
              }
              TakeDuration(kFlag, word.substr(end + 1),
                           &run->batch_times[worker]);
            }
          },
          "Least time of a batch, to emulate more workers than cores; "
          "worker-7=120ms is that of one worker; may be repeated")
      ->allow_extra_args(false)
      ->type_name("[NAME=]DURATION");
}

}  // namespace

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
  AddBatchTime(command, run);
  command->add_option("--statuses", run->statuses_file,
                      "Append each status to this file as it comes: a line of "
                      "what `ebb status --json` prints");
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
  // Else problems stand at the end of what was printed.
  return ExitCodeOf(RunLocally(run), /*tell_problems=*/run.quiet);
}

int ExitCodeOf(const absl::StatusOr<RunReport>& report, bool tell_problems) {
  if (!report.ok()) return Report(report.status());
  if (tell_problems) {
    for (const std::string& problem : report->problems) {
      std::cerr << "ebb: " << problem << "\n";
    }
  }
  if (report->interrupted) return kExitInterrupted;
  return report->problems.empty() ? kExitGood : kExitFailed;
}

}  // namespace ebb::tools
