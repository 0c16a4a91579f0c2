#include "feed/kafka/kafka_handle.h"

#include <librdkafka/rdkafka.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"

namespace ebb::feed {

namespace {

constexpr size_t kErrorBytes = 512;
// Times of rd_kafka_offsets_for_times.
constexpr int64_t kLatest = -1;
constexpr int64_t kEarliest = -2;

int AnswerMs() {
  return static_cast<int>(absl::ToInt64Milliseconds(KafkaHandle::kAnswer));
}

template <auto Destroy>
struct Deleter {
  template <typename T>
  void operator()(T* one) const {
    Destroy(one);
  }
};
using PartitionList =
    std::unique_ptr<rd_kafka_topic_partition_list_t,
                    Deleter<rd_kafka_topic_partition_list_destroy>>;
using Topic =
    std::unique_ptr<rd_kafka_topic_t, Deleter<rd_kafka_topic_destroy>>;
using Queue =
    std::unique_ptr<rd_kafka_queue_t, Deleter<rd_kafka_queue_destroy>>;
using Event =
    std::unique_ptr<rd_kafka_event_t, Deleter<rd_kafka_event_destroy>>;
using Resource = std::unique_ptr<rd_kafka_ConfigResource_t,
                                 Deleter<rd_kafka_ConfigResource_destroy>>;

absl::Status NoAnswer(absl::string_view what, rd_kafka_resp_err_t error) {
  return absl::UnavailableError(
      absl::StrCat("no broker answers: ", what, ": ", rd_kafka_err2str(error)));
}

absl::Status Set(rd_kafka_conf_t* conf, const std::string& name,
                 const std::string& value) {
  std::array<char, kErrorBytes> why = {};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(),
                        why.size()) == RD_KAFKA_CONF_OK) {
    return absl::OkStatus();
  }
  // The value may be a password.
  return absl::InvalidArgumentError(absl::StrCat(
      "the setting ", name, " of Kafka is unknown here, or has a wrong value"));
}

// Returns what feeding rests on, and operators cannot set.
KafkaSettings OwnSettings(const std::string& brokers, bool uncommitted) {
  return {
      {"bootstrap.servers", brokers},
      {"isolation.level", uncommitted ? "read_uncommitted" : "read_committed"},
      {"check.crcs", "true"},
      {"enable.partition.eof", "true"},
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"fetch.wait.max.ms", "100"},
      // A full queue is fetched into again after 1 s, so it holds more than
      // that takes to read (docs/measured/kafka-reading.md).
      {"queued.min.messages", "1000000"},
      {"queued.max.messages.kbytes", "131072"},
      {"fetch.message.max.bytes", "4194304"},
      {"reconnect.backoff.max.ms", "1000"}};
}

}  // namespace

absl::StatusOr<KafkaSettings> ReadKafkaSettings(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) {
    return absl::NotFoundError(
        absl::StrCat(path, " cannot be read: ", strerror(errno)));
  }
  if ((facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " may have passwords, and others can read it: chmod 600 ", path));
  }
  std::ifstream in(path);
  KafkaSettings settings;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text.front() == '#') continue;
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    if (parts.second.data() == nullptr ||
        absl::StripAsciiWhitespace(parts.first).empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": a line is name=value"));
    }
    settings[std::string(absl::StripAsciiWhitespace(parts.first))] =
        std::string(absl::StripAsciiWhitespace(parts.second));
  }
  return settings;
}

absl::StatusOr<std::unique_ptr<KafkaHandle>> KafkaHandle::Make(
    const std::string& brokers, const KafkaSettings& settings,
    bool uncommitted) {
  auto made = std::unique_ptr<KafkaHandle>(new KafkaHandle);
  std::unique_ptr<rd_kafka_conf_t, Deleter<rd_kafka_conf_destroy>> conf(
      rd_kafka_conf_new());
  const KafkaSettings own = OwnSettings(brokers, uncommitted);
  for (const auto& [name, value] : settings) {
    if (own.contains(name)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the setting ", name, " of Kafka is ebb's: leave it out"));
    }
    EBB_RETURN_IF_ERROR(Set(conf.get(), name, value));
  }
  for (const auto& [name, value] : own) {
    EBB_RETURN_IF_ERROR(Set(conf.get(), name, value));
  }
  rd_kafka_conf_set_opaque(conf.get(), made.get());
  rd_kafka_conf_set_error_cb(
      conf.get(), [](rd_kafka_t* handle, int error, const char* reason,
                     void* self) { OnError(handle, error, reason, self); });
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  std::array<char, kErrorBytes> why = {};
  made->handle_ =
      rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why.data(), why.size());
  if (made->handle_ == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("Kafka cannot be read with these settings: ", why.data()));
  }
  static_cast<void>(conf.release());  // The handle has it.
  return made;
}

