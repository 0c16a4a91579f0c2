// ebb-bench: what `ebb bench` runs.
#include "tools/command/external_command.h"

int main(int argc, char** argv) {
  return ebb::tools::ExternalMain("bench", argc, argv);
}
