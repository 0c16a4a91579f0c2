// `ebb sweep tell`.
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/command/command.h"
#include "tools/ebb/sweep/study_flags.h"
#include "tools/text/json.h"

namespace ebb::tools {

namespace {

int Tell(const StudyFlags& flags) {
  OpenStudy open;
  if (const absl::Status opened = open.Open(flags); !opened.ok()) {
    return Report(opened);
  }
  constexpr size_t kMostLine = size_t{64} << 10;
  std::string buffer(kMostLine, '\0');
  int64_t number = 0;
  int exit_code = kExitGood;
  while (std::cin.getline(buffer.data(), kMostLine)) {
    const absl::string_view line = buffer.c_str();
    ++number;
    if (line.empty()) continue;
    const auto answer = open.journal->Tell(line);
    if (answer.ok()) {
      std::cout << answer->ToLine() << "\n" << std::flush;
      continue;
    }
    const absl::Status wrong(
        answer.status().code(),
        absl::StrCat("line ", number, ": ", answer.status().message()));
    exit_code = Report(wrong);
    // The others may be right.
    if (!absl::IsInvalidArgument(wrong)) return exit_code;
    Json told = Json::Object();
    told["error"] = std::string(wrong.message());
    std::cout << told.ToLine() << "\n" << std::flush;
  }
  if (std::cin.eof()) return exit_code;
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
The name of the metric may stand in the place of "value".
Each is answered with a line, {"trial": 0, "counted": true, "go_on": true}. The
trial is over if `go_on` is false. A line that was told before is not counted. A
line that is wrong is answered with {"error": "..."}, and the exit code is 2.
Example:
  echo '{"trial": 0, "value": 0.5}' | ebb sweep tell study.yaml)");
  command->callback([flags, exit_code] { *exit_code = Tell(*flags); });
}

}  // namespace ebb::tools
