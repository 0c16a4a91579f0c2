// ebb-sim: what `ebb sim` runs.
#include "tools/command/external_command.h"

int main(int argc, char** argv) {
  return ebb::tools::ExternalMain("sim", argc, argv);
}
