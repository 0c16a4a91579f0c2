#include "datasets/set_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "datasets/push.h"
#include "datasets/testing/files.h"

namespace ebb::datasets {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SetStoreTest : public ::testing::Test {
 protected:
  SetStoreTest() : store_(Open()) {
    WriteFile(from_ + "/large", Bytes(3 * kChunkBytes + 100));
    WriteFile(from_ + "/sub/small", "small");
    WriteFile(from_ + "/sub/empty", "");
  }

  std::unique_ptr<SetStore> Open(int64_t max_bytes = 0) {
    auto store = SetStore::Open({.folder = root_, .max_bytes = max_bytes});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  absl::StatusOr<PushResult> Push(const std::string& name = "set",
                                  bool verify = false) {
    PushOptions options;
    options.verify = verify;
    return PushFolder(from_, name, store_.get(), options);
  }
  Manifest Read() { return *ReadFolder(from_, {}); }
  // Pushes like a process that is killed when so many chunks were stored.
  void PushHalf(int64_t chunks) {
    const Manifest manifest = Read();
    ASSERT_TRUE(store_->BeginPush("set", manifest.bytes(), false).ok());
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const Manifest::Place place = manifest.PlaceOf(chunk);
      const std::string bytes =
          ReadFile(from_ + "/" + manifest.files()[place.file].path)
              .substr(place.offset, place.size);
      ASSERT_TRUE(store_->PutChunk("set", manifest.id(), chunk, bytes).ok());
    }
  }
  // Returns what lies in the store of a set.
  std::vector<std::string> Contents() {
    std::vector<std::string> names;
    for (const auto& one : fs::directory_iterator(root_ + "/.ebb-data/set")) {
      names.push_back(one.path().filename());
    }
    return names;
  }

  const TestFolder folder_;
  const std::string root_ = folder_ / "root";
  const std::string from_ = folder_ / "from";
  std::unique_ptr<SetStore> store_;
};

TEST_F(SetStoreTest, WhatIsPushedIsSeenByItsPath) {
  const auto pushed = Push();

  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->files, 3);
  EXPECT_EQ(pushed->chunks, 5);
  EXPECT_EQ(pushed->chunks_sent, 5);
  EXPECT_TRUE(ReadFile(root_ + "/set/large") == Bytes(3 * kChunkBytes + 100));
  EXPECT_EQ(ReadFile(root_ + "/set/sub/small"), "small");
  EXPECT_TRUE(fs::exists(root_ + "/set/sub/empty"));
  const auto sets = store_->List();
  ASSERT_THAT(*sets, SizeIs(1));
  EXPECT_EQ(sets->front().name, "set");
  EXPECT_EQ(sets->front().files, 3);
  EXPECT_EQ(sets->front().id, pushed->id);
}

TEST_F(SetStoreTest, PushedAgainNothingIsSent) {
  ASSERT_TRUE(Push().ok());

  const auto again = Push();

  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->was_there);
  EXPECT_EQ(again->chunks_sent, 0);
}

TEST_F(SetStoreTest, APushGoesOnWhereAnotherWasKilled) {
  PushHalf(3);
  EXPECT_FALSE(fs::exists(root_ + "/set"));
  // Another process: it knows only what lies there.
  store_ = Open();

  const auto pushed = Push();

  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->chunks_sent, 2);
  EXPECT_TRUE(ReadFile(root_ + "/set/large") == ReadFile(from_ + "/large"));
}

TEST_F(SetStoreTest, WhatWasStoredDamagedIsSentAgain) {
  PushHalf(5);
  store_ = Open();
  const std::string pushing =
      root_ + "/.ebb-data/set/" + Read().id() + ".pushing";
  fs::resize_file(pushing + "/large", kChunkBytes + 7);

  const auto pushed = Push();

  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->chunks_sent, 3);
  EXPECT_TRUE(ReadFile(root_ + "/set/large") == ReadFile(from_ + "/large"));
}

