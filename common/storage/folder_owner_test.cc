#include "common/storage/folder_owner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"

namespace ebb {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr FolderOwner kScheduler{};

FolderOwner Server(int id) { return {ServerId(id)}; }

class FolderOwnerTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text = "x") const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Writes what RocksDB leaves; a server's keeps its values in blob files.
  void WriteDatabase(bool servers, const std::string& number = "000007",
                     const std::string& database = "db") const {
    Write(database + "/CURRENT", "MANIFEST-000005\n");
    Write(absl::StrCat(database, "/OPTIONS-", number),
          absl::StrCat("[CFOptions \"default\"]\n  enable_blob_files=",
                       servers ? "true" : "false", "\n"));
  }
  std::map<std::string, std::string> Everything() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path())) {
      const std::string name =
          fs::relative(entry.path(), folder_.path()).string();
      all[name] = entry.is_regular_file() ? Read(name) : "";
    }
    return all;
  }

  absl::Status Use(const FolderOwner& owner) const {
    return LockFor(owner, folder_.path()).status();
  }
  // That it is, and that nothing was touched.
  std::string Refusal(const FolderOwner& owner) const {
    const auto before = Everything();
    const absl::Status status = Use(owner);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(Everything(), before);
    return std::string(status.message());
  }

  const TestFolder folder_{TestFolder::On::kMemory};
};

TEST_F(FolderOwnerTest, AFolderIsTheFirstOnesFromThenOn) {
  ASSERT_TRUE(Use(Server(3)).ok());
  EXPECT_EQ(Read("owner"), "server 3\n");
  EXPECT_TRUE(Use(Server(3)).ok());
  EXPECT_FALSE(fs::exists(folder_ / "owner.new"));

  EXPECT_THAT(
      Refusal(Server(4)),
      AllOf(HasSubstr(absl::StrCat("the folder ", folder_.path(),
                                   " is that of server 3, and this is server "
                                   "4: give --id 3, or another --state-dir")),
            HasSubstr("To begin anew in it as server 4, delete all that is in "
                      "it")));
  EXPECT_THAT(Refusal(kScheduler),
              AllOf(HasSubstr("that of server 3, and this is a scheduler: give "
                              "another --state-dir"),
                    Not(HasSubstr("--id"))));
}

TEST_F(FolderOwnerTest, ASchedulersIsNoServers) {
  ASSERT_TRUE(Use(kScheduler).ok());
  EXPECT_EQ(Read("owner"), "scheduler\n");
  EXPECT_TRUE(Use(kScheduler).ok());
  EXPECT_THAT(Refusal(Server(0)),
              HasSubstr("that of a scheduler, and this is server 0"));
}

TEST_F(FolderOwnerTest, IsLocked) {
  const auto first = LockFor(Server(0), folder_.path());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Refusal(Server(0)), HasSubstr("in use by process"));
}

TEST_F(FolderOwnerTest, WhatIsDeletedIsForAnyone) {
  ASSERT_TRUE(Use(Server(0)).ok());
  fs::remove_all(folder_.path());
  EXPECT_TRUE(Use(Server(1)).ok());
  EXPECT_EQ(Read("owner"), "server 1\n");
}

TEST_F(FolderOwnerTest, ALaterEbbMaySayMore) {
  Write("owner", "server 3\nof the cluster xyz\n");
  EXPECT_TRUE(Use(Server(3)).ok());
  EXPECT_THAT(Refusal(Server(4)), HasSubstr("that of server 3"));
  EXPECT_EQ(Read("owner"), "server 3\nof the cluster xyz\n");
}

TEST_F(FolderOwnerTest, WhatCannotBeReadIsWrittenAnew) {
  for (const char* text : {"", "\n", "server\n", "server -1\n", "server 3x\n",
                           "servers 3\n", "worker 1\n"}) {
    Write("owner", text);
    EXPECT_TRUE(Use(Server(5)).ok()) << text;
    EXPECT_EQ(Read("owner"), "server 5\n") << text;
  }
}

TEST_F(FolderOwnerTest, OneThatCannotBeMarkedIsUsedAllTheSame) {
  // A folder in the way stands for a disk that is full.
  Write("owner.new/file");
  fs::create_directory(folder_ / "owner");
  EXPECT_TRUE(Use(Server(0)).ok());
}

// --- Folders from before there was the file ----------------------------------

TEST_F(FolderOwnerTest, AServersStoreIsNotASchedulers) {
  WriteDatabase(/*servers=*/true);
  EXPECT_THAT(Refusal(kScheduler),
              HasSubstr("that of a server, and this is a scheduler"));
  // Of which server it is it does not tell.
  EXPECT_TRUE(Use(Server(2)).ok());
  EXPECT_EQ(Read("owner"), "server 2\n");
}

TEST_F(FolderOwnerTest, ASchedulersStoreIsNotAServers) {
  WriteDatabase(/*servers=*/false);
  EXPECT_THAT(Refusal(Server(2)),
              HasSubstr("that of a scheduler, and this is server 2"));
  EXPECT_TRUE(Use(kScheduler).ok());
  EXPECT_EQ(Read("owner"), "scheduler\n");
}

TEST_F(FolderOwnerTest, AServersRescueIsTold) {
  Write("db.rescued/CURRENT");
  EXPECT_THAT(Refusal(kScheduler), HasSubstr("that of a server"));
  EXPECT_TRUE(Use(Server(0)).ok());
}

TEST_F(FolderOwnerTest, AStoreThatBothOpenedTellsNothing) {
  WriteDatabase(/*servers=*/true);
  WriteDatabase(/*servers=*/false, "000011");
  EXPECT_TRUE(Use(Server(0)).ok());
}

TEST_F(FolderOwnerTest, AStoreOfWhichNothingIsKnownIsTaken) {
  Write("db/CURRENT");
  EXPECT_TRUE(Use(kScheduler).ok());
}

// --- Folders that are none ---------------------------------------------------

TEST_F(FolderOwnerTest, TheFolderOfARunIsRefused) {
  Write("metrics.csv");
  fs::create_directory(folder_ / "logs");
  fs::create_directory(folder_ / "state");
  for (const FolderOwner& owner : {kScheduler, Server(0)}) {
    EXPECT_THAT(Refusal(owner), HasSubstr("is that of an `ebb run`"));
  }
  EXPECT_TRUE(LockFor(Server(0), folder_ / "state/ps-0").ok());
}

TEST_F(FolderOwnerTest, AFolderOfStateFoldersIsRefused) {
  WriteDatabase(/*servers=*/false, "000007", "scheduler/db");
  WriteDatabase(/*servers=*/true, "000007", "ps-0/db");
  for (const FolderOwner& owner : {kScheduler, Server(0)}) {
    EXPECT_THAT(Refusal(owner),
                HasSubstr("holds those of other daemons (ps-0, scheduler)"));
  }
}

TEST_F(FolderOwnerTest, OneThatIsInUseMayHoldOthers) {
  WriteDatabase(/*servers=*/false);
  WriteDatabase(/*servers=*/true, "000007", "ps-0/db");
  EXPECT_TRUE(Use(kScheduler).ok());
  EXPECT_TRUE(LockFor(Server(0), folder_ / "ps-0").ok());
}

TEST_F(FolderOwnerTest, WhatElseLiesThereIsNoMatter) {
  Write("notes.txt");
  fs::create_directory(folder_ / "lost+found");
  EXPECT_TRUE(Use(Server(0)).ok());
}

}  // namespace
}  // namespace ebb
