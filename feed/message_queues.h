// Messages that were read and are not stored yet, by partition.
#ifndef EBB_FEED_MESSAGE_QUEUES_H_
#define EBB_FEED_MESSAGE_QUEUES_H_

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "data/growing/headers.h"
#include "feed/message_source.h"

namespace ebb::feed {

// A part of an object: the messages of one partition. Messages belong to the
// queues, and stay until Drop() or Reset().
struct TakenPart {
  std::string partition;
  int64_t begin = 0;
  int64_t end = 0;
  std::vector<const Message*> messages;
  std::vector<data::growing::LostRange> lost;
  // The number to add to the offset of a message.
  int64_t shift = 0;
};

// Bounded by bytes: a partition that has its share is full. Thread-compatible.
class MessageQueues {
 public:
  struct Limits {
    int64_t bytes = int64_t{32} << 20;  // The most of one object.
    int64_t messages = 1 << 20;
  };

  // `most_bytes`: what all queues together hold before every partition is full.
  MessageQueues(bool appends, int64_t most_bytes)
      : appends_(appends), most_bytes_(most_bytes) {}

  // Adds what was polled. Internal: it does not continue what was polled
  // before.
  absl::Status Add(Slice slice);
  // The partitions that may not be polled now.
  std::set<std::string> Full() const;

  // The next parts, one for each partition at most, where `ends` are those of
  // the set: always from the partition whose next message is the oldest. Empty:
  // there is nothing.
  std::vector<TakenPart> Take(const data::growing::Ends& ends,
                              const Limits& limits) const;
  // These were stored: forgets so many offsets at the front of each partition.
  void Drop(const std::vector<data::growing::CoveredRange>& stored);

  // Goes on from these ends. Returns false if that cannot be, as messages there
  // are not here: then all is forgotten, and the source has to begin at them.
  bool Reset(const data::growing::Ends& ends);

  int64_t bytes() const { return bytes_; }
  bool empty() const;

 private:
  struct Queue {
    int64_t begin = 0;
    int64_t end = 0;
    std::deque<Message> messages;
    std::deque<data::growing::LostRange> lost;
    int64_t bytes = 0;
  };

  void DropBelow(int64_t offset, Queue* queue);
  int64_t ShiftOf(const std::string& partition, const Queue& queue,
                  const data::growing::Ends& ends) const;

  const bool appends_;
  const int64_t most_bytes_;
  std::map<std::string, Queue> queues_;
  // The offsets at which the source began.
  data::growing::Ends begun_;
  int64_t bytes_ = 0;
};

}  // namespace ebb::feed

#endif  // EBB_FEED_MESSAGE_QUEUES_H_
