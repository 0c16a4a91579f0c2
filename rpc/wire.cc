#include "rpc/wire.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "protocol/codec.h"
#include "rpc/convert.h"
#include "rpc/internal/check.h"

namespace ebb::rpc {

// Values travel as they lie in memory.
static_assert(std::endian::native == std::endian::little);

namespace {

constexpr uint32_t kValuesField = v1::PushRequest::kValuesFieldNumber;
static_assert(kValuesField == v1::PullResponse::kValuesFieldNumber &&
              kValuesField == v1::FetchResponse::kValuesFieldNumber &&
              kValuesField == v1::MessagePiece::kPartFieldNumber);

enum WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kFixed32 = 5
};

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed message: ", what));
}

// Walks over the slices of a payload.
class Cursor {
 public:
  explicit Cursor(const Payload& payload)
      : payload_(payload), remaining_(payload.size()) {}

  int64_t remaining() const { return remaining_; }

  bool GetByte(uint8_t* byte) {
    if (remaining_ == 0) return false;
    *byte = static_cast<uint8_t>(Current()[0]);
    Advance(1);
    return true;
  }

  bool GetVarint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint8_t byte = 0;
      if (!GetByte(&byte)) return false;
      *value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  // The next field's number and wire type.
  absl::Status GetTag(uint64_t* tag) {
    if (GetVarint(tag) && *tag <= UINT32_MAX && (*tag >> 3) != 0) {
      return absl::OkStatus();
    }
    return Malformed("bad tag");
  }

  // References the bytes that a length stands before; they are `what`.
  absl::Status GetBytes(absl::string_view what, Payload* bytes) {
    uint64_t n = 0;
    if (!GetVarint(&n) || n > static_cast<uint64_t>(remaining_)) {
      return Malformed(absl::StrCat(what, " too early"));
    }
    *bytes = Take(static_cast<int64_t>(n));
    return absl::OkStatus();
  }

  // Copies `n` bytes, of which there must be as many.
  void AppendTo(int64_t n, std::string* out) {
    while (n > 0) {
      const auto part = Current().first(std::min<int64_t>(n, Current().size()));
      out->append(reinterpret_cast<const char*>(part.data()), part.size());
      n -= static_cast<int64_t>(part.size());
      Advance(part.size());
    }
  }

  // References `n` bytes, of which there must be as many.
  Payload Take(int64_t n) {
    Payload taken;
    while (n > 0) {
      const auto part = Current().first(std::min<int64_t>(n, Current().size()));
      taken.Append(payload_.slices()[slice_].owner, part);
      n -= static_cast<int64_t>(part.size());
      Advance(part.size());
    }
    return taken;
  }

 private:
  std::span<const std::byte> Current() const {
    return payload_.slices()[slice_].bytes.subspan(offset_);
  }
  // Within the current slice. A payload has no empty slice.
  void Advance(size_t n) {
    remaining_ -= static_cast<int64_t>(n);
    offset_ += n;
    if (offset_ == payload_.slices()[slice_].bytes.size()) {
      ++slice_;
      offset_ = 0;
    }
  }

  const Payload& payload_;
  size_t slice_ = 0;
  size_t offset_ = 0;
  int64_t remaining_;
};

// Copies one field of the header, whose tag was read.
absl::Status CopyField(uint64_t tag, Cursor* in, std::string* header) {
  PutVarint(tag, header);
  uint64_t n = 0;
  switch (tag & 7) {
    case kVarint:
      if (!in->GetVarint(&n)) return Malformed("a number ends too early");
      PutVarint(n, header);
      return absl::OkStatus();
    case kFixed64:
      n = 8;
      break;
    case kFixed32:
      n = 4;
      break;
    case kBytes:
      if (!in->GetVarint(&n)) return Malformed("a length ends too early");
      PutVarint(n, header);
      break;
    default:
      return Malformed(absl::StrCat("wire type ", tag & 7));
  }
  if (n > static_cast<uint64_t>(in->remaining())) {
    return Malformed("a field ends too early");
  }
  if (header->size() + n > kMaxHeaderBytes) {
    return Malformed(absl::StrCat("more than ", kMaxHeaderBytes,
                                  " bytes beside the values"));
  }
  in->AppendTo(static_cast<int64_t>(n), header);
  return absl::OkStatus();
}

