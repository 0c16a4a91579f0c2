// `ebb stream follow`.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "feed/file_source.h"
#include "feed/line_source.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/feeding.h"

namespace ebb::tools {

namespace {

absl::StatusOr<std::unique_ptr<feed::MessageSource>> OpenFollowed(
    const std::string& source, int64_t fingerprint_bytes) {
  if (source == "-") {
    std::vector<feed::LineSource::Input> inputs;
    inputs.push_back(
        {"standard input", Fd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3))});
    return feed::LineSource::Make(std::move(inputs));
  }
  if (absl::StartsWith(source, "file:")) {
    feed::FileSourceOptions options;
    options.patterns = {source.substr(strlen("file:"))};
    options.fingerprint_bytes = fingerprint_bytes;
    return feed::FileSource::Make(std::move(options));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(source,
                   " cannot be followed; - is standard input, and "
                   "'file:/var/log/clicks*.log' are files"));
}

int Follow(const FeedingFlags& flags, const std::string& name,
           int64_t fingerprint_bytes) {
  auto source = OpenFollowed(name, fingerprint_bytes);
  if (!source.ok()) return Report(source.status());
  return FeedSet(flags, source->get());
}

}  // namespace

void AddStreamFollowCommand(CLI::App* stream, int* exit_code) {
  CLI::App* command = stream->add_subcommand(
      "follow", "Appends what a source writes to a growing set, for ever");
  const auto flags = std::make_shared<FeedingFlags>();
  const auto source = std::make_shared<std::string>();
  const auto fingerprint_bytes = std::make_shared<int64_t>(1024);
  command
      ->add_option("SRC", *source,
                   "Source: - is standard input, file:PATTERN are files")
      ->required();
  command->add_option("DEST", flags->place, "Folder, or s3://BUCKET/PREFIX")
      ->required();
  AddFeedingFlags(command, flags.get());
  command
      ->add_option("--fingerprint-bytes", *fingerprint_bytes,
                   "Files: a file is known by so many first bytes")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command->callback(
      [=] { *exit_code = Follow(*flags, *source, *fingerprint_bytes); });
  command->footer(R"(
Each line is a message. Several feeders may feed one set. SIGINT and SIGTERM store
what was read, and end the feeder. What a feeder that is killed has read from
standard input, and not stored yet, is not read again.
Files are followed through rotation by renaming; a file that is cut (copytruncate)
is refused. The pattern must name rotated files, too: lines of other files that no
running feeder has open are not found again.
The first feeder decides for the set how messages are read, and what becomes of bad
ones; others may leave these flags out, and are refused if they differ.
Example:
  tail -F clicks.log | ebb stream follow - /mnt/clicks --format csv \
      --set csv.label=clicked --on-bad aside
  ebb stream follow 'file:/var/log/clicks*.log' /mnt/clicks --format libsvm)");
}

}  // namespace ebb::tools
