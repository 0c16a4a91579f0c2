#include "datasets/cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/testing/test_folder.h"
#include "datasets/push.h"
#include "datasets/set_store.h"
#include "datasets/testing/files.h"

namespace ebb::datasets {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class CacheTest : public ::testing::Test {
 protected:
  CacheTest()
      : store_(*SetStore::Open({.folder = folder_ / "root"})),
        source_(store_.get()) {
    WriteFile(from_ + "/a", Bytes(2 * kChunkBytes + 1, 1));
    WriteFile(from_ + "/b", Bytes(2 * kChunkBytes, 2));
    WriteFile(from_ + "/c", Bytes(2 * kChunkBytes, 3));
    WriteFile(from_ + "/empty", "");
    Push();
  }

  void Push() {
    const auto pushed = PushFolder(from_, "set", store_.get(), {});
    ASSERT_TRUE(pushed.ok()) << pushed.status();
  }
  std::unique_ptr<Cache> Make(
      int64_t max_bytes = 100 * kChunkBytes,
      absl::Duration patience = absl::Milliseconds(100)) {
    auto cache = Cache::Make({.folder = folder_ / "cache",
                              .max_bytes = max_bytes,
                              .patience = patience},
                             &source_);
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }
  // The path of it in the cache, or an error as text.
  static std::string Path(Cache* cache, const std::string& file) {
    const auto opened = cache->Open("ebb://set/" + file);
    return opened.ok() ? opened->path : std::string(opened.status().message());
  }
  int64_t BytesInCache() {
    int64_t bytes = 0;
    for (const auto& one : fs::directory_iterator(folder_ / "cache")) {
      bytes += static_cast<int64_t>(one.file_size());
    }
    return bytes;
  }

