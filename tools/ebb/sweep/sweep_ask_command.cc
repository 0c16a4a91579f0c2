// `ebb sweep ask`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/command/command.h"
#include "tools/ebb/sweep/study_flags.h"
#include "tools/ebb/sweep/sweep_table.h"

namespace ebb::tools {

namespace {

struct AskFlags {
  StudyFlags study;
  std::string request;
  bool list = false;
};

int Ask(const AskFlags& flags) {
  OpenStudy open;
  if (const absl::Status opened = open.Open(flags.study); !opened.ok()) {
    return Report(opened);
  }
  if (flags.list) {
    std::cout << TrialsJson(open.file.sweep, open.journal->trials()).ToString();
    return kExitGood;
  }
  const auto answer =
      open.journal->Ask(flags.request, absl::ToUnixMillis(absl::Now()));
  if (!answer.ok()) return Report(answer.status());
  std::cout << answer->ToLine() << "\n";
  return kExitGood;
}

}  // namespace

void AddSweepAskCommand(CLI::App* parent, int* exit_code) {
  const auto flags = std::make_shared<AskFlags>();
  CLI::App* command = parent->add_subcommand(
      "ask", "Prints the next trial, for a program that runs it itself");
  AddStudyFlags(command, &flags->study);
  command->add_option("--request", flags->request,
                      "A name of this request: asked again, it is the same "
                      "trial");
  command->add_flag("--list", flags->list,
                    "Print the trials and their results instead");
  command->footer(R"(
Prints one line of JSON, {"trial": 0, "set": {"optimizer.rate": "0.01"}}, or
{"trial": null, "why": "..."} once no trial begins any more. `ebb sweep tell`
takes what came of it. The study is kept in a file, and goes on from there.
Example:
  ebb sweep ask study.yaml)");
  command->callback([flags, exit_code] { *exit_code = Ask(*flags); });
}

}  // namespace ebb::tools
