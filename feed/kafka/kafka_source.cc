#include "feed/kafka/kafka_source.h"

#include <librdkafka/rdkafka.h>
#include <xxhash.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::feed {

using data::growing::Anchor;

namespace {

constexpr int64_t kMostPolledBytes = int64_t{4} << 20;
constexpr size_t kMessagesAtOnce = 64;
// A broker that has just begun to lead may know less than the one before.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

uint64_t HashOf(const rd_kafka_message_t& message) {
  return XXH3_64bits(message.payload, message.len);
}

}  // namespace

// Collects what a poll finds.
struct KafkaSource::Collected {
  // Its slices, by partition.
  std::map<std::string, Slice> slices;
  std::vector<std::string> notes;
  int64_t bytes = 0;

  Slice& Of(const Partition& partition) {
    const auto [it, added] = slices.try_emplace(partition.name);
    if (added) {
      it->second.partition = partition.name;
      it->second.begin = it->second.end = partition.position;
    }
    return it->second;
  }
};

absl::StatusOr<std::unique_ptr<KafkaSource>> KafkaSource::Make(
    KafkaSourceOptions options) {
  if (options.brokers.empty() || options.topics.empty()) {
    return absl::InvalidArgumentError(
        "kafka:BROKERS/TOPICS names addresses and topics, for example "
        "kafka:k1:9092,k2:9092/clicks");
  }
  auto source = std::unique_ptr<KafkaSource>(new KafkaSource(options));
  EBB_ASSIGN_OR_RETURN(
      source->reader_,
      KafkaHandle::Make(options.brokers, options.settings, false));
  EBB_ASSIGN_OR_RETURN(
      source->asker_,
      KafkaHandle::Make(options.brokers, options.settings, false));
  EBB_ASSIGN_OR_RETURN(
      source->uncommitted_,
      KafkaHandle::Make(options.brokers, options.settings, true));
  source->queue_ = rd_kafka_queue_new(source->reader_->get());
  return source;
}

KafkaSource::~KafkaSource() {
  for (auto& [key, partition] : partitions_) Stop(&partition);
  for (const auto& [name, topic] : topics_) rd_kafka_topic_destroy(topic);
  if (queue_ != nullptr) rd_kafka_queue_destroy(queue_);
}

absl::StatusOr<data::growing::SourceIdentity> KafkaSource::Identity() {
  data::growing::SourceIdentity identity;
  identity.kind = data::growing::SourceIdentity::Kind::kKafka;
  EBB_ASSIGN_OR_RETURN(identity.cluster, asker_->ClusterId());
  identity.streams = options_.topics;
  for (const std::string& topic : options_.topics) {
    EBB_RETURN_IF_ERROR(asker_->PartitionsOf(topic).status());
    EBB_ASSIGN_OR_RETURN(auto settings, asker_->SettingsOf(topic));
    const std::string policy = settings["cleanup.policy"];
    if (std::ranges::count(
            std::vector<std::string>(absl::StrSplit(policy, ',')), "compact") >
        0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "topic ", topic, " has cleanup.policy=", policy,
          ": a compacted topic forgets messages in its middle, so they cannot "
          "be read again. Feed a topic with cleanup.policy=delete"));
    }
  }
  return identity;
}

// --- Partitions --------------------------------------------------------------

absl::Status KafkaSource::Begin(const data::growing::Ends& ends) {
  for (auto& [key, partition] : partitions_) Stop(&partition);
  partitions_.clear();
  // What is in the queue is of before.
  while (rd_kafka_event_t* event = rd_kafka_queue_poll(queue_, 0)) {
    rd_kafka_event_destroy(event);
  }
  ends_ = ends;
  next_look_ = absl::InfinitePast();
  return absl::OkStatus();
}

