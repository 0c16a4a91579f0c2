// The seam between growing sets and logs such as topics and files.
#ifndef EBB_FEED_MESSAGE_SOURCE_H_
#define EBB_FEED_MESSAGE_SOURCE_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "data/growing/headers.h"

namespace ebb::feed {

struct Message {
  int64_t offset = 0;
  std::string value;
  bool absent = false;  // It has no value (a tombstone).
  int64_t unix_ms = 0;  // When it was written, as far as the source knows.
};

// A part of a partition that was read: the offsets [begin, end) are covered.
// The messages are all that there are or will be among them; there may be none.
struct Slice {
  std::string partition;
  int64_t begin = 0;
  int64_t end = 0;
  std::vector<Message> messages;  // By offset.
  // Offsets among them that the source no longer has.
  std::vector<data::growing::LostRange> lost;
};

struct PollResult {
  // Slices of one partition continue each other.
  std::vector<Slice> slices;
  bool ended = false;  // No message follows.
  // Sentences for the operator, each said once.
  std::vector<std::string> notes;
};

// Implementations: lines that a program writes (line_source.h), files that grow
// and rotate (file_source.h). All methods but Wake() are called by one thread.
//
// A source reads only what is stable: the answer to "what is at this offset"
// never changes, except that the source may delete it. It covers a range only
// if it saw what stands at its end or behind it.
class MessageSource {
 public:
  virtual ~MessageSource() = default;

  // Names the source, as `about` has it. Blocks. FailedPrecondition: it cannot
  // be fed, and the message says which setting of the source is wrong.
  virtual absl::StatusOr<data::growing::SourceIdentity> Identity() = 0;

  // True if messages have no offsets of their own: those of a slice count from
  // 0 in this run, and a message gets its offset when it is stored. Such a
  // source cannot begin again.
  virtual bool appends() const { return false; }

  // Poll() before Begin() looks ahead, at the first messages that there are:
  // they are polled again after it.

  // Reads from these offsets on; partitions that are not there begin at 0. What
  // was polled before and lies behind is read again. Blocks. DataLoss: a
  // partition is not the one that was fed (its anchor differs, or it ends
  // before the offset).
  virtual absl::Status Begin(const data::growing::Ends& ends) = 0;

  // Waits until there is something, or `until` by SteadyNow(), or Wake().
  // Partitions in `full` are left out, so that none holds up the others. A
  // result has at most a few MiB. Unavailable: the source cannot be reached
  // now; the caller polls again. Other errors end the feeder.
  virtual absl::StatusOr<PollResult> Poll(const std::set<std::string>& full,
                                          absl::Time until) = 0;

  // Ends a Poll() that waits. Thread-safe.
  virtual void Wake() = 0;
};

}  // namespace ebb::feed

#endif  // EBB_FEED_MESSAGE_SOURCE_H_
