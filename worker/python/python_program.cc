#include "worker/python/python_program.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/program/python_packages.h"

namespace ebb::worker {

namespace {

namespace fs = std::filesystem;

// Says by a kFail of ticket 0 that there is no package, or what the package
// lacks: the package has the rest of the messages.
constexpr char kBegin[] = R"(
import sys
sys.path[:0] = sys.argv[2:]
def fail(why):
    import socket, struct
    socket.socket(fileno=int(sys.argv[1])).send(
        struct.pack("<IIQQ", 5, 0, 1, 0) + why.encode())
    sys.exit()
try:
    import ebb.worker
except ModuleNotFoundError as error:
    if error.name not in ("ebb", "ebb.worker"):
        raise
    fail(sys.executable + " has no package ebb: install python3-ebb or the "
         "wheel that tools/package makes (docs/install.md in ebb's sources); "
         "EBB_PYTHON names another interpreter")
except Exception as error:
    # The package says what it needs.
    if not (isinstance(error, ImportError)
            or type(error).__module__ == "ebb.errors"):
        raise
    fail(str(error).replace("\n  hint:", ";"))
ebb.worker.main(int(sys.argv[1]))
)";

std::string PackagesBeside() {
  std::string beside = PythonPackagesBeside();
  if (!beside.empty()) return beside;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return "";
  // The program is in ebb/bin of a wheel.
  const fs::path packages = program.parent_path() / "../..";
  if (!fs::exists(packages / "ebb/worker.py", error)) return "";
  return packages.lexically_normal().string();
}

}  // namespace

std::vector<std::string> PythonProgram::CommandLine(int fd) const {
  // -I: its own folders only. -B: nothing is written beside code.
  std::vector<std::string> words = {interpreter, "-I",   "-B",
                                    "-c",        kBegin, absl::StrCat(fd)};
  if (!packages.empty()) words.push_back(packages);
  return words;
}

PythonProgram PythonAt(std::string interpreter) {
  return {std::move(interpreter), PackagesBeside()};
}

PythonProgram ChosenPython() {
  const char* const chosen = std::getenv("EBB_PYTHON");
  return PythonAt(chosen == nullptr || *chosen == '\0' ? "python3" : chosen);
}

}  // namespace ebb::worker