  const TestFolder folder_;
  const std::string from_ = folder_ / "from";
  std::unique_ptr<SetStore> store_;
  WatchedSource source_;
};

TEST_F(CacheTest, AFileIsFetchedOnce) {
  const auto cache = Make();

  const std::string path = Path(cache.get(), "a");

  EXPECT_TRUE(ReadFile(path) == Bytes(2 * kChunkBytes + 1, 1));
  EXPECT_THAT(source_.TakeChunks(), UnorderedElementsAre(0, 1, 2));
  EXPECT_EQ(Path(cache.get(), "a"), path);
  EXPECT_EQ(Path(Make().get(), "a"), path);
  EXPECT_THAT(source_.TakeChunks(), IsEmpty());
  EXPECT_EQ(ReadFile(Path(cache.get(), "empty")), "");
}

TEST_F(CacheTest, TheFilesOfASetAreListedWithoutFetchingThem) {
  const auto cache = Make();

  const auto files = cache->FilesOf("set");

  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_FALSE(files->empty());
  EXPECT_EQ(files->front(), "ebb://set/a");
  EXPECT_EQ(files->back(), "ebb://set/empty");
  EXPECT_THAT(source_.TakeChunks(), IsEmpty());
  EXPECT_TRUE(absl::IsNotFound(cache->FilesOf("none").status()));
}

TEST_F(CacheTest, WhatDoesNotExistIsNamed) {
  const auto cache = Make();

  EXPECT_TRUE(absl::IsNotFound(cache->Open("ebb://set/none").status()));
  EXPECT_TRUE(absl::IsNotFound(cache->Open("ebb://none/a").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(cache->Open("/etc/passwd").status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(cache->Open("ebb://set/../root").status()));
}

TEST_F(CacheTest, OnlyDamagedChunksAreFetchedAgain) {
  const auto cache = Make();
  const std::string path = Path(cache.get(), "a");
  std::string bytes = ReadFile(path);
  bytes[kChunkBytes + 17] ^= 4;
  WriteFile(path, bytes);
  source_.TakeChunks();

  EXPECT_EQ(Path(cache.get(), "a"), path);

  EXPECT_THAT(source_.TakeChunks(), ElementsAre(1));
  EXPECT_TRUE(ReadFile(path) == Bytes(2 * kChunkBytes + 1, 1));
}

// The file is as kill -9 leaves it.
TEST_F(CacheTest, AFileThatWasCutOffIsCompleted) {
  const auto cache = Make();
  const std::string path = Path(cache.get(), "a");
  for (const int64_t size : {kChunkBytes, kChunkBytes + 5, int64_t{0}}) {
    fs::resize_file(path, size);
    source_.TakeChunks();
    EXPECT_EQ(Path(cache.get(), "a"), path);
    EXPECT_THAT(source_.TakeChunks(), SizeIs(size == 0 ? 3 : 2)) << size;
    EXPECT_TRUE(ReadFile(path) == Bytes(2 * kChunkBytes + 1, 1));
  }
  fs::resize_file(path, 9 * kChunkBytes);
  EXPECT_TRUE(ReadFile(Path(cache.get(), "a")) ==
              Bytes(2 * kChunkBytes + 1, 1));
}

TEST_F(CacheTest, WhatArrivesDamagedIsNotTaken) {
  const auto cache = Make();
  source_.SetChange([](std::string* bytes) { bytes->front() ^= 1; });

  EXPECT_TRUE(absl::IsDataLoss(cache->Open("ebb://set/a").status()));

  source_.SetChange([](std::string* bytes) { bytes->resize(3); });
  EXPECT_TRUE(absl::IsDataLoss(cache->Open("ebb://set/a").status()));
  source_.SetChange(nullptr);
  EXPECT_TRUE(ReadFile(Path(cache.get(), "a")) ==
              Bytes(2 * kChunkBytes + 1, 1));
}

TEST_F(CacheTest, TheFileUnusedLongestMakesRoom) {
  // For two of three, and the manifest.
  const int64_t bound = 4 * kChunkBytes + 100'000;
  const auto cache = Make(bound);
  const std::string a = Path(cache.get(), "a");
  const std::string b = Path(cache.get(), "b");
  ASSERT_EQ(Path(cache.get(), "a"), a);

  const std::string c = Path(cache.get(), "c");

  EXPECT_TRUE(fs::exists(a));
  EXPECT_FALSE(fs::exists(b));
  EXPECT_TRUE(ReadFile(c) == Bytes(2 * kChunkBytes, 3));
  EXPECT_LE(BytesInCache(), bound);
}

// Bug: a folder that held other things lost them.
TEST_F(CacheTest, OnlyItsOwnFilesMakeRoom) {
  const auto cache = Make(3 * kChunkBytes);
  const std::string mine = folder_ / "cache/thesis.tex";
  WriteFile(mine, Bytes(4 * kChunkBytes));
  const std::string a = Path(cache.get(), "a");

  const std::string b = Path(cache.get(), "b");

  EXPECT_TRUE(ReadFile(b) == Bytes(2 * kChunkBytes, 2));
  EXPECT_FALSE(fs::exists(a));
  EXPECT_TRUE(ReadFile(mine) == Bytes(4 * kChunkBytes));
}

TEST_F(CacheTest, AFileThatIsReadIsKept) {
  const auto cache = Make(4 * kChunkBytes + 100'000);
  std::optional<CachedFile> a = *cache->Open("ebb://set/a");
  const std::string b = Path(cache.get(), "b");
  // Of another process, as it were.
  const auto other = Make(4 * kChunkBytes + 100'000);

  const std::string c = Path(other.get(), "c");

  EXPECT_TRUE(fs::exists(a->path));
  EXPECT_FALSE(fs::exists(b));
  const CachedFile held = *cache->Open("ebb://set/c");
  const auto full = other->Open("ebb://set/b");
  EXPECT_TRUE(absl::IsResourceExhausted(full.status())) << full.status();
  EXPECT_THAT(std::string(full.status().message()),
              HasSubstr("--data-cache-bytes"));
  a.reset();
  EXPECT_TRUE(other->Open("ebb://set/b").ok());
}

// Bug: what took longer to fetch than there was patience with others was given
// up when it had been fetched.
TEST_F(CacheTest, PatienceIsForOthersAndNotForFetching) {
  const auto cache = Make(100 * kChunkBytes, absl::ZeroDuration());

  const auto file = cache->Open("ebb://set/a");

  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(ReadFile(file->path) == Bytes(2 * kChunkBytes + 1, 1));
}

// Bug: all workers of a machine gave up a file that one of them took longer to
// fetch than they had patience.
TEST_F(CacheTest, WhoFetchesIsWaitedForWhileTheFileGrows) {
  const std::string path = Path(Make().get(), "a");
  const int held = open(path.c_str(), O_RDWR);
  ASSERT_EQ(flock(held, LOCK_EX), 0);
  // Long enough for a thread that writes all the time, on any machine.
  const absl::Duration patience = absl::Seconds(2);
  const auto cache = Make(100 * kChunkBytes, patience);
  absl::StatusOr<CachedFile> waited = absl::UnknownError("not run");
  std::thread waits([&] { waited = cache->Open("ebb://set/a"); });

  const std::string bytes = ReadFile(path);
  const absl::Time until = absl::Now() + 2 * patience;
  for (size_t i = 0; absl::Now() < until; i = (i + 1) % bytes.size()) {
    ASSERT_EQ(pwrite(held, &bytes[i], 1, static_cast<off_t>(i)), 1);
  }
  close(held);
  waits.join();

  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_TRUE(ReadFile(path) == Bytes(2 * kChunkBytes + 1, 1));
}

// Who holds it without a word is not waited for for ever.
TEST_F(CacheTest, WhoFetchesNothingIsNamed) {
  const auto cache = Make();
  const std::string path = Path(cache.get(), "a");
  const int held = open(path.c_str(), O_RDWR);
  ASSERT_EQ(flock(held, LOCK_EX), 0);

  const auto waited = cache->Open("ebb://set/a");

  close(held);
  EXPECT_TRUE(absl::IsUnavailable(waited.status())) << waited.status();
  EXPECT_THAT(std::string(waited.status().message()),
              HasSubstr("written nothing"));
}

TEST_F(CacheTest, AFileLargerThanTheCacheIsRefusedAtOnce) {
  const auto cache = Make(kChunkBytes, absl::InfiniteDuration());

  EXPECT_TRUE(absl::IsResourceExhausted(cache->Open("ebb://set/a").status()));
  EXPECT_THAT(source_.TakeChunks(), IsEmpty());
}

TEST_F(CacheTest, ManyThatWantTheSameFetchItOnce) {
  std::vector<std::string> paths(8);
  std::vector<std::thread> threads;
  for (auto& path : paths) {
    threads.emplace_back([this, &path] {
      path = Path(Make(100 * kChunkBytes, absl::Minutes(1)).get(), "a");
    });
  }
  for (std::thread& thread : threads) thread.join();

  for (const std::string& path : paths) {
    EXPECT_EQ(path, paths[0]);
  }
  EXPECT_TRUE(ReadFile(paths[0]) == Bytes(2 * kChunkBytes + 1, 1));
  EXPECT_THAT(source_.TakeChunks(), SizeIs(3));
}

// More than there is room for: whoever waits gets it in the end.
TEST_F(CacheTest, ManyThatWantOthersShareTheRoom) {
  std::vector<std::string> contents(9);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < contents.size(); ++i) {
    threads.emplace_back([this, &contents, i] {
      const std::string name(1, static_cast<char>('a' + i % 3));
      const auto cache = Make(2 * kChunkBytes + 100'000, absl::Minutes(1));
      const auto file = cache->Open("ebb://set/" + name);
      contents[i] = file.ok() ? ReadFile(file->path)
                              : std::string(file.status().message());
    });
  }
  for (std::thread& thread : threads) thread.join();

  for (size_t i = 0; i < contents.size(); ++i) {
    const std::string name(1, static_cast<char>('a' + i % 3));
    EXPECT_TRUE(contents[i] == ReadFile(from_ + "/" + name))
        << name << ": " << contents[i].substr(0, 100);
  }
  EXPECT_LE(BytesInCache(), 2 * kChunkBytes + 100'000);
}

TEST_F(CacheTest, WhatIsHereIsTakenWhileTheSourceIsAway) {
  const auto cache = Make();
  const std::string path = Path(cache.get(), "a");
  source_.SetDown(absl::UnavailableError("gone"));

  EXPECT_EQ(Path(cache.get(), "a"), path);
  EXPECT_TRUE(absl::IsUnavailable(cache->Open("ebb://set/b").status()));
  EXPECT_TRUE(absl::IsUnavailable(cache->Open("ebb://other/a").status()));
  source_.SetDown(absl::PermissionDeniedError("not you"));
  EXPECT_TRUE(absl::IsPermissionDenied(cache->Open("ebb://set/a").status()));
}

TEST_F(CacheTest, AReplacedSetIsFetchedAnew) {
  const auto cache = Make();
  const std::string old = Path(cache.get(), "a");
  WriteFile(from_ + "/a", "new");
  Push();

  const std::string path = Path(cache.get(), "a");

  EXPECT_NE(path, old);
  EXPECT_EQ(ReadFile(path), "new");
}

// Between its manifest and its chunks.
TEST_F(CacheTest, ASetThatIsReplacedMeanwhileIsOpenedAgain) {
  const auto cache = Make();
  // Chunks arrive by several threads.
  std::atomic<bool> done = false;
  source_.SetChange([&](std::string* bytes) {
    if (done.exchange(true)) return;
    // The second push forgets what was before the first.
    for (const char* content : {"1", "new"}) {
      WriteFile(from_ + "/a", content);
      Push();
    }
    bytes->clear();
  });

  // The chunk that was changed above is damaged; those that come are refused.
  const auto first = cache->Open("ebb://set/a");
  const auto second = cache->Open("ebb://set/a");

  EXPECT_TRUE(first.ok() || absl::IsDataLoss(first.status())) << first.status();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(ReadFile(second->path), "new");
}

}  // namespace
}  // namespace ebb::datasets
