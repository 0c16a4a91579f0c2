#include "feed/file_source.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/steady_time.h"
#include "common/testing/test_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::feed {
namespace {

using data::growing::Ends;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileSourceTest : public testing::Test {
 protected:
  FileSourceTest() { Open(); }

  void Open() {
    auto made = FileSource::Make({.patterns = {folder_ / "a*.log"},
                                  .fingerprint_bytes = 4,
                                  .look = absl::ZeroDuration()});
    ASSERT_TRUE(made.ok()) << made.status();
    source_ = *std::move(made);
    ASSERT_TRUE(source_->Begin(ends_).ok());
  }

  void Append(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::app) << text;
  }
  void Rename(const std::string& from, const std::string& to) {
    std::filesystem::rename(folder_ / from, folder_ / to);
  }

  // Polls once; returns the values, and goes on in ends_.
  std::vector<std::string> Poll() {
    const auto polled = source_->Poll({}, SteadyNow());
    status_ = polled.status();
    std::vector<std::string> values;
    if (!polled.ok()) return values;
    for (const Slice& slice : polled->slices) {
      EXPECT_EQ(slice.begin, ends_[slice.partition].end);
      for (const Message& message : slice.messages) {
        EXPECT_GE(message.offset, slice.begin);
        EXPECT_LT(message.offset, slice.end);
        values.push_back(message.value);
      }
      ends_[slice.partition].end = slice.end;
    }
    for (const std::string& note : polled->notes) notes_.push_back(note);
    return values;
  }

  const TestFolder folder_;
  std::unique_ptr<FileSource> source_;
  Ends ends_;
  absl::Status status_;
  std::vector<std::string> notes_;
};

TEST_F(FileSourceTest, ReadsWholeLinesAsTheyCome) {
  EXPECT_THAT(Poll(), IsEmpty());
  Append("a.log", "one\r\ntw");
  EXPECT_THAT(Poll(), ElementsAre("one"));
  Append("a.log", "o\n\nthree\n");
  EXPECT_THAT(Poll(), ElementsAre("two", "", "three"));
  EXPECT_THAT(Poll(), IsEmpty());
}

TEST_F(FileSourceTest, FollowsARotationByRename) {
  Append("a.log", "one.\n");
  EXPECT_THAT(Poll(), ElementsAre("one."));
  Append("a.log", "two\n");
  Rename("a.log", "a.1.log");
  Append("a.log", "new.\n");
  Append("a.1.log", "late\n");  // Its writer has not opened the new file yet.
  std::vector<std::string> values = Poll();
  std::ranges::sort(values);
  EXPECT_THAT(values, ElementsAre("late", "new.", "two"));
  // A name that no pattern has.
  Append("a.log", "last\n");
  Rename("a.log", "old");
  EXPECT_THAT(Poll(), ElementsAre("last"));
}

TEST_F(FileSourceTest, GoesOnWhereItWasAfterARestart) {
  Append("a.log", "one.\ntwo\n");
  EXPECT_EQ(Poll().size(), 2u);
  Rename("a.log", "a.1.log");
  Append("a.1.log", "three\n");
  Append("a.log", "other\n");
  Open();
  std::vector<std::string> values = Poll();
  std::ranges::sort(values);
  EXPECT_THAT(values, ElementsAre("other", "three"));
}

TEST_F(FileSourceTest, WaitsForTheFirstBytesUntilTheFileIsRenamed) {
  Append("a.log", "1\n");
  EXPECT_THAT(Poll(), IsEmpty());
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("before it has 4 bytes")));
  Rename("a.log", "old");
  EXPECT_THAT(Poll(), ElementsAre("1"));
}

TEST_F(FileSourceTest, RefusesFilesThatWereCut) {
  Append("a.log", "one.\ntwo\n");
  EXPECT_EQ(Poll().size(), 2u);
  std::filesystem::resize_file(folder_ / "a.log", 0);
  Poll();
  EXPECT_EQ(status_.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status_.message(), HasSubstr("copytruncate"));
}

TEST_F(FileSourceTest, RefusesFilesThatBeginAlike) {
  Append("a.log", "same1\n");
  Append("a2.log", "same2\n");
  Poll();
  EXPECT_THAT(status_.message(), HasSubstr("same first 4 bytes"));
}

TEST_F(FileSourceTest, ComparesTheAnchor) {
  Append("a.log", "one.\ntwo\n");
  EXPECT_EQ(Poll().size(), 2u);
  ends_.begin()->second.anchor = {5, 1234};
  const absl::Status begun = source_->Begin(ends_);
  EXPECT_EQ(begun.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(begun.message(), HasSubstr("another line stands at byte 5"));
}

TEST_F(FileSourceTest, LeavesOutPartitionsThatAreFullAndCompressedFiles) {
  Append("a.log", "one.\n");
  EXPECT_EQ(Poll().size(), 1u);
  Append("a.log", "two\n");
  const auto polled = source_->Poll({ends_.begin()->first}, SteadyNow());
  ASSERT_TRUE(polled.ok());
  EXPECT_THAT(polled->slices, IsEmpty());
  Append("a.2.log", "\x1f\x8b and more\n");
  EXPECT_THAT(Poll(), ElementsAre("two"));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("is compressed")));
}

TEST_F(FileSourceTest, RefusesRelativePatterns) {
  EXPECT_EQ(FileSource::Make({.patterns = {"a.log"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ebb::feed
