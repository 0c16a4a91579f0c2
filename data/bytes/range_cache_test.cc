#include "data/bytes/range_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"

namespace ebb::data::internal {
namespace {

namespace fs = std::filesystem;

int FilesIn(const std::string& folder) {
  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder)) {
    ++files;
  }
  return files;
}

TEST(RangeCacheTest, FindsWhatWasKept) {
  const TestFolder folder{TestFolder::On::kMemory};
  RangeCache cache(folder / "made", 1 << 20);
  EXPECT_EQ(cache.Find("a"), std::nullopt);
  const std::string bytes("b\0c", 3);
  cache.Keep("a", bytes);
  EXPECT_EQ(cache.Find("a"), bytes);
  EXPECT_EQ(cache.Find("b"), std::nullopt);
  EXPECT_EQ(RangeCache(folder / "made", 1 << 20).Find("a"), bytes);
}

TEST(RangeCacheTest, StaysWithinItsBound) {
  const TestFolder folder{TestFolder::On::kMemory};
  RangeCache cache(folder.path(), 1000);
  for (int i = 0; i < 10; ++i) {
    cache.Keep(absl::StrCat(i), std::string(300, 'x'));
    EXPECT_LE(FilesIn(folder.path()), 3);
  }
  cache.Keep("too large", std::string(1001, 'x'));
  EXPECT_EQ(cache.Find("too large"), std::nullopt);
  EXPECT_GT(FilesIn(folder.path()), 0);
}

TEST(RangeCacheTest, DamagedPartsAreNotThere) {
  const TestFolder folder{TestFolder::On::kMemory};
  RangeCache cache(folder.path(), 1000);
  cache.Keep("a", "bytes");
  const fs::path path = fs::directory_iterator(folder.path())->path();
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(20);
  file.put('?');
  file.close();
  EXPECT_EQ(cache.Find("a"), std::nullopt);
  cache.Keep("a", "bytes");
  EXPECT_EQ(cache.Find("a"), "bytes");
}

TEST(RangeCacheTest, ADiskThatFailsIsNoError) {
  RangeCache cache("/proc/no/such/folder", 1000);
  cache.Keep("a", "bytes");
  EXPECT_EQ(cache.Find("a"), std::nullopt);
}

}  // namespace
}  // namespace ebb::data::internal
