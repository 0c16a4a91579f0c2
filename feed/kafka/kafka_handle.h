// A handle of librdkafka, and the questions that a feeder asks a cluster.
#ifndef EBB_FEED_KAFKA_KAFKA_HANDLE_H_
#define EBB_FEED_KAFKA_KAFKA_HANDLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/mutex.h"

using rd_kafka_t = struct rd_kafka_s;
using rd_kafka_conf_t = struct rd_kafka_conf_s;

namespace ebb::feed {

// Settings of librdkafka, such as "security.protocol", by name.
using KafkaSettings = std::map<std::string, std::string>;

// Reads a file of lines "name=value"; others that are not empty begin with #.
// FailedPrecondition: others than its owner can read it, as it may have
// passwords. InvalidArgument, naming the line: it is none of these.
absl::StatusOr<KafkaSettings> ReadKafkaSettings(const std::string& path);

// The offsets [earliest, stable) of a partition can be read; from `stable` on
// nothing is known yet.
struct KafkaOffsets {
  int64_t earliest = 0;
  int64_t stable = 0;
};

// Thread-safe, but for the owner's use of get(). Questions block for
// kKafkaAnswer at most.
class KafkaHandle {
 public:
  static constexpr absl::Duration kAnswer = absl::Seconds(5);

  // A consumer without a group, which reads committed messages alone; or with
  // `uncommitted` all of them, so that `stable` is the high watermark.
  // InvalidArgument: a setting is unknown, or has a wrong value.
  static absl::StatusOr<std::unique_ptr<KafkaHandle>> Make(
      const std::string& brokers, const KafkaSettings& settings,
      bool uncommitted);
  ~KafkaHandle();
  KafkaHandle(const KafkaHandle&) = delete;
  KafkaHandle& operator=(const KafkaHandle&) = delete;

  rd_kafka_t* get() const { return handle_; }

  // Unavailable: no broker answered.
  absl::StatusOr<std::string> ClusterId() const;
  // How many partitions the topic has. NotFound: there is no such topic.
  absl::StatusOr<int32_t> PartitionsOf(const std::string& topic) const;
  absl::StatusOr<KafkaOffsets> OffsetsOf(const std::string& topic,
                                         int32_t partition) const;
  // A setting of the topic, such as "cleanup.policy".
  absl::StatusOr<std::map<std::string, std::string>> SettingsOf(
      const std::string& topic) const;

  // Returns what went wrong since the last call, such as brokers that do not
  // answer; empty: nothing. It mends itself.
  std::string TakeTrouble() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  KafkaHandle() = default;

  static void OnError(rd_kafka_t* handle, int error, const char* reason,
                      void* self);

  rd_kafka_t* handle_ = nullptr;
  Mutex mu_;
  std::string trouble_ ABSL_GUARDED_BY(mu_);
};

}  // namespace ebb::feed

#endif  // EBB_FEED_KAFKA_KAFKA_HANDLE_H_
