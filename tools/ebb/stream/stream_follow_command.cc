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
#include "feed/kafka/open_kafka.h"
#include "feed/line_source.h"
#include "tools/command/command.h"
#include "tools/ebb/stream/feeding.h"

namespace ebb::tools {

namespace {

struct FollowFlags : FeedingFlags {
  std::string source;
  int64_t fingerprint_bytes = 1024;
  std::string kafka_config;
};

absl::StatusOr<std::unique_ptr<feed::MessageSource>> OpenFollowed(
    const FollowFlags& flags) {
  const std::string& source = flags.source;
  if (source == "-") {
    std::vector<feed::LineSource::Input> inputs;
    inputs.push_back(
        {"standard input", Fd(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3))});
    return feed::LineSource::Make(std::move(inputs));
  }
  if (absl::StartsWith(source, "file:")) {
    feed::FileSourceOptions options;
    options.patterns = {source.substr(strlen("file:"))};
    options.fingerprint_bytes = flags.fingerprint_bytes;
    return feed::FileSource::Make(std::move(options));
  }
  if (absl::StartsWith(source, "kafka:")) {
    return feed::OpenKafka(source.substr(strlen("kafka:")), flags.kafka_config);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(source,
                   " cannot be followed; - is standard input, "
                   "'file:/var/log/clicks*.log' are files, and ",
                   feed::kKafkaForm, " is Kafka"));
}

int Follow(const FollowFlags& flags) {
  auto source = OpenFollowed(flags);
  if (!source.ok()) return Report(source.status());
  return FeedSet(flags, source->get());
}

}  // namespace

void AddStreamFollowCommand(CLI::App* stream, int* exit_code) {
  CLI::App* command = stream->add_subcommand(
      "follow", "Appends what a source writes to a growing set, for ever");
  const auto flags = std::make_shared<FollowFlags>();
  command
      ->add_option("SRC", flags->source,
                   absl::StrCat("Source: - is standard input, file:PATTERN are "
                                "files, ",
                                feed::kKafkaForm, " is Kafka"))
      ->required();
  command->add_option("DEST", flags->place, "Folder, or s3://BUCKET/PREFIX")
      ->required();
  AddFeedingFlags(command, flags.get());
  command
      ->add_option("--fingerprint-bytes", flags->fingerprint_bytes,
                   "Files: a file is known by so many first bytes")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--kafka-config", flags->kafka_config,
                      "Kafka: a file of librdkafka's settings, for TLS and "
                      "login; only its owner may read it");
  command->callback([=] { *exit_code = Follow(*flags); });
  command->footer(absl::StrCat(R"(
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
  ebb stream follow 'file:/var/log/clicks*.log' /mnt/clicks --format libsvm
)",
                               feed::kKafkaHelp));
}

}  // namespace ebb::tools
