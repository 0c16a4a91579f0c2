#include "rpc/internal/bulk_reader.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/tls/job_token.h"
#include "rpc/wire.h"

namespace ebb::rpc::internal {

namespace {

constexpr size_t kBufferBytes = size_t{64} << 10;
// The bytes read behind values, so that the next frame comes with them; all of
// the buffer would copy the first values of that.
constexpr size_t kBehindBytes = 4096;
// A header is kept as it comes, in steps of this size.
constexpr size_t kTextStep = size_t{64} << 10;

absl::Status Nonsense(absl::string_view what, uint64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat("a frame of a bulk stream has ", what, " ", value));
}

bool IsMessage(uint32_t kind) {
  return kind == kBulkPush || kind == kBulkPull || kind == kBulkClock ||
         kind == kBulkFetch || kind == kBulkReply;
}

}  // namespace

BulkReader::BulkReader(std::shared_ptr<BulkMemory> memory, Admit admit)
    : memory_(std::move(memory)),
      admit_(std::move(admit)),
      buffer_(kBufferBytes) {}

BulkReader::Unfinished BulkReader::unfinished() const {
  if (large_.frame.kind != 0) {
    return {large_.number,
            large_.values_left + (now_ == &large_ ? text_left_ : 0)};
  }
  if (now_ != nullptr) return {now_->number, due()};
  return {};
}

size_t BulkReader::Spaces(std::array<iovec, kMostSpaces>* spaces) {
  // What is buffered is the beginning of a frame.
  if (Buffered() == 0) {
    begin_ = end_ = 0;
  } else if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, Buffered());
    end_ -= begin_;
    begin_ = 0;
  }
  size_t n = 0;
  size_t behind = buffer_.size() - end_;
  if (now_ != nullptr && text_left_ == 0 && part_left_ > 0 &&
      now_->refused.ok()) {
    for (size_t i = part_begin_; i < part_.size(); ++i) {
      const size_t at = i == part_begin_ ? filled_ : 0;
      (*spaces)[n++] = {part_[i].bytes.get() + at, part_[i].size - at};
    }
    behind = kBehindBytes;
  }
  (*spaces)[n++] = {buffer_.data() + end_, behind};
  return n;
}

absl::Status BulkReader::Took(size_t bytes, Handler handle) {
  if (now_ != nullptr && text_left_ == 0 && part_left_ > 0 &&
      now_->refused.ok()) {
    const size_t values = std::min<uint64_t>(bytes, part_left_);
    Arrived(values);
    bytes -= values;
    if (part_left_ == 0) EBB_RETURN_IF_ERROR(EndFrame(handle));
  }
  end_ += bytes;
  return Parse(handle);
}

absl::Status BulkReader::Parse(Handler handle) {
  while (!stopped_) {
    if (now_ == nullptr) {
      if (Buffered() < sizeof(BulkFrame)) return absl::OkStatus();
      EBB_RETURN_IF_ERROR(BeginFrame());
    }
    if (text_left_ > 0) TakeText();
    if (text_left_ == 0 && !now_->admitted) AdmitValues();
    if (text_left_ == 0 && part_left_ > 0) TakeValues();
    if (text_left_ > 0 || part_left_ > 0) return absl::OkStatus();
    EBB_RETURN_IF_ERROR(EndFrame(handle));
  }
  return absl::OkStatus();
}

absl::Status BulkReader::BeginFrame() {
  BulkFrame frame;
  std::memcpy(&frame, buffer_.data() + begin_, sizeof(frame));
  begin_ += sizeof(frame);
  if (frame.token_bytes > kTokenBytes) {
    return Nonsense("a token of so many bytes:", frame.token_bytes);
  }
  if (frame.header_bytes > kMaxHeaderBytes) {
    return Nonsense("a header of so many bytes:", frame.header_bytes);
  }
  if (frame.kind == kBulkMore) return BeginMore(frame);
  return BeginMessage(frame);
}

absl::Status BulkReader::BeginMessage(const BulkFrame& frame) {
  if (IsMessage(frame.kind)) {
    // More than any message has, so that sums of it do not overflow.
    if (frame.value_bytes > uint64_t{1} << 48) {
      return Nonsense("so many values:", frame.value_bytes);
    }
  } else if ((frame.kind != kBulkPing && frame.kind != kBulkPong) ||
             frame.token_bytes != 0 || frame.header_bytes != 0 ||
             frame.value_bytes != 0) {
    return Nonsense("the kind", frame.kind);
  }
  const bool is_large = frame.value_bytes > kBulkPart;
  if (is_large && large_.frame.kind != 0) {
    return Nonsense("a message in the midst of another, with the id", frame.id);
  }
  now_ = is_large ? &large_ : &small_;
  now_->frame = frame;
  now_->number = ++last_number_;
  now_->admitted = !is_large;
  now_->values_left = frame.value_bytes;
  text_left_ = frame.token_bytes + frame.header_bytes;
  part_left_ = std::min(frame.value_bytes, kBulkPart);
  TakeRoom(text_left_ + (is_large ? 0 : frame.value_bytes));
  if (now_->refused.ok() && now_->admitted && part_left_ > 0) MakeBlocks();
  return absl::OkStatus();
}

