#include "scheduler/event_list.h"

#include <string>

namespace ebb::scheduler {

namespace {

// Returns where to cut a text of UTF-8: up to `most`, between two characters.
size_t CutAt(const std::string& text, size_t most) {
  if (text.size() <= most) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) {
    --most;
  }
  return most;
}

}  // namespace

void EventList::Add(const LogEvent& event, absl::Time now) {
  if (event.kind == EventKind::kLogOnly) return;
  if (events_.size() == kMost) events_.pop_front();
  PastEvent& past = events_.emplace_back(PastEvent{++last_, now, event});
  past.what.text.resize(CutAt(past.what.text, kMostTextBytes));
}

}  // namespace ebb::scheduler
