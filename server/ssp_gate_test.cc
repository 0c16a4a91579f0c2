#include "server/ssp_gate.h"

#include <gtest/gtest.h>

namespace ebb::server {
namespace {

constexpr SessionId kAnn(1), kBob(2), kCid(3);

ViewUpdate View(uint64_t number, std::vector<ViewMember> members) {
  ViewUpdate view;
  view.number = ViewNumber(number);
  view.members = std::move(members);
  return view;
}

WorkerStamp Stamp(SessionId worker, uint64_t joined, int64_t clock) {
  return {worker, ViewNumber(joined), clock};
}

class SspGateTest : public testing::Test {
 protected:
  SspGateTest() {
    gate_.SetView(
        View(5, {{kAnn, ViewNumber(4), 0}, {kBob, ViewNumber(5), 0}}));
  }
  SspGate::Answer Ask(const WorkerStamp& stamp, int64_t target,
                      int64_t bound = 2) const {
    return gate_.Ask(stamp, target, bound);
  }

  SspGate gate_;
};

// Ho et al. 2013, section 2: a worker at clock c may be at most s ahead of the
// slowest.
TEST_F(SspGateTest, OpensWhileTheSlowestIsWithinTheBound) {
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 2), 2), SspGate::Answer::kOpen);
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 3), 3), SspGate::Answer::kClosed);
  gate_.Learn(Stamp(kAnn, 4, 3));
  gate_.Learn(Stamp(kBob, 5, 1));
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 3), 3), SspGate::Answer::kOpen);
}

TEST_F(SspGateTest, EachQuestionHasItsBound) {
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 3), 3, 2), SspGate::Answer::kClosed);
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 3), 3, 3), SspGate::Answer::kOpen);
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 3), 3, 0), SspGate::Answer::kClosed);
}

TEST_F(SspGateTest, TheLargestClockOfAWorkerCounts) {
  gate_.Learn(Stamp(kAnn, 4, 3));
  gate_.Learn(Stamp(kBob, 5, 2));
  gate_.Learn(Stamp(kBob, 5, 1));
  EXPECT_EQ(gate_.min_clock(), 2);
}

TEST_F(SspGateTest, AViewWithoutADeadWorkerReleasesTheOthers) {
  gate_.Learn(Stamp(kAnn, 4, 9));
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 9), 9), SspGate::Answer::kClosed);
  gate_.SetView(View(6, {{kAnn, ViewNumber(4), 0}}));
  EXPECT_EQ(Ask(Stamp(kAnn, 4, 9), 9), SspGate::Answer::kOpen);
}

TEST_F(SspGateTest, AClockOfAnEarlierMembershipDoesNotCount) {
  gate_.SetView(View(7, {{kAnn, ViewNumber(4), 0}, {kBob, ViewNumber(7), 1}}));
  gate_.Learn(Stamp(kAnn, 4, 5));
  gate_.Learn(Stamp(kBob, 5, 50));  // From before it left and came back.
  EXPECT_EQ(gate_.min_clock(), 1);
  EXPECT_EQ(Ask(Stamp(kBob, 5, 50), 1), SspGate::Answer::kNotInView);
}

TEST_F(SspGateTest, AnUnknownViewIsToldFromAnUnknownWorker) {
  EXPECT_EQ(Ask(Stamp(kCid, 9, 0), 0), SspGate::Answer::kUnknownView);
  EXPECT_EQ(Ask(Stamp(kCid, 3, 0), 0), SspGate::Answer::kNotInView);
}

TEST_F(SspGateTest, AnOlderViewIsIgnored) {
  EXPECT_FALSE(gate_.SetView(View(4, {})));
  EXPECT_EQ(gate_.view(), ViewNumber(5));
  EXPECT_TRUE(gate_.SetView(View(6, {})));
}

}  // namespace
}  // namespace ebb::server
