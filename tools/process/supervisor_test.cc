#include "tools/process/supervisor.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/process/child_process.h"
#include "tools/process/signals.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SupervisorTest : public ::testing::Test {
 protected:
  ProcessSpec Shell(const std::string& script) {
    return {.argv = {"/bin/sh", "-c", script}, .log = Log()};
  }
  std::string Log() { return folder_ / "log"; }
  std::string LogText() {
    std::ifstream in(Log());
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }

  // Polls until there is an event; the clock given to the supervisor is
  // `now_`.
  DaemonEvent NextEvent(Supervisor* supervisor) {
    if (!events_.empty()) return Pop();
    for (int i = 0; i < 5000 && events_.empty(); ++i) {
      events_ = supervisor->Poll(now_);
      usleep(1000);
    }
    return events_.empty() ? DaemonEvent{} : Pop();
  }
  // The death of a daemon that runs `script`, once it has said "up", after
  // `order`.
  template <typename Order>
  DaemonEvent DeathAfter(const std::string& script, const Order& order) {
    unlink(Log().c_str());
    Supervisor supervisor({});
    const absl::Status started =
        supervisor.Start("w", Shell(script), Shell(script), now_);
    EXPECT_TRUE(started.ok()) << started;
    AwaitLog("up");
    order(&supervisor);
    DaemonEvent event = NextEvent(&supervisor);
    EXPECT_EQ(event.kind, DaemonEvent::Kind::kDied);
    return event;
  }
  // Until the daemon has said so in its log.
  void AwaitLog(const std::string& text) {
    for (int i = 0; i < 5000 && LogText().find(text) == std::string::npos;
         ++i) {
      usleep(1000);
    }
  }
  DaemonEvent Pop() {
    DaemonEvent event = events_.front();
    events_.erase(events_.begin());
    return event;
  }

  const TestFolder folder_;
  absl::Time now_ = absl::UnixEpoch();
  std::vector<DaemonEvent> events_;
};

TEST_F(SupervisorTest, ProcessWritesToItsLogAndTellsHowItEnded) {
  auto child = ChildProcess::Start(
      {.argv = {"/bin/sh", "-c",
                "echo out; echo err >&2; pwd; echo $A; exit 3"},
       .log = Log(),
       .folder = "/",
       .environment = {"A=b c"}});
  ASSERT_TRUE(child.ok()) << child.status();
  while (!child->Poll()) usleep(1000);
  EXPECT_EQ(child->Poll()->exit_code, 3);
  EXPECT_EQ(child->Poll()->ToString(), "exited with 3");
  EXPECT_EQ(LogText(), "out\nerr\n/\nb c\n");
}

TEST_F(SupervisorTest, ProcessIsKilledWithItsOwner) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::Start(Shell("exec sleep 100"));
    ASSERT_TRUE(child.ok()) << child.status();
    pid = child->pid();
    EXPECT_EQ(kill(pid, 0), 0);
    EXPECT_NE(getpgid(pid), getpgid(0));
  }
  EXPECT_EQ(kill(pid, 0), -1);
}

TEST_F(SupervisorTest, ProgramThatIsNotThereIsAnError) {
  const auto child =
      ChildProcess::Start({.argv = {"/no/such/program"}, .log = Log()});
  EXPECT_EQ(child.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(child.status().ToString(), HasSubstr("/no/such/program"));
}

TEST_F(SupervisorTest, StartsAgainWhatDies) {
  Supervisor supervisor(RestartPolicy{.first_wait = absl::Seconds(1)});
  ASSERT_TRUE(
      supervisor.Start("w", Shell("exit 7"), Shell("exec sleep 100"), now_)
          .ok());
  DaemonEvent event = NextEvent(&supervisor);
  EXPECT_EQ(event.kind, DaemonEvent::Kind::kDied);
  EXPECT_EQ(event.daemon, "w");
  EXPECT_EQ(event.end.exit_code, 7);
  EXPECT_FALSE(event.told);
  EXPECT_FALSE(supervisor.Running("w"));
  EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(1));

  EXPECT_TRUE(supervisor.Poll(now_ + absl::Milliseconds(999)).empty());
  now_ += absl::Seconds(1);
  event = NextEvent(&supervisor);
  EXPECT_EQ(event.kind, DaemonEvent::Kind::kStarted);
  EXPECT_EQ(event.pid, supervisor.Pid("w"));
  EXPECT_TRUE(supervisor.Running("w"));
}

