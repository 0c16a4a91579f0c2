#include "data/formats/input.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/testing/test_folder.h"
#include "data/formats/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::data::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Files = std::map<std::string, std::string>;

std::vector<std::string> PathsOf(const Files& files) {
  std::vector<std::string> paths;
  for (const auto& [path, bytes] : files) paths.push_back(path);
  return paths;
}

// "path:number text" of each line, and the error at the end, if there is one.
std::vector<std::string> Lines(absl::StatusOr<Input> input) {
  std::vector<std::string> all;
  if (!input.ok()) return {std::string(input.status().message())};
  for (;;) {
    absl::string_view line;
    const auto more = input->ReadLine(&line);
    if (!more.ok()) all.emplace_back(more.status().message());
    if (!more.ok() || !*more) return all;
    all.push_back(
        absl::StrCat(input->path(), ":", input->line_number(), " ", line));
  }
}

std::vector<std::string> Lines(const Files& files) {
  return Lines(Input::Open(PathsOf(files), OpenMemory(files)));
}

TEST(InputTest, ReadsFilesOneAfterTheOther) {
  EXPECT_THAT(Lines({{"a", "1\n2"}, {"b", ""}, {"c", Gzip("3\r\n")}}),
              ElementsAre("a:1 1", "a:2 2", "c:1 3"));
}

TEST(InputTest, LeavesOutTheMarkOfEachFile) {
  EXPECT_THAT(Lines({{"a",
                      "\xef\xbb\xbf"
                      "1\n"},
                     {"b",
                      "\xef\xbb\xbf"
                      "2\n"}}),
              ElementsAre("a:1 1", "b:1 2"));
}

TEST(InputTest, NamesTheFurtherFileThatIsNotThere) {
  EXPECT_THAT(Lines(Input::Open(std::vector<std::string>{"a", "b"},
                                OpenMemory({{"a", "1\n"}}))),
              ElementsAre("a:1 1", HasSubstr("b: no such file")));
}

TEST(InputTest, FingerprintsEachFile) {
  const Files files = {{"a", "1\n"}, {"b", "2\n"}};
  const auto fingerprints = [](const Files& of) {
    auto input = Input::Open(PathsOf(of), OpenMemory(of));
    absl::string_view line;
    while (*input->ReadLine(&line)) {
    }
    return input->Fingerprints();
  };
  const auto both = fingerprints(files);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0], fingerprints({{"a", "1\n"}})[0]);
  EXPECT_EQ(both[1], fingerprints({{"b", "2\n"}})[0]);
}

TEST(InputTest, SkipsComments) {
  const Files files = {{"a", "# x\n#\nh\n1\n# 2\n"}, {"b", "## y\nh\n3\n"}};
  auto input = Input::Open(PathsOf(files), OpenMemory(files));
  input->SkipComments("#");
  EXPECT_THAT(Lines(std::move(input)),
              ElementsAre("a:3 h", "a:4 1", "b:2 h", "b:3 3"));
}

TEST(InputTest, SaysWhichLineIsTheFirstOfAFurtherFile) {
  const Files files = {{"a", "1\n"}, {"b", "\n# x\n2\n3\n"}};
  auto input = Input::Open(PathsOf(files), OpenMemory(files));
  input->SkipComments("#");
  std::vector<std::string> first;
  absl::string_view line;
  while (*input->ReadLine(&line)) {
    if (input->begins_further_file()) first.emplace_back(line);
  }
  EXPECT_THAT(first, ElementsAre("2"));
}

TEST(InputTest, FurtherLinesEndWithTheFile) {
  const Files files = {{"a", "1\n#2\n"}, {"b", "3\n"}};
  auto input = Input::Open(PathsOf(files), OpenMemory(files));
  input->SkipComments("#");
  absl::string_view line;
  ASSERT_TRUE(*input->ReadLine(&line));
  EXPECT_FALSE(input->begins_further_file());
  ASSERT_TRUE(*input->ReadFurtherLine(&line));
  EXPECT_EQ(line, "#2");
  EXPECT_FALSE(*input->ReadFurtherLine(&line));
  ASSERT_TRUE(*input->ReadLine(&line));
  EXPECT_EQ(line, "3");
  EXPECT_TRUE(input->begins_further_file());
}

// Bytes in place, bytes that are copied, and both in turns.
TEST(InputTest, ViewsInPlaceAreTheSameBytes) {
  const TestFolder folder;
  std::vector<std::string> paths;
  std::vector<std::string> files;
  for (const char* const name : {"a", "b"}) {
    paths.push_back(folder / name);
    std::string& content = files.emplace_back(name);
    for (int64_t i = 0; content.size() < (size_t{18} << 20); ++i) {
      absl::StrAppend(&content, i * 7919, name);
    }
    std::ofstream(paths.back(), std::ios::binary) << content;
  }
  const auto read = [&](bool in_place, bool skips) {
    auto input = Input::Open(paths, OpenFile, {.in_place = in_place});
    EXPECT_TRUE(input.ok()) << input.status();
    std::string all;
    size_t size = 1;
    size_t file = 0;
    for (bool skip = false;; skip = !skip) {
      const auto offset = static_cast<size_t>(input->offset());
      size = size * 5 % 1'000'003;
      if (skips && skip) all += files[file].substr(offset, *input->Skip(size));
      const absl::string_view view = *input->ReadView(size);
      all.append(view.data(), view.size());
      if (view.size() == size) continue;
      EXPECT_EQ(input->offset(), std::ssize(files[file++]));
      if (!*input->NextFile()) break;
    }
    return std::pair(all, input->Fingerprints());
  };
  const auto [bytes, fingerprints] = read(false, false);
  EXPECT_TRUE(bytes == absl::StrCat(files[0], files[1]));
  ASSERT_EQ(fingerprints.size(), 2u);
  for (const bool skips : {false, true}) {
    const auto [others, other_fingerprints] = read(true, skips);
    EXPECT_TRUE(others == bytes);
    EXPECT_EQ(other_fingerprints, fingerprints);
  }
}

TEST(InputTest, NamesLineEndsOfOldMacs) {
  EXPECT_THAT(Lines({{"a", "1\r2\r"}}),
              ElementsAre(HasSubstr("a: its lines end with a carriage return "
                                    "(CR) alone")));
  EXPECT_THAT(Lines({{"a", std::string(17 << 20, '\r')}}),
              ElementsAre(HasSubstr("(CR) alone")));
  EXPECT_THAT(Lines({{"a", "1\r"}}), ElementsAre("a:1 1"));
}

}  // namespace
}  // namespace ebb::data::internal
