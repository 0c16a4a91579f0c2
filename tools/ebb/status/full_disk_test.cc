#include "tools/ebb/status/full_disk.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ebb::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A run on a full disk stood at 100 % for ever.
TEST(FullDiskTest, IsWaitedForOnlySoLongOnceNothingGoesOn) {
  const absl::Time now = absl::UnixEpoch();
  const absl::Duration most = FullDisk::kPatience;
  FullDisk disk;
  v1::JobStatus job;
  job.set_examples_per_second(10);
  auto* reason = job.add_waiting();
  reason->set_kind(v1::WaitReason::KIND_DISK_FULL);
  reason->set_text("ps 0: disk full: cannot write a");

  EXPECT_EQ(disk.Update(job, now), "");
  EXPECT_EQ(disk.Update(job, now + most), "");
  job.set_examples_per_second(0);
  EXPECT_EQ(disk.Update(job, now + most), "");
  EXPECT_EQ(disk.Update(job, now + 1.9 * most), "");
  EXPECT_THAT(disk.Update(job, now + 2 * most),
              AllOf(HasSubstr("cannot write a"), HasSubstr("--resume")));
}

TEST(FullDiskTest, WhoMakesRoomStartsTheWaitAnew) {
  const absl::Time now = absl::UnixEpoch();
  FullDisk disk;
  v1::JobStatus full;
  full.add_waiting()->set_kind(v1::WaitReason::KIND_DISK_FULL);

  EXPECT_EQ(disk.Update(full, now), "");
  EXPECT_EQ(disk.Update(v1::JobStatus(), now + absl::Seconds(50)), "");
  EXPECT_EQ(disk.Update(full, now + absl::Seconds(70)), "");
}

}  // namespace
}  // namespace ebb::tools