TEST_F(SetStoreTest, WhoReadsSeesTheOldUntilTheNewIsWhole) {
  ASSERT_TRUE(Push().ok());
  const std::string old = ReadFile(from_ + "/large");
  WriteFile(from_ + "/large", Bytes(2 * kChunkBytes, 2));

  PushHalf(1);
  EXPECT_TRUE(ReadFile(root_ + "/set/large") == old);
  EXPECT_EQ(store_->List()->front().bytes, 3 * kChunkBytes + 105);
  ASSERT_TRUE(Push().ok());

  EXPECT_TRUE(ReadFile(root_ + "/set/large") == Bytes(2 * kChunkBytes, 2));
}

// A job that began with the old content may finish reading it.
TEST_F(SetStoreTest, TheContentBeforeIsKeptUntilTheNextPush) {
  ASSERT_TRUE(Push().ok());
  const Manifest first = Read();
  WriteFile(from_ + "/large", "2");
  ASSERT_TRUE(Push().ok());

  EXPECT_TRUE(store_->GetChunk("set", first.id(), 0).ok());
  WriteFile(from_ + "/large", "3");
  ASSERT_TRUE(Push().ok());

  EXPECT_TRUE(absl::IsAborted(store_->GetChunk("set", first.id(), 0).status()));
  EXPECT_THAT(Contents(), SizeIs(2));
}

// Bug: a store that another process emptied believed what it had seen there,
// and published a content with holes.
TEST_F(SetStoreTest, WhatAnotherProcessRemovedIsMissing) {
  const Manifest manifest = Read();
  PushHalf(5);
  const auto other = Open();
  ASSERT_TRUE(other->Remove("set").ok());
  ASSERT_TRUE(other->BeginPush("set", manifest.bytes(), false).ok());

  const absl::Status published = store_->Publish("set", manifest.id());

  EXPECT_TRUE(absl::IsFailedPrecondition(published)) << published;
  EXPECT_THAT(*store_->FindMissing("set", manifest.id(), 0, 5),
              ElementsAre(0, 1, 2, 3, 4));
}

// Bug: it was written only where this process had not read it before.
TEST_F(SetStoreTest, AContentThatIsBegunAnewHasItsManifest) {
  PushHalf(1);
  ASSERT_TRUE(Open()->Remove("set").ok());

  ASSERT_TRUE(Push().ok());

  EXPECT_THAT(*Open()->List(), SizeIs(1));
}

// Bug: one set of which it was damaged refused the pushes and lists of all, and
// could not be mended.
TEST_F(SetStoreTest, ADamagedManifestIsMendedByAPushAndHarmsNoOther) {
  ASSERT_TRUE(Push().ok());
  ASSERT_TRUE(Push("good").ok());
  WriteFile(root_ + "/set/.ebb-manifest", "x");
  store_ = Open(/*max_bytes=*/20 * kChunkBytes);

  const auto bad = store_->GetManifest("set");
  EXPECT_TRUE(absl::IsDataLoss(bad.status())) << bad.status();
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("set/"));
  ASSERT_THAT(*store_->List(), SizeIs(1));
  EXPECT_EQ(store_->List()->front().name, "good");
  EXPECT_TRUE(Push("other").ok());

  ASSERT_TRUE(Push().ok());
  EXPECT_THAT(*store_->List(), SizeIs(3));
}

// Bug: it was deleted under its name, so the next push of it believed that what
// was left was all of it.
TEST_F(SetStoreTest, AContentIsWholeOrGoneIfItsRemovalIsKilled) {
  ASSERT_TRUE(Push().ok());
  const Manifest manifest = Read();
  const std::string content = root_ + "/.ebb-data/set/" + manifest.id();
  // So that it takes a while.
  for (int i = 0; i < 300; ++i) {
    WriteFile(absl::StrCat(content, "/sub/", i), "");
  }
  const auto whole = [&](const std::string& folder) {
    return std::all_of(
        manifest.files().begin(), manifest.files().end(),
        [&](const DataFile& file) {
          return fs::exists(absl::StrCat(folder, "/", file.path));
        });
  };
  const pid_t child = fork();
  if (child == 0) {
    store_->Remove("set").IgnoreError();
    _exit(0);
  }
  while (whole(content)) {
  }
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);

  ASSERT_TRUE(Push().ok());

  EXPECT_TRUE(whole(root_ + "/set"));
  EXPECT_THAT(Contents(), SizeIs(1));
}