// A message for a moment: its parts, of which a push to 16 partitions has 50,
// lie one behind the other, the first of them in here.
template <typename Message>
class Scratch {
 public:
  Scratch() : arena_(OptionsFor(&first_)) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  Message* get() { return message_; }
  Message& operator*() { return *message_; }
  Message* operator->() { return message_; }

 private:
  using First = std::array<char, 8192>;
  static google::protobuf::ArenaOptions OptionsFor(First* first) {
    google::protobuf::ArenaOptions options;
    options.initial_block = first->data();
    options.initial_block_size = first->size();
    return options;
  }

  alignas(std::max_align_t) First first_;
  google::protobuf::Arena arena_;
  Message* const message_ =
      google::protobuf::Arena::CreateMessage<Message>(&arena_);
};

// Parses everything but the field `values`, of which the last one counts, as
// protobuf has it.
template <typename Message>
absl::Status Split(const Payload& bytes, Payload* values, Message* message) {
  constexpr size_t kUsual = 1024;
  std::string header;
  header.reserve(kUsual);
  Cursor in(bytes);
  while (in.remaining() > 0) {
    uint64_t tag = 0;
    EBB_RETURN_IF_ERROR(in.GetTag(&tag));
    if (values != nullptr && tag == (kValuesField << 3 | kBytes)) {
      EBB_RETURN_IF_ERROR(in.GetBytes("the values end", values));
    } else {
      EBB_RETURN_IF_ERROR(CopyField(tag, &in, &header));
      if (header.size() > kMaxHeaderBytes) {
        return Malformed(absl::StrCat("more than ", kMaxHeaderBytes,
                                      " bytes beside the values"));
      }
    }
  }
  if (!message->ParseFromString(header)) {
    return Malformed(absl::StrCat("no ", message->GetTypeName()));
  }
  return absl::OkStatus();
}

template <typename Message>
std::shared_ptr<std::string> Serialize(const Message& message) {
  auto bytes = std::make_shared<std::string>();
  message.AppendToString(bytes.get());
  return bytes;
}

Payload Whole(std::shared_ptr<const std::string> bytes) {
  Payload payload;
  const auto span = std::as_bytes(std::span<const char>(*bytes));
  payload.Append(std::move(bytes), span);
  return payload;
}

// The header and, behind it, all of `parts` as the field `values`.
template <typename Message>
Payload Join(const Message& message, const std::vector<const Payload*>& parts) {
  std::shared_ptr<std::string> header = Serialize(message);
  int64_t size = 0;
  for (const Payload* part : parts) size += part->size();
  if (size > 0) {
    PutVarint(kValuesField << 3 | kBytes, header.get());
    PutVarint(static_cast<uint64_t>(size), header.get());
  }
  Payload payload = Whole(std::move(header));
  // What lies one behind the other is one slice: less to do for all that send
  // it.
  Payload::Slice last;
  for (const Payload* part : parts) {
    for (const Payload::Slice& slice : part->slices()) {
      const size_t size = last.bytes.size();
      if (slice.owner == last.owner &&
          slice.bytes.data() == last.bytes.data() + size) {
        last.bytes = {last.bytes.data(), size + slice.bytes.size()};
        continue;
      }
      payload.Append(std::move(last.owner), last.bytes);
      last = slice;
    }
  }
  payload.Append(std::move(last.owner), last.bytes);
  return payload;
}

// Hands out the values in the lengths that the segments say.
class Values {
 public:
  explicit Values(const Payload& values) : cursor_(values) {}

  absl::Status Take(int64_t bytes, Payload* to) {
    if (bytes > cursor_.remaining()) {
      return Malformed("fewer values than its segments say");
    }
    *to = cursor_.Take(bytes);
    return absl::OkStatus();
  }

  absl::Status Done() const {
    if (cursor_.remaining() == 0) return absl::OkStatus();
    return Malformed(absl::StrCat(cursor_.remaining(),
                                  " bytes of values more than its segments "
                                  "say"));
  }

 private:
  Cursor cursor_;
};

constexpr uint32_t kTogetherField = v1::PushManyRequest::kPushesFieldNumber;
static_assert(kTogetherField == v1::PushManyResponse::kAnswersFieldNumber);

