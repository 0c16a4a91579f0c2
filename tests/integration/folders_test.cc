// Daemons that are given a folder which is not theirs, as processes.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/process_cluster.h"

namespace ebb::testing {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Snapshot = std::map<std::string, std::string>;

Snapshot Everything(const std::string& folder) {
  Snapshot all;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    all[entry.path().string()] =
        entry.is_regular_file() ? Contents(entry.path()) : "a folder";
  }
  return all;
}

// A cluster that trained a job and was killed, and the folder of a run beside
// it.
class FoldersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.StartAll();
    job_ = cluster_.Submit(record_);
    ASSERT_TRUE(cluster_.WaitComplete(job_));
    for (Daemon* daemon :
         {&cluster_.scheduler(), &cluster_.ps(0), &cluster_.ps(1)}) {
      daemon->EndBy(SIGKILL);
    }
    fs::create_directories(run_ + "/state");
    fs::create_directory(run_ + "/logs");
    std::ofstream(run_ + "/metrics.csv") << "seconds\n";
    fs::copy(cluster_.state_folder(0), run_ + "/state/ps-0",
             fs::copy_options::recursive);
  }

  void ExpectRefused(const std::vector<std::string>& arguments,
                     const std::string& message) {
    const TestFolder folder;
    Daemon daemon(folder, "daemon", arguments);
    const Snapshot before = Everything(cluster_.folder());
    daemon.Start();
    EXPECT_EQ(daemon.WaitEnd().exit_code, 2) << message;
    EXPECT_THAT(daemon.log(), HasSubstr(message));
    EXPECT_TRUE(Everything(cluster_.folder()) == before) << message;
  }
  void ExpectServerRefused(int id, const std::string& folder,
                           const std::string& message) {
    ExpectRefused({"ebb-ps", "--id", absl::StrCat(id), "--state-dir", folder,
                   "--scheduler", "127.0.0.1:1"},
                  message);
  }
  void ExpectSchedulerRefused(const std::string& folder,
                              const std::string& message) {
    ExpectRefused(
        {"ebb-scheduler", "--state-dir", folder, "--listen", "127.0.0.1:0"},
        message);
  }

  // With its own folders nothing is missing.
  void ExpectAllIsThere() {
    cluster_.StartAll();
    EXPECT_TRUE(cluster_.WaitComplete(job_));
    cluster_.ExpectExact(record_, job_);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(Contents(cluster_.state_folder(i) + "/owner"),
                absl::StrCat("server ", i, "\n"));
    }
    EXPECT_EQ(Contents(scheduler_ + "/owner"), "scheduler\n");
  }

  ProcessCluster cluster_;
  const JobRecord record_ = SmallJob();
  JobId job_;
  const std::string scheduler_ = cluster_.folder() + "/scheduler";
  const std::string run_ = cluster_.folder() + "/run-1";
};

// Bug: servers with their folders exchanged were let in as if they had lost
// their data, deleted each other's versions, and the job began anew; and a
// scheduler set a server's store aside.
TEST_F(FoldersTest, AnotherDaemonsFolderIsLeftAsItIs) {
  const std::string zero = cluster_.state_folder(0);
  ExpectServerRefused(
      1, zero,
      absl::StrCat("the folder ", zero,
                   " is that of server 0, and this is server 1: give --id 0"));
  ExpectSchedulerRefused(zero, "that of server 0, and this is a scheduler");
  ExpectServerRefused(0, scheduler_,
                      "that of a scheduler, and this is server 0");
  ExpectServerRefused(0, run_, "is that of an `ebb run`");
  ExpectSchedulerRefused(run_, "is that of an `ebb run`");
  ExpectServerRefused(0, run_ + "/state", "those of other daemons (ps-0)");
  ExpectAllIsThere();
}

// Folders from before they said whose they are.
TEST_F(FoldersTest, WhatIsInAFolderTellsWhatItIs) {
  for (const std::string& folder :
       {cluster_.state_folder(0), cluster_.state_folder(1), scheduler_,
        run_ + "/state/ps-0"}) {
    ASSERT_TRUE(fs::remove(folder + "/owner"));
  }
  ExpectSchedulerRefused(cluster_.state_folder(0),
                         "that of a server, and this is a scheduler");
  ExpectServerRefused(0, scheduler_,
                      "that of a scheduler, and this is server 0");
  ExpectServerRefused(0, run_, "is that of an `ebb run`");
  ExpectAllIsThere();
}

}  // namespace
}  // namespace ebb::testing
