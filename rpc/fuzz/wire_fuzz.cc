// Any bytes as a message from the network: no crash, and what is accepted is
// the same after being encoded and decoded again.
//
// The first byte of the input chooses the kind of message, the second the size
// of the slices in which the rest arrives.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/payload.h"
#include "rpc/convert.h"
#include "rpc/internal/key_lists.h"
#include "rpc/wire.h"

namespace ebb::rpc {
namespace {

std::string Flat(const Payload& payload) {
  std::string bytes(payload.size(), '\0');
  payload.CopyTo(std::as_writable_bytes(std::span<char>(bytes)));
  return bytes;
}

Payload InSlices(const std::string& bytes, size_t size) {
  Payload payload;
  for (size_t at = 0; at < bytes.size(); at += size) {
    auto slice = std::make_shared<std::string>(bytes.substr(at, size));
    const auto span = std::as_bytes(std::span<const char>(*slice));
    payload.Append(std::move(slice), span);
  }
  return payload;
}

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

template <typename T>
void CheckWire(absl::StatusOr<T> (*decode)(const Payload&),
               const Payload& bytes) {
  const absl::StatusOr<T> message = decode(bytes);
  if (!message.ok()) return;
  const std::string once = Flat(Encode(*message));
  const absl::StatusOr<T> again = decode(InSlices(once, 7));
  Require(again.ok(), "what was accepted is refused after encoding");
  Require(Flat(Encode(*again)) == once, "another message after encoding");
}

// Named keys survive, and become keys where the server has them.
void CheckNamed(const Payload& bytes) {
  NamedKeys named;
  auto push = DecodePushRequest(bytes, &named);
  if (!push.ok()) return;
  const std::string once = Flat(Encode(*push, named));
  NamedKeys named_again;
  const auto again = DecodePushRequest(InSlices(once, 7), &named_again);
  Require(again.ok(), "what was accepted is refused after encoding");
  Require(Flat(Encode(*again, named_again)) == once,
          "another message after encoding");
  PullRequest pull;
  pull.job = push->job;
  pull.stamp = push->stamp;
  for (int32_t p = 0; p < 3; ++p) {
    PullSegmentRequest& segment = pull.segments.emplace_back();
    segment.partition = PartitionId(p);
    segment.rows = {{p, Payload::Of(std::vector<uint64_t>(p + 1, 7))}};
  }
  internal::KeptKeys kept;
  kept.Keep(pull);
  const PushRequest untouched = *push;
  if (!kept.Resolve(named, &*push).ok()) {
    Require(Flat(Encode(*push)) == Flat(Encode(untouched)),
            "a refused push was changed");
    return;
  }
  const auto whole = DecodePushRequest(Encode(*push));
  Require(whole.ok(), "a completed push is refused");
  Require(Flat(Encode(*whole)) == Flat(Encode(*push)),
          "another message after its completion");
}

std::string Together(const std::vector<Payload>& pushes) {
  std::vector<const Payload*> all;
  for (const Payload& push : pushes) all.push_back(&push);
  return Flat(EncodePushMany(all));
}

void CheckTogether(const Payload& bytes) {
  const auto pushes = DecodePushMany(bytes);
  if (!pushes.ok()) return;
  const std::string once = Together(*pushes);
  const auto again = DecodePushMany(InSlices(once, 7));
  Require(again.ok(), "what was accepted is refused after encoding");
  Require(Together(*again) == once, "other pushes after encoding");
  for (const Payload& push : *pushes) CheckNamed(push);
}

void CheckAnswers(const Payload& bytes) {
  const auto answers = DecodePushAnswers(bytes);
  if (!answers.ok()) return;
  const std::string once = Flat(EncodePushAnswers(*answers));
  const auto again = DecodePushAnswers(InSlices(once, 7));
  Require(again.ok(), "what was accepted is refused after encoding");
  Require(Flat(EncodePushAnswers(*again)) == once,
          "other answers after encoding");
}

template <typename Message>
void CheckStream(const std::string& bytes) {
  Message message;
  if (!message.ParseFromString(bytes)) return;
  RecordReceiver receiver;
  const auto value = FromProto(std::move(message), &receiver);
  if (!value.ok()) return;
  RecordSender sender;
  const std::string once = ToProto(*value, &sender).SerializeAsString();
  Message parsed;
  Require(parsed.ParseFromString(once), "cannot be parsed after encoding");
  RecordReceiver other_receiver;
  const auto again = FromProto(std::move(parsed), &other_receiver);
  Require(again.ok(), "what was accepted is refused after encoding");
  RecordSender other_sender;
  Require(ToProto(*again, &other_sender).SerializeAsString() == once,
          "another message after encoding");
}

void Check(uint8_t kind, size_t slice, const std::string& bytes) {
  const Payload payload = InSlices(bytes, slice);
  switch (kind % 14) {
    case 0:
      return CheckWire(&DecodePushRequest, payload);
    case 1:
      return CheckWire(&DecodePushReply, payload);
    case 2:
      return CheckWire(&DecodePullRequest, payload);
    case 3:
      return CheckWire(&DecodePullReply, payload);
    case 4:
      return CheckWire(&DecodeClockUpdate, payload);
    case 5:
      return CheckStream<v1::ServerToScheduler>(bytes);
    case 6:
      return CheckStream<v1::SchedulerToServer>(bytes);
    case 7:
      return CheckStream<v1::WorkerToScheduler>(bytes);
    case 8:
      return CheckStream<v1::SchedulerToWorker>(bytes);
    case 9:
      return CheckWire(&DecodeFetchRequest, payload);
    case 10:
      return CheckWire(&DecodeFetchReply, payload);
    case 11:
      return CheckNamed(payload);
    case 12:
      return CheckTogether(payload);
    case 13:
      return CheckAnswers(payload);
  }
}

}  // namespace
}  // namespace ebb::rpc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // Silences messages about strings that are not UTF-8.
  google::protobuf::LogSilencer silencer;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  ebb::rpc::Check(data[0], std::max<size_t>(data[1], 1), bytes);
  return 0;
}
