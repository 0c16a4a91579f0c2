// `ebb bench python`: the scripts of bench/python.
#include <memory>
#include <string>
#include <vector>

#include "bench/command/script_flags.h"
#include "tools/command/command.h"

namespace ebb::tools {

namespace {

constexpr char kPythonScripts[] = "bench/python";

struct BenchPythonFlags {
  ScriptFlags script = {.folder = "runs/python", .scripts = kPythonScripts};
  std::string json;
};

}  // namespace

void AddBenchPythonCommand(CLI::App* bench, int* exit_code) {
  CLI::App* command = bench->add_subcommand(
      "python", "Compares ebb in Python with PyTorch and scikit-learn alone");
  const auto flags = std::make_shared<BenchPythonFlags>();
  AddScriptFlags(command,
                 "Give a rough result without a verdict from 1 round; without "
                 "--only it leaves out what trains",
                 "Write a page with the table",
                 "  ebb bench python --quick\n"
                 "  ebb bench python --only perceptron adam --page python.md",
                 &flags->script);
  command->add_option("--json", flags->json, "Write all figures to FILE")
      ->type_name("FILE");
  command->callback([flags, exit_code] {
    std::vector<std::string> words = flags->script.Words();
    if (!flags->json.empty()) {
      words.insert(words.begin(), {"--json", flags->json});
    }
    *exit_code = BecomeScript(flags->script.scripts, kPythonScripts, words);
  });
}

}  // namespace ebb::tools
