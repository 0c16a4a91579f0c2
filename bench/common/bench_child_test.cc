#include "bench/common/bench_child.h"

#include <csignal>
#include <string>

#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/files/files.h"

namespace ebb::tools {
namespace {

class BenchChildTest : public ::testing::Test {
 protected:
  ProcessSpec Shell(const std::string& script) {
    return {.argv = {"/bin/sh", "-c", script}, .log = log_};
  }

  const TestFolder folder_;
  const std::string log_ = folder_ / "log";
};

TEST_F(BenchChildTest, TellsHowItEnded) {
  const auto end = RunChild({.process = Shell("echo well; exit 3")});
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->exit_code, 3);
  EXPECT_EQ(LastLine(log_), "well");
}

TEST_F(BenchChildTest, IsStoppedAsByCtrlC) {
  std::signal(SIGINT, SIG_DFL);  // Or the child ignores it, too.
  const auto stop = [this] { return LastLine(log_) == "ready"; };
  const auto end =
      RunChild({.process = Shell("trap 'echo bye; exit 0' INT; echo ready; "
                                 "while :; do sleep 0.01; done"),
                .stop = stop});
  EXPECT_TRUE(absl::IsCancelled(end.status())) << end.status();
  EXPECT_EQ(LastLine(log_), "bye");
}

TEST_F(BenchChildTest, HasALimit) {
  const auto end = RunChild(
      {.process = Shell("exec sleep 60"), .limit = absl::Milliseconds(50)});
  EXPECT_TRUE(absl::IsFailedPrecondition(end.status())) << end.status();
}

TEST_F(BenchChildTest, TheLastLineIsWhatATerminalShows) {
  ASSERT_TRUE(WriteFile(log_, "one\nold\rnew\n  \n").ok());
  EXPECT_EQ(LastLine(log_), "new");
  EXPECT_EQ(LastLine(log_ + ".none"), "");
}

}  // namespace
}  // namespace ebb::tools
