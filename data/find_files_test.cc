#include "data/find_files.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Paths = std::vector<std::string>;

constexpr char kIn[] = "IN";

// The contract, over files and over names; paths begin with "IN/".
class FindFilesTest : public testing::TestWithParam<bool> {
 protected:
  void Add(const std::string& name) {
    names_.push_back(absl::StrCat(kIn, "/", name));
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path.string()) << name;
  }
  Paths Find(const std::string& name) {
    const auto found = Ask(name);
    EXPECT_TRUE(found.ok()) << found.status();
    if (!found.ok()) return {};
    Paths all;
    for (absl::string_view path : *found) {
      EXPECT_TRUE(absl::ConsumePrefix(&path, In() + "/")) << path;
      all.emplace_back(path);
    }
    return all;
  }
  absl::Status Refusal(const std::string& name) { return Ask(name).status(); }

 private:
  std::string In() const { return GetParam() ? folder_.path() : kIn; }
  absl::StatusOr<Paths> Ask(const std::string& name) {
    const std::string path = absl::StrCat(In(), "/", name);
    return GetParam() ? FindFiles(path) : FindFilesAmong(path, names_);
  }

  TestFolder folder_;
  Paths names_;
};

INSTANTIATE_TEST_SUITE_P(FilesAndNames, FindFilesTest, testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Files" : "Names";
                         });

TEST_P(FindFilesTest, AFileIsItself) {
  Add("a.csv");
  Add("b[1].csv");
  EXPECT_THAT(Find("a.csv"), ElementsAre("a.csv"));
  EXPECT_THAT(Find("b[1].csv"), ElementsAre("b[1].csv"));
  // It is missed where it is opened.
  EXPECT_THAT(Find("none.csv"), ElementsAre("none.csv"));
}

TEST_P(FindFilesTest, AFolderIsItsFilesByName) {
  Add("parts/b.csv");
  Add("parts/a.csv.gz");
  Add("parts/10.csv");
  Add("parts/9.csv");
  Add("parts/_SUCCESS");
  Add("parts/.9.csv.crc");
  Add("other/a.csv");
  for (const char* const name : {"parts", "parts/", "parts//"}) {
    EXPECT_THAT(Find(name), ElementsAre("parts/10.csv", "parts/9.csv",
                                        "parts/a.csv.gz", "parts/b.csv"));
  }
}

TEST_P(FindFilesTest, RefusesAFolderOfFolders) {
  Add("parts/a.csv");
  Add("parts/more/b.csv");
  const absl::Status refusal = Refusal("parts");
  EXPECT_THAT(refusal.message(),
              HasSubstr("parts: more in it is a folder itself; name the files "
                        "by a pattern, as "));
  EXPECT_THAT(refusal.message(),
              HasSubstr("parts/*/*.csv for those of its folders, or "));
  EXPECT_THAT(refusal.message(), HasSubstr("parts/*.csv for its own"));
}

// Its first line was the header of all.
TEST_P(FindFilesTest, RefusesAFolderWithFilesAboutData) {
  Add("parts/a.csv");
  Add("parts/README");
  EXPECT_THAT(Refusal("parts").message(),
              HasSubstr("parts: README in it looks like no data, but every "
                        "file of a folder is read; move it away, or name the "
                        "others by a pattern, as "));
  Add("more/a.csv");
  Add("more/Notes.md");
  EXPECT_THAT(Refusal("more").message(), HasSubstr("more: Notes.md in it"));
  EXPECT_THAT(Find("more/*.csv"), ElementsAre("more/a.csv"));
}

// Bug: it was refused for the first part of its files' names, and folders of
// click logs were.
TEST_P(FindFilesTest, TakesDataWhoseNamesAreLikeThoseOfFilesAboutData) {
  Add("parts/day0.log");
  Add("parts/license.csv");
  Add("parts/notice.tsv.gz");
  EXPECT_THAT(Find("parts"), ElementsAre("parts/day0.log", "parts/license.csv",
                                         "parts/notice.tsv.gz"));
  Add("more/a.csv");
  Add("more/LICENSE.txt");
  EXPECT_THAT(Refusal("more").message(), HasSubstr("more: LICENSE.txt in it"));
}

TEST_P(FindFilesTest, RefusesAFolderWithoutFiles) {
  Add("parts/_SUCCESS");
  EXPECT_THAT(Refusal("parts").message(),
              HasSubstr("parts: this folder has no files"));
}

TEST_P(FindFilesTest, APatternIsWhatItMatches) {
  Add("2/b.csv");
  Add("2/a.csv");
  Add("1/c.csv");
  Add("1/c.txt");
  Add("1/.d.csv");
  EXPECT_THAT(Find("2/*.csv"), ElementsAre("2/a.csv", "2/b.csv"));
  EXPECT_THAT(Find("*/?.csv"), ElementsAre("1/c.csv", "2/a.csv", "2/b.csv"));
  EXPECT_THAT(Find("[1]/*"), ElementsAre("1/c.csv", "1/c.txt"));
  EXPECT_TRUE(absl::IsNotFound(Refusal("nowhere/*.csv")));
  const absl::Status none = Refusal("*/none.*");
  EXPECT_TRUE(absl::IsNotFound(none)) << none;
  EXPECT_THAT(none.message(), HasSubstr("no file matches this pattern"));
}

TEST(FindFilesTest, LeavesOtherPathsToThoseWhoOpenThem) {
  TestFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(*FindFiles(folder / "pipe"), ElementsAre(folder / "pipe"));
}

}  // namespace
}  // namespace ebb::data