// The messages that a PushManyRequest or a PushManyResponse consists of.
absl::StatusOr<std::vector<Payload>> Together(const Payload& bytes) {
  std::vector<Payload> parts;
  std::string ignored;
  Cursor in(bytes);
  while (in.remaining() > 0) {
    uint64_t tag = 0;
    EBB_RETURN_IF_ERROR(in.GetTag(&tag));
    if (tag != (kTogetherField << 3 | kBytes)) {
      ignored.clear();
      EBB_RETURN_IF_ERROR(CopyField(tag, &in, &ignored));
      continue;
    }
    Payload part;
    EBB_RETURN_IF_ERROR(in.GetBytes("a push ends", &part));
    if (parts.size() == kMaxPushesTogether) {
      return Malformed(
          absl::StrCat("more than ", kMaxPushesTogether, " pushes together"));
    }
    parts.push_back(std::move(part));
  }
  if (parts.empty()) return Malformed("no push");
  return parts;
}

absl::StatusOr<NamedKeys> NamedBy(const v1::PushRequest& message) {
  NamedKeys named;
  size_t list = 0;
  for (const v1::PushSegment& segment : message.segments()) {
    for (const v1::PushRows& rows : segment.rows()) {
      ++list;
      if (rows.kept_keys() == 0) continue;
      if (rows.keys_bytes() != 0) {
        return Malformed("rows with keys, and with the name of such");
      }
      named.resize(list);
      named.back() = rows.kept_keys();
    }
  }
  if (!named.empty()) named.resize(list);
  return named;
}

}  // namespace

Payload Encode(const PushRequest& request) {
  return Encode(request, NamedKeys());
}

Payload Encode(const PushRequest& request, const NamedKeys& named) {
  Scratch<v1::PushRequest> header;
  HeaderToProto(request, header.get());
  std::vector<const Payload*> parts;
  parts.reserve(2 * request.segments.size());
  size_t list = 0;
  for (size_t i = 0; i < request.segments.size(); ++i) {
    const PushSegment& segment = request.segments[i];
    parts.push_back(&segment.gradient);
    parts.push_back(&segment.oracle);
    for (size_t k = 0; k < segment.rows.size(); ++k, ++list) {
      const uint64_t number = named.empty() ? 0 : named[list];
      if (number == 0) {
        parts.push_back(&segment.rows[k].keys);
      } else {
        v1::PushRows* rows = header->mutable_segments(static_cast<int>(i))
                                 ->mutable_rows(static_cast<int>(k));
        rows->set_keys_bytes(0);
        rows->set_kept_keys(number);
      }
      parts.push_back(&segment.rows[k].gradient);
    }
  }
  return Join(*header, parts);
}

absl::StatusOr<PushRequest> DecodePushRequest(const Payload& bytes) {
  NamedKeys named;
  EBB_ASSIGN_OR_RETURN(PushRequest request, DecodePushRequest(bytes, &named));
  if (!named.empty()) return Malformed("it names keys that nobody keeps here");
  return request;
}

absl::StatusOr<PushRequest> DecodePushRequest(const Payload& bytes,
                                              NamedKeys* named) {
  Payload values;
  Scratch<v1::PushRequest> scratch;
  EBB_RETURN_IF_ERROR(Split(bytes, &values, scratch.get()));
  const v1::PushRequest& message = *scratch;
  EBB_ASSIGN_OR_RETURN(PushRequest request, HeaderFromProto(message));
  EBB_ASSIGN_OR_RETURN(*named, NamedBy(message));
  Values rest(values);
  for (int i = 0; i < message.segments_size(); ++i) {
    const v1::PushSegment& from = message.segments(i);
    PushSegment& to = request.segments[i];
    EBB_RETURN_IF_ERROR(rest.Take(from.gradient_bytes(), &to.gradient));
    EBB_RETURN_IF_ERROR(rest.Take(from.oracle_bytes(), &to.oracle));
    for (int k = 0; k < from.rows_size(); ++k) {
      const v1::PushRows& rows = from.rows(k);
      EBB_RETURN_IF_ERROR(rest.Take(rows.keys_bytes(), &to.rows[k].keys));
      EBB_RETURN_IF_ERROR(
          rest.Take(rows.gradient_bytes(), &to.rows[k].gradient));
    }
  }
  EBB_RETURN_IF_ERROR(rest.Done());
  return request;
}

