#include "tools/chaos/plan.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kThere = {"scheduler", "ps-0",     "ps-1",
                                         "worker-0",  "worker-1", "worker-2"};

ChaosEvent At(absl::Duration at, Op op, std::string target) {
  ChaosEvent event;
  event.when.at = at;
  event.op = op;
  event.target = std::move(target);
  return event;
}

ChaosEvent AtProgress(double progress, Op op, std::string target) {
  ChaosEvent event = At(absl::ZeroDuration(), op, std::move(target));
  event.when.progress = progress;
  return event;
}

ChaosEvent LinkAt(absl::Duration at, Op op, Link link) {
  ChaosEvent event = At(at, op, "");
  event.link = std::move(link);
  return event;
}

ChaosEvent For(absl::Duration lasts, ChaosEvent event) {
  event.lasts = lasts;
  return event;
}

std::string OpName(Op op) {
  switch (op) {
    case Op::kAdd:
      return "add";
    case Op::kRemove:
      return "remove";
    case Op::kKill:
      return "kill";
    case Op::kTerminate:
      return "terminate";
    case Op::kStop:
      return "stop";
    case Op::kContinue:
      return "continue";
    case Op::kSlow:
      return "slow";
    case Op::kFillDisk:
      return "fill_disk";
    case Op::kFreeDisk:
      return "free_disk";
    case Op::kDamage:
      return "damage";
    case Op::kLose:
      return "lose";
    case Op::kKeep:
      return "keep";
    case Op::kRestore:
      return "restore";
    case Op::kSplit:
      return "split";
    case Op::kDrop:
      return "drop";
    case Op::kDelay:
      return "delay";
    case Op::kLimit:
      return "limit";
    case Op::kHeal:
      return "heal";
  }
  return "?";
}

// "kill ps-0", "split worker-1~ps-0", "undo: continue ps-0".
std::vector<std::string> Said(const std::vector<Disturb>& disturbs) {
  std::vector<std::string> said;
  for (const Disturb& disturb : disturbs) {
    said.push_back(
        absl::StrCat(disturb.undoes ? "undo: " : "", OpName(disturb.op), " ",
                     disturb.daemons.empty()
                         ? absl::StrCat(disturb.link.a, "~", disturb.link.b)
                         : absl::StrJoin(disturb.daemons, " ")));
  }
  return said;
}

// By time alone, with everybody there.
std::vector<std::string> DueAt(ChaosPlan& plan, absl::Duration elapsed) {
  return Said(plan.Due(elapsed, 0, kThere));
}

TEST(ChaosPlanTest, EventsAreDueOnceInTheOrderOfTheirTimes) {
  ChaosPlan plan({At(absl::Seconds(3), Op::kKill, "ps-0"),
                  At(absl::Seconds(1), Op::kKill, "worker-0"),
                  At(absl::Seconds(2), Op::kKill, "scheduler")},
                 1);
  EXPECT_EQ(plan.NextDue(), absl::Seconds(1));
  EXPECT_THAT(DueAt(plan, absl::Milliseconds(999)), IsEmpty());
  EXPECT_THAT(DueAt(plan, absl::Seconds(2)),
              ElementsAre("kill worker-0", "kill scheduler"));
  EXPECT_EQ(plan.NextDue(), absl::Seconds(3));
  EXPECT_FALSE(plan.done());
  EXPECT_THAT(DueAt(plan, absl::Seconds(9)), ElementsAre("kill ps-0"));
  EXPECT_TRUE(plan.done());
  EXPECT_EQ(plan.NextDue(), absl::InfiniteDuration());
  EXPECT_THAT(DueAt(plan, absl::Seconds(99)), IsEmpty());
}

TEST(ChaosPlanTest, AnEventMayComeLater) {
  ChaosPlan plan({}, 1);
  EXPECT_TRUE(plan.done());
  plan.Add(At(absl::Seconds(2), Op::kKill, "ps-0"));
  EXPECT_FALSE(plan.all_begun());
  EXPECT_TRUE(plan.Due(absl::Seconds(1), 0, kThere).empty());
  const auto due = plan.Due(absl::Seconds(2), 0, kThere);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_THAT(due[0].daemons, ElementsAre("ps-0"));
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, EqualTimesKeepTheirOrder) {
  std::vector<ChaosEvent> events;
  std::vector<std::string> expected;
  for (const char* daemon : {"worker-2", "ps-1", "worker-0", "scheduler"}) {
    events.push_back(At(absl::Seconds(1), Op::kKill, daemon));
    expected.push_back(absl::StrCat("kill ", daemon));
  }
  ChaosPlan plan(events, 1);
  EXPECT_EQ(DueAt(plan, absl::Seconds(1)), expected);
}

