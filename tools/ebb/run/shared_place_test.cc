#include "tools/ebb/run/shared_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/objects/testing/s3_server.h"
#include "common/testing/test_folder.h"
#include "server/store/folder_checkpoints.h"
#include "server/store/object_checkpoints.h"

namespace ebb::tools {
namespace {

using ::testing::HasSubstr;

TEST(SharedPlaceTest, ANewRunTakesAFolderThatNoOtherUses) {
  const TestFolder folder;
  const auto made = TakeSharedPlace(folder / "copies/");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(std::filesystem::is_directory(*made));
  EXPECT_TRUE(TakeSharedPlace(*made).ok());
  ASSERT_TRUE(server::OpenFolderCheckpoints({.folder = *made}).ok());
  const auto taken = TakeSharedPlace(*made);
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(taken.status().message(), HasSubstr("of another run"));
}

TEST(SharedPlaceTest, ANewRunTakesAPrefixThatNoOtherUses) {
  S3Server& server = S3Server::Shared();
  for (const std::string& variable : server.environment()) {
    const size_t equals = variable.find('=');
    setenv(variable.substr(0, equals).c_str(),
           variable.substr(equals + 1).c_str(), 1);
  }
  const std::string place = "s3://bucket/run";
  EXPECT_EQ(*TakeSharedPlace(place), place);
  ASSERT_TRUE(server::ObjectCheckpoints::Open(server.Open("run/"), {}).ok());
  EXPECT_EQ(TakeSharedPlace(place).status().code(),
            absl::StatusCode::kAlreadyExists);
  // Said before anything is started.
  server.SetFaults(R"([{"kind": "403 AccessDenied", "count": 9}])");
  EXPECT_EQ(TakeSharedPlace("s3://bucket/x").status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(SharedPlaceTest, RefusesWhatIsNoPlace) {
  const TestFolder folder;
  for (const std::string& bad :
       {std::string("https://host/x"), std::string("a\nb"),
        folder / "missing/copies", std::string("/dev/null")}) {
    EXPECT_FALSE(TakeSharedPlace(bad).ok()) << bad;
  }
}

TEST(SharedPlaceTest, ARunGoesOnWhereItsCopiesAre) {
  EXPECT_EQ(*KeepSharedPlace("", "s3://b/x"), "s3://b/x");
  EXPECT_EQ(*KeepSharedPlace("s3://b/x", "s3://b/x"), "s3://b/x");
  EXPECT_EQ(*KeepSharedPlace("/a/../b", "/b"), "/b");
  EXPECT_EQ(KeepSharedPlace("/a", "").status(),
            absl::InvalidArgumentError(
                "--shared-checkpoints /a: the run has its copies in its own "
                "folder, and goes on there. Leave --shared-checkpoints out."));
}

}  // namespace
}  // namespace ebb::tools