absl::Status KafkaSource::FindPartitions() {
  for (const std::string& name : options_.topics) {
    EBB_ASSIGN_OR_RETURN(const int32_t count, asker_->PartitionsOf(name));
    rd_kafka_topic_t*& topic = topics_[name];
    if (topic == nullptr) {
      topic = rd_kafka_topic_new(reader_->get(), name.c_str(), nullptr);
    }
    for (int32_t number = 0; number < count; ++number) {
      auto& partition = partitions_[{name, number}];
      if (partition.topic != nullptr) continue;
      partition.name = absl::StrCat(name, "[", number, "]");
      partition.topic = topic;
      partition.topic_name = name;
      partition.number = number;
      if (const auto end = ends_.find(partition.name); end != ends_.end()) {
        partition.position = end->second.end;
        partition.anchor = end->second.anchor;
      }
      EBB_RETURN_IF_ERROR(Start(&partition));
    }
  }
  return absl::OkStatus();
}

absl::Status KafkaSource::Start(Partition* partition) {
  Stop(partition);
  partition->verifying = partition->anchor.has_value();
  const int64_t from =
      partition->verifying ? partition->anchor->offset : partition->position;
  if (rd_kafka_consume_start_queue(partition->topic, partition->number, from,
                                   queue_) != 0) {
    return absl::UnavailableError(absl::StrCat(
        partition->name,
        " cannot be read: ", rd_kafka_err2str(rd_kafka_last_error())));
  }
  partition->started = true;
  return absl::OkStatus();
}

void KafkaSource::Stop(Partition* partition) {
  if (!std::exchange(partition->started, false)) return;
  rd_kafka_consume_stop(partition->topic, partition->number);
}

absl::Status KafkaSource::IsAnother(const Partition& partition,
                                    absl::string_view why) const {
  return absl::DataLossError(absl::StrCat(
      partition.name, " is not the topic that was fed: ", why,
      ". It was made anew, or lost messages to an election. Begin a new set "
      "for what it has now"));
}

// --- Reading -----------------------------------------------------------------

void KafkaSource::Wake() { rd_kafka_queue_yield(queue_); }

absl::StatusOr<PollResult> KafkaSource::Poll(const std::set<std::string>& full,
                                             absl::Time until) {
  if (SteadyNow() >= next_look_) {
    EBB_RETURN_IF_ERROR(FindPartitions());
    next_look_ = SteadyNow() + options_.look;
  }
  for (auto& [key, partition] : partitions_) {
    const bool wanted = !full.contains(partition.name);
    if (wanted && !partition.started) EBB_RETURN_IF_ERROR(Start(&partition));
    if (!wanted) Stop(&partition);
  }
  Collected collected;
  absl::Duration left =
      std::clamp(until - SteadyNow(), absl::ZeroDuration(), kLongestWait);
  for (bool more = true; more; left = absl::ZeroDuration()) {
    EBB_ASSIGN_OR_RETURN(more, TakeBatch(left, &collected));
  }
  PollResult result;
  for (auto& [name, slice] : collected.slices) {
    if (slice.end > slice.begin) result.slices.push_back(std::move(slice));
  }
  result.notes = std::move(collected.notes);
  std::string trouble = reader_->TakeTrouble();
  if (!trouble.empty() && trouble != told_) result.notes.push_back(trouble);
  if (!trouble.empty() || !result.slices.empty()) told_ = std::move(trouble);
  return result;
}

absl::StatusOr<bool> KafkaSource::TakeBatch(absl::Duration wait,
                                            Collected* to) {
  std::array<rd_kafka_message_t*, kMessagesAtOnce> messages = {};
  const ssize_t n = rd_kafka_consume_batch_queue(
      queue_, static_cast<int>(absl::ToInt64Milliseconds(wait)),
      messages.data(), messages.size());
  absl::Status taken;
  for (ssize_t i = 0; i < n; ++i) {
    if (taken.ok()) taken = Take(*messages[i], to);
    rd_kafka_message_destroy(messages[i]);
  }
  EBB_RETURN_IF_ERROR(taken);
  return n == std::ssize(messages) && to->bytes < kMostPolledBytes;
}

absl::Status KafkaSource::Take(const rd_kafka_message_t& message,
                               Collected* to) {
  const auto it =
      partitions_.find({rd_kafka_topic_name(message.rkt), message.partition});
  // What was read before it stopped is read again.
  if (it == partitions_.end() || !it->second.started) return absl::OkStatus();
  Partition& partition = it->second;
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return TakeMessage(message, &partition, to);
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
      return TakeEnd(message.offset, &partition, to);
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return TakeReset(&partition, to);
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      return IsAnother(partition, "there is no such partition any more");
    default:
      to->notes.push_back(absl::StrCat(partition.name, ": ",
                                       rd_kafka_message_errstr(&message)));
      return Start(&partition);
  }
}

