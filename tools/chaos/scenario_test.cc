#include "tools/chaos/scenario.h"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/chaos/scenario_values.h"

namespace ebb::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Scenario MustRead(absl::string_view text) {
  const auto scenario = ReadScenario(text, "s.yaml");
  EXPECT_TRUE(scenario.ok()) << scenario.status();
  return scenario.ok() ? *scenario : Scenario{};
}

// The events of a scenario that has the one event.
std::vector<ChaosEvent> EventsOf(absl::string_view event) {
  return MustRead(absl::StrCat("name: n\nevents: [", event, "]\n")).events;
}

ChaosEvent OneEvent(absl::string_view event) {
  const std::vector<ChaosEvent> events = EventsOf(event);
  EXPECT_THAT(events, SizeIs(1));
  return events.size() == 1 ? events[0] : ChaosEvent{};
}

TEST(ScenarioTest, ReadsWhatTheClusterIs) {
  const Scenario scenario = MustRead(
      "name: worker killed\n"
      "about: its item is leased again\n"
      "workers: 3\n"
      "servers: 2\n"
      "compute: 20ms\n"
      "events:\n"
      "  - {at: 2s, kill: worker-1}\n");
  EXPECT_EQ(scenario.name, "worker killed");
  EXPECT_EQ(scenario.about, "its item is leased again");
  EXPECT_EQ(scenario.workers, 3);
  EXPECT_EQ(scenario.servers, 2);
  EXPECT_EQ(scenario.compute, absl::Milliseconds(20));
  EXPECT_THAT(scenario.events, SizeIs(1));
}

TEST(ScenarioTest, LeavesOpenWhatItDoesNotSay) {
  const Scenario scenario =
      MustRead("{name: n, events: [{at: 0s, drop: {between: all}}]}");
  EXPECT_THAT(scenario.about, IsEmpty());
  EXPECT_FALSE(scenario.workers.has_value());
  EXPECT_FALSE(scenario.servers.has_value());
  EXPECT_FALSE(scenario.compute.has_value());
}

TEST(ScenarioTest, ReadsVerbsOfDaemons) {
  const struct {
    const char* text;
    Op op;
    const char* target;
  } cases[] = {
      {"{at: 1s, add: worker}", Op::kAdd, "worker"},
      {"{at: 1s, add: worker-9}", Op::kAdd, "worker-9"},
      {"{at: 1s, remove: worker-0}", Op::kRemove, "worker-0"},
      {"{at: 1s, kill: scheduler}", Op::kKill, "scheduler"},
      {"{at: 1s, terminate: ps}", Op::kTerminate, "ps"},
      {"{at: 1s, stop: ps-1}", Op::kStop, "ps-1"},
      {"{at: 1s, continue: all}", Op::kContinue, "all"},
  };
  for (const auto& [text, op, target] : cases) {
    const ChaosEvent event = OneEvent(text);
    EXPECT_EQ(event.op, op) << text;
    EXPECT_EQ(event.target, target) << text;
    EXPECT_EQ(event.when.at, absl::Seconds(1)) << text;
    EXPECT_FALSE(event.when.progress.has_value()) << text;
    EXPECT_EQ(event.lasts, absl::InfiniteDuration()) << text;
  }
}

TEST(ScenarioTest, ReadsVerbsOfLinks) {
  const ChaosEvent split =
      OneEvent("{at: 1s, split: {between: worker-1, and: ps-0}, for: 2s}");
  EXPECT_EQ(split.op, Op::kSplit);
  EXPECT_EQ(split.link, (Link{"worker-1", "ps-0"}));
  EXPECT_EQ(split.lasts, absl::Seconds(2));

  const ChaosEvent drop = OneEvent("{at: 1s, drop: {between: scheduler}}");
  EXPECT_EQ(drop.op, Op::kDrop);
  EXPECT_EQ(drop.link, (Link{"scheduler", "all"}));

  const ChaosEvent delay =
      OneEvent("{at: 1s, delay: {between: worker, and: ps, by: 50ms}}");
  EXPECT_EQ(delay.op, Op::kDelay);
  EXPECT_EQ(delay.link, (Link{"worker", "ps"}));
  EXPECT_EQ(delay.delay, absl::Milliseconds(50));

  const ChaosEvent limit =
      OneEvent("{at: 1s, limit: {between: ps-1, rate: 10Mbit/s}}");
  EXPECT_EQ(limit.op, Op::kLimit);
  EXPECT_EQ(limit.bytes_per_second, 1'250'000);

  EXPECT_EQ(OneEvent("{at: 1s, heal: {between: all}}").op, Op::kHeal);
}

