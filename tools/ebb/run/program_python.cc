#include "tools/ebb/run/program_python.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/fd.h"
#include "common/program/python_packages.h"
#include "common/program/spawn_setup.h"
#include "tools/files/files.h"

extern char** environ;

namespace ebb::tools {

namespace {

// Says which interpreter it is, or what it lacks: the package says what it
// needs.
constexpr char kProgram[] = R"(
import sys
try:
    import ebb
    ebb.run
except ModuleNotFoundError as error:
    if error.name != "ebb":
        raise
    sys.exit(sys.executable + " has no package ebb, which runs Python programs\n"
             "  hint: install python3-ebb or the wheel that tools/package makes "
             "(docs/install.md in ebb's sources); EBB_PYTHON names another "
             "interpreter")
except Exception as error:
    if not (isinstance(error, ImportError)
            or type(error).__module__ == "ebb.errors"):
        raise
    sys.exit(str(error))
print(sys.executable)
)";

// Variables that say nothing about one cluster.
constexpr std::array<absl::string_view, 5> kNoFlags = {
    "EBB_BIN", "EBB_PYTHON", "EBB_TRACEBACK", "EBB_DATA_CACHE",
    "EBB_DATA_CACHE_BYTES"};

bool IsFlag(absl::string_view variable) {
  if (!absl::StartsWith(variable, "EBB_")) return false;
  for (const absl::string_view other : kNoFlags) {
    if (variable == other) return false;
  }
  return true;
}

// Reads until the other end is closed.
std::string ReadAll(int fd) {
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t n = read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(piece.data(), static_cast<size_t>(n));
  }
}

}  // namespace

void PrepareEnvironment() {
  std::vector<std::string> flags;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const absl::string_view text = *entry;
    const absl::string_view name = text.substr(0, text.find('='));
    if (IsFlag(name)) flags.emplace_back(name);
  }
  for (const std::string& name : flags) unsetenv(name.c_str());
  setenv("EBB_BIN", ProgramFolder().c_str(), /*replace=*/1);
  std::string packages = PythonPackagesBeside();
  if (packages.empty()) return;
  const char* const others = std::getenv("PYTHONPATH");
  if (others != nullptr && *others != '\0') {
    absl::StrAppend(&packages, ":", others);
  }
  setenv("PYTHONPATH", packages.c_str(), /*replace=*/1);
}

absl::StatusOr<std::string> FindPython() {
  const char* const chosen = std::getenv("EBB_PYTHON");
  const std::string python =
      chosen == nullptr || *chosen == '\0' ? "python3" : chosen;
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "pipe2");
  }
  const Fd reads(ends[0]);
  Fd writes(ends[1]);
  SpawnSetup setup;
  setup.Duplicate(writes.get(), STDOUT_FILENO);
  setup.Duplicate(STDOUT_FILENO, STDERR_FILENO);
  setup.CloseFrom(STDERR_FILENO + 1);
  pid_t pid = 0;
  const int error =
      setup.Spawn(python, {python, "-c", kProgram}, environ, &pid);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(python, ": ", std::strerror(error),
                     "\n  hint: apt-get install python3, or set EBB_PYTHON"));
  }
  writes = Fd();
  const std::string said(absl::StripAsciiWhitespace(ReadAll(reads.get())));
  int how = 0;
  while (waitpid(pid, &how, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(how) && WEXITSTATUS(how) == 0 && !said.empty()) {
    // A customized start may print before it.
    const size_t line = said.rfind('\n');
    return said.substr(line == said.npos ? 0 : line + 1);
  }
  return absl::FailedPreconditionError(
      said.empty() ? absl::StrCat(python, " ended without a word") : said);
}

}  // namespace ebb::tools
