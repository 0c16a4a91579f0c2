// `ebb sweep tell`.
#include <iostream>
#include <memory>
#include <string>

#include "tools/command/command.h"
#include "tools/ebb/sweep/study_flags.h"

namespace ebb::tools {

namespace {

int Tell(const StudyFlags& flags) {
  OpenStudy open;
  if (const absl::Status opened = open.Open(flags); !opened.ok()) {
    return Report(opened);
  }
  for (std::string line; std::getline(std::cin, line);) {
    if (line.empty()) continue;
    const auto answer = open.journal->Tell(line);
    if (!answer.ok()) return Report(answer.status());
    std::cout << answer->ToLine() << "\n" << std::flush;
  }
  return kExitGood;
}

}  // namespace

void AddSweepTellCommand(CLI::App* parent, int* exit_code) {
  const auto flags = std::make_shared<StudyFlags>();
  CLI::App* command = parent->add_subcommand(
      "tell", "Takes results of trials that a program runs itself");
  AddStudyFlags(command, flags.get());
  command->footer(R"(
Reads lines of JSON from the standard input, of three kinds. While a trial runs:
  {"trial": 0, "epoch": 1, "epochs": 9, "value": 0.5}
At its end, with a result or without:
  {"trial": 0, "value": 0.5}
  {"trial": 0, "failed": true}
Each is answered with a line, {"trial": 0, "counted": true, "go_on": true}. The
trial is over if `go_on` is false. A line that was told before is not counted.
Example:
  echo '{"trial": 0, "value": 0.5}' | ebb sweep tell study.yaml)");
  command->callback([flags, exit_code] { *exit_code = Tell(*flags); });
}

}  // namespace ebb::tools