// Bug: whoever waited for it kept a thread of the daemon from all who fetched.
TEST_F(SetStoreTest, WhoDoesNotWaitIsToldToComeAgain) {
  ASSERT_TRUE(Push().ok());
  const int held = open((root_ + "/.ebb-data/.lock").c_str(), O_RDWR);
  ASSERT_EQ(flock(held, LOCK_EX), 0);

  auto opened =
      SetStore::Open({.folder = root_, .lock_patience = absl::ZeroDuration()});

  ASSERT_TRUE(opened.ok()) << opened.status();
  store_ = *std::move(opened);
  EXPECT_TRUE(store_->GetManifest("set").ok());
  const auto pushed = Push("other");
  EXPECT_TRUE(absl::IsUnavailable(pushed.status())) << pushed.status();
  EXPECT_THAT(std::string(pushed.status().message()), HasSubstr("again later"));
  close(held);
  EXPECT_TRUE(Push("other").ok());
}

// Bug: with the lock held, each file was made of its size and synced again.
TEST_F(SetStoreTest, PublishingWritesNoFileThatIsWhole) {
  PushHalf(5);
  const std::string large =
      root_ + "/.ebb-data/set/" + Read().id() + ".pushing/large";
  const auto before = fs::file_time_type() + std::chrono::hours(1);
  fs::last_write_time(large, before);

  ASSERT_TRUE(store_->Publish("set", Read().id()).ok());

  EXPECT_TRUE(fs::last_write_time(root_ + "/set/large") == before);
  EXPECT_TRUE(fs::exists(root_ + "/set/sub/empty"));
}

// Bug: it was made again, of nothing but zeros.
TEST_F(SetStoreTest, AFileThatWasLostIsNotPublished) {
  PushHalf(5);
  fs::remove(root_ + "/.ebb-data/set/" + Read().id() + ".pushing/large");

  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Publish("set", Read().id())));

  const auto pushed = Push();
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->chunks_sent, 4);
  EXPECT_TRUE(ReadFile(root_ + "/set/large") == ReadFile(from_ + "/large"));
}

// What lies behind its end was of no push.
TEST_F(SetStoreTest, AFileThatIsTooLongIsCutOff) {
  PushHalf(5);
  fs::resize_file(root_ + "/.ebb-data/set/" + Read().id() + ".pushing/large",
                  9 * kChunkBytes);

  ASSERT_TRUE(store_->Publish("set", Read().id()).ok());

  EXPECT_TRUE(ReadFile(root_ + "/set/large") == ReadFile(from_ + "/large"));
}

// Bug: a set of that name was the lock of all.
TEST_F(SetStoreTest, ASetMayBeCalledLock) {
  ASSERT_TRUE(Push("lock").ok());
  ASSERT_TRUE(store_->Remove("lock").ok());

  EXPECT_TRUE(fs::exists(root_ + "/.ebb-data/.lock"));
  EXPECT_TRUE(Push().ok());
}

// Killed between the last two steps of publishing.
TEST_F(SetStoreTest, AContentWithoutItsLinkIsLinked) {
  ASSERT_TRUE(Push().ok());
  fs::remove(root_ + "/set");

  const auto pushed = Push();

  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_TRUE(pushed->was_there);
  EXPECT_EQ(ReadFile(root_ + "/set/sub/small"), "small");
}

