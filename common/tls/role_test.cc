#include "common/tls/role.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace ebb {
namespace {

TEST(RoleTest, EveryRoleIsFoundInItsOwnUri) {
  for (const Role role : kAllRoles) {
    const std::string uri = RoleUri(role);

    const auto found = RoleOfUris({uri});

    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(*found, role);
    EXPECT_EQ(*ParseRole(RoleName(role)), role);
  }
  EXPECT_EQ(RoleUri(Role::kServer), "ebb://role/ps");
}

TEST(RoleTest, OtherSchemesDoNotCount) {
  const auto found = RoleOfUris({"spiffe://cluster/ns/a", "ebb://role/viewer",
                                 "https://role/client", "ebbs://role/client"});

  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(*found, Role::kViewer);
}

TEST(RoleTest, WhatOnlyLooksLikeARoleIsNone) {
  const std::vector<absl::string_view> hostile = {
      "ebb://role/",
      "ebb://role",
      "ebb:",
      "ebb://role/Client",
      "EBB://role/client",
      "ebb://ROLE/client",
      "ebb://role/client/",
      "ebb://role/client?x",
      "ebb://role/client#",
      "ebb://role/client ",
      "ebb://role/ client",
      "ebb://role/%63lient",
      "ebb://role/./client",
      "ebb://role//client",
      "ebb://x@role/client",
      "ebb://role:1/client",
      "ebb://role/client,worker",
      "ebb:role/client",
      absl::string_view("ebb://role/client\0", 18),
      absl::string_view("ebb://role/client\0.evil", 23),
      absl::string_view("ebb://role/\0client", 18),
      "ebb://role/cl\xc3\xad"
      "ent",
      "ebb://role/\xff\xfe",
  };
  for (const absl::string_view uri : hostile) {
    const auto found = RoleOfUris({uri});

    EXPECT_TRUE(absl::IsPermissionDenied(found.status())) << uri;
  }
}

TEST(RoleTest, NoUriOrSeveralRolesAreRefused) {
  EXPECT_TRUE(absl::IsPermissionDenied(RoleOfUris({}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(RoleOfUris({""}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      RoleOfUris({"ebb://role/viewer", "ebb://role/client"}).status()));
  // Twice the same is nothing that anybody makes.
  EXPECT_TRUE(absl::IsPermissionDenied(
      RoleOfUris({"ebb://role/client", "ebb://role/client"}).status()));
  // A sound one does not mend a broken one.
  EXPECT_TRUE(absl::IsPermissionDenied(
      RoleOfUris({"ebb://role/viewer", "ebb://role/root"}).status()));
}

TEST(RoleTest, AMessageHasLittleOfWhatAStrangerWrote) {
  const std::string uri = "ebb://role/\x1b[2J" + std::string(1 << 20, 'x');

  const auto found = RoleOfUris({uri});

  const std::string message(found.status().message());
  EXPECT_LT(message.size(), 300);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

TEST(RoleTest, SetsSayWhoIsInThem) {
  constexpr RoleSet kReaders = {Role::kClient, Role::kViewer};

  EXPECT_TRUE(kReaders.Has(Role::kViewer));
  EXPECT_FALSE(kReaders.Has(Role::kWorker));
  EXPECT_EQ(kReaders.ToString(), "client or viewer");
  EXPECT_EQ(RoleSet().ToString(), "nobody");
  for (const Role role : kAllRoles) EXPECT_TRUE(RoleSet::All().Has(role));
}

TEST(RoleTest, AnUnknownNameListsTheRoles) {
  const auto role = ParseRole("server");

  EXPECT_TRUE(absl::IsInvalidArgument(role.status()));
  EXPECT_NE(role.status().message().find("scheduler, ps, worker"),
            std::string::npos);
}

}  // namespace
}  // namespace ebb
