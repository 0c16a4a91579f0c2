#include "feed/message_queues.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/plant.h"

namespace ebb::feed {

using data::growing::CoveredRange;
using data::growing::Ends;
using data::growing::LostRange;

namespace {

// The memory of a message beside its value.
constexpr int64_t kMessageBytes = 64;

int64_t BytesOf(const Message& message) {
  return kMessageBytes + static_cast<int64_t>(message.value.size());
}

int64_t EndOf(const Ends& ends, const std::string& partition) {
  const auto end = ends.find(partition);
  return end == ends.end() ? 0 : end->second.end;
}

}  // namespace

absl::Status MessageQueues::Add(Slice slice) {
  const auto [it, is_new] = queues_.try_emplace(slice.partition);
  Queue& queue = it->second;
  if (is_new) {
    queue.begin = queue.end = appends_ ? 0 : EndOf(begun_, slice.partition);
  }
  if (slice.begin != queue.end || slice.end < slice.begin) {
    return absl::InternalError(absl::StrCat(
        "the source gave the offsets [", slice.begin, ", ", slice.end, ") of ",
        slice.partition, ", and ", queue.end, " is next"));
  }
  queue.end = slice.end;
  for (Message& message : slice.messages) {
    const int64_t bytes = BytesOf(message);
    queue.bytes += bytes;
    bytes_ += bytes;
    queue.messages.push_back(std::move(message));
  }
  for (LostRange& lost : slice.lost) queue.lost.push_back(std::move(lost));
  return absl::OkStatus();
}

std::set<std::string> MessageQueues::Full() const {
  std::set<std::string> full;
  const int64_t share = most_bytes_ / std::max<int64_t>(1, std::ssize(queues_));
  for (const auto& [partition, queue] : queues_) {
    if (queue.bytes >= share) full.insert(partition);
  }
  return full;
}

bool MessageQueues::empty() const {
  return std::ranges::all_of(queues_, [](const auto& one) {
    return one.second.begin == one.second.end;
  });
}

int64_t MessageQueues::ShiftOf(const std::string& partition, const Queue& queue,
                               const Ends& ends) const {
  return appends_ ? EndOf(ends, partition) - queue.begin : 0;
}

std::vector<TakenPart> MessageQueues::Take(const Ends& ends,
                                           const Limits& limits) const {
  struct Cursor {
    const std::string* partition;
    const Queue* queue;
    size_t next;
  };
  std::vector<Cursor> cursors;
  for (const auto& [partition, queue] : queues_) {
    if (queue.begin < queue.end) cursors.push_back({&partition, &queue, 0});
  }
  const auto age = [](const Cursor& cursor) {
    return cursor.next < cursor.queue->messages.size()
               ? cursor.queue->messages[cursor.next].unix_ms
               : std::numeric_limits<int64_t>::max();
  };
  int64_t bytes = 0, messages = 0;
  while (messages < limits.messages) {
    const auto oldest = std::ranges::min_element(cursors, {}, age);
    if (oldest == cursors.end() ||
        oldest->next == oldest->queue->messages.size()) {
      break;
    }
    const int64_t more = BytesOf(oldest->queue->messages[oldest->next]);
    if (messages > 0 && bytes + more > limits.bytes) break;
    bytes += more;
    ++messages;
    ++oldest->next;
  }
  std::vector<TakenPart> parts;
  for (const Cursor& cursor : cursors) {
    const Queue& queue = *cursor.queue;
    const bool all = cursor.next == queue.messages.size();
    TakenPart part;
    part.partition = *cursor.partition;
    part.shift = ShiftOf(part.partition, queue, ends);
    const int64_t end = all ? queue.end : queue.messages[cursor.next].offset;
    part.begin = queue.begin + part.shift;
    part.end = end + part.shift;
    for (size_t i = 0; i < cursor.next; ++i) {
      part.messages.push_back(&queue.messages[i]);
    }
    for (const LostRange& lost : queue.lost) {
      if (lost.end <= end && !EBB_PLANTED(lost_offsets_are_not_named)) {
        part.lost.push_back(lost);
      }
    }
    if (part.begin < part.end) parts.push_back(std::move(part));
  }
  return parts;
}

void MessageQueues::DropBelow(int64_t offset, Queue* queue) {
  while (!queue->messages.empty() && queue->messages.front().offset < offset) {
    const int64_t bytes = BytesOf(queue->messages.front());
    queue->bytes -= bytes;
    bytes_ -= bytes;
    queue->messages.pop_front();
  }
  while (!queue->lost.empty() && queue->lost.front().end <= offset) {
    queue->lost.pop_front();
  }
  // A part of it may be stored.
  if (!queue->lost.empty()) {
    LostRange& lost = queue->lost.front();
    lost.begin = std::max(lost.begin, offset);
  }
  queue->begin = offset;
}

void MessageQueues::Drop(const std::vector<CoveredRange>& stored) {
  for (const CoveredRange& range : stored) {
    Queue& queue = queues_.at(range.partition);
    DropBelow(queue.begin + (range.end - range.begin), &queue);
  }
}

bool MessageQueues::Reset(const Ends& ends) {
  bool fits = true;
  if (!appends_) {
    for (const auto& [partition, queue] : queues_) {
      const int64_t end = EndOf(ends, partition);
      fits = fits && queue.begin <= end && end <= queue.end;
    }
    for (const auto& [partition, end] : ends) {
      fits = fits && (queues_.contains(partition) ||
                      EndOf(begun_, partition) == end.end);
    }
  }
  if (fits) {
    for (auto& [partition, queue] : queues_) {
      if (!appends_) DropBelow(EndOf(ends, partition), &queue);
    }
    return true;
  }
  queues_.clear();
  bytes_ = 0;
  begun_ = ends;
  return false;
}

}  // namespace ebb::feed
