#include "tools/ebb/run/program_ends.h"

#include <signal.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

ProgramEnd Exit(int code) {
  ProgramEnd end{.program = "worker-0", .has_job = true};
  end.end.exit_code = code;
  return end;
}

ProgramEnd Killed(int signal) {
  ProgramEnd end{.program = "worker-0", .has_job = true};
  end.end.signal = signal;
  return end;
}

TEST(ProgramEndsTest, WordsAreThoseOfThePythonPackage) {
  EXPECT_EQ(ProgramEndText(Exit(3).end), "ended with exit code 3");
  EXPECT_EQ(ProgramEndText(Killed(SIGKILL).end), "was ended by SIGKILL");
  EXPECT_EQ(ProgramEndText(Killed(SIGSEGV).end), "was ended by SIGSEGV");
}

TEST(ProgramEndsTest, ThreeFailuresInARowEndTheRun) {
  ProgramEnds ends;
  EXPECT_FALSE(ends.EndsRun(Exit(1)));
  EXPECT_FALSE(ends.EndsRun(Exit(1)));
  ProgramEnd other = Exit(1);
  other.program = "worker-1";
  EXPECT_FALSE(ends.EndsRun(other));
  EXPECT_TRUE(ends.EndsRun(Exit(1)));
}

// Bug: a run ended by the death with which the scheduler found the batch.
TEST(ProgramEndsTest, DeathsAtABatchMayBeMore) {
  ProgramEnds ends;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(ends.EndsRun(Killed(SIGSEGV)));
  EXPECT_TRUE(ends.EndsRun(Killed(SIGSEGV)));
}

TEST(ProgramEndsTest, AProgramThatLivedForLongBeginsANewRow) {
  ProgramEnds ends;
  EXPECT_FALSE(ends.EndsRun(Exit(1)));
  EXPECT_FALSE(ends.EndsRun(Exit(1)));
  ProgramEnd late = Exit(1);
  late.life = absl::Seconds(21);
  EXPECT_FALSE(ends.EndsRun(late));
  EXPECT_FALSE(ends.EndsRun(Exit(1)));
  EXPECT_TRUE(ends.EndsRun(Exit(1)));
}

TEST(ProgramEndsTest, PlannedKillsAreNoFailures) {
  ProgramEnds ends;
  ProgramEnd planned = Killed(SIGKILL);
  planned.planned = true;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(ends.EndsRun(planned));
}

TEST(ProgramEndsTest, AnErrorOfTheProgramItselfEndsTheRunAtOnce) {
  ProgramEnds ends;
  ProgramEnd own = Exit(1);
  own.own_error = true;
  EXPECT_TRUE(ends.EndsRun(own));
  // A note of an earlier life says nothing about a kill.
  ProgramEnd killed = Killed(SIGKILL);
  killed.own_error = true;
  EXPECT_FALSE(ProgramEnds().EndsRun(killed));
}

TEST(ProgramEndsTest, WithoutAJobOnlyASignalFromOutsideMayNotComeAgain) {
  const auto before_a_job = [](ProgramEnd end) {
    end.has_job = false;
    return ProgramEnds().EndsRun(end);
  };
  EXPECT_TRUE(before_a_job(Exit(1)));
  EXPECT_TRUE(before_a_job(Exit(5)));
  EXPECT_TRUE(before_a_job(Killed(SIGSEGV)));
  for (const int signal : {SIGKILL, SIGTERM, SIGINT, SIGHUP}) {
    EXPECT_FALSE(before_a_job(Killed(signal))) << signal;
  }
}

TEST(LogTailTest, HasTheLastLines) {
  EXPECT_EQ(LogTail("new\n  deep\n\n"), "  new\n    deep");
  EXPECT_EQ(LogTail(""), "  ");
  std::string log;
  for (int i = 0; i < 30; ++i) absl::StrAppend(&log, i, "\n");
  const std::string tail = LogTail(log);
  EXPECT_EQ(tail.substr(0, 5), "  6\n ");
  EXPECT_EQ(tail.substr(tail.size() - 4), "  29");
}

}  // namespace
}  // namespace ebb::tools
