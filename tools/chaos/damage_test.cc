#include "tools/chaos/damage.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "common/testing/test_folder.h"
#include "gtest/gtest.h"

namespace ebb::chaos {
namespace {

const std::vector<StoredFile> kFiles = {
    {"s/CURRENT", 16, 9},     {"s/LOG", 90'000, 9},   {"s/000004.log", 500, 7},
    {"s/000007.sst", 300, 5}, {"s/000009.sst", 0, 8}, {"s/000003.sst", 900, 3}};

TEST(PlanDamageTest, TheNewestOrBiggestFileOfValuesIsChosen) {
  EXPECT_EQ(PlanDamage(kFiles, FileChoice::kNewest, 1)->path, "s/000004.log");
  EXPECT_EQ(PlanDamage(kFiles, FileChoice::kBiggest, 1)->path, "s/000003.sst");
}

TEST(PlanDamageTest, ChanceChoosesAmongFilesOfValuesAndRepeatsItself) {
  std::set<std::string> chosen;
  for (uint64_t draw = 0; draw < 50; ++draw) {
    const auto damage = PlanDamage(kFiles, FileChoice::kAny, draw);
    chosen.insert(damage->path);
    const auto again = PlanDamage(kFiles, FileChoice::kAny, draw);
    EXPECT_EQ(damage->path, again->path);
    EXPECT_EQ(damage->offsets, again->offsets);
  }
  EXPECT_EQ(chosen, (std::set<std::string>{"s/000004.log", "s/000007.sst",
                                           "s/000003.sst"}));
}

TEST(PlanDamageTest, NoByteIsFlippedTwiceOrBeyondTheEnd) {
  for (uint64_t draw = 0; draw < 50; ++draw) {
    const auto damage = PlanDamage({{"a.sst", 4, 0}}, FileChoice::kAny, draw);
    const std::set<int64_t> offsets(damage->offsets.begin(),
                                    damage->offsets.end());
    EXPECT_EQ(offsets.size(), damage->offsets.size());
    EXPECT_GE(*offsets.begin(), 0);
    EXPECT_LT(*offsets.rbegin(), 4);
  }
}

TEST(PlanDamageTest, WithoutAFileOfValuesThereIsNone) {
  EXPECT_FALSE(PlanDamage({}, FileChoice::kAny, 1));
  EXPECT_FALSE(PlanDamage({{"LOCK", 0, 1}, {"LOG", 5, 1}, {"a.sst", 0, 1}},
                          FileChoice::kNewest, 1));
}

TEST(DamageAFileTest, FlipsBytesInPlace) {
  const TestFolder folder;
  std::filesystem::create_directory(folder / "db");
  const std::string path = folder / "db/000001.sst";
  const std::string before(1000, 'x');
  std::ofstream(path, std::ios::binary) << before;

  const auto damaged = DamageAFile(folder.path(), FileChoice::kAny, 3);

  ASSERT_TRUE(damaged.ok()) << damaged.status();
  std::ifstream in(path, std::ios::binary);
  const std::string after{std::istreambuf_iterator<char>(in), {}};
  ASSERT_EQ(after.size(), before.size());
  int flipped = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i] == before[i]) continue;
    EXPECT_EQ(after[i], static_cast<char>(~'x'));
    ++flipped;
  }
  EXPECT_EQ(*damaged, "db/000001.sst, " + std::to_string(flipped) + " bytes");
  EXPECT_GT(flipped, 0);
  std::filesystem::remove_all(folder / "db");
  EXPECT_EQ(DamageAFile(folder.path(), FileChoice::kAny, 3).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(KeptFilesTest, ACopyTakesThePlaceOfWhatIsThere) {
  const TestFolder root;
  const std::string folder = root / "ps-0";
  const auto write = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories(folder + "/db");
    std::ofstream(folder + "/db/" + name) << text;
  };
  const auto read = [&](const std::string& name) {
    std::ifstream in(folder + "/db/" + name);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  write("a", "old");
  EXPECT_EQ(RestoreFiles(folder).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(KeepFiles(folder).ok());
  write("a", "new");
  write("b", "new");

  ASSERT_TRUE(RestoreFiles(folder).ok());
  EXPECT_EQ(read("a"), "old");
  EXPECT_EQ(read("b"), "");
  write("a", "newer");
  ASSERT_TRUE(KeepFiles(folder).ok());
  ASSERT_TRUE(LoseFiles(folder).ok());
  EXPECT_FALSE(std::filesystem::exists(folder));
  ASSERT_TRUE(RestoreFiles(folder).ok());
  EXPECT_EQ(read("a"), "newer");
}

}  // namespace
}  // namespace ebb::chaos
