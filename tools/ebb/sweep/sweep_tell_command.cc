// `ebb sweep tell`.
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/command/command.h"
#include "tools/ebb/sweep/study_flags.h"

namespace ebb::tools {

namespace {

int Tell(const StudyFlags& flags) {
  OpenStudy open;
  if (const absl::Status opened = open.Open(flags); !opened.ok()) {
    return Report(opened);
  }
  constexpr size_t kMostLine = size_t{64} << 10;
  std::string buffer(kMostLine, '\0');
  while (std::cin.getline(buffer.data(), kMostLine)) {
    const absl::string_view line = buffer.c_str();
    if (line.empty()) continue;
    const auto answer = open.journal->Tell(line);
    if (!answer.ok()) return Report(answer.status());
    std::cout << answer->ToLine() << "\n" << std::flush;
  }
  if (std::cin.eof()) return kExitGood;
  return Report(absl::InvalidArgumentError(
      absl::StrCat("a line of the standard input has ", kMostLine,
                   " bytes or more, and a result takes about 60")));
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