TEST(ScenarioTest, ReadsWhatAilsAMachine) {
  const ChaosEvent slow =
      OneEvent("{at: 1s, slow: worker-1, to: 0.1, for: 2s}");
  EXPECT_EQ(slow.op, Op::kSlow);
  EXPECT_EQ(slow.target, "worker-1");
  EXPECT_EQ(slow.share, 0.1);
  EXPECT_EQ(slow.lasts, absl::Seconds(2));
  const ChaosEvent full = OneEvent("{at: 1s, fill_disk: all, for: 2s}");
  EXPECT_EQ(full.op, Op::kFillDisk);
  EXPECT_EQ(full.lasts, absl::Seconds(2));
  EXPECT_EQ(OneEvent("{at: 1s, free_disk: ps}").op, Op::kFreeDisk);
  EXPECT_EQ(OneEvent("{at: 1s, damage: ps}").file, FileChoice::kAny);
  const ChaosEvent damage = OneEvent("{at: 1s, damage: ps-0, file: biggest}");
  EXPECT_EQ(damage.op, Op::kDamage);
  EXPECT_EQ(damage.target, "ps-0");
  EXPECT_EQ(damage.file, FileChoice::kBiggest);
  EXPECT_EQ(OneEvent("{at: 1s, lose: ps}").op, Op::kLose);
  EXPECT_EQ(OneEvent("{at: 1s, keep: ps-0}").op, Op::kKeep);
  EXPECT_EQ(OneEvent("{at: 1s, restore: scheduler}").op, Op::kRestore);
  EXPECT_EQ(OneEvent("{at: 1s, damage: ps, file: newest}").file,
            FileChoice::kNewest);
}

TEST(ScenarioTest, OnlyWhatIsTerminatedHasTimeUnasked) {
  EXPECT_EQ(OneEvent("{at: 1s, terminate: worker}").grace, kDefaultGrace);
  EXPECT_EQ(OneEvent("{at: 1s, terminate: worker, grace: 5s}").grace,
            absl::Seconds(5));
  EXPECT_EQ(OneEvent("{at: 1s, remove: worker}").grace, absl::ZeroDuration());
  EXPECT_EQ(OneEvent("{at: 1s, remove: worker, grace: 5s}").grace,
            absl::Seconds(5));
}

TEST(ScenarioTest, ReadsAShareOfTheJob) {
  const ChaosEvent event = OneEvent("{at: 12.5%, kill: worker}");
  ASSERT_TRUE(event.when.progress.has_value());
  EXPECT_DOUBLE_EQ(*event.when.progress, 0.125);
  EXPECT_EQ(OneEvent("{at: 99.5%, kill: worker}").when.progress, 0.995);
}

std::vector<std::string> TimesOf(absl::string_view event) {
  std::vector<std::string> times;
  for (const ChaosEvent& e : EventsOf(event)) {
    times.push_back(absl::FormatDuration(e.when.at));
  }
  return times;
}

TEST(ScenarioTest, RepeatsUntilAndAtMost) {
  EXPECT_THAT(TimesOf("{every: 3s, until: 9s, kill: worker}"),
              ElementsAre("0", "3s", "6s", "9s"));
  EXPECT_THAT(TimesOf("{at: 1s, every: 3s, until: 9s, kill: worker}"),
              ElementsAre("1s", "4s", "7s"));
  EXPECT_THAT(TimesOf("{at: 1s, every: 3s, times: 2, kill: worker}"),
              ElementsAre("1s", "4s"));
  EXPECT_THAT(TimesOf("{every: 3s, until: 9s, times: 2, kill: worker}"),
              ElementsAre("0", "3s"));
  EXPECT_THAT(TimesOf("{every: 3s, until: 3s, times: 9, kill: worker}"),
              ElementsAre("0", "3s"));
}

TEST(ScenarioTest, AWorkerMayBeNamedThatIsAddedByNumberOrNext) {
  MustRead(
      "{name: n, workers: 1, events: "
      "[{at: 1s, kill: worker-4}, {at: 2s, add: worker-4}]}");
  MustRead(
      "{name: n, workers: 1, events: "
      "[{at: 1s, add: worker}, {at: 2s, kill: worker-1}]}");
}

