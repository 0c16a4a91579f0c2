#include "tools/command/program_arguments.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;

int Take(const std::vector<const char*>& words) {
  return TakeProgramArguments(static_cast<int>(words.size()), words.data());
}

TEST(ProgramArgumentsTest, WhatStandsBehindDashesIsTheProgramsOwn) {
  EXPECT_EQ(Take({"ebb", "run", "a.py", "--workers", "2", "--", "--workers",
                  "[1]", "--", "x"}),
            5);
  EXPECT_THAT(ProgramArguments(), ElementsAre("--workers", "[1]", "--", "x"));
}

TEST(ProgramArgumentsTest, OtherCommandLinesStayWhole) {
  EXPECT_EQ(Take({"ebb"}), 1);
  EXPECT_EQ(Take({"ebb", "run", "a.py"}), 3);
  EXPECT_EQ(Take({"ebb", "run", "--", "a.py"}), 4);
  EXPECT_EQ(Take({"ebb", "run", "job.yaml", "--", "x"}), 5);
  EXPECT_EQ(Take({"ebb", "chaos", "a.py", "--", "x"}), 5);
  // A job's module is a value.
  EXPECT_EQ(
      Take({"ebb", "run", "job.yaml", "--set", "model.module=a.py", "--", "x"}),
      7);
}

TEST(ProgramArgumentsTest, AProgramIsAFileOfPython) {
  EXPECT_TRUE(IsProgramFile("train.py"));
  EXPECT_FALSE(IsProgramFile("job.yaml"));
  EXPECT_FALSE(IsProgramFile("-"));
}

}  // namespace
}  // namespace ebb::tools
