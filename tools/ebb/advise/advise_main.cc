// ebb-advise: what `ebb advise` runs.
#include "tools/command/external_command.h"

int main(int argc, char** argv) {
  return ebb::tools::ExternalMain("advise", argc, argv);
}
