#include "tools/command/python_script.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/program/python_packages.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

// Tells a missing package apart from an error in it.
constexpr char kProgram[] = R"(
import sys
try:
    import ebb.script
except ModuleNotFoundError as error:
    if error.name not in ("ebb", "ebb.script"):
        raise
    sys.exit("ebb: " + sys.executable + " has no package ebb, which runs "
             "Python programs\n  hint: install python3-ebb or the wheel that "
             "tools/package makes (Installing in ebb's README.md); EBB_PYTHON "
             "names another interpreter")
sys.exit(ebb.script.main())
)";

}  // namespace

bool RunsPythonScript(int argc, const char* const* argv) {
  if (argc < 2 || absl::string_view(argv[1]) != "run") return false;
  for (int i = 2; i < argc; ++i) {
    const absl::string_view word = argv[i];
    if (word == "--") return false;
    // A job's module is a value: --set model.module=my_model.py.
    if (!absl::StartsWith(word, "-") && absl::EndsWith(word, ".py") &&
        !absl::StrContains(word, "=")) {
      return true;
    }
  }
  return false;
}

int BecomePythonScript(int argc, char** argv) {
  const char* chosen = std::getenv("EBB_PYTHON");
  const std::string python =
      chosen == nullptr || *chosen == '\0' ? "python3" : chosen;
  // The package is to start the daemons beside this program.
  setenv("EBB_BIN", ProgramFolder().c_str(), /*replace=*/1);
  // The copies of the script import what this program came with.
  if (std::string packages = PythonPackagesBeside(); !packages.empty()) {
    const char* others = std::getenv("PYTHONPATH");
    if (others != nullptr && *others != '\0') {
      absl::StrAppend(&packages, ":", others);
    }
    setenv("PYTHONPATH", packages.c_str(), /*replace=*/1);
  }
  std::vector<const char*> words = {python.c_str(), "-c", kProgram};
  words.insert(words.end(), argv + 2, argv + argc);
  words.push_back(nullptr);
  execvp(python.c_str(), const_cast<char* const*>(words.data()));
  std::cerr << "ebb: " << python << ": " << std::strerror(errno)
            << "\n  hint: apt-get install python3, or set EBB_PYTHON\n";
  return kExitUsage;
}

}  // namespace ebb::tools