TEST_F(SupervisorTest, GivesUpWhatDiesAgainAndAgain) {
  Supervisor supervisor(RestartPolicy{.first_wait = absl::Seconds(1),
                                      .longest_wait = absl::Seconds(2),
                                      .most_short_lives = 3});
  ASSERT_TRUE(
      supervisor.Start("w", Shell("exit 1"), Shell("exit 1"), now_).ok());
  for (const int wait : {1, 2, 2}) {
    EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
    EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(wait));
    now_ = supervisor.NextDue();
    EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  }
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kGivenUp);
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

// Bug: one failure to start a process, as of a machine that has no room for one
// more just now, gave the daemon up.
TEST_F(SupervisorTest, StartsAgainWhatCannotBeStartedJustNow) {
  const std::string program = folder_ / "program";
  std::ofstream(program) << "#!/bin/sh\nexec sleep 100\n";
  chmod(program.c_str(), 0700);
  Supervisor supervisor(RestartPolicy{});
  const ProcessSpec spec{.argv = {program}, .log = Log()};
  ASSERT_TRUE(supervisor.Start("w", spec, spec, now_).ok());
  ASSERT_EQ(rename(program.c_str(), (program + ".away").c_str()), 0);
  ASSERT_TRUE(supervisor.Kill("w"));
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
  now_ = supervisor.NextDue();
  EXPECT_THAT(supervisor.Poll(now_), IsEmpty());
  EXPECT_EQ(supervisor.NextDue(), now_ + absl::Milliseconds(100));
  ASSERT_EQ(rename((program + ".away").c_str(), program.c_str()), 0);
  now_ = supervisor.NextDue();
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
}

TEST_F(SupervisorTest, GivesUpWhatCanNeverBeStarted) {
  Supervisor supervisor(RestartPolicy{});
  ASSERT_TRUE(supervisor
                  .Start("w", Shell("exit 1"),
                         {.argv = {"/no/such/program"}, .log = Log()}, now_)
                  .ok());
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
  std::vector<DaemonEvent> events;
  for (int i = 0; i < 100 && events.empty(); ++i) {
    now_ = supervisor.NextDue();
    events = supervisor.Poll(now_);
  }
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, DaemonEvent::Kind::kGivenUp);
  EXPECT_THAT(events[0].reason, HasSubstr("/no/such/program"));
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

TEST_F(SupervisorTest, AProcessMayHaveAnEnvironmentOfItsOwn) {
  ProcessSpec spec = Shell("echo \"$ONE $TWO $HOME.\"; exit 2");
  spec.environment = {"ONE=1"};
  // A shell takes the last of two values, and other programs the first.
  spec.base = {"ONE=2", "TWO=2"};
  Supervisor supervisor(RestartPolicy{});
  ASSERT_TRUE(supervisor.Start("w", spec, spec, now_).ok());
  EXPECT_EQ(NextEvent(&supervisor).end.exit_code, 2);
  EXPECT_EQ(LogText(), "1 2 .\n");
}

TEST_F(SupervisorTest, GivesUpAtOnceWhatRefusesToStart) {
  Supervisor supervisor(RestartPolicy{});
  ASSERT_TRUE(
      supervisor.Start("w", Shell("exit 2"), Shell("exit 2"), now_).ok());
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kGivenUp);
}

// Bug: a scheduler that was killed while its disk was full was given up at
// once.
TEST_F(SupervisorTest, WhatFindsNoRoomHasAMinute) {
  RestartPolicy policy;
  policy.most_short_lives = 2;
  Supervisor supervisor(policy);
  const std::string script = "exit " + std::to_string(policy.no_room);
  ASSERT_TRUE(supervisor.Start("w", Shell(script), Shell(script), now_).ok());
  int lives = 1;
  DaemonEvent event;
  for (;; ++lives) {
    event = NextEvent(&supervisor);
    ASSERT_EQ(event.kind, DaemonEvent::Kind::kDied);
    if (!events_.empty() || lives == 100) break;  // Given up.
    EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(1));
    now_ += absl::Seconds(1);
    event = NextEvent(&supervisor);
    ASSERT_EQ(event.kind, DaemonEvent::Kind::kStarted);
  }
  EXPECT_EQ(lives, 61);
  event = NextEvent(&supervisor);
  EXPECT_EQ(event.kind, DaemonEvent::Kind::kGivenUp);
  EXPECT_EQ(event.reason, "it could not begin for 1m");
}

