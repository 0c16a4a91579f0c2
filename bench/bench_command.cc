// `ebb bench`.
#include "tools/command/command.h"

namespace ebb::tools {

void AddBenchCommand(CLI::App* app, int* exit_code) {
  CLI::App* bench =
      app->add_subcommand("bench", "Measures ebb on this machine");
  bench->require_subcommand(1);
  bench->footer("\nExample:\n  ebb bench kernels");
}

}  // namespace ebb::tools
