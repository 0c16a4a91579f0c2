#include "server/store/internal/mount_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace ebb::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The form is that of proc(5); /vol is on NFS with these options.
std::string Mounts(const std::string& options) {
  return absl::StrCat(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "40 22 0:45 / /vol rw,relatime shared:9 - nfs4 host:/x rw,vers=4.2,",
      options,
      "\n41 40 0:46 / /vol/local rw - tmpfs tmpfs rw\n"
      "42 22 0:47 / /a\\040b rw - nfs host:/y rw\n");
}

absl::Status Check(const std::string& options, absl::string_view path) {
  return CheckMountOptions(Mounts(options), path);
}

TEST(MountOptionsTest, NfsMayNotCacheNamesOrAttributes) {
  const absl::Status refused = Check("hard", "/vol/cluster-1");
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(),
              AllOf(HasSubstr("/vol/cluster-1 is on NFS at /vol"),
                    HasSubstr("without lookupcache=none and actimeo=0"),
                    HasSubstr("-o hard,lookupcache=none,actimeo=0")));
  // These options sufficed up to 0.2.
  const absl::Status half = Check("hard,lookupcache=none", "/vol");
  EXPECT_EQ(half.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(half.message(), AllOf(HasSubstr("without actimeo=0:"),
                                    Not(HasSubstr("lookupcache=none and"))));
  EXPECT_EQ(Check("acdirmax=0", "/vol").code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(MountOptionsTest, NfsWithoutCachesIsTaken) {
  // The kernel makes four options of actimeo=0.
  EXPECT_TRUE(Check("acregmin=0,acregmax=0,acdirmin=0,acdirmax=0,hard,"
                    "lookupcache=none",
                    "/vol/x")
                  .ok());
  EXPECT_TRUE(Check("sync,noac,lookupcache=none", "/vol/x").ok());
}

TEST(MountOptionsTest, TheMountThatHasThePathCounts) {
  for (const char* path : {"/", "/volume", "/home/x", "/vol/local/x"}) {
    EXPECT_TRUE(Check("hard", path).ok()) << path;
  }
  EXPECT_FALSE(Check("hard", "/vol/localities").ok());
  EXPECT_FALSE(Check("hard", "/a b/c").ok());
  EXPECT_TRUE(CheckMountOptions("", "/vol").ok());
  EXPECT_TRUE(CheckMountOptions("odd\nlines - nfs\n", "/vol").ok());
  // Mounted over it later.
  EXPECT_TRUE(CheckMountOptions(absl::StrCat(Mounts("hard"),
                                             "50 40 0:50 / /vol rw - tmpfs "
                                             "tmpfs rw\n"),
                                "/vol/x")
                  .ok());
}

TEST(MountOptionsTest, FileSystemsWithRulesOfTheirOwnAreNamed) {
  const auto on = [](absl::string_view type, absl::string_view path) {
    const std::string mounts =
        absl::StrCat("22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n",
                     "40 22 0:45 / /vol rw - ", type, " source rw,hard\n");
    // None is refused.
    EXPECT_EQ(CheckMountOptions(mounts, path), absl::OkStatus()) << type;
    return MountWarning(mounts, path);
  };
  for (const char* type : {"cifs", "smb3", "9p", "glusterfs", "fuse",
                           "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs"}) {
    EXPECT_THAT(
        on(type, "/vol/cluster-1"),
        HasSubstr(absl::StrCat("/vol/cluster-1 is on ", type, " at /vol, ")));
    EXPECT_EQ(on(type, "/volume"), "") << type;
  }
  for (const char* type : {"ext4", "xfs", "tmpfs", "overlay", "fuseblk", "ceph",
                           "fuse.ceph-fuse", "lustre"}) {
    EXPECT_EQ(on(type, "/vol"), "") << type;
  }
  EXPECT_EQ(MountWarning(Mounts("hard"), "/vol"), "");
  EXPECT_EQ(MountWarning("", "/vol"), "");
}

TEST(MountOptionsTest, ThisFolderIsLookedAt) {
  EXPECT_TRUE(CheckMountOf("/proc").ok());
  EXPECT_TRUE(CheckMountOf("/no/such/folder").ok());
}

}  // namespace
}  // namespace ebb::server