// Bug: a server that read its checkpoint for a while, and then found no room,
// was started again for ever.
TEST_F(SupervisorTest, WhatFindsNoRoomAfterAWhileHasAMinute) {
  const RestartPolicy policy;
  Supervisor supervisor(policy);
  const std::string script = "exit " + std::to_string(policy.no_room);
  ASSERT_TRUE(supervisor.Start("w", Shell(script), Shell(script), now_).ok());
  int lives = 1;
  for (; lives < 100; ++lives) {
    now_ += 2 * policy.steady_life;
    ASSERT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
    if (!events_.empty()) break;  // Given up.
    now_ += absl::Seconds(1);
    ASSERT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  }
  EXPECT_EQ(lives, 7);
}

TEST_F(SupervisorTest, SignalsAreWaitedFor) {
  auto signals = SignalWaiter::Create();
  ASSERT_TRUE(signals.ok()) << signals.status();
  EXPECT_EQ(signals->Wait(absl::Milliseconds(1)).interrupts, 0);
  kill(getpid(), SIGTERM);
  EXPECT_EQ(signals->Wait(absl::Seconds(10)).interrupts, 1);
  auto child = ChildProcess::Start(Shell("exit 0"));
  ASSERT_TRUE(child.ok());
  EXPECT_TRUE(signals->Wait(absl::Seconds(10)).child);
}

// Bug: `nohup ebb run &` ended with the terminal.
TEST_F(SupervisorTest, IgnoredSignalsAreNotWaitedFor) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  auto signals = SignalWaiter::Create();
  ASSERT_TRUE(signals.ok()) << signals.status();
  kill(getpid(), SIGHUP);
  EXPECT_EQ(signals->Wait(absl::Milliseconds(50)).interrupts, 0);
  std::signal(SIGHUP, before);
}

TEST_F(SupervisorTest, AChildIgnoresWhatThisProcessIgnores) {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  auto child = ChildProcess::Start(Shell("kill -HUP $$; exit 7"));
  std::signal(SIGHUP, before);
  ASSERT_TRUE(child.ok()) << child.status();
  while (!child->Poll()) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(child->Poll()->exit_code, 7) << child->Poll()->ToString();
}

TEST_F(SupervisorTest, AChildCanBeAskedToEndThoughThisProcessIgnoresIt) {
  const auto before = std::signal(SIGTERM, SIG_IGN);
  auto child = ChildProcess::Start(Shell("exec sleep 100"));
  std::signal(SIGTERM, before);
  ASSERT_TRUE(child.ok()) << child.status();
  child->Signal(SIGTERM);
  while (!child->Poll()) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(child->Poll()->signal, SIGTERM);
}

TEST_F(SupervisorTest, DeathsByOrderAreToldAndNeverGivenUp) {
  Supervisor supervisor(
      RestartPolicy{.first_wait = absl::Seconds(1), .most_short_lives = 1});
  const ProcessSpec sleep = Shell("exec sleep 100");
  ASSERT_TRUE(supervisor.Start("w", sleep, sleep, now_).ok());
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(supervisor.Kill("w"));
    const DaemonEvent event = NextEvent(&supervisor);
    EXPECT_EQ(event.kind, DaemonEvent::Kind::kDied);
    EXPECT_TRUE(event.told);
    EXPECT_EQ(event.end.signal, SIGKILL);
    EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(1));
    now_ += absl::Seconds(1);
    EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  }
}

TEST_F(SupervisorTest, ALifeMayBeToldToKillItself) {
  Supervisor supervisor(RestartPolicy{.first_wait = absl::ZeroDuration()});
  const ProcessSpec sleep = Shell("exec sleep 100");
  ASSERT_TRUE(supervisor.Start("w", sleep, sleep, now_).ok());
  EXPECT_TRUE(supervisor.KillThenAt("w", Shell("kill -9 $$"), "here"));
  DaemonEvent event = NextEvent(&supervisor);
  EXPECT_TRUE(event.told);
  EXPECT_EQ(event.place, "");
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  event = NextEvent(&supervisor);
  EXPECT_EQ(event.kind, DaemonEvent::Kind::kDied);
  EXPECT_TRUE(event.told);
  EXPECT_TRUE(event.as_told);
  EXPECT_EQ(event.place, "here");
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  // The life after it is an ordinary one.
  kill(supervisor.Pid("w"), SIGKILL);
  event = NextEvent(&supervisor);
  EXPECT_FALSE(event.told);
  EXPECT_EQ(event.place, "");
}