Payload Encode(const PullReply& reply) { return Encode(reply, uint64_t{0}); }

Payload Encode(const PullReply& reply, uint64_t number) {
  Scratch<v1::PullResponse> header;
  HeaderToProto(reply, header.get());
  header->set_kept_keys(number);
  std::vector<const Payload*> parts;
  parts.reserve(reply.segments.size());
  for (const PullSegment& segment : reply.segments) {
    parts.push_back(&segment.values);
    for (const Payload& rows : segment.rows) parts.push_back(&rows);
  }
  return Join(*header, parts);
}

absl::StatusOr<PullReply> DecodePullReply(const Payload& bytes) {
  uint64_t ignored = 0;
  return DecodePullReply(bytes, &ignored);
}

absl::StatusOr<PullReply> DecodePullReply(const Payload& bytes,
                                          uint64_t* number) {
  Payload values;
  Scratch<v1::PullResponse> scratch;
  EBB_RETURN_IF_ERROR(Split(bytes, &values, scratch.get()));
  const v1::PullResponse& message = *scratch;
  EBB_ASSIGN_OR_RETURN(PullReply reply, HeaderFromProto(message));
  *number = message.kept_keys();
  Values rest(values);
  for (int i = 0; i < message.segments_size(); ++i) {
    const v1::PullSegment& from = message.segments(i);
    PullSegment& to = reply.segments[i];
    EBB_RETURN_IF_ERROR(rest.Take(from.values_bytes(), &to.values));
    for (int k = 0; k < from.rows_bytes_size(); ++k) {
      EBB_RETURN_IF_ERROR(rest.Take(from.rows_bytes(k), &to.rows[k]));
    }
  }
  EBB_RETURN_IF_ERROR(rest.Done());
  return reply;
}

Payload Encode(const PushReply& reply) {
  Scratch<v1::PushResponse> message;
  ToProto(reply, message.get());
  return Whole(Serialize(*message));
}

absl::StatusOr<PushReply> DecodePushReply(const Payload& bytes) {
  Scratch<v1::PushResponse> message;
  EBB_RETURN_IF_ERROR(Split(bytes, nullptr, message.get()));
  return FromProto(*message);
}

Payload Encode(const PullRequest& request) { return Encode(request, false); }

Payload Encode(const PullRequest& request, bool keep) {
  Scratch<v1::PullRequest> header;
  HeaderToProto(request, header.get());
  header->set_keep_keys(keep);
  std::vector<const Payload*> parts;
  for (const PullSegmentRequest& segment : request.segments) {
    for (const PullRows& rows : segment.rows) parts.push_back(&rows.keys);
  }
  return Join(*header, parts);
}

absl::StatusOr<PullRequest> DecodePullRequest(const Payload& bytes) {
  bool ignored = false;
  return DecodePullRequest(bytes, &ignored);
}

absl::StatusOr<PullRequest> DecodePullRequest(const Payload& bytes,
                                              bool* keep) {
  Payload values;
  Scratch<v1::PullRequest> scratch;
  EBB_RETURN_IF_ERROR(Split(bytes, &values, scratch.get()));
  const v1::PullRequest& message = *scratch;
  EBB_ASSIGN_OR_RETURN(PullRequest request, HeaderFromProto(message));
  *keep = message.keep_keys();
  Values rest(values);
  for (int i = 0; i < message.segments_size(); ++i) {
    const v1::PullSegmentRequest& from = message.segments(i);
    for (int k = 0; k < from.rows_size(); ++k) {
      EBB_RETURN_IF_ERROR(rest.Take(from.rows(k).keys_bytes(),
                                    &request.segments[i].rows[k].keys));
    }
  }
  EBB_RETURN_IF_ERROR(rest.Done());
  return request;
}

Payload Encode(const ClockUpdate& update) {
  return Whole(Serialize(ToProto(update)));
}

absl::StatusOr<ClockUpdate> DecodeClockUpdate(const Payload& bytes) {
  v1::ClockRequest message;
  EBB_RETURN_IF_ERROR(Split(bytes, nullptr, &message));
  return FromProto(message);
}