TEST_F(SetStoreTest, ALaterPushOfTheNameGivesUpTheFirst) {
  PushHalf(2);
  const Manifest first = Read();
  WriteFile(from_ + "/large", "2");
  ASSERT_TRUE(store_->BeginPush("set", Read().bytes(), false).ok());

  EXPECT_TRUE(absl::IsAborted(store_->PutChunk("set", first.id(), 4, "small")));
  EXPECT_TRUE(absl::IsAborted(store_->Publish("set", first.id())));
  EXPECT_TRUE(
      absl::IsAborted(store_->FindMissing("set", first.id(), 0, 1).status()));
  EXPECT_THAT(Contents(), SizeIs(1));
  EXPECT_TRUE(Push().ok());
}

TEST_F(SetStoreTest, OnlyTheBytesOfTheManifestAreTaken) {
  const Manifest manifest = Read();
  ASSERT_TRUE(store_->BeginPush("set", manifest.bytes(), false).ok());

  EXPECT_TRUE(absl::IsDataLoss(
      store_->PutChunk("set", manifest.id(), 0, Bytes(kChunkBytes, 9))));
  EXPECT_TRUE(
      absl::IsDataLoss(store_->PutChunk("set", manifest.id(), 4, "smal")));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_->PutChunk("set", manifest.id(), 5, "small")));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_->PutChunk("set", manifest.id(), -1, "small")));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_->FindMissing("set", manifest.id(), 0, kMaxFound + 1).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_->FindMissing("set", manifest.id(), INT64_MAX, 5).status()));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(store_->Publish("set", manifest.id())));
  EXPECT_FALSE(fs::exists(root_ + "/set"));
}

TEST_F(SetStoreTest, NamesAndIdsOfStrangersLeadNowhere) {
  WriteFile(folder_ / "secret/.ebb-manifest", "x");
  for (const char* name : {"..", "../secret", "", ".ebb-data", "a/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        store_->BeginPush(name, Read().bytes(), false).status()))
        << name;
    EXPECT_TRUE(absl::IsInvalidArgument(store_->GetManifest(name).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_->Remove(name)));
  }
  for (const char* id : {"..", "../../../secret", "", "0"}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(store_->GetChunk("set", id, 0).status()));
    EXPECT_TRUE(absl::IsInvalidArgument(store_->PutChunk("set", id, 0, "x")));
  }
}

TEST_F(SetStoreTest, WhatIsNoDataSetIsLeftAlone) {
  WriteFile(root_ + "/set/mine", "mine");

  const auto pushed = Push();

  EXPECT_TRUE(absl::IsFailedPrecondition(pushed.status())) << pushed.status();
  EXPECT_THAT(std::string(pushed.status().message()), HasSubstr("--name"));
  EXPECT_EQ(ReadFile(root_ + "/set/mine"), "mine");
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->Remove("set")));
  EXPECT_THAT(*store_->List(), IsEmpty());
  EXPECT_TRUE(Push("other").ok());
}

// Bug: the data sets of a volume that is mounted read-only were not listed.
TEST_F(SetStoreTest, WhoLooksWritesNothing) {
  ASSERT_TRUE(Push().ok());
  ASSERT_TRUE(fs::remove(root_ + "/.ebb-data/.lock"));

  const auto looks = SetStore::Open({.folder = root_, .make = false});

  ASSERT_TRUE(looks.ok()) << looks.status();
  EXPECT_THAT(*(*looks)->List(), SizeIs(1));
  EXPECT_FALSE(fs::exists(root_ + "/.ebb-data/.lock"));
  EXPECT_TRUE((*looks)->Remove("set").ok());
}

TEST_F(SetStoreTest, TheLimitCountsWhatIsBeingPushed) {
  store_ = Open(/*max_bytes=*/7 * kChunkBytes);
  ASSERT_TRUE(Push("one").ok());
  PushHalf(1);

  const auto third = Push("three");

  EXPECT_TRUE(absl::IsResourceExhausted(third.status())) << third.status();
  EXPECT_THAT(std::string(third.status().message()),
              AllOf(HasSubstr("7 MiB of 7 MiB"), HasSubstr("--data-bytes")));
  ASSERT_TRUE(store_->Remove("one").ok());
  EXPECT_TRUE(Push("three").ok());
}