KafkaHandle::~KafkaHandle() {
  if (handle_ != nullptr) rd_kafka_destroy(handle_);
}

void KafkaHandle::OnError(rd_kafka_t* /*handle*/, int error, const char* reason,
                          void* self) {
  auto* const handle = static_cast<KafkaHandle*>(self);
  MutexLock lock(&handle->mu_);
  handle->trouble_ = absl::StrCat(
      rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error)), ": ", reason);
}

std::string KafkaHandle::TakeTrouble() {
  rd_kafka_poll(handle_, 0);  // Calls OnError.
  MutexLock lock(&mu_);
  return std::exchange(trouble_, "");
}

absl::StatusOr<std::string> KafkaHandle::ClusterId() const {
  char* const id = rd_kafka_clusterid(handle_, AnswerMs());
  if (id == nullptr) {
    return absl::UnavailableError(
        "no broker answers, so the cluster's id is not known; look at the "
        "addresses, and at TLS and login (--kafka-config)");
  }
  std::string text(id);
  rd_kafka_mem_free(handle_, id);
  return text;
}

absl::StatusOr<int32_t> KafkaHandle::PartitionsOf(
    const std::string& topic) const {
  const Topic named(rd_kafka_topic_new(handle_, topic.c_str(), nullptr));
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(handle_, 0, named.get(), &metadata, AnswerMs());
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return NoAnswer(absl::StrCat("topic ", topic), error);
  }
  const std::unique_ptr<const rd_kafka_metadata_t,
                        Deleter<rd_kafka_metadata_destroy>>
      owned(metadata);
  if (metadata->topic_cnt != 1 ||
      metadata->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
      metadata->topics[0].partition_cnt == 0) {
    return absl::NotFoundError(
        absl::StrCat("the cluster has no topic ", topic));
  }
  if (metadata->topics[0].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return NoAnswer(absl::StrCat("topic ", topic), metadata->topics[0].err);
  }
  return metadata->topics[0].partition_cnt;
}

absl::StatusOr<KafkaOffsets> KafkaHandle::OffsetsOf(const std::string& topic,
                                                    int32_t partition) const {
  KafkaOffsets offsets;
  for (const auto& [time, to] : {std::pair(kEarliest, &offsets.earliest),
                                 std::pair(kLatest, &offsets.stable)}) {
    const PartitionList list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_t* const one =
        rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition);
    one->offset = time;
    rd_kafka_resp_err_t error =
        rd_kafka_offsets_for_times(handle_, list.get(), AnswerMs());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) error = one->err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return NoAnswer(absl::StrCat(topic, "[", partition, "]"), error);
    }
    *to = one->offset;
  }
  return offsets;
}

absl::StatusOr<std::map<std::string, std::string>> KafkaHandle::SettingsOf(
    const std::string& topic) const {
  const Queue queue(rd_kafka_queue_new(handle_));
  const Resource resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  rd_kafka_ConfigResource_t* asked[] = {resource.get()};
  rd_kafka_DescribeConfigs(handle_, asked, 1, nullptr, queue.get());
  const Event event(rd_kafka_queue_poll(queue.get(), AnswerMs()));
  if (event == nullptr) {
    return NoAnswer(absl::StrCat("settings of topic ", topic),
                    RD_KAFKA_RESP_ERR__TIMED_OUT);
  }
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return NoAnswer(absl::StrCat("settings of topic ", topic),
                    rd_kafka_event_error(event.get()));
  }
  const rd_kafka_DescribeConfigs_result_t* const result =
      rd_kafka_event_DescribeConfigs_result(event.get());
  std::map<std::string, std::string> settings;
  size_t count = 0;
  const rd_kafka_ConfigResource_t** const answered =
      rd_kafka_DescribeConfigs_result_resources(result, &count);
  for (size_t i = 0; i < count; ++i) {
    if (rd_kafka_ConfigResource_error(answered[i]) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      return NoAnswer(absl::StrCat("settings of topic ", topic),
                      rd_kafka_ConfigResource_error(answered[i]));
    }
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t** const all =
        rd_kafka_ConfigResource_configs(answered[i], &entries);
    for (size_t e = 0; e < entries; ++e) {
      const char* const value = rd_kafka_ConfigEntry_value(all[e]);
      settings[rd_kafka_ConfigEntry_name(all[e])] =
          value == nullptr ? "" : value;
    }
  }
  return settings;
}

}  // namespace ebb::feed