void BulkReader::TakeRoom(uint64_t bytes) {
  now_->lease = nullptr;
  auto lease = memory_->Take(static_cast<int64_t>(bytes));
  now_->refused = lease.status();
  if (lease.ok()) now_->lease = *std::move(lease);
}

void BulkReader::AdmitValues() {
  now_->admitted = true;
  if (!now_->refused.ok()) return;
  if (admit_ != nullptr) {
    const size_t token_bytes = now_->frame.token_bytes;
    Payload header;
    header.Append(
        nullptr,
        std::as_bytes(std::span<const char>(now_->text)).subspan(token_bytes));
    now_->refused =
        admit_(now_->frame.kind, {now_->text.data(), token_bytes}, header);
  }
  if (now_->refused.ok()) {
    TakeRoom(now_->text.size() + now_->frame.value_bytes);
  }
  if (now_->refused.ok()) return MakeBlocks();
  now_->lease = nullptr;
  now_->text = {};
}

absl::Status BulkReader::BeginMore(const BulkFrame& frame) {
  if (large_.frame.kind == 0 || frame.id != large_.frame.id ||
      frame.token_bytes != 0 || frame.header_bytes != 0) {
    return Nonsense("values of no message, with the id", frame.id);
  }
  if (frame.value_bytes != std::min(large_.values_left, kBulkPart)) {
    return Nonsense("a part of so many values:", frame.value_bytes);
  }
  now_ = &large_;
  part_left_ = frame.value_bytes;
  if (large_.refused.ok()) MakeBlocks();
  return absl::OkStatus();
}

void BulkReader::MakeBlocks() {
  part_.clear();
  part_begin_ = 0;
  filled_ = 0;
  for (uint64_t left = part_left_; left > 0;) {
    const size_t size = std::min<uint64_t>(left, BulkMemory::kBlockBytes);
    part_.push_back({memory_->Block(size, now_->lease), size});
    left -= size;
  }
}

void BulkReader::Arrived(size_t bytes) {
  part_left_ -= bytes;
  now_->values_left -= bytes;
  while (bytes > 0) {
    Block& block = part_[part_begin_];
    const size_t here = std::min(bytes, block.size - filled_);
    filled_ += here;
    bytes -= here;
    if (filled_ < block.size) return;
    now_->blocks.push_back(std::move(block));
    ++part_begin_;
    filled_ = 0;
  }
}

void BulkReader::TakeText() {
  const size_t bytes = std::min<uint64_t>(text_left_, Buffered());
  if (now_->refused.ok()) {
    std::string& text = now_->text;
    if (text.capacity() < text.size() + bytes) {
      text.reserve(std::min<uint64_t>(text.size() + text_left_,
                                      2 * text.size() + kTextStep));
    }
    text.append(reinterpret_cast<const char*>(buffer_.data() + begin_), bytes);
  }
  begin_ += bytes;
  text_left_ -= bytes;
}

void BulkReader::TakeValues() {
  size_t bytes = std::min<uint64_t>(part_left_, Buffered());
  if (!now_->refused.ok()) {
    begin_ += bytes;
    part_left_ -= bytes;
    now_->values_left -= bytes;
    return;
  }
  while (bytes > 0) {
    const Block& block = part_[part_begin_];
    const size_t here = std::min(bytes, block.size - filled_);
    std::memcpy(block.bytes.get() + filled_, buffer_.data() + begin_, here);
    begin_ += here;
    bytes -= here;
    Arrived(here);
  }
}

absl::Status BulkReader::EndFrame(Handler handle) {
  Incoming* const whole = std::exchange(now_, nullptr);
  if (whole->values_left > 0) return absl::OkStatus();
  Incoming message = std::exchange(*whole, {});
  BulkMessage made = {.kind = message.frame.kind,
                      .status = message.frame.status,
                      .id = message.frame.id,
                      .refused = std::move(message.refused)};
  if (made.refused.ok()) {
    made.token = message.text.substr(0, message.frame.token_bytes);
    struct Header {
      std::string text;
      BulkMemory::Lease lease;
    };
    auto header = std::make_shared<Header>();
    header->text = std::move(message.text);
    header->lease = std::move(message.lease);
    const auto bytes = std::as_bytes(std::span<const char>(header->text))
                           .subspan(message.frame.token_bytes);
    made.message.Append(std::move(header), bytes);
    for (Block& block : message.blocks) {
      const std::span<const std::byte> values(block.bytes.get(), block.size);
      made.message.Append(std::move(block.bytes), values);
    }
  }
  if (!handle(std::move(made))) stopped_ = true;
  return absl::OkStatus();
}

}  // namespace ebb::rpc::internal
