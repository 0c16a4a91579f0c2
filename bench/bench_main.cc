// ebb-bench: what `ebb bench` runs.
#include <optional>

#include "bench/command/scripts.h"
#include "tools/command/external_command.h"

int main(int argc, char** argv) {
  if (const std::optional<int> code = ebb::tools::BecomeScript(argc, argv)) {
    return *code;
  }
  return ebb::tools::ExternalMain("bench", argc, argv);
}
