#include "scheduler/event_list.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace ebb::scheduler {
namespace {

LogEvent Event(EventKind kind, std::string text) {
  LogEvent event;
  event.kind = kind;
  event.text = std::move(text);
  return event;
}

TEST(EventListTest, KeepsWhatHasAKindWithItsTime) {
  EventList events;
  events.Add(Event(EventKind::kLogOnly, "a detail"), absl::FromUnixSeconds(1));
  events.Add(Event(EventKind::kServerAway, "ps-0"), absl::FromUnixSeconds(2));
  ASSERT_EQ(events.all().size(), 1u);
  EXPECT_EQ(events.all()[0].number, 1);
  EXPECT_EQ(events.all()[0].when, absl::FromUnixSeconds(2));
  EXPECT_EQ(events.all()[0].what.text, "ps-0");
}

TEST(EventListTest, IsBoundedAndKeepsTheLatest) {
  EventList events;
  for (size_t i = 0; i < EventList::kMost + 10; ++i) {
    events.Add(Event(EventKind::kWorkerUp, "w"), absl::UnixEpoch());
  }
  EXPECT_EQ(events.all().size(), EventList::kMost);
  EXPECT_EQ(events.all().front().number, 11);
}

TEST(EventListTest, CutsLongTexts) {
  EventList events;
  events.Add(Event(EventKind::kQuarantine, std::string(100'000, 'x')),
             absl::UnixEpoch());
  EXPECT_EQ(events.all()[0].what.text.size(), EventList::kMostTextBytes);
}

TEST(EventListTest, CutsNoCharacterInTwo) {
  EventList events;
  std::string text = "x";
  while (text.size() < 2000) text += "ä";  // Two bytes each.
  events.Add(Event(EventKind::kQuarantine, text), absl::UnixEpoch());
  EXPECT_EQ(events.all()[0].what.text.size(), EventList::kMostTextBytes - 1);
}

}  // namespace
}  // namespace ebb::scheduler