// Bug: empty files, manifests and names took room that nobody counted, and what
// was being pushed was listed nowhere.
TEST_F(SetStoreTest, TheLimitCountsWhatHoldsNoBytes) {
  std::vector<DataFile> files;
  for (int i = 0; i < 100; ++i) files.push_back({absl::StrCat(i), 0, {}});
  const Manifest manifest = *Manifest::Make(std::move(files));
  store_ = Open(/*max_bytes=*/1'000'000);
  ASSERT_TRUE(store_->BeginPush("one", manifest.bytes(), false).ok());
  ASSERT_TRUE(store_->BeginPush("two", manifest.bytes(), false).ok());

  EXPECT_TRUE(absl::IsResourceExhausted(
      store_->BeginPush("three", manifest.bytes(), false).status()));

  const auto sets = *store_->List();
  ASSERT_THAT(sets, SizeIs(2));
  EXPECT_EQ(sets[0].name, "one");
  EXPECT_EQ(sets[0].files, 100);
  EXPECT_TRUE(sets[0].pushing);
  ASSERT_TRUE(store_->Publish("one", manifest.id()).ok());
  EXPECT_FALSE(store_->List()->front().pushing);
}

TEST_F(SetStoreTest, ThereAreNotTooManySets) {
  store_ = *SetStore::Open({.folder = root_, .max_sets = 2});
  ASSERT_TRUE(Push("one").ok());
  ASSERT_TRUE(Push("two").ok());

  const auto third = Push("three");

  EXPECT_TRUE(absl::IsResourceExhausted(third.status())) << third.status();
  EXPECT_THAT(std::string(third.status().message()), HasSubstr("2 data sets"));
  EXPECT_TRUE(Push("two", /*verify=*/true).ok());
  ASSERT_TRUE(store_->Remove("one").ok());
  EXPECT_TRUE(Push("three").ok());
}

// Bug: what it would have taken the place of was gone.
TEST_F(SetStoreTest, APushThatHasNoRoomHarmsNothing) {
  store_ = Open(/*max_bytes=*/7 * kChunkBytes);
  PushHalf(2);
  const Manifest begun = Read();
  WriteFile(from_ + "/large", Bytes(9 * kChunkBytes, 2));

  EXPECT_TRUE(absl::IsResourceExhausted(Push().status()));

  EXPECT_THAT(*store_->FindMissing("set", begun.id(), 0, 5),
              ElementsAre(2, 3, 4));
  // And what it does take the place of is not counted beside it.
  WriteFile(from_ + "/large", Bytes(5 * kChunkBytes, 3));
  EXPECT_TRUE(Push().ok());
}

// Somebody else may fill the disk: the push goes on when there is room.
TEST_F(SetStoreTest, AFullDiskEndsThePushAndLosesNothing) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit little = before;
  little.rlim_cur = 2 * kChunkBytes;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &little), 0);
  PushOptions options;
  options.threads = 1;

  const auto full = PushFolder(from_, "set", store_.get(), options);

  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(absl::IsResourceExhausted(full.status())) << full.status();
  EXPECT_THAT(std::string(full.status().message()), HasSubstr("free space"));
  EXPECT_FALSE(fs::exists(root_ + "/set"));
  const auto pushed = Push();
  ASSERT_TRUE(pushed.ok()) << pushed.status();
  EXPECT_EQ(pushed->chunks_sent, 3);
}

TEST_F(SetStoreTest, RemovedItIsGone) {
  ASSERT_TRUE(Push().ok());

  ASSERT_TRUE(store_->Remove("set").ok());

  EXPECT_FALSE(fs::exists(root_ + "/set"));
  EXPECT_FALSE(fs::exists(root_ + "/.ebb-data/set"));
  EXPECT_TRUE(absl::IsNotFound(store_->Remove("set")));
  EXPECT_TRUE(absl::IsNotFound(store_->GetManifest("set").status()));
}