TEST_F(SupervisorTest, WhatIsKilledMayStayAwayForAWhile) {
  Supervisor supervisor(RestartPolicy{.first_wait = absl::Seconds(1)});
  const ProcessSpec sleep = Shell("exec sleep 100");
  ASSERT_TRUE(supervisor.Start("w", sleep, sleep, now_).ok());
  EXPECT_TRUE(supervisor.Kill("w", now_ + absl::Seconds(60)));
  EXPECT_TRUE(NextEvent(&supervisor).as_told);
  EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(60));
  now_ += absl::Seconds(60);
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  // That was once.
  EXPECT_TRUE(supervisor.Kill("w"));
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
  EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(1));
}

TEST_F(SupervisorTest, StoppedDaemonsEndAndStayAway) {
  Supervisor supervisor(RestartPolicy{});
  const ProcessSpec drains = Shell(
      "trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.01; "
      "done");
  ASSERT_TRUE(supervisor.Start("w", drains, drains, now_).ok());
  while (LogText().empty()) usleep(1000);  // The trap is set.
  supervisor.Stop("w");
  const DaemonEvent event = NextEvent(&supervisor);
  EXPECT_EQ(event.kind, DaemonEvent::Kind::kDied);
  EXPECT_TRUE(event.told);
  EXPECT_TRUE(event.end.clean());
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
  EXPECT_FALSE(supervisor.Kill("w"));
  EXPECT_THAT(LogText(), HasSubstr("drained"));
}

TEST_F(SupervisorTest, WhoIsAskedToEndComesBack) {
  Supervisor supervisor({});
  const ProcessSpec asks =
      Shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
  ASSERT_TRUE(supervisor.Start("w", asks, asks, now_).ok());
  AwaitLog("up");
  EXPECT_TRUE(supervisor.Terminate("w", absl::InfiniteFuture()));
  const DaemonEvent died = NextEvent(&supervisor);
  EXPECT_TRUE(died.told && died.end.clean());
  now_ += absl::Seconds(1);
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
}

TEST_F(SupervisorTest, WhoDoesNotEndInTimeIsKilled) {
  Supervisor supervisor({});
  const ProcessSpec stays =
      Shell("trap '' TERM; echo up; while :; do sleep 0.02; done");
  ASSERT_TRUE(supervisor.Start("w", stays, stays, now_).ok());
  AwaitLog("up");
  supervisor.Stop("w", now_ + absl::Seconds(5));
  EXPECT_THAT(supervisor.Poll(now_ + absl::Seconds(4)), IsEmpty());
  EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(5));
  now_ += absl::Seconds(5);
  const DaemonEvent died = NextEvent(&supervisor);
  EXPECT_TRUE(died.told);
  EXPECT_TRUE(died.as_told);
  EXPECT_EQ(died.end.signal, SIGKILL);
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

// A daemon that crashed when it was asked to end passed for one that had ended
// as planned.
TEST_F(SupervisorTest, WhoIsAskedToEndEndsInGoodOrder) {
  const auto asked = [&](const std::string& then) {
    return DeathAfter(
        "trap '" + then +
            "' TERM; echo up; while :; do sleep "
            "0.01; done",
        [](Supervisor* supervisor) {
          EXPECT_TRUE(supervisor->Terminate("w", absl::InfiniteFuture()));
        });
  };
  EXPECT_TRUE(asked("exit 0").as_told);
  for (const char* bad : {"exit 3", "kill -SEGV $$", "kill -KILL $$"}) {
    const DaemonEvent event = asked(bad);
    EXPECT_TRUE(event.told) << bad;
    EXPECT_FALSE(event.as_told) << bad << ": " << event.end.ToString();
  }
}

TEST_F(SupervisorTest, WhoIsStoppedForGoodEndsInGoodOrderToo) {
  const auto stop = [](Supervisor* supervisor) { supervisor->Stop("w"); };
  const DaemonEvent crashed = DeathAfter(
      "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done", stop);
  EXPECT_TRUE(crashed.told);
  EXPECT_FALSE(crashed.as_told);
  // It was just starting, and had nothing to bring to an end.
  const DaemonEvent starting = DeathAfter("echo up; exec sleep 100", stop);
  EXPECT_EQ(starting.end.signal, SIGTERM);
  EXPECT_TRUE(starting.as_told);
}

