#include "tools/ebb/generate/generation.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "common/testing/test_folder.h"
#include "data/byte_source.h"
#include "data/generate/clusters.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// By the readers of the data: decompressed.
std::string Content(const std::string& path) {
  const auto source = data::OpenFile(path);
  if (!source.ok()) return source.status().ToString();
  std::string content;
  std::vector<char> piece(1 << 16);
  for (;;) {
    const auto read = (*source)->Read(piece);
    if (!read.ok()) return read.status().ToString();
    if (*read == 0) return content;
    content.append(piece.data(), *read);
  }
}

class GenerationTest : public ::testing::Test {
 protected:
  absl::Status Write(GenerationTarget target) {
    target.name = folder_ / "points";
    target.json = true;
    data::generate::Clusters clusters({.clusters = 3});
    Json truth = Json::Object();
    truth["mine"] = 7;
    return WriteGenerated(target, &clusters, truth);
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(folder_.path())) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const TestFolder folder_;
};

TEST_F(GenerationTest, WritesBothPartsAndWhatIsTrueOfThem) {
  const absl::Status written = Write({.rows = 100, .test_rows = 10});
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_THAT(Files(), ElementsAre("points.test.csv", "points.train.csv",
                                   "points.truth.json"));
  const std::string truth = Content(folder_ / "points.truth.json");
  EXPECT_THAT(truth, HasSubstr("\"mine\": 7,"));
  EXPECT_THAT(truth, HasSubstr("\"centres\": ["));
  EXPECT_THAT(truth, HasSubstr("\"files\": [\"points.test.csv\"],\n"
                               "    \"rows\": 10,\n"
                               "    \"squared_distance\": "));
}

TEST_F(GenerationTest, CompressedFilesHoldTheSame) {
  ASSERT_TRUE(Write({.rows = 50'000}).ok());  // More than a piece.
  const std::string plain = Content(folder_ / "points.train.csv");
  ASSERT_TRUE(Write({.rows = 50'000, .gzip = true, .force = true}).ok());
  EXPECT_THAT(Files(), ElementsAre("points.train.csv.gz", "points.truth.json"));
  EXPECT_GT(plain.size(), 500'000);
  EXPECT_EQ(Content(folder_ / "points.train.csv.gz"), plain);
  EXPECT_LT(std::filesystem::file_size(folder_ / "points.train.csv.gz"),
            plain.size() / 2);
}

TEST_F(GenerationTest, WhatIsThereStaysUnlessForced) {
  ASSERT_TRUE(Write({.rows = 10}).ok());
  const std::string before = Content(folder_ / "points.train.csv");
  const absl::Status again = Write({.rows = 20});
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(again.message(), HasSubstr("--force replaces it"));
  EXPECT_EQ(Content(folder_ / "points.train.csv"), before);
  EXPECT_TRUE(Write({.rows = 20, .force = true}).ok());
  EXPECT_GT(Content(folder_ / "points.train.csv").size(), before.size());
}

// Nobody is to take them for parts of the new one.
TEST_F(GenerationTest, PartsOfTheDataSetThatIsReplacedGo) {
  ASSERT_TRUE(Write({.rows = 10, .test_rows = 5}).ok());
  std::ofstream(folder_ / "points.notes") << "mine";
  ASSERT_TRUE(Write({.rows = 10, .gzip = true, .force = true}).ok());
  EXPECT_THAT(Files(), ElementsAre("points.notes", "points.train.csv.gz",
                                   "points.truth.json"));
}

TEST_F(GenerationTest, WhatSomebodyElseWritesIsNotTouched) {
  std::filesystem::create_symlink("elsewhere",
                                  folder_ / "points.train.csv.new");
  EXPECT_FALSE(Write({.rows = 10, .force = true}).ok());
  EXPECT_THAT(Files(), ElementsAre("points.train.csv.new"));
}

TEST_F(GenerationTest, AnErrorLeavesNothingBehind) {
  std::filesystem::create_directory(folder_ / "points.test.csv.new");
  const absl::Status written = Write({.rows = 100, .test_rows = 10});
  EXPECT_THAT(written.message(), HasSubstr("points.test.csv.new is there"));
  EXPECT_THAT(Files(), ElementsAre("points.test.csv.new"));
}

TEST_F(GenerationTest, AFolderIsNoFile) {
  std::filesystem::create_directory(folder_ / "points.test.csv");
  EXPECT_THAT(Write({.rows = 10, .test_rows = 1, .force = true}).message(),
              HasSubstr("points.test.csv is a folder"));
  EXPECT_THAT(Files(), ElementsAre("points.test.csv"));
}

TEST_F(GenerationTest, NumbersOfRowsThatCannotBeAreNamed) {
  EXPECT_THAT(Write({.rows = 0}).message(), HasSubstr("--rows is 0"));
  EXPECT_THAT(Write({.rows = 1, .test_rows = -1}).message(),
              HasSubstr("--test-rows is -1"));
  EXPECT_THAT(Write({.rows = int64_t{1} << 40, .test_rows = 1}).message(),
              HasSubstr("more than the 1,099,511,627,776"));
  EXPECT_THAT(Files(), IsEmpty());
}

}  // namespace
}  // namespace ebb::tools
