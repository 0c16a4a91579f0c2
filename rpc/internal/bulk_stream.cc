#include "rpc/internal/bulk_stream.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/steady_time.h"
#include "rpc/internal/message_parts.h"

namespace ebb::rpc::internal {

namespace {

// Frames are put together until a write has so many bytes.
constexpr size_t kBatchBytes = size_t{256} << 10;
// Shorter slices are copied.
constexpr size_t kCheaperToCopy = 2048;
// Slices of one write.
constexpr size_t kMostSlices = 64;
// A thread that sends does not write more itself; Run() writes so much before
// it reads again.
constexpr size_t kMostAtOnce = size_t{4} << 20;
// Reads one after the other before other duties are looked at.
constexpr int kMostReads = 16;

bool IsSmall(const BulkOutgoing& message) {
  const auto header = static_cast<int64_t>(HeaderOf(message.message).size());
  return message.message.size() <= static_cast<int64_t>(kBulkPart) &&
         header <= static_cast<int64_t>(kBatchBytes);
}

BulkFrame FrameOf(const BulkOutgoing& message) {
  const size_t header = HeaderOf(message.message).size();
  return {
      .kind = message.kind,
      .status = message.status,
      .id = message.id,
      .token_bytes = static_cast<uint32_t>(message.token.size()),
      .header_bytes = static_cast<uint32_t>(header),
      .value_bytes = static_cast<uint64_t>(message.message.size()) - header};
}

absl::Status Gone(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat("the other side is gone: ", what));
}

}  // namespace

// --- What is written ---------------------------------------------------------

void BulkStream::Batch::AddFrame(const BulkFrame& frame,
                                 absl::string_view token) {
  text_.append(reinterpret_cast<const char*>(&frame), sizeof(frame));
  text_.append(token.data(), token.size());
  bytes_ += sizeof(frame) + token.size();
}

void BulkStream::Batch::Add(const Payload::Slice& slice) {
  bytes_ += slice.bytes.size();
  if (slice.bytes.size() <= kCheaperToCopy) {
    text_.append(reinterpret_cast<const char*>(slice.bytes.data()),
                 slice.bytes.size());
    return;
  }
  EndText();
  pieces_.push_back({slice.owner, slice.bytes});
}

void BulkStream::Batch::EndText() {
  if (text_.empty()) return;
  auto text = std::make_shared<const std::string>(std::exchange(text_, {}));
  const auto bytes = BytesOf(*text);
  pieces_.push_back({std::move(text), bytes});
}

std::deque<BulkStream::Piece> BulkStream::Batch::Take() {
  EndText();
  return std::move(pieces_);
}

void BulkStream::AddWhole(const BulkOutgoing& message, Batch* batch) {
  batch->AddFrame(FrameOf(message), message.token);
  for (const Payload::Slice& slice : message.message.slices()) {
    batch->Add(slice);
  }
}

void BulkStream::AddPart(Partial* partial, Batch* batch) {
  const BulkOutgoing& message = partial->message;
  const std::vector<Payload::Slice>& slices = message.message.slices();
  if (partial->slice == 0 && partial->offset == 0) {
    const BulkFrame frame = FrameOf(message);
    batch->AddFrame(frame, message.token);
    partial->values_left = frame.value_bytes;
    if (!slices.empty()) batch->Add(slices.front());
    partial->slice = 1;
  } else {
    batch->AddFrame({.kind = kBulkMore,
                     .id = message.id,
                     .value_bytes = std::min(partial->values_left, kBulkPart)},
                    {});
  }
  uint64_t left = std::min(partial->values_left, kBulkPart);
  partial->values_left -= left;
  while (left > 0) {
    const Payload::Slice& slice = slices[partial->slice];
    const auto rest = slice.bytes.subspan(partial->offset);
    const size_t take = std::min<uint64_t>(left, rest.size());
    batch->Add({slice.owner, rest.first(take)});
    left -= take;
    partial->offset += take;
    if (partial->offset == slice.bytes.size()) {
      ++partial->slice;
      partial->offset = 0;
    }
  }
}

// --- The stream --------------------------------------------------------------

absl::StatusOr<std::unique_ptr<BulkStream>> BulkStream::Make(
    std::unique_ptr<BulkSocket> socket, std::shared_ptr<BulkMemory> memory,
    const BulkStreamOptions& options, BulkReader::Admit admit) {
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return absl::ErrnoToStatus(errno, "no eventfd can be made");
  return std::make_unique<BulkStream>(std::move(socket), std::move(wake),
                                      std::move(memory), options,
                                      std::move(admit));
}

BulkStream::BulkStream(std::unique_ptr<BulkSocket> socket, Fd wake,
                       std::shared_ptr<BulkMemory> memory,
                       const BulkStreamOptions& options,
                       BulkReader::Admit admit)
    : socket_(std::move(socket)),
      wake_(std::move(wake)),
      options_(options),
      memory_(std::move(memory)),
      reader_(memory_, std::move(admit)),
      heard_(SteadyNow()),
      progress_(heard_) {}

