#include "feed/line_source.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "common/steady_time.h"

namespace ebb::feed {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr size_t kMostLineBytes = size_t{16} << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<LineSource>> LineSource::Make(
    std::vector<Input> inputs) {
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) {
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot make an eventfd: ", strerror(errno)));
  }
  return std::unique_ptr<LineSource>(
      new LineSource(std::move(inputs), std::move(wake)));
}

absl::StatusOr<data::growing::SourceIdentity> LineSource::Identity() {
  return data::growing::SourceIdentity{
      .kind = data::growing::SourceIdentity::Kind::kPut};
}

absl::Status LineSource::Begin(const data::growing::Ends& /*ends*/) {
  began_ = true;
  return absl::OkStatus();
}

void LineSource::Wake() {
  const uint64_t one = 1;
  // It cannot fail: the counter is far from its end.
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof(one));
}

absl::StatusOr<bool> LineSource::WaitForInput(bool look_at_input,
                                              absl::Time until) {
  std::array<pollfd, 2> files = {
      pollfd{wake_.get(), POLLIN, 0},
      pollfd{look_at_input ? inputs_[open_].file.get() : -1, POLLIN, 0}};
  const int64_t left = absl::ToInt64Milliseconds(
      std::max(until - SteadyNow(), absl::ZeroDuration()));
  const int n = poll(files.data(), files.size(),
                     static_cast<int>(std::min<int64_t>(left + 1, 1 << 30)));
  if (n < 0 && errno != EINTR) {
    return absl::InternalError(
        absl::StrCat("poll of ", inputs_[open_].name, ": ", strerror(errno)));
  }
  if (n > 0 && files[0].revents != 0) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t read_bytes =
        read(wake_.get(), &count, sizeof(count));
  }
  return n > 0 && files[1].revents != 0;
}

void LineSource::Add(absl::string_view line, Slice* slice) {
  line = absl::StripSuffix(line, "\r");
  slice->messages.push_back({.offset = lines_++,
                             .value = std::string(line),
                             .absent = false,
                             .unix_ms = absl::ToUnixMillis(SteadyNow())});
}

void LineSource::TakeLines(Slice* slice) {
  const absl::string_view text = buffer_;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != absl::string_view::npos;
       end = text.find('\n', begin)) {
    Add(text.substr(begin, end - begin), slice);
    begin = end + 1;
  }
  buffer_.erase(0, begin);
}

absl::StatusOr<PollResult> LineSource::Poll(const std::set<std::string>& full,
                                            absl::Time until) {
  if (began_ && !ahead_.empty()) {
    PollResult result;
    result.slices = std::exchange(ahead_, {});
    return result;
  }
  auto result = PollInput(full, until);
  if (!began_ && result.ok()) {
    ahead_.insert(ahead_.end(), result->slices.begin(), result->slices.end());
  }
  return result;
}

absl::StatusOr<PollResult> LineSource::PollInput(
    const std::set<std::string>& full, absl::Time until) {
  PollResult result;
  if (open_ == inputs_.size()) {
    result.ended = true;
    return result;
  }
  EBB_ASSIGN_OR_RETURN(const bool ready,
                       WaitForInput(!full.contains(kPutPartition), until));
  if (!ready) return result;
  Slice slice = {.partition = kPutPartition, .begin = lines_};
  const size_t before = buffer_.size();
  buffer_.resize(before + kPieceBytes);
  const Input& input = inputs_[open_];
  const ssize_t n =
      read(input.file.get(), buffer_.data() + before, kPieceBytes);
  buffer_.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return result;
  if (n < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(input.name, " cannot be read: ", strerror(errno)));
  }
  TakeLines(&slice);
  if (n == 0) {
    // The last line of a file may lack its end.
    if (!buffer_.empty()) Add(buffer_, &slice);
    buffer_.clear();
    ++open_;
    result.ended = open_ == inputs_.size();
  } else if (buffer_.size() > kMostLineBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(input.name, ": line ", lines_ + 1,
                     " of this run has more "
                     "than ",
                     kMostLineBytes, " bytes; a message is one line of text"));
  }
  slice.end = lines_;
  if (!slice.messages.empty()) result.slices.push_back(std::move(slice));
  return result;
}

}  // namespace ebb::feed
