// The name of topics of Kafka on a command line.
#ifndef EBB_FEED_KAFKA_OPEN_KAFKA_H_
#define EBB_FEED_KAFKA_OPEN_KAFKA_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "feed/message_source.h"

namespace ebb::feed {

// For the help of commands.
inline constexpr absl::string_view kKafkaForm = "kafka:BROKERS/TOPICS";
inline constexpr absl::string_view kKafkaHelp =
    R"(From Kafka's topics it takes committed messages, without a consumer group. A message
that was fed is compared before more is read, so a topic that was made anew is
refused. Partitions that are added are read from their first message.
Example:
  ebb stream follow kafka:k1:9092,k2:9092/clicks s3://set/clicks --format csv)";

// `name` is kKafkaForm without "kafka:". `settings`: a file of librdkafka's
// settings; empty: none. The errors of ReadKafkaSettings and KafkaSource::Make.
absl::StatusOr<std::unique_ptr<MessageSource>> OpenKafka(
    absl::string_view name, const std::string& settings);

}  // namespace ebb::feed

#endif  // EBB_FEED_KAFKA_OPEN_KAFKA_H_
