// `ebb stream`.
#include "tools/command/command.h"

namespace ebb::tools {

void AddStreamCommand(CLI::App* app, int* /*exit_code*/) {
  CLI::App* stream =
      app->add_subcommand("stream", "Feeds growing sets: data that never ends");
  stream->require_subcommand(1);
  stream->footer(R"(
A growing set is a folder or a bucket with numbered examples, to which any number
of feeders append. Each message gets one number, once.
Examples:
  tail -F clicks.log | ebb stream follow - /mnt/clicks --format csv
  ebb stream put /mnt/clicks more.csv
  ebb stream status /mnt/clicks)");
}

}  // namespace ebb::tools
