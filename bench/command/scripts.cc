#include "bench/command/scripts.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/command/bench_machine.h"
#include "tools/command/command.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

constexpr BenchScript kScripts[] = {
    {"algorithms", "algorithms", "Compares the distributed algorithms"},
    {"goodput", "cluster",
     "Measures how much of the machines' work counts on a spot market"},
    {"language", "language",
     "Trains a small GPT by runs of local steps, beside its peers"},
    {"moves", "cluster",
     "Measures how long a partition is unavailable while it moves"},
    {"python", "python",
     "Compares ebb in Python with PyTorch and scikit-learn alone"},
    {"recovery", "cluster",
     "Measures how long it takes to recover from lost daemons"},
    {"report", "report", "Runs all benchmarks, and writes a page with charts"},
    {"scaling", "cluster", "Measures what more workers and servers bring"},
    {"workloads", "workloads",
     "Compares workloads without a gradient with scikit-learn and XGBoost"}};

// Debian's, for which its packages of PyTorch, scikit-learn and matplotlib are.
std::string Interpreter() {
  const char* chosen = std::getenv("EBB_PYTHON");
  return chosen == nullptr || *chosen == '\0' ? "/usr/bin/python3" : chosen;
}

bool HasProgram(const std::string& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder + "/__main__.py", ignored);
}

// Here, or beside the folder of the build.
std::string PlaceOf(const std::string& folder) {
  std::string here = absl::StrCat("bench/", folder);
  if (HasProgram(here)) return here;
  return absl::StrCat(ProgramFolder(), "/../../", here);
}

int Become(const std::string& folder, std::vector<std::string> words) {
  if (!HasProgram(folder)) {
    std::cerr << "ebb: no scripts in " << folder
              << "\n  hint: start it in ebb's sources, or name their folder by "
                 "--scripts\n";
    return kExitUsage;
  }
  words.insert(words.begin(), {Interpreter(), "-B", folder});
  // They start the programs beside this one, and tell where they ran.
  setenv("EBB_BIN", ProgramFolder().c_str(), /*replace=*/1);
  setenv("EBB_WHERE", WhereItRanJson().ToLine().c_str(), /*replace=*/1);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv.front(), argv.data());
  std::cerr << "ebb: " << words.front() << ": " << std::strerror(errno)
            << "\n  hint: apt-get install python3, or set EBB_PYTHON\n";
  return kExitUsage;
}

}  // namespace

std::span<const BenchScript> BenchScripts() { return kScripts; }

int BecomeScript(const std::string& folder, std::vector<std::string> words) {
  return Become(PlaceOf(folder), std::move(words));
}

std::optional<int> BecomeScript(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "bench") words.erase(words.begin());
  if (words.empty()) return std::nullopt;
  const auto* const script =
      std::ranges::find(kScripts, words.front(), &BenchScript::name);
  if (script == std::end(kScripts)) return std::nullopt;
  std::string folder = PlaceOf(script->folder);
  const auto flag = std::ranges::find(words, "--scripts");
  if (flag != words.end() && flag + 1 != words.end()) {
    folder = *(flag + 1);
    words.erase(flag, flag + 2);
  }
  return Become(folder, std::move(words));
}

}  // namespace ebb::tools
