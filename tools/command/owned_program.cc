#include "tools/command/owned_program.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

// `ebb --owned-by PID PROGRAM ARGUMENTS`.
constexpr absl::string_view kFlag = "--owned-by";
constexpr int kProgramAt = 3;

}  // namespace

std::vector<std::string> OwnedBy(pid_t owner,
                                 const std::vector<std::string>& argv) {
  std::vector<std::string> words = {ProgramFolder() + "/ebb",
                                    std::string(kFlag), absl::StrCat(owner)};
  words.insert(words.end(), argv.begin(), argv.end());
  return words;
}

bool IsOwned(int argc, const char* const* argv) {
  return argc > kProgramAt && argv[1] == kFlag;
}

int BecomeOwned(int argc, char** argv) {
  pid_t owner = 0;
  if (argc <= kProgramAt || !absl::SimpleAtoi(argv[2], &owner)) {
    return kExitUsage;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // It may have ended before that.
  if (getppid() != owner) return kExitFailed;
  // A shell without job control ignores it for `ebb run ... &`, and what is
  // ignored stays so in a new program. But by it the program is asked to leave.
  signal(SIGINT, SIG_DFL);
  execvp(argv[kProgramAt], argv + kProgramAt);
  std::cerr << "ebb: " << argv[kProgramAt] << ": " << std::strerror(errno)
            << "\n";
  return kExitFailed;
}

}  // namespace ebb::tools