std::string Guide() {
  std::ifstream in("docs/chaos.md", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ScenarioTest, ReadsTheExampleOfTheGuide) {
  const std::string guide = Guide();
  constexpr absl::string_view kBegin = "```yaml\n";
  const size_t begin = guide.find(kBegin.data());
  ASSERT_NE(begin, guide.npos);
  const size_t first = begin + kBegin.size();
  const Scenario scenario =
      MustRead(guide.substr(first, guide.find("```", first) - first));
  EXPECT_THAT(scenario.events, SizeIs(12));  // Six, and six drops.
}

TEST(ScenarioTest, TheGuideHasEveryKey) {
  const std::string guide = Guide();
  const auto message = [](absl::string_view text) {
    return std::string(ReadScenario(text, "s.yaml").status().message());
  };
  // The reader says itself which keys it takes.
  for (const std::string& said :
       {message("{zzzzzz: 1}"), message("{name: n, events: [{zzzzzz: 1}]}")}) {
    constexpr absl::string_view kKeys = "hint: keys: ";
    const size_t begin = said.find(kKeys.data());
    ASSERT_NE(begin, said.npos) << said;
    const std::vector<std::string> keys =
        absl::StrSplit(said.substr(begin + kKeys.size()), ", ");
    EXPECT_GE(keys.size(), 6u);
    for (const std::string& key : keys) {
      EXPECT_TRUE(absl::StrContains(guide, absl::StrCat("`", key, "`")) ||
                  absl::StrContains(guide, absl::StrCat("| `", key, ": ")))
          << key;
    }
  }
}

TEST(ScenarioTest, StopsAfterAHundredMistakes) {
  std::string text = "name: n\nevents:\n";
  for (int i = 0; i < 1000; ++i) text += "  - {at: x, kill: y}\n";
  const auto scenario = ReadScenario(text, "s.yaml");
  const std::string why(scenario.status().message());
  EXPECT_THAT(why, HasSubstr("s.yaml:52:"));  // Two in each line from 3.
  EXPECT_THAT(why, testing::Not(HasSubstr("s.yaml:53:")));
}

TEST(ScenarioValuesTest, RatesAreOfBitsOrBytes) {
  EXPECT_EQ(ParseRate("8bit/s"), 1);
  EXPECT_EQ(ParseRate("8kbit/s"), 1000);
  EXPECT_EQ(ParseRate("10 Mbit/s"), 1'250'000);
  EXPECT_EQ(ParseRate("1Gbit/s"), 125'000'000);
  EXPECT_EQ(ParseRate("1B/s"), 1);
  EXPECT_EQ(ParseRate("2.5kB/s"), 2500);
  EXPECT_EQ(ParseRate("3MB/s"), 3'000'000);
  EXPECT_EQ(ParseRate("1000GB/s"), 1'000'000'000'000);
  for (const char* text :
       {"", "10", "bit/s", "10bit", "10MBit/s", "10mbit/s", "7bit/s", "0B/s",
        "-1B/s", "1e3B/s", "1001GB/s", "1.2.3B/s", "infB/s", "kB/s"}) {
    EXPECT_EQ(ParseRate(text), std::nullopt) << text;
  }
}

TEST(ScenarioValuesTest, SharesAreOfASpeed) {
  EXPECT_EQ(ParseShare("0.01"), 0.01);
  EXPECT_EQ(ParseShare("1"), 1);
  for (const char* wrong : {"0", "0.009", "1.1", "-0.5", "10%", "", "nan"}) {
    EXPECT_EQ(ParseShare(wrong), std::nullopt) << wrong;
  }
}

TEST(ScenarioValuesTest, PercentsAreSharesAndNotNegative) {
  EXPECT_EQ(ParsePercent("0%"), 0.0);
  EXPECT_EQ(ParsePercent("50%"), 0.5);
  EXPECT_EQ(ParsePercent("50 %"), 0.5);
  EXPECT_EQ(ParsePercent("200%"), 2.0);
  for (const char* text : {"", "%", "50", "-1%", "x%", "5%%"}) {
    EXPECT_EQ(ParsePercent(text), std::nullopt) << text;
  }
}

TEST(ScenarioValuesTest, SpansAreUpToAYear) {
  EXPECT_EQ(ParseSpan("0s"), absl::ZeroDuration());
  EXPECT_EQ(ParseSpan("1h30m"), absl::Minutes(90));
  EXPECT_EQ(ParseSpan("8760h"), kLongestSpan);
  for (const char* text : {"", "1", "-1s", "8761h", "inf", "1y"}) {
    EXPECT_EQ(ParseSpan(text), std::nullopt) << text;
  }
}

TEST(ScenarioValuesTest, DaemonsAreNamesAndRoles) {
  using Role = Daemons::Role;
  const struct {
    const char* text;
    Role role;
    std::optional<int> index;
  } good[] = {
      {"scheduler", Role::kScheduler, {}}, {"ps", Role::kServer, {}},
      {"ps-0", Role::kServer, 0},          {"worker", Role::kWorker, {}},
      {"worker-10", Role::kWorker, 10},    {"all", Role::kAll, {}},
  };
  for (const auto& [text, role, index] : good) {
    const auto daemons = ParseDaemons(text);
    ASSERT_TRUE(daemons.has_value()) << text;
    EXPECT_EQ(daemons->role, role) << text;
    EXPECT_EQ(daemons->index, index) << text;
  }
  for (const char* text :
       {"", "server", "ps-", "ps0", "ps--1", "ps-+1", "worker-01", "workers",
        "worker-99999999999", "scheduler-0", "all-1", "ps-1 "}) {
    EXPECT_FALSE(ParseDaemons(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ebb::chaos
