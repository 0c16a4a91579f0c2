// `ebb stream follow`.
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "feed/line_source.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/feeding.h"

namespace ebb::tools {

namespace {

absl::StatusOr<std::unique_ptr<feed::MessageSource>> OpenFollowed(
    const std::string& source) {
  if (source == "-") {
    std::vector<feed::LineSource::Input> inputs;
    inputs.push_back(
        {"standard input", Fd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3))});
    return feed::LineSource::Make(std::move(inputs));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(source, " is no source to follow; - is standard input"));
}

int Follow(const FeedingFlags& flags, const std::string& name) {
  auto source = OpenFollowed(name);
  if (!source.ok()) return Report(source.status());
  return FeedSet(flags, source->get());
}

}  // namespace

void AddStreamFollowCommand(CLI::App* stream, int* exit_code) {
  CLI::App* command = stream->add_subcommand(
      "follow", "Appends what a source writes to a growing set, for ever");
  const auto flags = std::make_shared<FeedingFlags>();
  const auto source = std::make_shared<std::string>();
  command->add_option("SRC", *source, "Source: - is standard input")
      ->required();
  command->add_option("DEST", flags->place, "Folder, or s3://BUCKET/PREFIX")
      ->required();
  AddFeedingFlags(command, flags.get());
  command->callback([=] { *exit_code = Follow(*flags, *source); });
  command->footer(R"(
Each line is a message. Several feeders may feed one set. SIGINT and SIGTERM store
what was read, and end the feeder. What a feeder that is killed has read from
standard input, and not stored yet, is not read again.
The first feeder decides for the set how messages are read, and what becomes of bad
ones; others may leave these flags out, and are refused if they differ.
Example:
  tail -F clicks.log | ebb stream follow - /mnt/clicks --format csv \
      --set csv.label=clicked --on-bad aside)");
}

}  // namespace ebb::tools
