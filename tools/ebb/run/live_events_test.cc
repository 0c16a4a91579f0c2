#include "tools/ebb/run/live_events.h"

#include <unistd.h>

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

class LiveEventsTest : public testing::Test {
 protected:
  LiveEventsTest() { EXPECT_EQ(pipe(ends_.data()), 0); }
  ~LiveEventsTest() override {
    close(ends_[0]);
    End();
  }
  void Write(absl::string_view text) {
    EXPECT_EQ(write(ends_[1], text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }
  void End() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

  std::array<int, 2> ends_ = {};
};

TEST_F(LiveEventsTest, AreTakenAsTheyCome) {
  LiveEvents live(ends_[0]);
  EXPECT_TRUE(live.Take().empty());
  Write("{\"at\": \"0s\", \"kill\": \"worker-0\"}\n\n{at: 1s, term");
  auto events = live.Take();
  ASSERT_EQ(events.size(), 1u);
  ASSERT_TRUE(events[0].ok()) << events[0].status();
  EXPECT_EQ(events[0]->op, chaos::Op::kKill);
  EXPECT_EQ(events[0]->target, "worker-0");
  Write("inate: ps-1, grace: 5s}\n");
  events = live.Take();
  ASSERT_EQ(events.size(), 1u);
  ASSERT_TRUE(events[0].ok()) << events[0].status();
  EXPECT_EQ(events[0]->when.at, absl::Seconds(1));
  EXPECT_EQ(events[0]->grace, absl::Seconds(5));
  EXPECT_FALSE(live.over());
  End();
  EXPECT_TRUE(live.Take().empty());
  EXPECT_TRUE(live.over());
}

TEST_F(LiveEventsTest, WhatIsNoneIsNamed) {
  LiveEvents live(ends_[0]);
  for (const char* line :
       {"nonsense\n", "{kill: ps-0}\n", "{at: 30%, kill: ps-0}\n",
        "{at: 0s, drop: {between: all}}\n",
        "{at: 0s, every: 1s, times: 2, kill: ps-0}\n"}) {
    Write(line);
    const auto events = live.Take();
    ASSERT_EQ(events.size(), 1u) << line;
    EXPECT_TRUE(absl::IsInvalidArgument(events[0].status())) << line;
    EXPECT_TRUE(absl::StrContains(events[0].status().message(), "the standard"))
        << events[0].status();
  }
}

}  // namespace
}  // namespace ebb::tools
