#include "rpc/internal/message_sender.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "ebb/v1/parameter_server.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace ebb::rpc::internal {

namespace {

using google::protobuf::internal::WireFormatLite;

// Encoders write the fields in the order of their numbers, these first.
static_assert(int{v1::PushRequest::kJobFieldNumber} ==
                  int{v1::PullRequest::kJobFieldNumber} &&
              int{v1::PushRequest::kStampFieldNumber} ==
                  int{v1::PullRequest::kStampFieldNumber});
constexpr uint32_t kJob =
    v1::PushRequest::kJobFieldNumber << 3 | WireFormatLite::WIRETYPE_VARINT;
constexpr uint32_t kStamp = v1::PushRequest::kStampFieldNumber << 3 |
                            WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
constexpr size_t kMostBytes = 1024;

std::string FirstBytes(const Payload& payload) {
  std::string bytes;
  for (const Payload::Slice& slice : payload.slices()) {
    const size_t n = std::min(slice.bytes.size(), kMostBytes - bytes.size());
    bytes.append(reinterpret_cast<const char*>(slice.bytes.data()), n);
    if (bytes.size() == kMostBytes) break;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<MessageSender> SenderOf(const Payload& beginning) {
  const std::string bytes = FirstBytes(beginning);
  google::protobuf::io::CodedInputStream in(
      reinterpret_cast<const uint8_t*>(bytes.data()),
      static_cast<int>(bytes.size()));
  uint64_t job = 0;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag == kStamp) {
      std::string stamp;
      v1::WorkerStamp worker;
      uint32_t size = 0;
      if (!in.ReadVarint32(&size) || size > kMostBytes ||
          !in.ReadString(&stamp, static_cast<int>(size)) ||
          !worker.ParseFromString(stamp)) {
        break;
      }
      return MessageSender{JobId(job), {SessionId(worker.worker())}};
    }
    if (tag == kJob ? !in.ReadVarint64(&job)
                    : !WireFormatLite::SkipField(&in, tag)) {
      break;
    }
  }
  return absl::InvalidArgumentError(
      "the first bytes of a message in pieces do not say which worker it is "
      "from");
}

}  // namespace ebb::rpc::internal
