// Opens the set that a feeder is to feed, or begins it.
#ifndef EBB_FEED_OPEN_SET_H_
#define EBB_FEED_OPEN_SET_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/objects/object_store.h"
#include "data/growing/headers.h"
#include "data/source.h"
#include "feed/message_source.h"

namespace ebb::feed {

// The settings that a caller wants. A set that is there decides by itself: the
// caller may leave out what it does not know, and is refused if it says another
// thing.
struct SetSettings {
  // The format of messages, and the DataSource that it came from. Absent: the
  // set says it, so it must be there.
  std::optional<data::SourceSpec> spec;
  std::string data_source;
  std::optional<data::growing::OnBad> on_bad;    // Default: stop.
  std::optional<data::growing::OnLost> on_lost;  // Default: pause.
  // The schema of a new set is found in so many first messages, or in all if
  // the source ends before. Default 1,000. More finds rarer categories.
  int64_t sample = 1000;
  std::function<absl::Time()> now = absl::Now;
  // Called now and then while first messages are awaited, with their number.
  std::function<void(int64_t)> waiting;
  // True: give up. May be null.
  const std::atomic<bool>* stop = nullptr;
};

// Returns what the set says of itself. Blocks until the first messages have
// come, if it is a new one. FailedPrecondition: the set was begun with other
// settings, or for another source. InvalidArgument: the format is missing, or
// the first messages are not of it. NotFound: the source ended without a
// message. Cancelled: `stop` was set. Else the errors of the store and the
// source.
absl::StatusOr<data::growing::About> OpenOrCreateSet(
    ObjectStore* store, MessageSource* source, const SetSettings& settings);

}  // namespace ebb::feed

#endif  // EBB_FEED_OPEN_SET_H_