TEST_F(SupervisorTest, WhoIsKilledEndsByThat) {
  const auto kill = [](Supervisor* supervisor) { supervisor->Kill("w"); };
  const auto remove = [](Supervisor* supervisor) { supervisor->Remove("w"); };
  EXPECT_TRUE(DeathAfter("echo up; exec sleep 100", kill).as_told);
  EXPECT_TRUE(DeathAfter("echo up; exec sleep 100", remove).as_told);
}

TEST_F(SupervisorTest, OrdersAreMetInTheirOwnWay) {
  const ProcessEnd clean, failed{.exit_code = 3};
  const ProcessEnd by_term{.signal = SIGTERM}, by_kill{.signal = SIGKILL};
  const ProcessEnd crashed{.signal = SIGSEGV};
  struct Case {
    Orders orders;
    bool clean, by_term, by_kill;
  };
  for (const Case& one : {
           Case{{}, false, false, false},
           Case{{.asked = true}, true, true, false},
           Case{{.killed = true}, false, false, true},
           Case{{.asked = true, .killed = true}, true, true, true},
           Case{{.at_place = true}, false, false, true},
       }) {
    const Orders& orders = one.orders;
    SCOPED_TRACE(testing::Message()
                 << orders.asked << orders.killed << orders.at_place);
    EXPECT_EQ(orders.MetBy(clean), one.clean);
    EXPECT_EQ(orders.MetBy(by_term), one.by_term);
    EXPECT_EQ(orders.MetBy(by_kill), one.by_kill);
    EXPECT_FALSE(orders.MetBy(failed));
    EXPECT_FALSE(orders.MetBy(crashed));
  }
}