bool BulkStream::Send(BulkOutgoing message, Order order) {
  {
    MutexLock lock(&mu_);
    if (closed_ || broken_) return false;
    if (small_.size() + ordered_.size() >= options_.most_waiting) {
      broken_ = true;
    } else if (order == Order::kBySize && IsSmall(message)) {
      small_.push_back(std::move(message));
    } else {
      ordered_.push_back(std::move(message));
    }
    if (!broken_ && (writing_ || blocked_)) return true;
    if (broken_) return false;  // Run() sees it.
  }
  Flush(kMostAtOnce);
  return true;
}

bool BulkStream::AllSent() const {
  MutexLock lock(&mu_);
  return small_.empty() && ordered_.empty() && !partial_ && !pieces_left_;
}

void BulkStream::Wake() {
  const uint64_t one = 1;
  // It is full only if it is readable, which is all that is wanted.
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof(one));
}

void BulkStream::FillLocked(std::vector<BulkOutgoing>* used) {
  Batch batch;
  const absl::Time now = SteadyNow();
  while (batch.bytes() < kBatchBytes) {
    const bool large_waits = partial_ || !ordered_.empty();
    if (!large_waits) passed_ = 0;
    if (!small_.empty() && passed_ < kMostPassing) {
      if (small_.front().until > now) {
        const size_t before = batch.bytes();
        AddWhole(small_.front(), &batch);
        if (large_waits) passed_ += batch.bytes() - before;
      }
      used->push_back(std::move(small_.front()));
      small_.pop_front();
    } else if (partial_) {
      AddPart(&*partial_, &batch);
      passed_ = 0;
      if (partial_->values_left > 0) continue;
      used->push_back(std::move(partial_->message));
      partial_.reset();
    } else if (!ordered_.empty()) {
      if (ordered_.front().until > now) {
        partial_ = Partial{.message = std::move(ordered_.front())};
      } else {
        used->push_back(std::move(ordered_.front()));
      }
      ordered_.pop_front();
    } else {
      break;
    }
  }
  pieces_ = batch.Take();
}

BulkStream::Wrote BulkStream::WriteOnce() {
  std::array<iovec, kMostSlices> parts;
  size_t n = 0;
  for (const Piece& piece : pieces_) {
    if (n == parts.size()) break;
    parts[n++] = {const_cast<std::byte*>(piece.bytes.data()),
                  piece.bytes.size()};
  }
  const absl::StatusOr<size_t> taken = socket_->Write({parts.data(), n});
  if (!taken.ok()) return Wrote::kBroken;
  if (*taken == 0 && (n > 0 || socket_->Unsent())) return Wrote::kBlocked;
  for (size_t left = *taken; left > 0;) {
    Piece& first = pieces_.front();
    const size_t here = std::min(left, first.bytes.size());
    first.bytes = first.bytes.subspan(here);
    left -= here;
    if (first.bytes.empty()) pieces_.pop_front();
  }
  return Wrote::kSome;
}

void BulkStream::Flush(size_t most_bytes) {
  {
    MutexLock lock(&mu_);
    if (writing_ || blocked_ || closed_) return;
    writing_ = true;
  }
  const uint64_t begun = socket_->sent_bytes();
  uint64_t before = begun;
  Wrote wrote = Wrote::kSome;
  // What was sent is let go of without the lock.
  std::vector<BulkOutgoing> used;
  std::deque<Piece> unsent;
  while (true) {
    {
      MutexLock lock(&mu_);
      const uint64_t sent = socket_->sent_bytes();
      if (sent > before) progress_ = SteadyNow();
      before = sent;
      broken_ |= wrote == Wrote::kBroken;
      const bool ends = closed_ || broken_;
      if (ends) unsent.swap(pieces_);
      if (!ends && pieces_.empty()) FillLocked(&used);
      pieces_left_ = !pieces_.empty() || (!ends && socket_->Unsent());
      blocked_ = pieces_left_ &&
                 (wrote == Wrote::kBlocked || sent - begun >= most_bytes);
      writing_ = pieces_left_ && !blocked_;
      if (!writing_) {
        if (!ends && !blocked_) return;
        break;
      }
    }
    used.clear();
    wrote = WriteOnce();
  }
  Wake();
}

absl::Status BulkStream::Read(BulkReader::Handler handle, bool* all,
                              bool* ended) {
  std::array<iovec, BulkReader::kMostSpaces> spaces;
  const size_t n = reader_.Spaces(&spaces);
  size_t room = 0;
  for (size_t i = 0; i < n; ++i) room += spaces[i].iov_len;
  const absl::StatusOr<size_t> got = socket_->Read({spaces.data(), n});
  if (absl::IsOutOfRange(got.status()) && reader_.unfinished().number == 0) {
    return got.status();
  }
  if (!got.ok()) return Gone(got.status().message());
  *all = *got < room;
  if (*got == 0) return absl::OkStatus();
  heard_ = SteadyNow();
  asked_ = absl::InfiniteFuture();
  return reader_.Took(*got, [&](BulkMessage one) {
    if (one.kind == kBulkPing) {
      Send({.kind = kBulkPong}, Order::kBySize);
      return true;
    }
    if (one.kind == kBulkPong) return true;
    *ended = !handle(std::move(one));
    return !*ended;
  });
}