TEST_F(SetStoreTest, WhatRotsIsNotServedAndIsMended) {
  ASSERT_TRUE(Push().ok());
  const Manifest manifest = Read();
  std::string bytes = ReadFile(root_ + "/set/large");
  bytes[kChunkBytes] ^= 1;
  WriteFile(root_ + "/set/large", bytes);

  EXPECT_TRUE(store_->GetChunk("set", manifest.id(), 0).ok());
  const auto bad = store_->GetChunk("set", manifest.id(), 1);
  EXPECT_TRUE(absl::IsDataLoss(bad.status())) << bad.status();
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("--verify"));

  const auto mended = Push("set", /*verify=*/true);
  ASSERT_TRUE(mended.ok()) << mended.status();
  EXPECT_EQ(mended->chunks_sent, 1);
  EXPECT_TRUE(store_->GetChunk("set", manifest.id(), 1).ok());
}

TEST_F(SetStoreTest, TwoPushesOfTheSameAtOnceAreBothDone) {
  std::vector<absl::StatusOr<PushResult>> results(
      4, absl::StatusOr<PushResult>(absl::UnknownError("not run")));
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([this, &result] { result = Push(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) {
    EXPECT_TRUE(result.ok()) << result.status();
  }
  EXPECT_TRUE(ReadFile(root_ + "/set/large") == ReadFile(from_ + "/large"));
}

TEST_F(SetStoreTest, AFileThatChangesEndsThePush) {
  PushOptions options;
  options.threads = 1;
  options.progress = [&](const PushProgress& progress) {
    if (progress.sending && progress.sent == kChunkBytes) {
      WriteFile(from_ + "/large", Bytes(3 * kChunkBytes + 100, 5));
    }
  };

  const auto pushed = PushFolder(from_, "set", store_.get(), options);

  EXPECT_TRUE(absl::IsAborted(pushed.status())) << pushed.status();
  EXPECT_THAT(std::string(pushed.status().message()),
              AllOf(HasSubstr("large"), HasSubstr("changed")));
  EXPECT_FALSE(fs::exists(root_ + "/set"));
}

TEST_F(SetStoreTest, StrangeFilesAreNamedAndNothingIsPushed) {
  fs::create_symlink("/etc/passwd", from_ + "/link");
  WriteFile(from_ + "/sub/a\nb", "x");

  const auto pushed = Push();

  EXPECT_TRUE(absl::IsInvalidArgument(pushed.status()));
  EXPECT_THAT(std::string(pushed.status().message()),
              AllOf(HasSubstr("link is a symbolic link"),
                    HasSubstr("control character")));
  EXPECT_TRUE(absl::IsNotFound(
      PushFolder(folder_ / "none", "set", store_.get(), {}).status()));
  fs::create_directories(folder_ / "empty");
  EXPECT_TRUE(absl::IsInvalidArgument(
      PushFolder(folder_ / "empty", "set", store_.get(), {}).status()));
}

// Bug: names lost their first letter.
TEST_F(SetStoreTest, SlashesBehindTheFolderChangeNothing) {
  const auto slashes = ReadFolder(from_ + "//", {});

  ASSERT_TRUE(slashes.ok()) << slashes.status();
  EXPECT_EQ(slashes->id(), Read().id());
}

TEST_F(SetStoreTest, ProgressEndsWithAllOfIt) {
  std::vector<PushProgress> seen;
  PushOptions options;
  options.progress = [&](const PushProgress& one) { seen.push_back(one); };
  ASSERT_TRUE(PushFolder(from_, "set", store_.get(), options).ok());

  EXPECT_FALSE(seen.front().sending);
  EXPECT_TRUE(seen.back().sending);
  EXPECT_EQ(seen.back().done, 3 * kChunkBytes + 105);
  EXPECT_EQ(seen.back().sent, seen.back().total);
}

TEST_F(SetStoreTest, StoppedItSaysSo) {
  PushOptions options;
  options.stop = [] { return true; };
  EXPECT_TRUE(absl::IsCancelled(
      PushFolder(from_, "set", store_.get(), options).status()));
}

}  // namespace
}  // namespace ebb::datasets