// A worker that was leaving was asked again by the end of the run, and took
// that for: at once, with code 1.
TEST_F(SupervisorTest, NobodyIsAskedTwice) {
  Supervisor supervisor({});
  const ProcessSpec leaves = Shell(
      "trap 'trap \"exit 1\" TERM; echo leaves' TERM; trap 'exit 0' WINCH; "
      "echo up; while :; do sleep 0.01; done");
  ASSERT_TRUE(supervisor.Start("w", leaves, leaves, now_).ok());
  AwaitLog("up");
  EXPECT_TRUE(supervisor.Terminate("w", now_ + absl::Seconds(5)));
  AwaitLog("leaves");
  supervisor.Stop("w");
  EXPECT_EQ(supervisor.NextDue(), now_ + absl::Seconds(5));
  // A shell handles signals in the order of their numbers: a second SIGTERM
  // would go before.
  kill(supervisor.Pid("w"), SIGWINCH);
  const DaemonEvent died = NextEvent(&supervisor);
  EXPECT_TRUE(died.end.clean()) << died.end.ToString();
  EXPECT_TRUE(died.as_told);
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

TEST_F(SupervisorTest, AProgramIsAskedToEndWhateverElseItWasTold) {
  Supervisor supervisor({});
  const ProcessSpec saves = Shell(
      "trap 'echo saved' TERM; trap 'exit 3' INT; "
      "echo up; while :; do sleep 0.01; done");
  ASSERT_TRUE(supervisor.StartProgram("a", saves, now_).ok());
  AwaitLog("up");
  EXPECT_TRUE(supervisor.Signal("a", SIGTERM));
  AwaitLog("saved");
  supervisor.Stop("a");
  EXPECT_EQ(NextEvent(&supervisor).end.exit_code, 3);
}

TEST_F(SupervisorTest, NobodysOrderIsNotAsTold) {
  const auto nothing = [](Supervisor*) {};
  for (const char* end :
       {"exit 0", "exit 3", "kill -TERM $$", "kill -KILL $$"}) {
    const DaemonEvent event =
        DeathAfter(std::string("echo up; ") + end, nothing);
    EXPECT_FALSE(event.told) << end;
    EXPECT_FALSE(event.as_told) << end;
  }
}

TEST_F(SupervisorTest, AProgramIsDoneWithExitCodeZero) {
  Supervisor supervisor({});
  ASSERT_TRUE(supervisor.StartProgram("w", Shell("exit 0"), now_).ok());
  now_ += absl::Seconds(7);
  const DaemonEvent done = NextEvent(&supervisor);
  EXPECT_TRUE(done.finished);
  EXPECT_EQ(done.life, absl::Seconds(7));
  EXPECT_TRUE(supervisor.Finished("w"));
  EXPECT_FALSE(supervisor.Kept("w"));
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

// 2 and 5 are codes of daemons.
TEST_F(SupervisorTest, TheCodesOfAProgramAreItsOwn) {
  for (const char* end : {"exit 2", "exit 5", "exit 1"}) {
    Supervisor supervisor({});
    ASSERT_TRUE(supervisor.StartProgram("w", Shell(end), now_).ok());
    const DaemonEvent died = NextEvent(&supervisor);
    EXPECT_EQ(died.kind, DaemonEvent::Kind::kDied) << end;
    EXPECT_FALSE(died.finished) << end;
    EXPECT_FALSE(supervisor.Finished("w")) << end;
    EXPECT_EQ(supervisor.NextDue(), now_ + absl::Milliseconds(50)) << end;
  }
}

TEST_F(SupervisorTest, AProgramIsAskedAsByCtrlC) {
  Supervisor supervisor({});
  const ProcessSpec asks = Shell(
      "trap 'echo interrupted; exit 9' INT; echo up; "
      "while :; do sleep 0.01; done");
  ASSERT_TRUE(supervisor.StartProgram("w", asks, now_).ok());
  AwaitLog("up");
  EXPECT_TRUE(supervisor.Pids().empty());
  supervisor.Stop("w");
  const DaemonEvent died = NextEvent(&supervisor);
  EXPECT_EQ(died.end.exit_code, 9);
  EXPECT_TRUE(died.as_told);
  EXPECT_THAT(LogText(), HasSubstr("interrupted"));
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

TEST_F(SupervisorTest, WhoIsRemovedIsKilledForGood) {
  Supervisor supervisor({});
  ASSERT_TRUE(
      supervisor.Start("w", Shell("sleep 60"), Shell("sleep 60"), now_).ok());
  EXPECT_TRUE(supervisor.Freeze("w"));
  supervisor.Remove("w");
  const DaemonEvent died = NextEvent(&supervisor);
  EXPECT_TRUE(died.told);
  EXPECT_EQ(died.end.signal, SIGKILL);
  EXPECT_EQ(supervisor.NextDue(), absl::InfiniteFuture());
}

TEST_F(SupervisorTest, OneThatStandsStillHearsThatItIsToEnd) {
  Supervisor supervisor({});
  const ProcessSpec asks =
      Shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
  ASSERT_TRUE(supervisor.Start("w", asks, asks, now_).ok());
  AwaitLog("up");
  EXPECT_TRUE(supervisor.Freeze("w"));
  supervisor.Stop("w");
  EXPECT_TRUE(NextEvent(&supervisor).end.clean());
  EXPECT_FALSE(supervisor.Thaw("w"));
}

TEST_F(SupervisorTest, ADeathBeforeTheOrderWasNotTold) {
  Supervisor supervisor(RestartPolicy{});
  ASSERT_TRUE(
      supervisor.Start("w", Shell("exit 5"), Shell("exit 5"), now_).ok());
  while (kill(supervisor.Pid("w"), 0) == 0) {
    // A zombie still takes signals: look at its state instead.
    std::ifstream stat("/proc/" + std::to_string(supervisor.Pid("w")) +
                       "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)),
                     std::istreambuf_iterator<char>());
    if (text.find(") Z ") != std::string::npos) break;
    usleep(1000);
  }
  supervisor.Stop("w");
  const DaemonEvent event = NextEvent(&supervisor);
  EXPECT_EQ(event.kind, DaemonEvent::Kind::kDied);
  EXPECT_FALSE(event.told);
}

TEST_F(SupervisorTest, ALaterLifeMayBeAnother) {
  Supervisor supervisor(RestartPolicy{});
  const ProcessSpec first = Shell("kill -9 $$");
  ASSERT_TRUE(supervisor.Start("one", first, first, now_).ok());
  supervisor.SetLater("one", Shell("echo another; exit 2"));
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kDied);
  EXPECT_TRUE(supervisor.Kept("one"));  // It is about to come back.
  now_ += absl::Seconds(1);
  EXPECT_EQ(NextEvent(&supervisor).kind, DaemonEvent::Kind::kStarted);
  EXPECT_EQ(NextEvent(&supervisor).end.exit_code, 2);
  EXPECT_EQ(LogText(), "another\n");
  supervisor.Stop("one");
  EXPECT_FALSE(supervisor.Kept("one"));
  EXPECT_FALSE(supervisor.Kept("two"));
}

}  // namespace
}  // namespace ebb::tools