TEST(ChaosPlanTest, CarriesWhatAnEventSays) {
  ChaosEvent remove = At(absl::Seconds(1), Op::kRemove, "worker-0");
  remove.grace = absl::Seconds(5);
  ChaosEvent delay = LinkAt(absl::Seconds(1), Op::kDelay, {"worker-1", "ps-0"});
  delay.delay = absl::Milliseconds(50);
  ChaosEvent limit = LinkAt(absl::Seconds(1), Op::kLimit, {"ps-0"});
  limit.bytes_per_second = 1000;
  ChaosPlan plan({remove, delay, limit}, 1);

  const auto due = plan.Due(absl::Seconds(1), 0, kThere);

  ASSERT_EQ(due.size(), 3u);
  EXPECT_EQ(due[0].grace, absl::Seconds(5));
  EXPECT_EQ(due[1].delay, absl::Milliseconds(50));
  EXPECT_EQ(due[1].link, (Link{"worker-1", "ps-0"}));
  EXPECT_EQ(due[2].bytes_per_second, 1000);
  EXPECT_EQ(due[2].link, (Link{"ps-0", "all"}));
}

TEST(ChaosPlanTest, ProgressGoesBeforeTime) {
  ChaosPlan plan({AtProgress(0.5, Op::kKill, "ps-0"),
                  AtProgress(0.3, Op::kKill, "worker-0"),
                  AtProgress(0.3, Op::kKill, "ps-1")},
                 1);
  EXPECT_EQ(plan.NextDue(), absl::InfiniteDuration());
  EXPECT_THAT(plan.Due(absl::Hours(1), 0.29, kThere), IsEmpty());
  EXPECT_THAT(Said(plan.Due(absl::Hours(1), 0.3, kThere)),
              ElementsAre("kill worker-0", "kill ps-1"));
  EXPECT_FALSE(plan.done());
  EXPECT_THAT(Said(plan.Due(absl::Hours(1), 1, kThere)),
              ElementsAre("kill ps-0"));
  EXPECT_TRUE(plan.done());
}

// --- What lasts -------------------------------------------------------------

