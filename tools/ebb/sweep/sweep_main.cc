// ebb-sweep: what `ebb sweep` runs.
#include "tools/command/external_command.h"

int main(int argc, char** argv) {
  return ebb::tools::ExternalMain("sweep", argc, argv);
}
