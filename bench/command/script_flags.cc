#include "bench/command/script_flags.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "tools/files/files.h"

namespace ebb::tools {

namespace {

// Debian's, for which its packages of PyTorch and scikit-learn are.
std::string Interpreter() {
  const char* chosen = std::getenv("EBB_PYTHON");
  return chosen == nullptr || *chosen == '\0' ? "/usr/bin/python3" : chosen;
}

}  // namespace

std::vector<std::string> ScriptFlags::Words() const {
  std::vector<std::string> words = {"--pairs", absl::StrCat(pairs), "--folder",
                                    folder};
  if (quick) words.push_back("--quick");
  if (!page.empty()) words.insert(words.end(), {"--page", page});
  if (!only.empty()) {
    words.push_back("--only");
    words.insert(words.end(), only.begin(), only.end());
  }
  return words;
}

void AddScriptFlags(CLI::App* command, const std::string& quick,
                    const std::string& page, const std::string& examples,
                    ScriptFlags* flags) {
  command
      ->add_option("--pairs", flags->pairs,
                   "Rounds in which all sides take turns")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  command->add_flag("--quick", flags->quick, quick);
  command->add_option("--only", flags->only, "Measure only these")
      ->type_name("NAME");
  command
      ->add_option("--folder", flags->folder, "Folder that keeps the figures")
      ->capture_default_str()
      ->type_name("FOLDER");
  command->add_option("--page", flags->page, page)->type_name("FILE");
  command->add_option("--scripts", flags->scripts, "Folder of the scripts")
      ->capture_default_str()
      ->type_name("FOLDER");
  command->footer(absl::StrCat(R"(
Each process has one thread to compute with. Figures stay in --folder, so an
interrupted benchmark goes on; remove a file to measure it again. Exits 1 if some
row misses its requirement. EBB_PYTHON names the interpreter (/usr/bin/python3).
Example:
)",
                               examples));
}

int BecomeScript(const std::string& scripts, const std::string& usual,
                 std::vector<std::string> words) {
  if (!std::filesystem::exists(scripts + "/__main__.py")) {
    std::cerr << "ebb: no scripts in " << scripts
              << "\n  hint: start it in ebb's sources, or name their " << usual
              << " by --scripts\n";
    return kExitUsage;
  }
  words.insert(words.begin(), {Interpreter(), "-B", scripts});
  // The scripts are to start the daemons beside this program.
  setenv("EBB_BIN", ProgramFolder().c_str(), /*replace=*/1);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv.front(), argv.data());
  std::cerr << "ebb: " << words.front() << ": " << std::strerror(errno)
            << "\n  hint: apt-get install python3, or set EBB_PYTHON\n";
  return kExitUsage;
}

}  // namespace ebb::tools
