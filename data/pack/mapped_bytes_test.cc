#include "data/pack/mapped_bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/fd.h"
#include "common/testing/test_folder.h"
#include "data/pack/file_state.h"
#include "gtest/gtest.h"

namespace ebb::data::pack {
namespace {

class MappedBytesTest : public testing::Test {
 protected:
  MappedBytesTest() {
    for (int i = 0; i < 100'000; ++i) {
      content_.push_back(static_cast<char>(i % 251));
    }
    std::ofstream(path_, std::ios::binary) << content_;
    file_ = Fd(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  }

  absl::StatusOr<std::shared_ptr<const MappedBytes>> MapPart(int64_t offset,
                                                             int64_t bytes) {
    const auto state = FileState::Of(file_, path_);
    if (!state.ok()) return state.status();
    return MappedBytes::Map(file_, *state, offset, bytes, path_);
  }

  const TestFolder folder_;
  const std::string path_ = folder_ / "file";
  std::string content_;
  Fd file_;
};

TEST_F(MappedBytesTest, HasThePartOfTheFile) {
  for (const int64_t offset : {0, 64, 4096, 70'016}) {
    const auto map = MapPart(offset, 20'000);
    ASSERT_TRUE(map.ok()) << map.status();
    EXPECT_TRUE((*map)->bytes() == content_.substr(offset, 20'000));
    EXPECT_FALSE((*map)->lost());
  }
}

TEST_F(MappedBytesTest, APageThatIsGoneIsZerosAndIsTold) {
  const auto map = MapPart(0, 100'000);
  ASSERT_TRUE(map.ok()) << map.status();
  const auto other = MapPart(0, 4096);
  ASSERT_TRUE(other.ok()) << other.status();
  std::filesystem::resize_file(path_, 4096);
  const std::string read((*map)->bytes());
  EXPECT_EQ(read.substr(0, 4096), content_.substr(0, 4096));
  EXPECT_EQ(read.find_first_not_of('\0', 8192), std::string::npos);
  EXPECT_TRUE((*map)->lost());
  EXPECT_EQ(std::string((*other)->bytes()), content_.substr(0, 4096));
}

// Bug: the pages had what another process wrote, and the checksum was compared
// before.
TEST_F(MappedBytesTest, WhatIsWrittenToTheFileIsTold) {
  const auto map = MapPart(0, 4096);
  ASSERT_TRUE(map.ok()) << map.status();
  const auto time = std::filesystem::last_write_time(path_);
  std::fstream(path_, std::ios::binary | std::ios::in | std::ios::out) << "x";
  // The clock of a file system may stand still for some milliseconds.
  std::filesystem::last_write_time(path_, time + std::chrono::seconds(1));
  EXPECT_EQ((*map)->bytes().front(), 'x');
  EXPECT_TRUE((*map)->lost());
}

TEST_F(MappedBytesTest, AFileWithoutItsNameIsTheSame) {
  const auto map = MapPart(0, 4096);
  ASSERT_TRUE(map.ok()) << map.status();
  std::filesystem::remove(path_);
  std::ofstream(path_, std::ios::binary) << "another file";
  EXPECT_TRUE((*map)->bytes() == content_.substr(0, 4096));
  EXPECT_FALSE((*map)->lost());
}

TEST_F(MappedBytesTest, WhatIsBeyondTheFileIsAnError) {
  const auto map = MapPart(0, 200'000);
  // Systems that cannot read ahead find it when it is used.
  if (map.ok()) {
    const std::string read((*map)->bytes());
    EXPECT_TRUE((*map)->lost());
  } else {
    EXPECT_TRUE(absl::IsUnavailable(map.status())) << map.status();
  }
}

TEST_F(MappedBytesTest, ThereMayBeOnlySoManyAtOnce) {
  std::vector<std::shared_ptr<const MappedBytes>> all;
  absl::Status status;
  while (status.ok() && all.size() < 100'000) {
    const auto map = MapPart(0, 100);
    status = map.status();
    if (map.ok()) all.push_back(*map);
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  all.pop_back();
  EXPECT_TRUE(MapPart(0, 100).ok());
}

using MappedBytesDeathTest = MappedBytesTest;

TEST_F(MappedBytesDeathTest, SignalsOfOthersGoTheirWay) {
  EXPECT_DEATH(
      {
        const auto map = MapPart(0, 100'000);
        auto* const other = static_cast<const volatile char*>(
            mmap(nullptr, 100'000, PROT_READ, MAP_SHARED, file_.get(), 0));
        std::filesystem::resize_file(path_, 0);
        const char read = other[50'000];
        _exit(read);  // Status 0, which is not a death.
      },
      "");
}

}  // namespace
}  // namespace ebb::data::pack