TEST(ChaosPlanTest, WhatLastsIsUndone) {
  ChaosPlan plan(
      {For(absl::Seconds(2), At(absl::Seconds(3), Op::kStop, "ps-0")),
       For(absl::Seconds(1),
           LinkAt(absl::Seconds(3), Op::kSplit, {"worker-1", "ps-0"}))},
      1);
  EXPECT_THAT(DueAt(plan, absl::Seconds(3)),
              ElementsAre("stop ps-0", "split worker-1~ps-0"));
  EXPECT_EQ(plan.NextDue(), absl::Seconds(4));
  EXPECT_THAT(DueAt(plan, absl::Seconds(4)),
              ElementsAre("undo: heal worker-1~ps-0"));
  EXPECT_FALSE(plan.done());
  EXPECT_THAT(DueAt(plan, absl::Seconds(5)),
              ElementsAre("undo: continue ps-0"));
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, WhatBeginsLateLastsAsLong) {
  ChaosPlan plan(
      {For(absl::Seconds(2), At(absl::Seconds(3), Op::kStop, "ps-0"))}, 1);
  EXPECT_THAT(DueAt(plan, absl::Seconds(10)), ElementsAre("stop ps-0"));
  EXPECT_THAT(DueAt(plan, absl::Milliseconds(11'999)), IsEmpty());
  EXPECT_THAT(DueAt(plan, absl::Seconds(12)),
              ElementsAre("undo: continue ps-0"));
}

TEST(ChaosPlanTest, TheDaemonThatWasDrawnIsContinued) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    ChaosPlan plan(
        {For(absl::Seconds(2), At(absl::Seconds(1), Op::kStop, "worker")),
         For(absl::Seconds(2),
             LinkAt(absl::Seconds(1), Op::kDelay, {"worker", "ps"}))},
        seed);
    const auto begun = plan.Due(absl::Seconds(1), 0, kThere);
    // Others are there by then.
    const auto ended = plan.Due(absl::Seconds(3), 0, {"ps-7", "worker-7"});
    ASSERT_EQ(begun.size(), 2u);
    ASSERT_EQ(ended.size(), 2u);
    EXPECT_EQ(ended[0].daemons, begun[0].daemons);
    EXPECT_EQ(ended[1].link, begun[1].link);
  }
}

TEST(ChaosPlanTest, ALaterOneTakesThePlaceOfTheFormer) {
  ChaosPlan plan(
      {For(absl::Seconds(4), At(absl::Seconds(1), Op::kStop, "ps-0")),
       For(absl::Seconds(4), At(absl::Seconds(3), Op::kStop, "ps-0")),
       For(absl::Seconds(4),
           LinkAt(absl::Seconds(1), Op::kDelay, {"worker-0", "ps-0"})),
       For(absl::Seconds(4),
           LinkAt(absl::Seconds(3), Op::kSplit, {"ps-0", "worker-0"}))},
      1);
  DueAt(plan, absl::Seconds(1));
  DueAt(plan, absl::Seconds(3));
  EXPECT_THAT(DueAt(plan, absl::Seconds(6)), IsEmpty());
  EXPECT_THAT(DueAt(plan, absl::Seconds(7)),
              ElementsAre("undo: continue ps-0", "undo: heal ps-0~worker-0"));
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, AnotherLinkOrADropLeavesTheFormer) {
  ChaosPlan plan({For(absl::Seconds(4), LinkAt(absl::Seconds(1), Op::kSplit,
                                               {"worker-0", "ps-0"})),
                  LinkAt(absl::Seconds(2), Op::kDrop, {"worker-0", "ps-0"}),
                  LinkAt(absl::Seconds(2), Op::kLimit, {"worker-0", "ps-1"})},
                 1);
  DueAt(plan, absl::Seconds(2));
  EXPECT_EQ(plan.NextDue(), absl::Seconds(6));  // It began at 2.
}

TEST(ChaosPlanTest, AtEqualTimesTheFormerEndsFirst) {
  ChaosPlan plan(
      {For(absl::Seconds(2), At(absl::Seconds(1), Op::kStop, "ps-0")),
       For(absl::Seconds(2), At(absl::Seconds(3), Op::kStop, "ps-0"))},
      1);
  DueAt(plan, absl::Seconds(1));
  EXPECT_THAT(DueAt(plan, absl::Seconds(3)),
              ElementsAre("undo: continue ps-0", "stop ps-0"));
}

TEST(ChaosPlanTest, WhatIsKilledIsNotContinued) {
  for (const Op op : {Op::kKill, Op::kRemove, Op::kContinue}) {
    ChaosPlan plan(
        {For(absl::Seconds(4), At(absl::Seconds(1), Op::kStop, "all")),
         At(absl::Seconds(2), op, "ps-0")},
        1);
    plan.Due(absl::Seconds(1), 0, {"ps-0", "ps-1"});
    plan.Due(absl::Seconds(2), 0, {"ps-0", "ps-1"});
    EXPECT_THAT(DueAt(plan, absl::Seconds(5)),
                ElementsAre("undo: continue ps-1"));
    EXPECT_TRUE(plan.done());
  }
}

// A stopped process takes notice of SIGTERM once it is continued.
TEST(ChaosPlanTest, WhatIsKilledIsAwayForAsLongAsSaid) {
  ChaosPlan plan(
      {For(absl::Seconds(5), At(absl::Seconds(1), Op::kKill, "ps-0")),
       At(absl::Seconds(1), Op::kKill, "ps-1")},
      1);
  const auto due = plan.Due(absl::Seconds(1), 0, kThere);
  ASSERT_EQ(due.size(), 2u);
  EXPECT_EQ(due[0].away, absl::Seconds(5));
  EXPECT_EQ(due[1].away, absl::ZeroDuration());
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, WhatIsTerminatedIsContinued) {
  ChaosPlan plan(
      {For(absl::Seconds(4), At(absl::Seconds(1), Op::kStop, "ps-0")),
       At(absl::Seconds(2), Op::kTerminate, "ps-0")},
      1);
  DueAt(plan, absl::Seconds(1));
  DueAt(plan, absl::Seconds(2));
  EXPECT_THAT(DueAt(plan, absl::Seconds(5)),
              ElementsAre("undo: continue ps-0"));
}

// --- Whom it means ----------------------------------------------------------

TEST(ChaosPlanTest, ASlowMachineOrAFullDiskOutlivesItsDaemon) {
  ChaosEvent slow = At(absl::Seconds(1), Op::kSlow, "ps-0");
  slow.share = 0.25;
  ChaosPlan plan(
      {For(absl::Seconds(5), slow),
       For(absl::Seconds(6), At(absl::Seconds(1), Op::kFillDisk, "ps-0")),
       For(absl::Seconds(7), At(absl::Seconds(1), Op::kStop, "ps-0")),
       At(absl::Seconds(2), Op::kKill, "ps-0")},
      1);
  const auto begun = plan.Due(absl::Seconds(1), 0, kThere);
  ASSERT_EQ(begun.size(), 3u);
  EXPECT_EQ(begun[0].share, 0.25);
  EXPECT_THAT(DueAt(plan, absl::Seconds(2)), ElementsAre("kill ps-0"));
  const auto over = plan.Due(absl::Seconds(6), 0, kThere);
  EXPECT_THAT(Said(over), ElementsAre("undo: slow ps-0"));
  EXPECT_EQ(over[0].share, 1);
  EXPECT_THAT(DueAt(plan, absl::Seconds(9)),
              ElementsAre("undo: free_disk ps-0"));
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, OnlyItsLikeTakesThePlaceOfWhatAilsAMachine) {
  ChaosPlan plan(
      {For(absl::Seconds(4), At(absl::Seconds(1), Op::kSlow, "ps-0")),
       For(absl::Seconds(5), At(absl::Seconds(1), Op::kFillDisk, "ps-0")),
       At(absl::Seconds(2), Op::kStop, "ps-0"),
       At(absl::Seconds(2), Op::kContinue, "ps-0"),
       At(absl::Seconds(3), Op::kFreeDisk, "ps-0"),
       For(absl::Seconds(9), At(absl::Seconds(4), Op::kSlow, "ps-0"))},
      1);
  DueAt(plan, absl::Seconds(4));
  EXPECT_THAT(DueAt(plan, absl::Seconds(12)), IsEmpty());
  EXPECT_THAT(DueAt(plan, absl::Seconds(13)), ElementsAre("undo: slow ps-0"));
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, WhatIsDamagedIsDrawnFromTheSeedAndThePlace) {
  ChaosEvent damage = At(absl::Seconds(1), Op::kDamage, "ps-0");
  damage.file = FileChoice::kNewest;
  const auto draws = [&](uint64_t seed) {
    ChaosPlan plan({damage, damage}, seed);
    const auto due = plan.Due(absl::Seconds(1), 0, kThere);
    EXPECT_EQ(due.at(0).file, FileChoice::kNewest);
    return std::pair(due.at(0).draw, due.at(1).draw);
  };
  EXPECT_EQ(draws(1), draws(1));
  EXPECT_NE(draws(1).first, draws(2).first);
  EXPECT_NE(draws(1).first, draws(1).second);
}

TEST(ChaosPlanTest, TheSeedDecidesWhoIsDrawn) {
  const auto drawn = [](uint64_t seed) {
    std::vector<ChaosEvent> events;
    for (int i = 0; i < 20; ++i) {
      events.push_back(At(absl::Seconds(i), Op::kKill, "worker"));
    }
    ChaosPlan plan(events, seed);
    return DueAt(plan, absl::Seconds(20));
  };
  EXPECT_EQ(drawn(1), drawn(1));
  EXPECT_NE(drawn(1), drawn(2));
  const auto once = drawn(1);
  EXPECT_EQ(std::set<std::string>(once.begin(), once.end()),
            (std::set<std::string>{"kill worker-0", "kill worker-1",
                                   "kill worker-2"}));
}

TEST(ChaosPlanTest, ADrawDependsOnNeitherOrderNorOtherEvents) {
  std::vector<ChaosEvent> events;
  for (int i = 0; i < 8; ++i) {
    events.push_back(i % 2 == 0
                         ? At(absl::Seconds(i), Op::kKill, "worker")
                         : AtProgress(0.1 * i, Op::kTerminate, "worker"));
  }
  ChaosPlan fast(events, 1);
  ChaosPlan slow(events, 1);
  auto first = DueAt(slow, absl::Seconds(8));
  for (const Disturb& d : slow.Due(
           absl::Seconds(8), 1, {"worker-2", "worker-0", "ps-0", "worker-1"})) {
    first.push_back(absl::StrCat("terminate ", d.daemons[0]));
  }
  auto second = Said(fast.Due(absl::Seconds(0), 1, kThere));
  for (const std::string& said : DueAt(fast, absl::Seconds(8))) {
    second.push_back(said);
  }
  EXPECT_THAT(second, testing::UnorderedElementsAreArray(first));
}

TEST(ChaosPlanTest, WaitsWhileNobodyOfTheRoleIsThere) {
  ChaosPlan plan({At(absl::Seconds(1), Op::kKill, "worker"),
                  At(absl::Seconds(1), Op::kKill, "ps"),
                  LinkAt(absl::Seconds(1), Op::kDrop, {"ps", "worker"}),
                  At(absl::Seconds(2), Op::kKill, "scheduler")},
                 1);
  EXPECT_THAT(Said(plan.Due(absl::Seconds(1), 0, {"ps-0", "scheduler"})),
              ElementsAre("kill ps-0"));
  EXPECT_EQ(plan.NextDue(), absl::Seconds(2));
  EXPECT_THAT(
      Said(plan.Due(absl::Seconds(2), 0, {"ps-0", "scheduler", "worker-4"})),
      ElementsAre("kill worker-4", "drop ps-0~worker-4", "kill scheduler"));
  EXPECT_TRUE(plan.done());
}

TEST(ChaosPlanTest, AllWaitsWhileNobodyIsThereAtAll) {
  ChaosPlan plan({At(absl::Seconds(1), Op::kKill, "all")}, 1);
  EXPECT_THAT(plan.Due(absl::Seconds(1), 0, {}), IsEmpty());
  EXPECT_FALSE(plan.done());
  EXPECT_THAT(Said(plan.Due(absl::Seconds(2), 0, {"worker-0", "ps-0"})),
              ElementsAre("kill ps-0 worker-0"));
}

TEST(ChaosPlanTest, WhoIsNamedIsDisturbedThereOrNot) {
  ChaosPlan plan({At(absl::Seconds(1), Op::kRemove, "worker-9"),
                  LinkAt(absl::Seconds(1), Op::kSplit, {"all", "ps-9"})},
                 1);
  EXPECT_THAT(Said(plan.Due(absl::Seconds(1), 0, {})),
              ElementsAre("remove worker-9", "split all~ps-9"));
}

TEST(ChaosPlanTest, ALinkOfOneRoleHasTwoEnds) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    ChaosPlan plan({LinkAt(absl::Seconds(1), Op::kDrop, {"ps", "ps"}),
                    LinkAt(absl::Seconds(1), Op::kDrop, {"ps", "ps-0"})},
                   seed);
    const auto due = plan.Due(absl::Seconds(1), 0, kThere);
    ASSERT_EQ(due.size(), 2u);
    EXPECT_NE(due[0].link.a, due[0].link.b);
    EXPECT_EQ(due[1].link, (Link{"ps-1", "ps-0"}));
  }
  ChaosPlan plan({LinkAt(absl::Seconds(1), Op::kDrop, {"ps", "ps"})}, 1);
  EXPECT_THAT(plan.Due(absl::Seconds(1), 0, {"ps-0"}), IsEmpty());
  EXPECT_FALSE(plan.done());
}

