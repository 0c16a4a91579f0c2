// Topics of Kafka, as a source of messages.
#ifndef EBB_FEED_KAFKA_KAFKA_SOURCE_H_
#define EBB_FEED_KAFKA_KAFKA_SOURCE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "data/growing/headers.h"
#include "feed/kafka/kafka_handle.h"
#include "feed/message_source.h"

using rd_kafka_queue_t = struct rd_kafka_queue_s;
using rd_kafka_topic_t = struct rd_kafka_topic_s;
using rd_kafka_message_t = struct rd_kafka_message_s;

namespace ebb::feed {

struct KafkaSourceOptions {
  std::string brokers;              // "host:9092,other:9092".
  std::vector<std::string> topics;  // Ascending, each once.
  KafkaSettings settings;           // TLS, login and the like.
  // The time between two looks for new partitions.
  absl::Duration look = absl::Seconds(10);
};

// A partition is "TOPIC[NUMBER]", and an offset is Kafka's. It reads committed
// messages, without a consumer group and without committing offsets. A range is
// covered when a message or the end of the partition was seen behind it: what
// lies between messages are markers, and messages of transactions that were
// aborted (docs/measured/kafka-reading.md).
//
// A topic that was made anew, or lost messages to an election, is found by its
// anchors. The last message that was fed of a partition is read again and
// compared: when the source begins, and when another broker serves the
// partition. No message is believed before that. See MessageSource for the
// threads.
class KafkaSource final : public MessageSource {
 public:
  // InvalidArgument: an option is wrong.
  static absl::StatusOr<std::unique_ptr<KafkaSource>> Make(
      KafkaSourceOptions options);
  ~KafkaSource() override;

  // NotFound: there is no such topic. FailedPrecondition: it is compacted.
  absl::StatusOr<data::growing::SourceIdentity> Identity() override;
  absl::Status Begin(const data::growing::Ends& ends) override;
  // DataLoss: a partition is not the one that was fed.
  absl::StatusOr<PollResult> Poll(const std::set<std::string>& full,
                                  absl::Time until) override;
  void Wake() override;

 private:
  struct Partition {
    std::string name;
    rd_kafka_topic_t* topic = nullptr;  // Not owned.
    std::string topic_name;
    int32_t number = 0;
    int64_t position = 0;                         // All below is covered.
    std::optional<data::growing::Anchor> anchor;  // Below the position.
    bool started = false;
    // Reads from the anchor on, until it was seen.
    bool verifying = false;
    int32_t broker = -1;  // The one that served what was compared; -1: none.
  };
  struct Collected;

  explicit KafkaSource(KafkaSourceOptions options)
      : options_(std::move(options)) {}

  // Looks for partitions that are not known yet.
  absl::Status FindPartitions();
  absl::Status Start(Partition* partition);
  void Stop(Partition* partition);
  // Takes what is in the queue, or comes within `wait`. True: there may be
  // more.
  absl::StatusOr<bool> TakeBatch(absl::Duration wait, Collected* to);
  absl::Status Take(const rd_kafka_message_t& message, Collected* to);
  absl::Status TakeMessage(const rd_kafka_message_t& message,
                           Partition* partition, Collected* to);
  absl::Status TakeEnd(int64_t end, Partition* partition, Collected* to);
  // What the partition should have next is not there.
  absl::Status TakeReset(Partition* partition, Collected* to);
  absl::Status IsAnother(const Partition& partition,
                         absl::string_view why) const;

  const KafkaSourceOptions options_;
  std::unique_ptr<KafkaHandle> reader_;
  // Another connection: a question waits for the fetch under way.
  std::unique_ptr<KafkaHandle> asker_;
  std::unique_ptr<KafkaHandle> uncommitted_;
  rd_kafka_queue_t* queue_ = nullptr;
  std::map<std::string, rd_kafka_topic_t*> topics_;
  std::map<std::pair<std::string, int32_t>, Partition> partitions_;
  data::growing::Ends ends_;  // See Begin().
  absl::Time next_look_ = absl::InfinitePast();
  std::string told_;
};

}  // namespace ebb::feed

#endif  // EBB_FEED_KAFKA_KAFKA_SOURCE_H_
