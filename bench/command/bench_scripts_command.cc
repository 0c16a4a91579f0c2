// The benchmarks of Python among the commands of `ebb bench`.
#include <optional>

#include "bench/command/scripts.h"
#include "tools/command/command.h"

namespace ebb::tools {

// Only for the help and for words that are misspelt: `ebb bench` becomes the
// program before it parses its line.
void AddBenchScriptsCommand(CLI::App* bench, int* exit_code) {
  for (const BenchScript& script : BenchScripts()) {
    bench->add_subcommand(script.name, script.about);
  }
}

}  // namespace ebb::tools
