// Lines that a program writes: each is a message.
#ifndef EBB_FEED_LINE_SOURCE_H_
#define EBB_FEED_LINE_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/fd.h"
#include "feed/message_source.h"

namespace ebb::feed {

// The partition of what programs put.
inline constexpr char kPutPartition[] = "put";

// Reads standard input, or files once from their beginning to their end. What a
// feeder that is killed has read and not stored is not read again. See
// MessageSource for the threads.
class LineSource final : public MessageSource {
 public:
  struct Input {
    std::string name;  // For messages.
    Fd file;           // A file, a pipe or a terminal.
  };

  // At least one, which are read one after the other.
  static absl::StatusOr<std::unique_ptr<LineSource>> Make(
      std::vector<Input> inputs);

  absl::StatusOr<data::growing::SourceIdentity> Identity() override;
  bool appends() const override { return true; }
  absl::Status Begin(const data::growing::Ends& ends) override;
  // InvalidArgument: a line has more than 16 MiB. Unavailable is never
  // returned: what was read of an input cannot be read again.
  absl::StatusOr<PollResult> Poll(const std::set<std::string>& full,
                                  absl::Time until) override;
  void Wake() override;

 private:
  LineSource(std::vector<Input> inputs, Fd wake)
      : inputs_(std::move(inputs)), wake_(std::move(wake)) {}

  // Polls the inputs themselves.
  absl::StatusOr<PollResult> PollInput(const std::set<std::string>& full,
                                       absl::Time until);
  // Returns whether the open input can be read before `until`.
  absl::StatusOr<bool> WaitForInput(bool look_at_input, absl::Time until);
  // Makes messages of the whole lines in the buffer.
  void TakeLines(Slice* slice);
  void Add(absl::string_view line, Slice* slice);

  std::vector<Input> inputs_;
  bool began_ = false;
  std::vector<Slice> ahead_;  // Polled before Begin().
  const Fd wake_;
  size_t open_ = 0;  // The input that is read.
  std::string buffer_;
  int64_t lines_ = 0;
};

}  // namespace ebb::feed

#endif  // EBB_FEED_LINE_SOURCE_H_
