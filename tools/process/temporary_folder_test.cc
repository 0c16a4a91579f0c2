#include "tools/process/temporary_folder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "common/testing/test_folder.h"
#include "tools/process/interrupt_note.h"
#include "tools/process/signals.h"

namespace ebb::tools {
namespace {

namespace fs = std::filesystem;

class TemporaryFolderTest : public ::testing::Test {
 protected:
  // Has a file in it.
  TemporaryFolder Make() const {
    auto made = TemporaryFolder::Make(folder_ / "some");
    EXPECT_TRUE(made.ok()) << made.status();
    std::ofstream(*made / "file") << "text";
    return *std::move(made);
  }

  const TestFolder folder_;
};

bool IsDefault(int signal) {
  struct sigaction now = {};
  sigaction(signal, nullptr, &now);
  return now.sa_handler == SIG_DFL;
}

TEST_F(TemporaryFolderTest, LastsAsLongAsTheObject) {
  std::string first_path, second_path;
  {
    const TemporaryFolder first = Make();
    TemporaryFolder made = Make();
    second_path = made.path();
    const TemporaryFolder second = std::move(made);
    first_path = first.path();
    EXPECT_EQ(second.path(), second_path);
    EXPECT_NE(first_path, second_path);
    EXPECT_TRUE(absl::StartsWith(first_path, folder_ / "some-"));
    EXPECT_TRUE(fs::exists(first / "file"));
    EXPECT_TRUE(fs::exists(second / "file"));
  }
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  EXPECT_TRUE(IsDefault(SIGTERM));
}

TEST_F(TemporaryFolderTest, MakesTheFoldersAbove) {
  const auto made = TemporaryFolder::Make(folder_ / "a/b/some");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(fs::is_directory(made->path()));
}

TEST_F(TemporaryFolderTest, SaysWhyAndWhereItCannotBeMade) {
  std::ofstream(folder_ / "file") << "text";
  const auto made = TemporaryFolder::Make(folder_ / "file/some");
  ASSERT_FALSE(made.ok());
  EXPECT_TRUE(absl::StrContains(made.status().message(),
                                folder_ / "file/some-XXXXXX: Not a directory"))
      << made.status();
  EXPECT_TRUE(IsDefault(SIGTERM));
}

// Bug: a command that was interrupted left its folders.
TEST_F(TemporaryFolderTest, SignalsThatEndTheProcessRemoveIt) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const auto end = [&] {
      const TemporaryFolder first = Make(), second = Make();
      raise(signal);
      for (;;) pause();
    };
    EXPECT_EXIT(end(), ::testing::KilledBySignal(signal), "");
    EXPECT_TRUE(fs::is_empty(folder_.path())) << signal;
  }
}

TEST_F(TemporaryFolderTest, SignalsPrintTheWords) {
  const auto end = [&] {
    const InterruptWords words("interrupted here\n");
    const TemporaryFolder made = Make();
    raise(SIGINT);
    for (;;) pause();
  };
  EXPECT_EXIT(end(), ::testing::KilledBySignal(SIGINT), "interrupted here");
  EXPECT_TRUE(fs::is_empty(folder_.path()));
  { const InterruptWords words("never"); }
  EXPECT_TRUE(IsDefault(SIGINT));
}

TEST_F(TemporaryFolderTest, IgnoredSignalsStaySo) {
  std::signal(SIGHUP, SIG_IGN);
  {
    const TemporaryFolder made = Make();
    raise(SIGHUP);
    EXPECT_TRUE(fs::exists(made / "file"));
  }
  EXPECT_FALSE(IsDefault(SIGHUP));
  std::signal(SIGHUP, SIG_DFL);
}

TEST_F(TemporaryFolderTest, SignalsReachASignalWaiter) {
  const TemporaryFolder made = Make();
  auto signals = SignalWaiter::Create();
  ASSERT_TRUE(signals.ok()) << signals.status();
  kill(getpid(), SIGTERM);
  EXPECT_EQ(signals->Wait(absl::Seconds(10)).interrupts, 1);
  EXPECT_TRUE(fs::exists(made / "file"));
}

// Bug: threads of RocksDB that were there before got the Ctrl-C of a run, which
// ended at once, and without a word.
TEST_F(TemporaryFolderTest, SignalsOfOtherThreadsReachASignalWaiter) {
  const TemporaryFolder made = Make();
  std::latch done(1);
  std::thread other([&] { done.wait(); });
  {
    auto signals = SignalWaiter::Create();
    ASSERT_TRUE(signals.ok()) << signals.status();
    for (int i = 1; i <= 2; ++i) {
      pthread_kill(other.native_handle(), SIGINT);
      EXPECT_EQ(signals->Wait(absl::Seconds(10)).interrupts, 1) << i;
    }
  }
  EXPECT_FALSE(IsDefault(SIGINT));  // It is the folder's again.
  done.count_down();
  other.join();
  EXPECT_TRUE(fs::exists(made / "file"));
}

TEST_F(TemporaryFolderTest, SignalsReachAnInterruptNote) {
  const TemporaryFolder made = Make();
  {
    const InterruptNote note;
    raise(SIGTERM);
    EXPECT_TRUE(note.noted());
  }
  EXPECT_TRUE(fs::exists(made / "file"));
}

// An InterruptNote restores handlers that nothing listens to any more.
TEST_F(TemporaryFolderTest, LeavesNoSignalWithoutEffect) {
  const auto end = [&] {
    {
      std::optional<TemporaryFolder> made(Make());
      const InterruptNote note;
      made.reset();
    }
    raise(SIGTERM);
    std::_Exit(0);
  };
  EXPECT_EXIT(end(), ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace ebb::tools