Payload Encode(const FetchRequest& request) {
  return Whole(Serialize(ToProto(request)));
}

absl::StatusOr<FetchRequest> DecodeFetchRequest(const Payload& bytes) {
  v1::FetchRequest message;
  EBB_RETURN_IF_ERROR(Split(bytes, nullptr, &message));
  return FromProto(message);
}

Payload Encode(const FetchReply& reply) {
  return Join(HeaderToProto(reply), {&reply.values});
}

Payload EncodePiece(int64_t message_bytes, const Payload& part) {
  v1::MessagePiece header;
  header.set_message_bytes(message_bytes);
  return Join(header, {&part});
}

absl::StatusOr<Payload> DecodePiece(const Payload& bytes,
                                    int64_t* message_bytes) {
  Payload part;
  v1::MessagePiece header;
  EBB_RETURN_IF_ERROR(Split(bytes, &part, &header));
  // The part keeps the memory of all of them.
  if (bytes.size() - part.size() > kMaxBesidePart) {
    return Malformed(absl::StrCat("more than ", kMaxBesidePart,
                                  " bytes beside the part of a piece"));
  }
  *message_bytes = header.message_bytes();
  return part;
}

Payload EncodePushMany(const std::vector<const Payload*>& pushes) {
  auto lengths = std::make_shared<std::string>();
  std::vector<size_t> ends;
  ends.reserve(pushes.size());
  for (const Payload* push : pushes) {
    PutVarint(kTogetherField << 3 | kBytes, lengths.get());
    PutVarint(static_cast<uint64_t>(push->size()), lengths.get());
    ends.push_back(lengths->size());
  }
  Payload payload;
  const auto all = std::as_bytes(std::span<const char>(*lengths));
  size_t at = 0;
  for (size_t i = 0; i < pushes.size(); ++i) {
    payload.Append(lengths, all.subspan(at, ends[i] - at));
    at = ends[i];
    for (const Payload::Slice& slice : pushes[i]->slices()) {
      payload.Append(slice.owner, slice.bytes);
    }
  }
  return payload;
}

absl::StatusOr<std::vector<Payload>> DecodePushMany(const Payload& bytes) {
  return Together(bytes);
}

Payload EncodePushAnswers(const std::vector<PushAnswer>& answers) {
  constexpr size_t kMaxText = 2048;
  Scratch<v1::PushManyResponse> message;
  for (const PushAnswer& answer : answers) {
    v1::PushAnswer* to = message->add_answers();
    if (answer.ok()) {
      ToProto(*answer, to->mutable_reply());
      continue;
    }
    to->set_code(static_cast<int>(answer.status().code()));
    to->set_message(
        internal::ValidUtf8(answer.status().message().substr(0, kMaxText)));
  }
  return Whole(Serialize(*message));
}

absl::StatusOr<std::vector<PushAnswer>> DecodePushAnswers(
    const Payload& bytes) {
  constexpr int kMaxCode = 16;
  EBB_ASSIGN_OR_RETURN(const std::vector<Payload> parts, Together(bytes));
  std::vector<PushAnswer> answers;
  answers.reserve(parts.size());
  for (const Payload& part : parts) {
    Scratch<v1::PushAnswer> scratch;
    EBB_RETURN_IF_ERROR(Split(part, nullptr, scratch.get()));
    const v1::PushAnswer& from = *scratch;
    if (from.code() == 0) {
      answers.push_back(FromProto(from.reply()));
      continue;
    }
    const bool known = from.code() > 0 && from.code() <= kMaxCode;
    answers.emplace_back(
        absl::Status(known ? static_cast<absl::StatusCode>(from.code())
                           : absl::StatusCode::kUnknown,
                     from.message()));
  }
  return answers;
}

absl::StatusOr<FetchReply> DecodeFetchReply(const Payload& bytes) {
  Payload values;
  v1::FetchResponse message;
  EBB_RETURN_IF_ERROR(Split(bytes, &values, &message));
  EBB_RETURN_IF_ERROR(internal::IsSize("The size of FetchResponse.values",
                                       values.size(), sizeof(float)));
  EBB_ASSIGN_OR_RETURN(FetchReply reply, HeaderFromProto(std::move(message)));
  reply.values = std::move(values);
  return reply;
}

}  // namespace ebb::rpc
