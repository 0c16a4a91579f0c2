#include "feed/kafka/open_kafka.h"

#include <set>
#include <utility>

#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "feed/kafka/kafka_source.h"

namespace ebb::feed {

absl::StatusOr<std::unique_ptr<MessageSource>> OpenKafka(
    absl::string_view name, const std::string& settings) {
  KafkaSourceOptions options;
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(name, absl::MaxSplits('/', 1));
  options.brokers = parts.first;
  const std::set<std::string> topics =
      absl::StrSplit(parts.second, ',', absl::SkipEmpty());
  options.topics.assign(topics.begin(), topics.end());
  if (!settings.empty()) {
    EBB_ASSIGN_OR_RETURN(options.settings, ReadKafkaSettings(settings));
  }
  return KafkaSource::Make(std::move(options));
}

}  // namespace ebb::feed
