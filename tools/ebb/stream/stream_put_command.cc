// `ebb stream put`.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/regular_file.h"
#include "common/status_macros.h"
#include "feed/line_source.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/feeding.h"

namespace ebb::tools {

namespace {

absl::StatusOr<std::vector<feed::LineSource::Input>> OpenPutFiles(
    const std::vector<std::string>& files) {
  std::vector<feed::LineSource::Input> inputs;
  if (files.empty()) {
    inputs.push_back(
        {"standard input", Fd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3))});
  }
  for (const std::string& file : files) {
    EBB_ASSIGN_OR_RETURN(Fd opened, OpenRegularFile(file, file));
    inputs.push_back({file, std::move(opened)});
  }
  return inputs;
}

int Put(const FeedingFlags& flags, const std::vector<std::string>& files) {
  auto inputs = OpenPutFiles(files);
  if (!inputs.ok()) return Report(inputs.status());
  auto source = feed::LineSource::Make(*std::move(inputs));
  if (!source.ok()) return Report(source.status());
  return FeedSet(flags, source->get());
}

}  // namespace

void AddStreamPutCommand(CLI::App* stream, int* exit_code) {
  CLI::App* command =
      stream->add_subcommand("put", "Appends lines to a growing set, once");
  const auto flags = std::make_shared<FeedingFlags>();
  const auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("DEST", flags->place, "Folder, or s3://BUCKET/PREFIX")
      ->required();
  command->add_option("FILE", *files, "Files to read; default: standard input");
  command->add_flag("--end", flags->end,
                    "End the set then: nothing can follow for ever");
  AddFeedingFlags(command, flags.get());
  command->callback([=] { *exit_code = Put(*flags, *files); });
  command->footer(R"(
Each line is a message. Exits 0 when all of them are stored. Files are read once;
giving the command again appends them again.
Example:
  ebb stream put /mnt/clicks monday.csv tuesday.csv --format csv)");
}

}  // namespace ebb::tools