absl::Status KafkaSource::TakeMessage(const rd_kafka_message_t& message,
                                      Partition* partition, Collected* to) {
  const int32_t broker = rd_kafka_message_broker_id(&message);
  if (partition->verifying) {
    const Anchor& anchor = *partition->anchor;
    if (message.offset < partition->position &&
        (message.offset != anchor.offset || HashOf(message) != anchor.hash)) {
      return IsAnother(*partition,
                       absl::StrCat("another message is at ", message.offset));
    }
    if (message.offset == anchor.offset) {
      partition->verifying = false;
      partition->broker = broker;
      return absl::OkStatus();
    }
    return IsAnother(*partition, absl::StrCat("the message at ", anchor.offset,
                                              " is no more"));
  }
  // Between the anchor and what was covered nothing can be read.
  if (message.offset < partition->position) {
    return IsAnother(
        *partition,
        absl::StrCat("a message is at ", message.offset, ", where none was"));
  }
  if (partition->broker >= 0 && broker >= 0 && broker != partition->broker) {
    partition->broker = -1;
    if (partition->anchor) return Start(partition);  // Compares it first.
  }
  partition->broker = broker;
  Slice& slice = to->Of(*partition);
  Message& one = slice.messages.emplace_back();
  one.offset = message.offset;
  one.absent = message.payload == nullptr;
  if (!one.absent) {
    one.value.assign(static_cast<const char*>(message.payload), message.len);
  }
  partition->anchor = Anchor{message.offset, HashOf(message)};
  one.unix_ms =
      std::max<int64_t>(0, rd_kafka_message_timestamp(&message, nullptr));
  to->bytes += static_cast<int64_t>(message.len);
  partition->position = slice.end = message.offset + 1;
  return absl::OkStatus();
}

absl::Status KafkaSource::TakeEnd(int64_t end, Partition* partition,
                                  Collected* to) {
  if (!partition->verifying && end >= partition->position) {
    if (end == partition->position) return absl::OkStatus();
    Slice& slice = to->Of(*partition);
    partition->position = slice.end = end;
    return absl::OkStatus();
  }
  // The log ends below what was fed: or its broker is behind for now.
  const auto offsets =
      uncommitted_->OffsetsOf(partition->topic_name, partition->number);
  if (!offsets.ok()) return absl::OkStatus();  // Asked again at the next end.
  if (offsets->stable >= partition->position) return absl::OkStatus();
  return IsAnother(*partition,
                   absl::StrCat("it ends at ", offsets->stable,
                                ", and was fed up to ", partition->position));
}

absl::Status KafkaSource::TakeReset(Partition* partition, Collected* to) {
  // Asked twice: the first answer may be of a broker that led before.
  absl::StatusOr<KafkaOffsets> offsets;
  for (int i = 0; i < 2; ++i) {
    offsets = asker_->OffsetsOf(partition->topic_name, partition->number);
    if (!offsets.ok()) return Start(partition);
  }
  const auto logged =
      uncommitted_->OffsetsOf(partition->topic_name, partition->number);
  if (!logged.ok()) return Start(partition);
  if (logged->stable < partition->position) {
    return IsAnother(*partition,
                     absl::StrCat("it ends at ", logged->stable,
                                  ", and was fed up to ", partition->position));
  }
  if (offsets->earliest <= partition->position) {
    if (partition->verifying && offsets->earliest > partition->anchor->offset) {
      // Retention has its anchor: nothing is left to compare.
      to->notes.push_back(absl::StrCat(partition->name, ": the message at ",
                                       partition->anchor->offset,
                                       " is deleted, so that this is the topic "
                                       "that was fed cannot be seen"));
      partition->anchor.reset();
    }
    return Start(partition);
  }
  Slice& slice = to->Of(*partition);
  slice.lost.push_back({partition->name, partition->position, offsets->earliest,
                        "the topic's retention deleted them"});
  partition->position = slice.end = offsets->earliest;
  partition->anchor.reset();
  return Start(partition);
}

}  // namespace ebb::feed