TEST(ChaosPlanTest, AddsWorkersThatWereNeverThere) {
  ChaosPlan plan({At(absl::Seconds(1), Op::kAdd, "worker"),
                  At(absl::Seconds(2), Op::kAdd, "worker"),
                  At(absl::Seconds(3), Op::kAdd, "worker-5"),
                  At(absl::Seconds(4), Op::kAdd, "worker-0")},
                 1);
  EXPECT_THAT(DueAt(plan, absl::Seconds(1)), ElementsAre("add worker-6"));
  // What was there once is not taken, nor what was added before it is there.
  EXPECT_THAT(Said(plan.Due(absl::Seconds(2), 0, {"worker-9"})),
              ElementsAre("add worker-10"));
  EXPECT_THAT(Said(plan.Due(absl::Seconds(4), 0, {})),
              ElementsAre("add worker-5", "add worker-0"));
}

TEST(ChaosPlanTest, KnowsWhetherItTouchesTheNetwork) {
  EXPECT_FALSE(ChaosPlan({}, 1).TouchesNetwork());
  EXPECT_TRUE(ChaosPlan({}, 1).done());
  EXPECT_FALSE(
      ChaosPlan(
          {For(absl::Seconds(1), At(absl::Seconds(1), Op::kStop, "ps-0"))}, 1)
          .TouchesNetwork());
  for (const Op op :
       {Op::kSplit, Op::kDrop, Op::kDelay, Op::kLimit, Op::kHeal}) {
    ChaosPlan plan({LinkAt(absl::Seconds(1), op, {"all"})}, 1);
    EXPECT_TRUE(plan.TouchesNetwork());
    DueAt(plan, absl::Seconds(1));
    EXPECT_TRUE(plan.TouchesNetwork());
  }
}

}  // namespace
}  // namespace ebb::chaos