absl::Status BulkStream::CheckLife(absl::Time now) {
  if (asked_ == absl::InfiniteFuture()) {
    if (now - heard_ < options_.keepalive_time) return absl::OkStatus();
    asked_ = now;
    Send({.kind = kBulkPing}, Order::kBySize);
    return absl::OkStatus();
  }
  absl::Time sign = asked_;
  {
    MutexLock lock(&mu_);
    sign = std::max(sign, progress_);
  }
  if (now - sign < options_.keepalive_timeout) return absl::OkStatus();
  return Gone("it gave no sign of life");
}

// A side that sends and reads nothing answers no ping, but gives signs of life.
absl::Status BulkStream::CheckTakes(absl::Time now) {
  MutexLock lock(&mu_);
  if (!blocked_ || now - progress_ < options_.stuck_after) {
    return absl::OkStatus();
  }
  return Gone("it takes nothing any more");
}

absl::Status BulkStream::CheckBrings(absl::Time now) {
  const BulkReader::Unfinished left = reader_.unfinished();
  if (left.number == 0 || left.number != unfinished_.number) {
    unfinished_ = left;
    unfinished_since_ = now;
    return absl::OkStatus();
  }
  if (now - unfinished_since_ < options_.stuck_after) return absl::OkStatus();
  if (unfinished_.left - left.left < kBulkLeast) {
    return Gone("a message that it began does not come");
  }
  unfinished_ = left;
  unfinished_since_ = now;
  return absl::OkStatus();
}

// The memory may be that of many streams, so it is looked at seldom.
void BulkStream::GiveBackMemory(absl::Time now) {
  if (now < give_back_at_) return;
  give_back_at_ = now + BulkMemory::kKeptFor;
  memory_->GiveBackUnused(now);
}

absl::Status BulkStream::Run(
    BulkReader::Handler handle,
    absl::FunctionRef<std::optional<absl::Time>()> tick) {
  absl::Status status;
  // What came with the greeting may wait in the socket's memory.
  bool all = false, ended = false;
  while (status.ok() && !ended) {
    const std::optional<absl::Time> next = tick();
    if (!next) break;
    bool blocked = false;
    {
      MutexLock lock(&mu_);
      if (broken_) status = Gone("it takes nothing any more");
      blocked = blocked_;
    }
    if (!status.ok()) break;
    if (all) socket_->Await(reader_.due());
    const absl::Time now = SteadyNow();
    const absl::Duration most =
        std::clamp(*next - now, absl::ZeroDuration(), kBulkLook);
    // The socket's own memory is not polled.
    timespec limit = absl::ToTimespec(all ? most : absl::ZeroDuration());
    std::array<pollfd, 2> both = {
        pollfd{.fd = socket_->fd(),
               .events = static_cast<int16_t>(POLLIN | (blocked ? POLLOUT : 0)),
               .revents = 0},
        pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    const int events = ppoll(both.data(), both.size(), &limit, nullptr);
    if (events < 0) continue;
    // Some of what was waited for may be there: a slow connection lives, too.
    if (events == 0 && reader_.due() > 0) all = false;
    if ((both[1].revents & POLLIN) != 0) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t n =
          read(wake_.get(), &count, sizeof(count));
    }
    if ((both[0].revents & POLLOUT) != 0) {
      {
        MutexLock lock(&mu_);
        blocked_ = false;
      }
      Flush(kMostAtOnce);
    }
    if (!all || (both[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      all = false;
      for (int i = 0; i < kMostReads && status.ok() && !all && !ended; ++i) {
        status = Read(handle, &all, &ended);
      }
    }
    const absl::Time after = SteadyNow();
    GiveBackMemory(after);
    if (status.ok()) status = CheckLife(after);
    // If it just took something, this side stood still, not the other.
    const bool takes = (both[0].revents & POLLOUT) != 0;
    if (status.ok() && !takes) status = CheckTakes(after);
    if (status.ok()) status = CheckBrings(after);
  }
  Shut();
  return status;
}

void BulkStream::Shut() {
  std::deque<BulkOutgoing> small, ordered;
  std::optional<Partial> partial;
  std::deque<Piece> pieces;
  {
    MutexLock lock(&mu_);
    closed_ = true;
    small.swap(small_);
    ordered.swap(ordered_);
    partial.swap(partial_);
    if (!writing_) pieces.swap(pieces_);
  }
  // The other side learns it now, not when the last answer is dropped.
  shutdown(socket_->fd(), SHUT_RDWR);
}

}  // namespace ebb::rpc::internal
